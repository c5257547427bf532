"""Reading from tape when something is in the way: tapes away or torn, drives taken, daemons and ourselves dying."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.bacula import Library, wait_for
from servers.bacula_golden import bacula_golden
from sources.bacula_room import WAY, Room, Telling, delivered, original, own, room, shared, states, volumes

from restorekit.errors import (
    Cancelled,
    ConfigError,
    DiskFull,
    PointExpired,
    PointUnusable,
    SourceDamaged,
    SourceUnavailable,
)
from restorekit.model.point import RecoveryPoint
from restorekit.sources.bacula.tapes import Tapes

__all__ = ["bacula_golden", "own", "room", "shared"]

LONG_AGO = {"update_slots": 3600}
"""Settings under which the catalog is believed about what is in the library."""


DEAD = (
    "INSERT INTO Job (JobId, Job, Name, Type, Level, JobStatus, SchedTime, Comment) "
    "VALUES (999, 'dead', 'StagedRestore', 'R', 'F', 'R', '2026-01-01 00:00:00', 'restorekit dead')"
)
"""A restore that a director has left behind when it died."""


def warmed(tapes: Tapes, *points: RecoveryPoint) -> list[str]:
    return [answer.state for answer in tapes.warm(points, WAY)]


# -- tapes that are elsewhere ---------------------------------------------------------------------------------------


def test_a_tape_on_a_shelf_is_asked_for_and_the_restore_goes_on_when_it_is_back(room: Room):
    tapes, point = room.tapes(), room.point("shop", 8)
    (volume,) = volumes(point)
    room.library.remove_tape(volume)
    jobs = room.restores()
    try:
        (answer,) = tapes.readiness([point])
        assert answer.state == "operator"
        assert answer.notice.startswith(f"Please insert volume {volume} into the library Tape")
        assert [piece.in_library for piece in answer.pieces] == [False]
        assert warmed(tapes, point) == ["operator"]
        assert room.restores() == jobs, "a job was started that could only have waited in a drive"
    finally:
        room.library.put_back(volume)
    assert states(tapes, point) == ["on_tape"]
    assert warmed(tapes, point) == ["ready"]
    assert delivered(tapes, point) == original(point)


def test_others_are_read_while_somebody_fetches_a_tape(room: Room):
    here, away = room.point("shop", 14), room.point("shop", 5)
    assert not set(volumes(here)) & set(volumes(away))
    room.library.remove_tape(volumes(away)[0])
    try:
        assert warmed(room.tapes(), away, here) == ["operator", "ready"]
    finally:
        room.library.put_back(volumes(away)[0])
        room.library.update_slots()


def test_a_catalog_that_believes_a_tape_is_there(room: Room):
    tapes, point = room.tapes(**LONG_AGO), room.point("shop", 8)
    (volume,) = volumes(point)
    tapes.readiness([room.point("crm", 17)])
    room.library.remove_tape(volume)
    try:
        (answer,) = tapes.warm([point], WAY)
        assert (answer.state, volume in answer.notice) == ("operator", True)
    finally:
        room.library.put_back(volume)
        room.library.update_slots()
    assert warmed(tapes, point) == ["ready"]


def swap(library: Library, one: str, other: str) -> None:
    """Put two tapes into each other's slots."""
    for drive in range(2):
        library.console(f"release storage=Tape drive={drive}")
    first, second = library.medium(one), library.medium(other)
    aside = first.with_name("aside")
    first.rename(aside)
    second.rename(first)
    aside.rename(second)
    barcodes = library.tape / "barcodes"
    lines = barcodes.read_text().replace(one, "?").replace(other, one).replace("?", other)
    barcodes.write_text(lines)


def test_a_drive_that_asks_for_a_tape_gets_it_from_the_slot_it_is_in(room: Room):
    tapes, point = room.tapes(**LONG_AGO), room.point("shop", 8)
    (volume,) = volumes(point)
    tapes.readiness([point])
    swap(room.library, volume, "TAPE09L8")
    try:
        assert warmed(tapes, point) == ["ready"]
        assert "Please mount read Volume" in room.library.log(room.restores()[-1][0])
    finally:
        swap(room.library, volume, "TAPE09L8")
        room.library.update_slots()
    assert delivered(tapes, point) == original(point)


def test_a_drive_that_asks_for_a_tape_nobody_has_is_given_back(room: Room):
    tapes, point = room.tapes(**LONG_AGO), room.point("shop", 8)
    (volume,) = volumes(point)
    tapes.readiness([point])
    swap(room.library, volume, "TAPE09L8")
    slot9 = room.library.medium("TAPE09L8")  # where the wanted tape is now
    barcodes = (room.library.tape / "barcodes").read_text()
    (room.library.tape / "barcodes").write_text("".join(x for x in barcodes.splitlines(True) if volume not in x))
    slot9.rename(room.library.folder / "shelf/wanted")
    try:
        (answer,) = tapes.warm([point], WAY)
        assert (answer.state, volume in answer.notice) == ("operator", True)
        assert room.restores()[-1][1] == "A"
    finally:
        (room.library.folder / "shelf/wanted").rename(slot9)
        (room.library.tape / "barcodes").write_text(barcodes)
        swap(room.library, volume, "TAPE09L8")
        room.library.update_slots()


# -- tapes that are damaged -----------------------------------------------------------------------------------------


def test_a_damaged_tape_is_said_to_be_and_nothing_of_it_is_kept(own: Room):
    fine, damaged = own.neighbours()
    text = original(damaged)
    own.library.damage_text(volumes(damaged)[0], text[len(text) // 2 :][:64])
    tapes = own.tapes()
    with pytest.raises(SourceDamaged, match="live is untouched") as caught:
        tapes.warm([damaged], WAY)
    assert any("checksum" in line for line in caught.value.details), caught.value.details
    assert own.leftovers() == []
    assert states(tapes, damaged) == ["on_tape"]
    with pytest.raises(SourceUnavailable, match="not in the spool"):
        delivered(tapes, damaged)
    with pytest.raises(SourceDamaged):  # their job fails as a whole, what is proven stays
        tapes.warm([damaged, fine], WAY)
    assert states(tapes, damaged, fine) == ["on_tape", "ready"]
    assert delivered(tapes, fine) == original(fine)
    assert original(damaged)[:40] not in "".join(caught.value.details).encode()


def test_a_torn_tape_and_one_without_label(own: Room):
    torn, blank = own.point("shop", 8), own.point("shop", 5)
    (volume,) = volumes(torn)
    assert volume not in volumes(blank)
    piece = own.library.medium(volume).read_bytes().find(original(torn)[-200:-100])
    own.library.truncate(volume, piece)
    with pytest.raises(SourceDamaged):
        own.tapes().warm([torn], WAY)
    own.library.damage(volumes(blank)[0], 0, 200)
    with pytest.raises(SourceDamaged) as caught:
        own.tapes().warm([blank], WAY)
    assert any("not a Bacula labeled Volume" in line for line in caught.value.details)
    assert own.leftovers() == []


def test_status_t_is_not_enough(room: Room):
    wrong = "sha256:" + "0" * 64
    with pytest.raises(SourceDamaged, match="SHA256"):
        room.tapes().warm([room.point("shop", 17, digest=wrong)], WAY)
    assert room.restores()[-1][1] == "T"
    with pytest.raises(SourceDamaged, match="should have 7 bytes"):
        room.tapes().warm([room.point("shop", 17, size="7")], WAY)


def test_what_changes_in_the_spool_is_not_delivered(room: Room):
    tapes, point = room.tapes(), room.point("shop", 17)
    tapes.warm([point], WAY)
    (data,) = (room.library.where / "points").glob("*/data")
    data.chmod(0o600)
    data.write_bytes(data.read_bytes().replace(b"INSERT", b"UPDATE", 1))
    with pytest.raises(SourceDamaged):
        delivered(tapes, point)


# -- records that are gone ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fileid", ["known", "unknown"])
def test_one_file_of_a_backup_whose_records_are_pruned(own: Room, fileid: str):
    point = own.spanning()
    jobs = len(own.restores())
    own.library.console(f"purge files jobid={point.locator['jobid']}")
    assert own.library.sql("SELECT count(*) FROM File WHERE JobId = ?", point.locator["jobid"]) == [(0,)]
    if fileid == "unknown":
        point = point.model_copy(update={"locator": point.locator | {"fileid": ""}})
    assert warmed(own.tapes(), point) == ["ready"]
    assert delivered(own.tapes(), point) == original(point)
    assert len(own.restores()) == jobs + 1
    assert own.library.sql("SELECT JobFiles FROM Job WHERE JobId = ?", own.restores()[-1][0]) == [(1,)]


def test_a_backup_that_is_gone_is_expired(own: Room):
    point = own.point("shop", 8)
    own.library.console(f"delete jobid={point.locator['jobid']} yes")
    for ask in (lambda: own.tapes().readiness([point]), lambda: own.tapes().warm([point], WAY)):
        with pytest.raises(PointExpired, match="no longer in the catalog"):
            ask()


def test_a_writer_decides_where_its_file_goes(room: Room):
    point = room.point("piped", 21, job="Pipe")
    jobs = room.restores()
    for ask in (lambda: room.tapes().readiness([point]), lambda: room.tapes().warm([point], WAY)):
        with pytest.raises(PointUnusable, match="perhaps into live"):
            ask()
    assert room.restores() == jobs
    tapes = room.tapes(accept_bpipe_writer=True)
    assert warmed(tapes, point) == ["ready"]
    assert delivered(tapes, point) == original(point)


# -- daemons that are down ------------------------------------------------------------------------------------------


def test_a_director_that_is_down_is_no_reason_to_wait(own: Room):
    tapes, point = own.tapes(), own.point("shop", 8)
    own.library.stop_daemon("dir")
    for ask in (lambda: tapes.readiness([point]), lambda: tapes.warm([point], WAY)):
        with pytest.raises(SourceUnavailable, match="no director listens"):
            ask()
    (finding,) = tapes.check()
    assert (finding.severity, finding.code) == ("refuse", "source_unavailable")


@pytest.mark.long  # what waits for a connection waits
@pytest.mark.parametrize("daemon", ["staging", "sd"])
def test_a_daemon_that_is_down(own: Room, daemon: str):
    tapes, point = own.tapes(**LONG_AGO), own.point("shop", 8)
    tapes.readiness([point])
    own.library.stop_daemon(daemon)
    with pytest.raises(SourceUnavailable):
        tapes.warm([point], WAY)
    assert tapes.check()[0].severity in {"refuse", "warn"}
    own.library.start_daemon(daemon)
    assert warmed(tapes, point) == ["ready"]
    assert own.leftovers() == []


@pytest.mark.long  # bconsole takes five seconds to say that a password is wrong
def test_a_console_that_is_refused(room: Room):
    conf = room.library.folder / "etc/wrong.conf"
    conf.write_text((room.library.folder / "etc/restorekit.conf").read_text().replace('"lab"', '"wrong"'))
    with pytest.raises(ConfigError, match="refuses the console") as caught:
        room.tapes(console=str(conf)).readiness([room.point("shop", 8)])
    assert "wrong" not in str(caught.value.details)


def test_a_console_that_may_too_little(room: Room):
    looker = room.tapes(console=str(room.library.folder / "etc/looker.conf"))
    with pytest.raises(ConfigError, match="may not do") as caught:
        looker.warm([room.point("shop", 8)], WAY)
    assert "CommandACL" in caught.value.hint
    with pytest.raises(ConfigError, match="cannot be read"):
        room.tapes(console="/nowhere.conf").readiness([room.point("shop", 8)])


# -- drives, time, room, and ourselves ------------------------------------------------------------------------------


class Robot:
    """Takes its time for each tape until told to go on, but not longer than `patience` turns.

    A turn is 50 ms: robots of the lab live ten times as fast, too.
    """

    def __init__(self, library: Library) -> None:
        self._go, self._turns = library.folder / "etc/go", library.folder / "etc/turns"
        self.patience(600)
        wait = f"n=0; until [ -e {self._go} ] || [ $n -ge $(cat {self._turns}) ]; do sleep 0.5; n=$((n+1)); done"
        library.hook(f'if [ "$2" = load ]; then {wait}; fi\n')

    def patience(self, turns: int) -> None:
        self._turns.write_text(str(turns))

    def go(self) -> None:
        self._go.touch()


@pytest.fixture
def robot(room: Room) -> Iterator[Robot]:
    """A slow one, with both drives empty."""
    for drive in range(2):
        room.library.empty_drive(drive)
    robot = Robot(room.library)
    yield robot
    robot.go()
    wait_for("all restores to end", lambda: all(status in "TAfE" for _, status in room.restores()))
    room.library.hook("")
    robot._go.unlink()


def test_cancelling_gives_the_drive_back(room: Room, robot: Robot):
    robot.patience(20)
    watch = Telling()
    watch._stop = lambda: any(phase == "mounting" for phase, *_ in watch.told)
    with pytest.raises(Cancelled):
        room.tapes().warm([room.spanning()], watch)
    assert room.restores()[-1][1] == "A"
    assert {phase for phase, *_ in watch.told} <= {"waiting for a drive", "mounting"}


def test_what_brings_nothing_for_too_long_is_cancelled(room: Room, robot: Robot):
    robot.patience(60)
    with pytest.raises(SourceUnavailable, match="brought nothing for 1 s and was cancelled"):
        room.tapes(stall=1).warm([room.point("shop", 8)], WAY)
    assert room.restores()[-1][1] == "A"


@pytest.mark.long
def test_who_waits_for_a_drive_that_others_have_is_patient(room: Room, robot: Robot):
    numbers = {point.locator["jobid"]: volumes(point) for point in room.all()}
    for n, jobid in enumerate(sorted(numbers)[:2]):  # an admin's
        words = f"jobid={jobid} restorejob=AnotherRestore client=db1-fd restoreclient=staging-fd"
        room.library.console(f"restore {words} where={room.library.where}/admin{n} all done yes")
    wait_for("both drives to be taken", lambda: [status for _, status in room.restores()[-2:]] == ["R", "R"])
    begun = time.monotonic()
    watch = Telling(lambda: robot.go() if time.monotonic() - begun > 2 else None)
    assert [answer.state for answer in room.tapes(stall=1).warm([room.point("shop", 21)], watch)] == ["ready"]
    assert time.monotonic() - begun > 2
    assert watch.told[0][0] == "waiting for a drive"


def test_never_more_jobs_than_drives(room: Room, robot: Robot):
    room.library.sql(DEAD)
    process = _warming(room, room.point("crm", 5))
    try:
        wait_for("the other restore", lambda: any(status == "R" for n, status in room.restores() if n != 999))
        jobs = len(room.restores())
        (answer,) = room.tapes(drives=1).warm([room.point("shop", 8)], WAY)
        assert (answer.state, answer.why) == ("on_tape", "1 restores are under way at 1 drives")
        (answer,) = room.tapes().warm([room.point("crm", 5)], WAY)
        assert (answer.state, answer.why) == ("on_tape", "another worker is having it read")
        assert len(room.restores()) == jobs
        robot.go()
        assert process.wait(30) == 0
        assert states(room.tapes(), room.point("crm", 5)) == ["ready"]
    finally:
        process.kill()
        process.wait()
        room.library.sql("DELETE FROM Job WHERE JobId = 999")


def _warming(room: Room, point: RecoveryPoint, **env: str) -> "subprocess.Popen[bytes]":
    """Another process that warms this point."""
    program = f"""
from pathlib import Path
from contract.source import Quiet
from restorekit.model.home import Home
from restorekit.model.point import RecoveryPoint
from restorekit.sources.bacula.catalog import Catalog
from restorekit.sources.bacula.settings import BaculaSettings
from restorekit.sources.bacula.tapes import Tapes
section = {room.library.settings(update_slots=0)!r}
section.pop("kind")
settings = BaculaSettings.model_validate(section)
home = Home(staging=Path("/"), cache=Path("/"), base=Path("/"), timezone="UTC")
point = RecoveryPoint.model_validate_json({point.model_dump_json()!r})
Tapes("tape", settings, home, Catalog("tape", settings, home)).warm([point], Quiet())
"""
    root = Path(__file__).parents[2]
    path = os.pathsep.join(map(str, (root, root / "tests")))
    return subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path, **env})


def test_whoever_dies_after_submitting_finds_the_job_again(room: Room):
    point, jobs = room.point("shop", 14), len(room.restores())
    died = _warming(room, point, RESTOREKIT_CRASH_AT="tape_submitted")
    assert died.wait(30) == -9
    assert len(room.restores()) == jobs + 1
    assert warmed(room.tapes(), point) == ["ready"]
    assert len(room.restores()) == jobs + 1
    assert delivered(room.tapes(), point) == original(point)


@pytest.mark.long
def test_whoever_dies_when_the_file_is_there_already(room: Room):
    point, jobs = room.point("shop", 14), len(room.restores())
    died = _warming(room, point, RESTOREKIT_CRASH_AT="tape_kept")
    assert died.wait(30) == -9
    assert warmed(room.tapes(), point) == ["ready"]
    assert len(room.restores()) == jobs + 1
    room.tapes().cool(point)
    assert delivered_again(room, point) == original(point)


def delivered_again(room: Room, point: RecoveryPoint) -> bytes:
    assert warmed(room.tapes(), point) == ["ready"]
    return delivered(room.tapes(), point)


@pytest.mark.long
def test_a_director_that_dies_takes_its_jobs_along(own: Room):
    robot, point = Robot(own.library), own.point("shop", 8)
    process = _warming(own, point)
    wait_for("the mount", lambda: any("Using Device" in own.library.log(n) for n, _ in own.restores()))
    process.kill()
    process.wait()
    own.library.stop_daemon("dir")
    with pytest.raises(SourceUnavailable):
        own.tapes().warm([point], WAY)
    robot.go()
    own.library.start_daemon("dir")
    with pytest.raises(SourceUnavailable):
        own.tapes(stall=2).warm([point], WAY)
    assert own.leftovers() == []
    assert delivered_again(own, point) == original(point)


def test_whoever_dies_while_the_tape_is_read_goes_on_with_the_same_job(room: Room, robot: Robot):
    point, jobs = room.point("shop", 14), len(room.restores())
    process = _warming(room, point)
    wait_for("a job", lambda: len(room.restores()) > jobs)
    wait_for("its number", lambda: any('"job":null' not in order.read_text() for order in _orders(room)))
    process.kill()
    process.wait()
    (answer,) = room.tapes().readiness([point])
    assert (answer.state, "is being read" in answer.why) == ("on_tape", True)
    robot.go()
    assert warmed(room.tapes(), point) == ["ready"]
    assert len(room.restores()) == jobs + 1


def test_what_nobody_wants_any_more_is_cancelled(room: Room, robot: Robot):
    point, jobs = room.point("shop", 14), len(room.restores())
    died = _warming(room, point, RESTOREKIT_CRASH_AT="tape_submitted")
    assert died.wait(30) == -9
    room.tapes().cool(point)
    assert [status for _, status in room.restores()[jobs:]] == ["A"]


def _orders(room: Room) -> list[Path]:
    return list((room.library.where / "orders").glob("*/order.json"))


def test_a_full_disk_is_noticed_before_a_tape_moves(room: Room):
    jobs = room.restores()
    with pytest.raises(DiskFull, match="MiB free"):
        room.tapes().warm([room.point("shop", 17, size=str(1 << 50))], WAY)
    assert room.restores() == jobs


def test_names_that_would_end_a_command_are_refused(room: Room):
    jobs = room.restores()
    with pytest.raises(ConfigError, match="cannot be said"):
        room.tapes().warm([room.point("shop", 17, client='x" yes\ndelete job')], WAY)
    assert room.restores() == jobs
