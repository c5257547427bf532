import base64
import hashlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from contract.source import JANUARY, Quiet, delivered, dump, only
from servers.s3 import Moto, Proxy, Rclone, moto_server, rclone_server
from sources.s3_lab import Dumps, dumps, source_of

from restorekit.errors import Cancelled, PointExpired, RestorekitError, SourceDamaged, SourceUnavailable
from restorekit.model.point import RecoveryPoint
from restorekit.ports import Delivery, Source
from restorekit.sources.s3 import objects

__all__ = ["dumps", "moto_server", "rclone_server"]

PLAIN = "{engine}/{database}.sql"
BIG = dump(300_000)


@pytest.fixture
def proxy(rclone_server: Rclone) -> Iterator[Proxy]:
    with Proxy.before(rclone_server) as made:
        yield made


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts so small that a little dump has many, and no pauses between attempts."""
    monkeypatch.setattr(objects, "PART", 64 << 10)
    monkeypatch.setattr(objects, "_CHUNK", 8 << 10)
    monkeypatch.setattr(objects, "_PAUSES_S", (0.0,) * 5)


def held(source: Source, point: RecoveryPoint) -> bool:
    with source.deliver(point, Quiet()) as delivery:
        return finished(delivery)


def finished(delivery: Delivery) -> bool:
    while delivery.read(1 << 20):
        pass
    return delivery.finish()


# Broken connections


def through(dumps: Dumps, proxy: Proxy) -> Source:
    return dumps.source(endpoint=proxy.endpoint)


def test_parts_come_in_order(dumps: Dumps, proxy: Proxy, parts: None):
    dumps.back_up("shop", BIG, JANUARY)
    source = through(dumps, proxy)
    point = only(source, "shop")
    assert delivered(source, point) == BIG
    proxy.asked.clear()
    assert held(source, point)
    gets = [line for line in proxy.asked if line.startswith("GET") and line.endswith(".sql")]
    assert len(gets) == -(-len(BIG) // (64 << 10))


def test_no_more_is_read_ahead_than_memory_is_meant_for(dumps: Dumps, proxy: Proxy, parts: None):
    dumps.write("db1/shop.sql", BIG * 3)
    source = dumps.source(endpoint=proxy.endpoint, layout=PLAIN)
    point = only(source, "shop")
    proxy.asked.clear()
    with source.deliver(point, Quiet()) as delivery:
        for part in range(3):
            assert len(b"".join(delivery.read(8 << 10) for _ in range(8))) == 64 << 10
            assert sum(line.startswith("GET") for line in proxy.asked) <= objects.AHEAD + part


def test_a_broken_part_is_resumed_where_it_broke(dumps: Dumps, proxy: Proxy, parts: None):
    dumps.back_up("shop", BIG, JANUARY)
    source = through(dumps, proxy)
    point = only(source, "shop")
    proxy.cut = [None, 20_000, 5_000, None, 0, 60_000, None]
    assert held(source, point)
    proxy.cut = [None, 20_000, 5_000, None, 0, 60_000, None]
    assert delivered(source, point) == BIG


@pytest.mark.parametrize("lying", [False, True], ids=["broken", "silently shortened"])
def test_what_always_ends_early_is_damage_not_a_shorter_dump(dumps: Dumps, proxy: Proxy, parts: None, lying: bool):
    dumps.write("db1/shop.sql", BIG)  # nothing beside it: only the size can tell
    source = dumps.source(endpoint=proxy.endpoint, layout=PLAIN, etag="opaque")
    point = only(source, "shop")
    proxy.cut, proxy.lying = [1000, 0], lying
    with pytest.raises(SourceDamaged, match="ends at byte"):
        delivered(source, point)


def test_connections_that_break_now_here_now_there_are_temporary(dumps: Dumps, proxy: Proxy, parts: None):
    dumps.back_up("shop", dump(40_000), JANUARY)
    source = through(dumps, proxy)
    point = only(source, "shop")
    proxy.cut = [None, 10]
    with pytest.raises(SourceUnavailable, match="broke in the middle"):
        delivered(source, point)


def test_a_service_that_ignores_ranges_is_found_out(dumps: Dumps, proxy: Proxy, parts: None):
    dumps.back_up("shop", BIG, JANUARY)
    source = through(dumps, proxy)
    point = only(source, "shop")
    proxy.without_ranges = True
    with pytest.raises(SourceUnavailable, match="does not send the part"):
        delivered(source, point)


def test_leaving_early_stops_what_is_in_flight(dumps: Dumps, proxy: Proxy, parts: None):
    dumps.back_up("shop", BIG, JANUARY)
    source = through(dumps, proxy)
    with source.deliver(only(source, "shop"), Quiet()) as delivery:
        assert delivery.read(10) == BIG[:10]
    for thread in [t for t in threading.enumerate() if t.name.startswith("s3")]:
        thread.join(10)
        assert not thread.is_alive()
    with pytest.raises((RestorekitError, RuntimeError)):
        finished(delivery)


def test_a_silent_service_does_not_hold_up_a_cancel(dumps: Dumps, proxy: Proxy):
    dumps.write("db1/shop.sql", dump(1000))
    source = dumps.source(endpoint=proxy.endpoint, layout=PLAIN)
    point = only(source, "shop")
    proxy.open.clear()
    began = time.monotonic()
    with pytest.raises(Cancelled), source.deliver(point, Quiet(checks=1)) as delivery:
        delivery.read(10)
    assert time.monotonic() - began < 5
    proxy.open.set()


def test_replaced_between_two_parts_is_never_a_mixture(dumps: Dumps, parts: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(objects, "AHEAD", 1)
    dumps.write("db1/shop.sql", BIG)
    source = dumps.source(layout=PLAIN)
    point = only(source, "shop")
    with source.deliver(point, Quiet()) as delivery:
        assert delivery.read(1 << 20)
        dumps.write("db1/shop.sql", dump(300_000, seed=2), JANUARY)
        with pytest.raises(PointExpired):
            finished(delivery)


# Digests


def test_an_etag_holds_where_it_is_a_digest(dumps: Dumps):
    dumps.write("db1/shop.sql", dump(1000))
    assert held(dumps.source(layout=PLAIN), only(dumps.source(layout=PLAIN), "shop")) is True
    opaque = dumps.source(layout=PLAIN, etag="opaque")
    assert held(opaque, only(opaque, "shop")) is False


def test_bytes_that_are_not_those_of_the_etag_are_damage(dumps: Dumps, proxy: Proxy):
    """What a proxy or a bad disk turns over on the way keeps its length."""
    dumps.write("db1/shop.sql", dump(1000))
    source = dumps.source(endpoint=proxy.endpoint, layout=PLAIN)
    point = only(source, "shop")
    proxy.flipping = True
    with pytest.raises(SourceDamaged, match="MD5"):
        delivered(source, point)


def test_a_sidecar_without_a_digest_is_damage(dumps: Dumps):
    dumps.write("db1/shop.sql", dump(10))
    dumps.write("db1/shop.sql.sha256", b"")
    source = dumps.source(layout=PLAIN)
    with pytest.raises(SourceDamaged, match="holds no SHA-256"):
        delivered(source, only(source, "shop"))


def test_a_sidecar_that_has_gone_leaves_the_next_best(dumps: Dumps):
    dumps.back_up("shop", dump(10), JANUARY)
    source = dumps.source(etag="opaque")
    point = only(source, "shop")
    assert held(source, point) is True
    dumps.file("shop").with_suffix(".sql.sha256").unlink()
    assert held(source, point) is False


def digest64(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


@pytest.mark.parametrize(
    ("how", "holds"),
    [
        ({}, True),
        ({"Metadata": {"SHA256": "right"}}, True),
        ({"Metadata": {"sha256": "wrong"}}, None),
        ({"ServerSideEncryption": "aws:kms"}, False),
        ({"ServerSideEncryption": "aws:kms", "ChecksumAlgorithm": "CRC32"}, True),
        ({"ServerSideEncryption": "aws:kms", "ChecksumAlgorithm": "SHA256"}, True),
    ],
    ids=["etag", "metadata", "wrong metadata", "kms", "crc32", "sha256"],
)
def test_uploads_of_every_kind(moto_server: Moto, tmp_path: Path, how: dict[str, Any], holds: bool | None):
    text = dump(1000)
    bucket = moto_server.bucket(f"kinds-{tmp_path.name}".replace("_", "-")[:60].strip("-"))
    named = {"right": hashlib.sha256(text).hexdigest(), "wrong": "0" * 64}
    metadata = {k: named[v] for k, v in how.get("Metadata", {}).items()}
    moto_server.client.put_object(Bucket=bucket, Key="db1/shop.sql", Body=text, **{**how, "Metadata": metadata})
    source = source_of(tmp_path, moto_server.section(bucket, layout=PLAIN))
    point = only(source, "shop")
    if holds is None:
        with pytest.raises(SourceDamaged, match="metadata"):
            held(source, point)
    else:
        assert held(source, point) is holds


def in_parts(client: Any, bucket: str, key: str, pieces: list[bytes]) -> None:
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    about = {"Bucket": bucket, "Key": key, "UploadId": upload}
    made = [
        {"PartNumber": n, "ETag": client.upload_part(**about, PartNumber=n, Body=piece)["ETag"]}
        for n, piece in enumerate(pieces, 1)
    ]
    client.complete_multipart_upload(**about, MultipartUpload={"Parts": made})


@pytest.mark.parametrize(
    ("sizes", "holds"), [((5 << 20, 5 << 20, 99), True), ((6 << 20, 5 << 20, 99), False)], ids=["even", "uneven"]
)
def test_an_upload_in_parts_is_held_against_the_digests_of_its_parts(
    moto_server: Moto, tmp_path: Path, sizes: tuple[int, ...], holds: bool
):
    bucket = moto_server.bucket(f"parts-{holds}".lower())
    in_parts(moto_server.client, bucket, "db1/shop.sql", [b"x" * size for size in sizes])
    source = source_of(tmp_path, moto_server.section(bucket, layout=PLAIN))
    point = only(source, "shop")
    assert point.locator["etag"].endswith("-3")
    assert held(source, point) is holds
    with Proxy.before(moto_server) as proxy:
        proxy.flipping = True
        source = source_of(tmp_path, moto_server.section(bucket, layout=PLAIN) | {"endpoint": proxy.endpoint})
        if holds:
            with pytest.raises(SourceDamaged, match="ETag"):
                held(source, point)
        else:
            assert held(source, point) is False
