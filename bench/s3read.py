"""How fast a dump comes out of a bucket, against one plain stream; what a second look at ten thousand objects costs."""

import contextlib
import hashlib
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from contract.source import Quiet, only
from servers.s3 import LONG_AGO, Rclone

from bench.table import Line, timed
from restorekit.discovery import provider
from restorekit.model.home import Home
from restorekit.ports import Source

_OBJECTS = 10_000
_MIB = 1 << 20


@dataclass
class S3Reading:
    """One real S3 server on this machine; both sides read everything, at times a digest is checked as well."""

    server: Rclone
    cache: Path
    megabytes: int
    lines: list[Line] = field(
        default_factory=lambda: [
            Line("a dump out of a bucket, its MD5 checked", "boto3, one stream and its MD5", 1.0),
            Line("a dump out of a bucket, not checked", "boto3, one stream, not checked", 0.7),
            Line(f"{_OBJECTS} objects in a bucket, all new", "boto3, the listing alone"),
            Line(f"{_OBJECTS} objects in a bucket, nothing new", "boto3, the listing alone", 1.5),
        ]
    )

    @classmethod
    @contextlib.contextmanager
    def made(cls, megabytes: int) -> Iterator[Self]:
        """A bucket with one large dump, another with many small ones."""
        with Rclone.running(remember="1h") as server, tempfile.TemporaryDirectory() as cache:
            block = random.Random(1).randbytes(_MIB)
            path = server.write("large", "db1/shop.sql", b"")
            with path.open("wb") as out:
                for _ in range(megabytes * 10**6 // _MIB):
                    out.write(block)
            os.utime(path, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
            for number in range(_OBJECTS):
                server.write("small", f"db1/shop{number}-2026-01-01T0100.sql", b"x")
            yield cls(server, Path(cache), megabytes)

    def round(self) -> None:
        self._read()
        self._look()

    def _read(self) -> None:
        found: list[Any] = []
        for line, etag in zip(self.lines, ("md5", "opaque"), strict=False):
            source = self._source("large", layout="{engine}/{database}.sql", etag=etag)
            point = only(source, "shop")
            ours = timed(lambda source=source, point=point: found.append(_delivered(source, point)))
            checked = etag == "md5"
            line.pairs.append((ours, timed(lambda checked=checked: found.append(self._streamed(checked=checked)))))
        assert found == [(size := point.size_bytes, True), (size, True), (size, False), (size, False)]

    def _streamed(self, *, checked: bool) -> tuple[int, bool]:
        answer = self.server.client.get_object(Bucket="large", Key="db1/shop.sql")
        size, digest = 0, hashlib.md5(usedforsecurity=False)
        while chunk := answer["Body"].read(_MIB):
            size += len(chunk)
            if checked:
                digest.update(chunk)
        return size, f'"{digest.hexdigest()}"' == answer["ETag"]

    def _look(self) -> None:
        source = self._source("small", layout="{engine}/{database}-{time:%Y-%m-%dT%H%M}.sql")
        source.check()  # both sides with an open connection
        found: list[Any] = []
        first = timed(lambda: found.append(source.scan([])))
        known = found[0].points
        assert len(known) == _OBJECTS
        listing = timed(self._listed)
        again = timed(lambda: found.append(source.scan(known)))
        assert (found[1].points, found[1].gone) == ((), ())
        self.lines[2].pairs.append((first, listing))
        self.lines[3].pairs.append((again, listing))

    def _listed(self) -> None:
        pages = self.server.client.get_paginator("list_objects_v2").paginate(Bucket="small")
        assert sum(len(page["Contents"]) for page in pages) == _OBJECTS

    def _source(self, bucket: str, **settings: str) -> Source:
        home = Home(staging=self.cache, cache=self.cache, base=self.cache, timezone="UTC")
        section = self.server.section(bucket, **settings)
        return provider("restorekit.sources", bucket, section, home)  # type: ignore[no-any-return]


def _delivered(source: Source, point: Any) -> tuple[int, bool]:
    with source.deliver(point, Quiet()) as delivery:
        size = sum(len(chunk) for chunk in iter(lambda: delivery.read(_MIB), b""))
        return size, delivery.finish()
