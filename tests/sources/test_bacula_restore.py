"""Reading from tape: real daemons, a virtual library, nothing in the way."""

from pathlib import Path

import pytest
from sources.bacula_room import WAY, Room, Telling, bacula_golden, delivered, original, room, shared, states, volumes

from restorekit.errors import SourceDamaged, SourceUnavailable
from restorekit.sources.bacula.spool import Order, Spool
from restorekit.sources.bacula.wanted import Wanted

__all__ = ["bacula_golden", "room", "shared"]


def test_a_dump_that_spans_two_tapes_comes_back(room: Room):
    tapes, point = room.tapes(), room.spanning()
    (before,) = tapes.readiness([point])
    assert before.state == "on_tape"
    assert len({piece.volume for piece in before.pieces}) == 2
    assert before.library is not None
    assert len(before.library.drives) == 2
    with pytest.raises(SourceUnavailable, match="not in the spool"):
        delivered(tapes, point)
    watch = Telling()
    assert [answer.state for answer in tapes.warm([point], watch)] == ["ready"]
    assert states(tapes, point) == ["ready"]
    assert delivered(tapes, point) == original(point)
    assert watch.told[0][2] == len(original(point))
    tapes.cool(point)
    tapes.cool(point)
    assert states(tapes, point) == ["on_tape"]


def test_what_is_ready_is_not_read_again(room: Room):
    point = room.point("shop", 17)
    room.tapes().warm([point], WAY)
    jobs = room.restores()
    assert [answer.state for answer in room.tapes().warm([point], WAY)] == ["ready"]
    assert room.restores() == jobs


def test_two_databases_of_one_volume_need_one_job_and_one_mount(room: Room):
    points = room.neighbours()
    jobs, loads = len(room.restores()), room.library.loads()
    assert [answer.state for answer in room.tapes().warm(points, WAY)] == ["ready", "ready"]
    assert len(room.restores()) == jobs + 1
    assert room.library.loads() <= loads + 1
    assert [delivered(room.tapes(), point) for point in points] == [original(point) for point in points]


def test_two_versions_of_one_path_never_share_a_job(room: Room):
    points = [room.point("shop", 17), room.point("shop", 8)]
    jobs = len(room.restores())
    room.tapes().warm(points, WAY)
    assert len(room.restores()) == jobs + 2
    assert [delivered(room.tapes(), point) for point in points] == [original(point) for point in points]


def test_an_old_version_is_the_old_version(room: Room):
    point = room.point("shop", 8)
    room.tapes().warm([point], WAY)
    assert delivered(room.tapes(), point) == original(point)


def test_the_drives_tell_which_volume_is_in_them(room: Room):
    point = room.point("shop", 8)
    room.tapes().warm([point], WAY)
    (answer,) = room.tapes().readiness([room.point("shop", 5)])
    assert answer.library is not None
    assert volumes(point)[-1] in answer.library.drives


def test_check_says_what_is_there(room: Room):
    (finding,) = room.tapes().check()
    assert (finding.severity, finding.text) == (
        "ok",
        "director answers, restore client staging-fd is up, 2 drives in Tape",
    )


def test_only_a_plain_file_is_taken_from_a_restore(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"of somebody else")
    spool = Spool(tmp_path, None)
    wanted = Wanted(job="j", fileid="1", path="/backup/shop.sql", client="c", size=None, known="")
    for number, folder in enumerate(("/backup/shop.sql", "/backup")):
        order = Order(id=f"order{number}", client="c", files=(wanted,), points={"p": 0})
        spool.begin(order)
        assert list(spool.orders()) == [order]
        link = Path(f"{spool.out(order)}{folder}")
        link.parent.mkdir(exist_ok=True)
        (tmp_path / "shop.sql").write_bytes(b"of somebody else")
        link.symlink_to(secret if number == 0 else tmp_path)
        with pytest.raises(SourceDamaged):
            spool.prove(order, wanted)
        spool.drop(order)
        spool.drop(order)
    assert secret.read_bytes() == b"of somebody else"
    assert spool.orders() == []
