"""S3 Inventory reports, written as AWS documents them, about a bucket of dumps of which each key names its time."""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from contract.source import dump
from servers.s3 import Rclone
from sources.s3_lab import Dumps

from restorekit.ports import Source

COLUMNS = ("Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass", "EncryptionStatus")
STAMP = "%Y-%m-%dT%H-%MZ"
NOW = datetime.now(UTC).replace(microsecond=0)
DATA = dump(40)
Row = dict[str, Any]


class Reported(Dumps):
    """A bucket with more keys than a page holds, and the reports about it in another bucket."""

    layout = "{engine}/{database}/{time:%Y-%m-%dT%H%M}.sql"

    def __init__(self, server: Rclone, base: Path) -> None:
        super().__init__(server, base)
        self.place = f"{self.bucket}-reports"
        (server.root / self.place).mkdir()
        self.prefix = f"inv/{self.bucket}/daily"
        self.rows: list[Row] = []

    def source(self, **settings: Any) -> Source:
        told = {"layout": self.layout, "timezone": "UTC", "inventory": {"bucket": self.place, "prefix": self.prefix}}
        return super().source(**{**told, **settings})

    def fill(self, count: int, database: str = "shop", *, last: datetime = NOW - timedelta(days=4)) -> None:
        """Hourly dumps, the youngest of `last`, uploaded then; all in the next report."""
        for hours in reversed(range(count)):
            at = last - timedelta(hours=hours)
            self.upload(f"db1/{database}/{at:%Y-%m-%dT%H%M}.sql", at)

    def upload(self, key: str, at: datetime, data: bytes = DATA) -> str:
        self.write(key, data, at)
        self.rows.append(row(self.bucket, key, at, data))
        return key

    def report(self, at: datetime = NOW - timedelta(hours=3), **more: Any) -> Path:
        """A report of all rows; its folder."""
        return self.write_report(self.rows, at, **more)

    def write_report(self, rows: Iterable[Row], at: datetime, **more: Any) -> Path:
        for key, data in report_files(self.bucket, self.prefix, rows, at, **more).items():
            self.server.write(self.place, key, data)
        return self.server.root / self.place / self.prefix / f"{at:{STAMP}}"


def report_files(
    bucket: str, prefix: str, rows: Iterable[Row], at: datetime, columns: Sequence[str] = COLUMNS
) -> dict[str, bytes]:
    """Key to content of all objects of a report."""
    told = [[str(r.get(c, "")) for c in columns] for r in rows]
    data = {f"{prefix}/data/{at:{STAMP}}-{number}.csv.gz": packed(told[number::2]) for number in range(2)}
    manifest = {
        "sourceBucket": bucket,
        "destinationBucket": "arn:aws:s3:::reports",
        "version": "2016-11-30",
        "creationTimestamp": str(int(at.timestamp() * 1000)),
        "fileFormat": "CSV",
        "fileSchema": ", ".join(columns),
        "files": [{"key": k, "size": len(d), "MD5checksum": digest(d)} for k, d in data.items()],
    }
    text = json.dumps(manifest, indent=2).encode()
    folder = f"{prefix}/{at:{STAMP}}"
    return {**data, f"{folder}/manifest.json": text, f"{folder}/manifest.checksum": digest(text).encode()}


def digest(data: bytes) -> str:
    return md5(data, usedforsecurity=False).hexdigest()


def row(bucket: str, key: str, at: datetime, data: bytes, **more: Any) -> Row:
    made = {"Bucket": bucket, "Key": quote_plus(key, safe="/"), "Size": len(data), "ETag": digest(data)}
    made |= {"LastModifiedDate": f"{at:%Y-%m-%dT%H:%M:%S}.000Z", "StorageClass": "STANDARD"}
    return {**made, "EncryptionStatus": "SSE-S3", **more}


def packed(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return gzip.compress(text.getvalue().encode(), 1)


def write_manifest(folder: Path, data: bytes) -> None:
    (folder / "manifest.json").write_bytes(data)
    (folder / "manifest.checksum").write_text(digest(data))
