"""What every source must do. A test module of a source derives from SourceContract and gives it a `lab`.

Each lab is a medium the tests write to the way an admin's backup job would.
"""

import os
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import pytest

from restorekit.errors import Cancelled, NoPoint, PointExpired, ProofFailed, SourceDamaged, SourceUnavailable
from restorekit.model.point import PointState, RecoveryPoint
from restorekit.ports import Source
from restorekit.relay import Relay

JANUARY = datetime(2026, 1, 17, 2, 30, tzinfo=UTC)
JULY = datetime(2026, 7, 17, 2, 30, tzinfo=UTC)


class Lab(Protocol):
    """A medium with backups of databases of engine `db1`."""

    medium: Path

    def source(self) -> Source:
        """A new provider for it, as after a restart."""
        ...

    def back_up(self, database: str, data: bytes, at: datetime) -> None:
        """Add a backup."""
        ...

    def add_stranger(self) -> None:
        """Add something that is no backup of a database."""
        ...

    def remove(self, database: str) -> None:
        """Let the backups of a database expire."""
        ...

    def flip(self, database: str) -> None:
        """Change some bytes of what is stored."""
        ...

    def truncate(self, database: str) -> None:
        """Cut off some of what is stored."""
        ...

    def unmount(self) -> None:
        """The medium is not there."""
        ...


class Quiet:
    """A watch that lets everything happen, or cancels after some checks."""

    def __init__(self, checks: int | None = None) -> None:
        self.checks = checks

    def progress(self, phase: str, done: int, total: int | None, unit: str = "bytes") -> None:
        pass

    def check(self) -> None:
        if self.checks is not None:
            self.checks -= 1
            if self.checks < 0:
                raise Cancelled("cancelled by the test")


def dump(size: int, seed: int = 1) -> bytes:
    """Incompressible text, so that its bytes lie on the medium one by one."""
    return (
        b"INSERT INTO t VALUES ('%s');\n-- Dump completed\n" % random.Random(seed).randbytes(size // 2).hex().encode()
    )


def tree(folder: Path) -> dict[str, str]:
    """Every file below `folder` with its digest and time of change; reading times do not count."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p): sha256(p.read_bytes()).hexdigest() + str(p.stat().st_mtime_ns) for p in files}


def children() -> set[int]:
    """Living children of this process (zombies count: nobody reaped them)."""
    mine = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parts = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(parts[1]) == os.getpid():
            mine.add(int(stat.parent.name))
    return mine


def delivered(source: Source, point: RecoveryPoint) -> bytes:
    """All bytes, through the relay that the product uses."""
    source.warm([point], "", Quiet())
    with source.deliver(point, Quiet()) as delivery:
        return b"".join(Relay(delivery, Quiet()))


def only(source: Source, database: str, known: Any = ()) -> RecoveryPoint:
    """The one usable point of that database."""
    (point,) = (p for p in source.scan(known).points if p.database.name == database)
    return point


class SourceContract:
    """Derive, and give a fixture `lab`."""

    @pytest.fixture(autouse=True)
    def no_process_is_left(self) -> Iterator[None]:
        before = children()
        yield
        assert children() - before == set()

    def test_delivers_what_was_backed_up(self, lab: Lab):
        lab.back_up("shop", dump(3 << 20), JANUARY)
        point = only(lab.source(), "shop")
        assert str(point.database) == "db1/shop"
        assert point.state == PointState.USABLE
        assert point.size_bytes == len(dump(3 << 20))
        assert delivered(lab.source(), point) == dump(3 << 20)

    def test_delivers_twice_the_same(self, lab: Lab):
        lab.back_up("shop", dump(1000), JANUARY)
        source = lab.source()
        point = only(source, "shop")
        assert delivered(source, point) == delivered(source, point)

    def test_a_point_survives_storing(self, lab: Lab):
        lab.back_up("shop", dump(1000), JANUARY)
        stored = RecoveryPoint.model_validate_json(only(lab.source(), "shop").model_dump_json())
        assert delivered(lab.source(), stored) == dump(1000)

    def test_moments_are_right_in_winter_and_summer(self, lab: Lab):
        lab.back_up("winter", dump(10), JANUARY)
        lab.back_up("summer", dump(10), JULY)
        source = lab.source()
        assert only(source, "winter").consistent_at == JANUARY
        assert only(source, "summer").consistent_at == JULY

    def test_a_second_scan_brings_only_what_is_new(self, lab: Lab):
        lab.back_up("shop", dump(10), JANUARY)
        first = lab.source().scan([])
        assert lab.source().scan(first.points).points == ()
        lab.back_up("blog", dump(20), JANUARY)
        second = lab.source().scan(first.points)
        assert [p.database.name for p in second.points] == ["blog"]
        assert second.gone == ()
        assert lab.source().scan([*first.points, *second.points]).points == ()

    def test_ids_are_the_same_after_every_full_scan(self, lab: Lab):
        lab.back_up("shop", dump(10), JANUARY)
        lab.back_up("blog", dump(20), JULY)
        assert {p.id for p in lab.source().scan([]).points} == {p.id for p in lab.source().scan([]).points}

    def test_scanning_and_delivering_write_nothing_to_the_medium(self, lab: Lab):
        lab.back_up("shop", dump(1 << 20), JANUARY)
        before = tree(lab.medium)
        source = lab.source()
        source.check()
        delivered(source, only(source, "shop"))
        source.manifest(only(source, "shop"))
        assert tree(lab.medium) == before

    def test_strangers_are_counted(self, lab: Lab):
        lab.back_up("shop", dump(10), JANUARY)
        lab.add_stranger()
        first = lab.source().scan([])
        assert (len(first.points), first.unparsed) == (1, 1)
        assert lab.source().scan(first.points).unparsed == 1

    def test_what_is_gone_is_reported_and_not_delivered(self, lab: Lab):
        lab.back_up("shop", dump(10), JANUARY)
        lab.back_up("blog", dump(20), JANUARY)
        known = lab.source().scan([]).points
        (shop,) = (p for p in known if p.database.name == "shop")
        lab.remove("shop")
        with pytest.raises(PointExpired, match="no longer"):
            delivered(lab.source(), shop)
        scan = lab.source().scan(known)
        assert scan.gone == (shop.id,)
        assert [(p.id, p.state) for p in scan.points] == [(shop.id, PointState.EXPIRED)]

    @pytest.mark.parametrize("damage", ["flip", "truncate"])
    def test_damage_found_at_the_first_look_or_at_delivery(self, lab: Lab, damage: str):
        lab.back_up("shop", dump(1 << 20), JANUARY)
        getattr(lab, damage)("shop")
        source = lab.source()
        points = [p for p in source.scan([]).points if p.state == PointState.USABLE]
        assert len(points) == 1
        with pytest.raises(SourceDamaged):
            delivered(source, points[0])

    @pytest.mark.parametrize("damage", ["flip", "truncate"])
    def test_damage_after_the_scan_never_gives_a_silent_short_read(self, lab: Lab, damage: str):
        lab.back_up("shop", dump(1 << 20), JANUARY)
        source = lab.source()
        point = only(source, "shop")
        getattr(lab, damage)("shop")
        with pytest.raises((ProofFailed, NoPoint)):
            delivered(source, point)

    def test_a_medium_that_is_not_there_expires_nothing(self, lab: Lab):
        lab.back_up("shop", dump(10), JANUARY)
        source = lab.source()
        point = only(source, "shop")
        lab.unmount()
        with pytest.raises(SourceUnavailable):
            source.scan([point])
        with pytest.raises(SourceUnavailable):
            delivered(source, point)
        (finding,) = source.check()
        assert finding.severity == "refuse"

    def test_cancelling_ends_it_at_once(self, lab: Lab):
        lab.back_up("shop", dump(8 << 20), JANUARY)
        source = lab.source()
        point = only(source, "shop")
        source.warm([point], "", Quiet())
        before = children()
        with pytest.raises(Cancelled), source.deliver(point, Quiet()) as delivery:
            for _ in Relay(delivery, Quiet(checks=1)):
                pass
        assert children() - before == set()

    def test_leaving_early_leaves_no_process(self, lab: Lab):
        lab.back_up("shop", dump(8 << 20), JANUARY)
        source = lab.source()
        point = only(source, "shop")
        source.warm([point], "", Quiet())
        before = children()
        with source.deliver(point, Quiet()) as delivery:
            assert delivery.read(1000)
        assert children() - before == set()

    def test_a_point_names_no_path_of_its_caches(self, lab: Lab):
        lab.back_up("shop", dump(10), JANUARY)
        assert not re.search("cache", only(lab.source(), "shop").model_dump_json())

    def test_without_a_manifest_there_is_none(self, lab: Lab):
        lab.back_up("shop", dump(10), JANUARY)
        source = lab.source()
        assert source.manifest(only(source, "shop")) is None

    def test_only_what_is_ready_is_delivered(self, lab: Lab):
        lab.back_up("shop", dump(1000), JANUARY)
        source = lab.source()
        point = only(source, "shop")
        if source.readiness([point])[0].state != "ready":
            with pytest.raises(SourceUnavailable), source.deliver(point, Quiet()):
                pass
        for again in (source, lab.source()):  # a repetition finds what is there, after a restart, too
            assert [r.state for r in again.warm([point], "", Quiet())] == ["ready"]
        with lab.source().deliver(point, Quiet()) as delivery:
            assert b"".join(Relay(delivery, Quiet())) == dump(1000)

    def test_what_was_cooled_can_be_warmed_again(self, lab: Lab):
        lab.back_up("shop", dump(1000), JANUARY)
        lab.back_up("blog", dump(2000), JANUARY)
        source = lab.source()
        points = [only(source, "blog"), only(source, "shop")]
        source.cool(points[0])  # nothing was put aside for it yet
        assert [r.state for r in source.warm(points, "", Quiet())] == ["ready", "ready"]
        for _ in range(2):
            source.cool(points[0])
        assert source.readiness(points)[1].state == "ready"  # the other one is still wanted
        assert [delivered(source, p) for p in points] == [dump(2000), dump(1000)]
