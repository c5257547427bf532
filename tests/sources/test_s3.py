import gzip
import json
import logging
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from contract.source import JANUARY, SourceContract, delivered, dump, only
from servers.s3 import KEY, SECRET, Proxy, Rclone, credentials_file, rclone_server
from sources.s3_lab import LAYOUT, Dumps, dumps, source_of

from restorekit.errors import ConfigError, PointExpired, RestorekitError, SourceDamaged, SourceUnavailable
from restorekit.model.point import PointState, Quality
from restorekit.sources.s3.beside import paired
from restorekit.sources.s3.explain import explained
from restorekit.sources.s3.listing import Entry

__all__ = ["dumps", "rclone_server"]

PLAIN = ["{engine}/{database}.sql", "{engine}/{database}.sql.gz"]
MANY = {"layout": "{engine}/all.sql#{database}"}


class TestS3(SourceContract):
    @pytest.fixture
    def lab(self, dumps: Dumps) -> Dumps:
        return dumps


# Inventory


def many_databases(*names: str) -> bytes:
    text = b"-- MariaDB dump\nSET NAMES utf8mb4;\n"
    for name in names:
        text += (
            f"CREATE DATABASE `{name}`;\nUSE `{name}`;\nCREATE TABLE t (a INT);\nINSERT INTO t VALUES (1);\n".encode()
        )
    return text + b"-- Dump completed on 2026-01-17  3:30:00\n"


@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_an_unchanged_bucket_costs_one_listing(rclone_server: Rclone, tmp_path: Path, count: int):
    lab = Dumps(rclone_server, tmp_path)
    (lab.medium / "db1").mkdir()
    for number in range(count):
        (lab.medium / f"db1/shop{number}.sql").write_bytes(b"x")
    with Proxy.before(rclone_server) as proxy:
        source = lab.source(endpoint=proxy.endpoint, layout=PLAIN)
        first = source.scan([])
        assert len(first.points) == count
        proxy.asked.clear()
        again = source.scan(first.points)
    assert (again.points, again.gone, again.problems) == ((), (), ())
    listings = [line for line in proxy.asked if "list-type=2" in line]
    assert len(listings) == count / 1000
    assert [line for line in proxy.asked if line not in listings] == [f"GET /{lab.bucket}?versioning"]
    shutil.rmtree(lab.medium)


def test_a_prefix_is_a_folder_and_layouts_start_there(dumps: Dumps):
    dumps.write("backups/db1/shop.sql", b"ours")
    dumps.write("backups-old/db1/shop.sql", b"not ours")
    dumps.write("db1/shop.sql", b"not ours")
    for prefix in ("backups", "/backups/"):
        source = dumps.source(layout=PLAIN, prefix=prefix)
        assert delivered(source, only(source, "shop")) == b"ours"


def test_keys_with_odd_characters(dumps: Dumps):
    names = ["a b", "ä+ö", "50%", "q?x=1&y", "<tag>"]
    for name in names:
        dumps.write(f"db1/{name}.sql", name.encode())
    source = dumps.source(layout=PLAIN)
    points = source.scan([]).points
    assert {p.database.name for p in points} == set(names)
    for point in points:
        assert delivered(source, point) == point.database.name.encode()


def test_an_empty_object_is_suspicious(dumps: Dumps):
    dumps.write("db1/shop.sql", b"")
    source = dumps.source(layout=PLAIN)
    assert only(source, "shop").state == PointState.SUSPICIOUS
    assert delivered(source, only(source, "shop")) == b""


def test_a_compressed_dump_is_delivered_as_it_is(dumps: Dumps):
    packed = gzip.compress(dump(999))
    dumps.write("db1/shop.sql.gz", packed)
    source = dumps.source(layout=PLAIN)
    point = only(source, "shop")
    assert point.compression == "gzip"
    assert delivered(source, point) == packed


def test_a_name_without_a_time_gives_only_an_upper_bound(dumps: Dumps):
    dumps.write("db1/shop.sql", b"x", JANUARY)
    point = only(dumps.source(layout=PLAIN), "shop")
    assert (point.consistent_at, point.earliest, point.latest, point.quality) == (None, None, JANUARY, Quality.NONE)


@pytest.mark.parametrize(
    ("uploaded", "state", "said"),
    [
        (timedelta(hours=25), PointState.USABLE, ""),
        (timedelta(hours=28), PointState.USABLE, "long after"),
        (timedelta(hours=-28), PointState.SUSPICIOUS, "long before"),
    ],
)
def test_a_name_far_from_its_upload_is_told(dumps: Dumps, uploaded: timedelta, state: PointState, said: str):
    dumps.write("db1/shop-2026-01-17T0330.sql", b"x", JANUARY + uploaded)
    scan = dumps.source().scan([])
    (point,) = scan.points
    assert point.state == state
    assert said in point.why
    assert len(scan.problems) == bool(said)


def test_a_whole_bucket_copied_later_is_told_once(dumps: Dumps):
    for day in range(10, 20):
        dumps.write(f"db1/shop-2026-01-{day}T0330.sql", b"x", datetime(2026, 6, 1, tzinfo=UTC))
    (problem,) = dumps.source().scan([]).problems
    assert problem.startswith(
        "10 objects that are new (db1/shop-2026-01-10T0330.sql among them) were uploaded more than 26 h"
    )


def test_without_an_engine_nobody_guesses_one(dumps: Dumps):
    dumps.write("shop.sql", b"x")
    (point,) = dumps.source(layout="{database}.sql").scan([]).points
    assert point.state == PointState.AMBIGUOUS


def test_a_digest_uploaded_later_is_seen_by_the_next_scan(dumps: Dumps):
    dumps.back_up("shop", dump(10), JANUARY)
    side = dumps.file("shop").with_suffix(".sql.sha256")
    text = side.read_bytes()
    side.unlink()
    first = dumps.source().scan([]).points
    assert "sha256" not in first[0].locator
    side.write_bytes(text)
    (point,) = dumps.source().scan(first).points
    assert point.id == first[0].id
    assert "sha256" in point.locator


def test_a_replaced_dump_is_another_point(dumps: Dumps):
    dumps.write("db1/shop.sql", b"one")
    first = dumps.source(layout=PLAIN).scan([]).points
    dumps.write("db1/shop.sql", b"two", JANUARY)
    scan = dumps.source(layout=PLAIN).scan(first)
    assert scan.gone == (first[0].id,)
    assert sorted(p.state for p in scan.points) == [PointState.EXPIRED, PointState.USABLE]
    assert dumps.source(layout=PLAIN).scan(scan.points).points == ()


def test_an_expired_point_stays_expired(dumps: Dumps):
    dumps.back_up("shop", dump(10), JANUARY)
    first = dumps.source().scan([]).points
    dumps.remove("shop")
    expired = dumps.source().scan(first).points
    again = dumps.source().scan(expired)
    assert (again.points, again.gone) == ((), ())


def test_the_manifest_beside_a_dump(dumps: Dumps):
    dumps.back_up("shop", dump(10), JANUARY)
    dumps.write(f"{dumps.file('shop').relative_to(dumps.medium)}.manifest.json", b"{}")
    source = dumps.source()
    scan = source.scan([])
    assert (len(scan.points), scan.unparsed) == (1, 0)
    assert source.manifest(scan.points[0]) == b"{}"
    dumps.file("shop").with_suffix(".sql.manifest.json").unlink()
    assert source.manifest(scan.points[0]) is None


# Dumps of many databases


@pytest.mark.parametrize("packed", [False, True])
def test_one_database_out_of_many(dumps: Dumps, packed: bool):
    text = many_databases("shop", "blog", "mysql")
    key, layout = ("db1/all.sql.gz", "{engine}/all.sql.gz#{database}") if packed else ("db1/all.sql", MANY["layout"])
    dumps.write(key, gzip.compress(text) if packed else text)
    source = dumps.source(layout=layout)
    points = source.scan([]).points
    assert {p.database.name for p in points} == {"shop", "blog"}
    (blog,) = (p for p in points if p.database.name == "blog")
    data = delivered(source, blog)
    assert b"USE `blog`" in data
    assert b"`shop`" not in data
    assert len(data) == blog.size_bytes
    shutil.rmtree(dumps.base / "cache")  # a lost index is made again
    assert delivered(dumps.source(layout=layout), blog) == data
    assert dumps.source(layout=layout).scan(points).points == ()


def test_a_dump_of_many_that_does_not_decode_is_a_damaged_point_and_read_once(dumps: Dumps):
    dumps.write("db1/all.sql.gz", gzip.compress(many_databases("shop"))[:40])
    with Proxy.before(dumps.server) as proxy:
        source = dumps.source(endpoint=proxy.endpoint, layout="{engine}/all.sql.gz#{database}")
        (point,) = source.scan([]).points
        assert point.state == PointState.DAMAGED
        proxy.asked.clear()
        assert source.scan([point]).points == ()
        assert not [line for line in proxy.asked if ".gz" in line]


def test_a_torn_dump_of_many_is_suspicious(dumps: Dumps):
    dumps.write("db1/all.sql", many_databases("shop", "blog")[:-60])
    assert {p.state for p in dumps.source(**MANY).scan([]).points} == {PointState.SUSPICIOUS}


# Which side object belongs to which version


def entry(key: str, hour: int, version: str) -> Entry:
    return Entry(key, 1, version, JANUARY + timedelta(hours=hour), version=version)


@pytest.mark.parametrize("before", [False, True])
def test_a_digest_belongs_to_the_dump_of_its_night(before: bool):
    dumps = [entry("a.sql", 24 * n, f"v{n}") for n in range(3)]
    sides = [entry("a.sql.sha256", 24 * n + (-1 if before else 1), f"s{n}") for n in (0, 2)]
    found = {e.version: beside for e, beside in paired([*dumps, *sides])}
    assert found == {"v0": {"sha256": "s0"}, "v1": {}, "v2": {"sha256": "s2"}}


def test_a_digest_that_may_be_of_either_dump_proves_nothing():
    dumps = [entry("a.sql", 0, "v0"), entry("a.sql", 0, "v1")]
    assert [beside for _, beside in paired([*dumps, entry("a.sql.sha256", 0, "s")])] == [{}, {}]


# Credentials and settings


def test_a_command_may_name_the_keys(dumps: Dumps):
    dumps.back_up("shop", b"x", JANUARY)
    told = dumps.base / "told.json"
    told.write_text(json.dumps({"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRET}))
    for command in (f"cat {told}", f"cat {credentials_file(dumps.base / 'ini')}"):
        source = dumps.source(credentials_file=None, credentials_command=command)
        assert delivered(source, only(source, "shop")) == b"x"


def test_keys_may_be_rotated_under_a_running_process(dumps: Dumps):
    dumps.back_up("shop", b"x", JANUARY)
    path = credentials_file(dumps.base / "keys", secret="not yet")
    source = dumps.source(credentials_file=str(path))
    with pytest.raises(ConfigError, match="credentials are refused"):
        source.scan([])
    credentials_file(path)
    assert len(source.scan([]).points) == 1


@pytest.mark.parametrize(
    ("settings", "raised", "match"),
    [
        ({"credentials_file": "/nonexistent"}, ConfigError, "cannot be read"),
        ({"credentials_file": "/dev/null"}, ConfigError, "names no access key"),
        ({"credentials_file": None, "credentials_command": "false"}, SourceUnavailable, "ended with code 1"),
        ({"credentials_file": None, "credentials_command": "echo {}"}, ConfigError, "names no access key"),
        ({"endpoint": "http://127.0.0.1:1"}, SourceUnavailable, "does not answer"),
        ({"endpoint": "no address"}, ConfigError, "cannot be used"),
        ({"bucket": "no such bucket!"}, ConfigError, "cannot be used"),
    ],
)
def test_what_is_wrong_is_said(dumps: Dumps, settings: dict[str, Any], raised: type[Exception], match: str):
    source = dumps.source(**settings)
    with pytest.raises(raised, match=match):
        source.scan([])
    (finding,) = source.check()
    assert finding.severity == "refuse"


def test_without_file_and_command_the_environment_is_asked(dumps: Dumps, monkeypatch: pytest.MonkeyPatch):
    dumps.back_up("shop", b"x", JANUARY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    source = dumps.source(credentials_file=None)
    with pytest.raises(ConfigError, match="no credentials"):
        source.scan([])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert len(source.scan([]).points) == 1
    with pytest.raises(ConfigError, match="cannot be used"):
        dumps.source(credentials_file=None, profile="nobody").scan([])


@pytest.mark.parametrize(
    ("code", "status", "raised"),
    [
        ("SlowDown", 503, SourceUnavailable),
        ("RequestTimeout", 400, SourceUnavailable),
        ("KMS.DisabledException", 400, ConfigError),
        ("InvalidObjectState", 403, SourceUnavailable),
        ("ExpiredToken", 400, SourceUnavailable),
        ("NoSuchVersion", 404, PointExpired),
        ("InvalidRange", 416, SourceDamaged),
    ],
)
def test_what_a_code_means(code: str, status: int, raised: type[RestorekitError]):
    told = {"Error": {"Code": code, "Message": "secret words"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    with pytest.raises(raised) as caught, explained("shop.sql"):
        raise ClientError(told, "GetObject")
    assert "secret words" not in f"{caught.value} {caught.value.details}"
    assert code in caught.value.details[0]


def test_only_one_way_to_the_keys(dumps: Dumps):
    with pytest.raises(ConfigError, match="at most one"):
        dumps.source(credentials_command="true")


def test_a_secret_is_in_no_error_and_no_log(dumps: Dumps, caplog: pytest.LogCaptureFixture):
    dumps.back_up("shop", b"x", JANUARY)
    secret = "a-very-secret-thing-0815"
    path = credentials_file(dumps.base / "keys", secret=secret)
    broken = dumps.base / "broken"
    broken.write_text(f"[default\n{secret}\n")
    with caplog.at_level(logging.INFO):
        for file in (path, broken):
            with pytest.raises(ConfigError) as caught:
                dumps.source(credentials_file=str(file)).scan([])
            shown = f"{caught.value} {caught.value.hint} {caught.value.details} {caught.value.__cause__!r}"
            assert secret not in shown
    assert secret not in caplog.text


def test_check_says_what_fits(dumps: Dumps):
    dumps.back_up("shop", b"x", JANUARY)
    dumps.add_stranger()
    (finding,) = dumps.source().check()
    assert (finding.severity, "1 of 2 objects fit" in finding.text) == ("ok", True)
    (finding,) = dumps.source(layout="{engine}/{database}.zip").check()
    assert finding.severity == "warn"


def test_an_endpoint_that_speaks_something_else(dumps: Dumps, tmp_path: Path):
    """A web server in its place answers every path with a page."""
    source = source_of(tmp_path, {**dumps.server.section("x", layout=LAYOUT), "endpoint": dumps.server.endpoint + "/x"})
    with pytest.raises((SourceUnavailable, ConfigError)):
        source.scan([])
