"""Buckets that keep versions, on moto: what was overwritten or deleted is a recovery point, too."""

import itertools
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from contract.source import Quiet, delivered, dump, only
from servers.s3 import Moto, Proxy, moto_server
from sources.s3_lab import source_of

from restorekit.errors import PointExpired, SourceDamaged
from restorekit.model.point import PointState
from restorekit.ports import Source

__all__ = ["moto_server"]

KEY = "db1/shop.sql"
_NUMBERS = itertools.count()


class Versions:
    """A bucket that keeps versions."""

    def __init__(self, server: Moto, base: Path, *, versioned: bool = True) -> None:
        self.server, self.base = server, base
        self.client = server.client
        self.bucket = server.bucket(f"versions{next(_NUMBERS)}", versioned=versioned)

    def source(self, **settings: Any) -> Source:
        return source_of(
            self.base, {**self.server.section(self.bucket), "layout": "{engine}/{database}.sql", **settings}
        )

    def put(self, data: bytes, key: str = KEY) -> str:
        return str(self.client.put_object(Bucket=self.bucket, Key=key, Body=data).get("VersionId", ""))

    def delete(self, version: str = "", key: str = KEY) -> None:
        which = {"VersionId": version} if version else {}
        self.client.delete_object(Bucket=self.bucket, Key=key, **which)


@pytest.fixture
def lab(moto_server: Moto, tmp_path: Path) -> Versions:
    return Versions(moto_server, tmp_path)


def test_an_overwritten_dump_is_delivered_by_its_version(lab: Versions):
    made = {lab.put(text): text for text in (dump(1000, seed=1), dump(1000, seed=2), dump(50, seed=3))}
    source = lab.source()
    points = source.scan([]).points
    assert {p.locator["version"] for p in points} == set(made)
    assert len({p.id for p in points}) == 3
    for point in points:
        assert delivered(source, point) == made[point.locator["version"]]
    assert lab.source().scan(points).points == ()


def test_a_deleted_dump_is_still_a_point(lab: Versions):
    lab.put(b"x")
    source = lab.source()
    point = only(source, "shop")
    lab.delete()
    assert source.scan([point]).points == ()
    assert source.scan([]).points == (point,)
    assert delivered(source, point) == b"x"


def test_a_version_that_was_deleted_for_good_is_expired(lab: Versions):
    first, second = lab.put(b"one"), lab.put(b"two")
    source = lab.source()
    known = source.scan([]).points
    lab.delete(first)
    (gone,) = (p for p in known if p.locator["version"] == first)
    with pytest.raises(PointExpired, match="no longer"):
        delivered(source, gone)
    scan = source.scan(known)
    assert [(p.id, p.state) for p in scan.points] == [(gone.id, PointState.EXPIRED)]
    assert {p.locator["version"] for p in known} == {first, second}


def test_each_version_is_held_against_the_digest_of_its_night(lab: Versions):
    """Without the right one, the older dump would be called damaged."""
    for text in (b"one", b"two"):
        time.sleep(1 - time.time() % 1)  # moto counts, as S3 does, in whole seconds
        lab.put(text)
        lab.put(sha256(text).hexdigest().encode(), f"{KEY}.sha256")
    source = lab.source(etag="opaque")
    points = source.scan([]).points
    assert len(points) == 2
    for point in points:
        with source.deliver(point, Quiet()) as delivery:
            assert delivery.read(10) in (b"one", b"two")
            assert delivery.finish()


def test_a_wrong_digest_beside_a_version_is_damage(lab: Versions):
    lab.put(b"one")
    lab.put(sha256(b"else").hexdigest().encode(), f"{KEY}.sha256")
    source = lab.source()
    with pytest.raises(SourceDamaged, match="sidecar"):
        delivered(source, only(source, "shop"))


def test_points_from_before_versions_were_kept_stay_who_they_are(moto_server: Moto, tmp_path: Path):
    lab = Versions(moto_server, tmp_path, versioned=False)
    lab.put(b"one")
    source = lab.source()
    before = only(source, "shop")
    told = {"Status": "Enabled"}
    lab.client.put_bucket_versioning(Bucket=lab.bucket, VersioningConfiguration=told)
    lab.put(b"two")
    scan = source.scan([before])
    assert scan.gone == ()
    (same,) = (p for p in scan.points if p.id == before.id)
    assert same.locator["version"] == "null"
    assert delivered(source, same) == b"one"
    assert delivered(source, before) == b"one" if "version" in before.locator else True


def test_a_bucket_that_keeps_versions_may_be_read_without_them(lab: Versions):
    lab.put(b"one")
    lab.put(b"two")
    source = lab.source(versions=False)
    assert delivered(source, only(source, "shop")) == b"two"


def test_replaced_without_versions_is_refused_by_the_service_itself(moto_server: Moto, tmp_path: Path):
    lab = Versions(moto_server, tmp_path, versioned=False)
    lab.put(b"one")
    source = lab.source()
    point = only(source, "shop")
    lab.put(b"two")
    with pytest.raises(PointExpired, match="no longer the one that was scanned"):
        delivered(source, point)


def test_the_storage_class_is_recorded_and_a_change_of_it_makes_no_other_point(lab: Versions):
    lab.client.put_object(Bucket=lab.bucket, Key=KEY, Body=b"x", StorageClass="STANDARD_IA")
    source = lab.source()
    point = only(source, "shop")
    assert point.locator["storage"] == "STANDARD_IA"
    older = point.model_copy(update={"locator": point.locator | {"storage": "STANDARD"}})
    scan = source.scan([older])
    assert (scan.points, scan.gone) == ((point,), ())


def test_a_frozen_dump_of_many_is_not_asked_for_its_databases(moto_server: Moto, tmp_path: Path):
    lab = Versions(moto_server, tmp_path, versioned=False)
    text = b"CREATE DATABASE shop;\nUSE shop;\nCREATE TABLE t (a INT);\n-- Dump completed\n"
    with Proxy.before(moto_server) as proxy:
        source = lab.source(layout="{engine}/all.sql#{database}", endpoint=proxy.endpoint)
        lab.put(text, "db1/all.sql")
        known = source.scan([]).points
        for engine in ("db1", "db2"):
            lab.client.put_object(Bucket=lab.bucket, Key=f"{engine}/all.sql", Body=text, StorageClass="GLACIER")
        proxy.asked.clear()
        scan = source.scan(known)
        assert not [line for line in proxy.asked if line.endswith(".sql")]
    assert [str(p.database) for p in scan.points] == ["db1/shop"]  # read while it was not frozen
    assert (scan.gone, scan.points[0].locator["storage"]) == ((), "GLACIER")
    assert scan.problems == ("db2/all.sql was frozen unread: which databases are in there is not known",)
