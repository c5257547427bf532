"""A dump in GLACIER from the first scan to its bytes, on moto, which thaws step by step."""

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from contract.source import JANUARY, Quiet, dump, only
from servers.s3 import Moto, moto_server
from sources.s3_lab import source_of

from restorekit.errors import PointExpired, SourceUnavailable
from restorekit.model.point import RecoveryPoint
from restorekit.ports import Source
from restorekit.relay import Relay

__all__ = ["moto_server"]
KEY = f"db1/shop-{JANUARY:%Y-%m-%dT%H%M}.sql"
DATA = dump(2000)
_NUMBERS = itertools.count()


class Ice:
    """A bucket with one dump in an archive class; its thaw ends when it is let go on, else at the second look."""

    def __init__(self, moto: Moto, base: Path, storage: str = "GLACIER", *, versioned: bool = False) -> None:
        self.moto, self.base = moto, base
        self.bucket = moto.bucket(f"ice{next(_NUMBERS)}", versioned=versioned)
        self.put(DATA, storage)
        self.go_on()

    def put(self, data: bytes, storage: str = "GLACIER") -> None:
        self.moto.client.put_object(Bucket=self.bucket, Key=KEY, Body=data, StorageClass=storage)

    def hold(self) -> None:
        self._every(1_000_000)

    def go_on(self) -> None:
        self._every(1)

    def _every(self, looks: int) -> None:
        told = {"model_name": "s3::keyrestore", "transition": {"progression": "manual", "times": looks}}
        self.moto.tell("/moto-api/state-manager/set-transition", json.dumps(told).encode())

    def source(self, **thaw: Any) -> Source:
        """A new provider, as after a restart."""
        layout = "{engine}/{database}-{time:%Y-%m-%dT%H%M}.sql"
        section = self.moto.section(self.bucket, layout=layout, timezone="UTC", thaw=thaw)
        return source_of(self.base, section)


def read(source: Source, point: RecoveryPoint) -> bytes:
    """Straight away, unwarmed."""
    with source.deliver(point, Quiet()) as delivery:
        return b"".join(Relay(delivery, Quiet()))


@pytest.fixture
def ice(moto_server: Moto, tmp_path: Path) -> Iterator[Ice]:
    yield Ice(moto_server, tmp_path)
    moto_server.tell("/moto-api/state-manager/unset-transition", b'{"model_name": "s3::keyrestore"}')


def test_from_ice_to_bytes(ice: Ice):
    point = only(ice.source(), "shop")
    with pytest.raises(SourceUnavailable, match="cold storage") as raised:
        read(ice.source(), point)
    assert "thaw" in raised.value.hint

    (cold,) = ice.source().readiness([point])
    assert cold.state == "cold"
    assert [w.name for w in cold.ways] == ["expedited", "standard", "bulk"]
    assert "estimate" in cold.ways[1].words

    (asked,) = ice.source().warm([point], "standard", Quiet())
    assert asked.state == "thawing"
    assert asked.ready_at is not None
    ice.hold()
    with pytest.raises(SourceUnavailable, match="cold storage"):
        read(ice.source(), point)
    assert ice.source().readiness([point]) == [asked]

    ice.go_on()
    (ready,) = ice.source().readiness([point])
    assert (ready.state, ready.ways) == ("ready", ())
    assert ready.until is not None
    assert ready.until - datetime.now(UTC) == pytest.approx(timedelta(days=5), abs=timedelta(minutes=1))
    assert read(ice.source(), point) == DATA
    assert ice.source().warm([point], "standard", Quiet())[0].until == ready.until
    ice.source().cool(point)
    assert read(ice.source(), point) == DATA


def test_what_thaws_is_asked_for_once_however_often_we_start_again(ice: Ice):
    point = only(ice.source(), "shop")
    first = ice.source().warm([point], "bulk", Quiet())[0]
    ice.hold()
    again = ice.source().warm([point], "bulk", Quiet())[0]
    assert (first.state, again.state) == ("thawing", "thawing")
    assert first.ready_at == again.ready_at


def test_a_copy_that_is_about_to_go_is_kept_longer_and_that_is_said(ice: Ice):
    short = ice.source(days=1, margin="1h")
    point = only(short, "shop")
    short.warm([point], "standard", Quiet())
    (near,) = short.readiness([point])
    assert near.until is not None
    (longer,) = ice.source().warm([point], "standard", Quiet())
    assert longer.state == "ready"
    assert longer.until is not None
    assert longer.until - near.until > timedelta(days=3)
    assert "less than 24 hours" in longer.why


def test_the_deep_archive_offers_nothing_fast(ice: Ice):
    ice.put(DATA, "DEEP_ARCHIVE")
    (cold,) = ice.source().readiness([only(ice.source(), "shop")])
    assert "DEEP_ARCHIVE" in cold.why
    assert [w.name for w in cold.ways] == ["standard", "bulk"]


def test_an_object_that_was_replaced_is_not_thawed(ice: Ice):
    point = only(ice.source(), "shop")
    ice.put(dump(3000))
    for ask in (lambda s: s.readiness([point]), lambda s: s.warm([point], "standard", Quiet())):
        with pytest.raises(PointExpired):
            ask(ice.source())
    assert "Restore" not in ice.moto.client.head_object(Bucket=ice.bucket, Key=KEY)


def test_what_lies_frozen_beside_a_dump_is_thawed_with_it(ice: Ice):
    beside = {".sha256": f"{sha256(DATA).hexdigest()}  shop.sql\n".encode(), ".manifest.json": b"{}"}
    for suffix, data in beside.items():
        ice.moto.client.put_object(Bucket=ice.bucket, Key=KEY + suffix, Body=data, StorageClass="GLACIER")
    point = only(ice.source(), "shop")
    (cold,) = ice.source().readiness([point])
    assert cold.ways[0].cost == pytest.approx(0.03, rel=0.01)  # three requests

    source = ice.source()
    assert source.warm([point], "standard", Quiet())[0].state == "thawing"
    (ready,) = source.readiness([point])
    assert ready.state == "ready"
    assert read(source, point) == DATA
    assert source.manifest(point) == b"{}"


def test_a_thawed_dump_with_a_frozen_digest_is_not_ready(ice: Ice):
    ice.put(DATA, "STANDARD")
    ice.moto.client.put_object(Bucket=ice.bucket, Key=f"{KEY}.sha256", Body=b"x", StorageClass="DEEP_ARCHIVE")
    point = only(ice.source(), "shop")
    (cold,) = ice.source().readiness([point])
    assert (cold.state, [w.name for w in cold.ways]) == ("cold", ["standard", "bulk"])
    ice.moto.client.delete_object(Bucket=ice.bucket, Key=f"{KEY}.sha256")
    assert ice.source().readiness([point])[0].state == "ready"


def test_an_overwritten_version_is_judged_by_itself(moto_server: Moto, tmp_path: Path):
    ice = Ice(moto_server, tmp_path, versioned=True)
    old = only(ice.source(), "shop")
    ice.put(dump(3000), "STANDARD")
    points = {p.id: p for p in ice.source().scan([]).points}
    (new,) = (p for p in points.values() if p.id != old.id)
    assert [r.state for r in ice.source().readiness([points[old.id], new])] == ["cold", "ready"]


def test_a_colder_class_since_the_scan_is_seen(ice: Ice):
    ice.put(DATA, "STANDARD")
    point = only(ice.source(), "shop")
    assert ice.source().readiness([point])[0].state == "ready"
    ice.put(DATA, "GLACIER")  # what a lifecycle rule does: same bytes, another class
    assert ice.source().readiness([point])[0].state == "cold"


def test_a_service_that_does_not_answer_is_temporary(ice: Ice, tmp_path: Path):
    point = only(ice.source(), "shop")
    section = ice.moto.section(ice.bucket, layout="{database}.sql", engine="db1", endpoint="http://127.0.0.1:9")
    with pytest.raises(SourceUnavailable):
        source_of(tmp_path, section).readiness([point])
