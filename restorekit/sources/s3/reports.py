"""S3 Inventory: the listing of a bucket that the service itself writes once a day or a week, as compressed CSV files.

    prefix/2026-01-17T01-00Z/manifest.json      what it lists, in which columns, which files, with MD5 of each
    prefix/2026-01-17T01-00Z/manifest.checksum  MD5 of the manifest; written last

A report counts only as a whole: manifest and every file fit their MD5 and every row can be read, or it is not used
and said why.
"""

import csv
import gzip
import hashlib
import json
import re
import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from restorekit.errors import PointExpired
from restorekit.sources.s3.bucket import Bucket
from restorekit.sources.s3.listing import Entry

_DATED = re.compile(r"(\d{4}-\d\d-\d\dT\d\d-\d\dZ)/$")
_STAMP = "%Y-%m-%dT%H-%MZ"
_NEEDED = ("Key", "Size", "LastModifiedDate", "ETag")
_CHUNK = 1 << 20


class Report(NamedTuple):
    """All rows of one report, begun `at`. It may lack what was uploaded, and hold what was deleted, since."""

    at: datetime
    entries: list[Entry]


class Unfit(Exception):
    """A sentence why a report is not used; never leaves this room."""


class _Documented(BaseModel):
    """Documented fields; others are ignored."""

    model_config = ConfigDict(alias_generator=to_camel)


class _File(_Documented):
    key: str
    md5: str = Field(alias="MD5checksum")


class _Manifest(_Documented):
    source_bucket: str
    creation_timestamp: int
    file_format: str
    file_schema: str
    files: list[_File]

    @property
    def columns(self) -> list[str]:
        return [name.strip() for name in self.file_schema.split(",")]


class Reports:
    """The reports about one bucket."""

    def __init__(self, bucket: Bucket, place: Bucket, cache: Path, full_list: timedelta) -> None:
        """About `bucket`, lying in dated folders right below the folder of `place`; read through `cache`.

        One older than `full_list` is not to be built upon any more.
        """
        self._bucket, self._place, self._cache, self.full_list = bucket, place, cache, full_list

    def newest(self, since: datetime, problems: list[str], *, versioned: bool) -> Report | None:
        """The newest whole report begun after `since`; `problems` learns why a newer one was not used.

        Raises what `Bucket.explained` does.
        """
        for folder in self._folders(since):
            try:
                return self._report(folder, versioned=versioned)
            except Unfit as why:
                problems.append(f"inventory report {folder}: {why}; nothing of it was used")
        return None

    def _folders(self, since: datetime) -> list[str]:
        """Keys of dated folders, the newest first."""
        found = []
        with self._place.explained("inventory reports"):
            pages = self._place.client.get_paginator("list_objects_v2").paginate(
                Bucket=self._place.name,
                Prefix=self._place.folder,
                Delimiter="/",
                StartAfter=f"{self._place.folder}{since:{_STAMP}}",
            )
            for page in pages:
                found += [p["Prefix"] for p in page.get("CommonPrefixes", ()) if _begun(p["Prefix"]) > since]
        return sorted(found, reverse=True)

    def _report(self, folder: str, *, versioned: bool) -> Report:
        manifest = self._manifest(folder)
        columns = _Columns(manifest.columns, versioned=versioned)
        kept = self._cache / folder.removesuffix("/").rpartition("/")[2]
        self._forget_others(kept)
        entries: list[Entry] = []
        for number, file in enumerate(manifest.files):
            path = kept / f"{number}.csv.gz"
            self._fetch(file, path)
            entries += (e for e in _rows(path, columns) if e.key.startswith(self._bucket.folder))
        written = datetime.fromtimestamp(manifest.creation_timestamp / 1000, UTC)
        return Report(min(written, _begun(folder)), entries)

    def _manifest(self, folder: str) -> _Manifest:
        try:
            fit = self._bytes(f"{folder}manifest.checksum").decode("ascii", "replace").strip().lower()
        except PointExpired as missing:
            raise Unfit("it has no manifest.checksum, so it is not finished") from missing
        try:
            told = self._bytes(f"{folder}manifest.json")
        except PointExpired as missing:
            raise Unfit("it has no manifest.json") from missing
        if hashlib.md5(told, usedforsecurity=False).hexdigest() != fit:
            raise Unfit("manifest.json does not have the MD5 that manifest.checksum names")
        try:
            manifest = _Manifest.model_validate(json.loads(told))
        except (ValueError, ValidationError) as error:
            raise Unfit("manifest.json is not what S3 documents") from error
        if manifest.source_bucket != self._bucket.name:
            raise Unfit(f"it is about bucket {manifest.source_bucket}, not {self._bucket.name}")
        if manifest.file_format != "CSV":
            raise Unfit(f"its format is {manifest.file_format}; only CSV is read, choose that in its configuration")
        return manifest

    def _bytes(self, key: str) -> bytes:
        with self._place.explained(key), self._opened(key) as body:
            data: bytes = body.read()
            return data

    def _opened(self, key: str) -> AbstractContextManager[Any]:
        return closing(self._place.client.get_object(Bucket=self._place.name, Key=key)["Body"])

    def _fetch(self, file: _File, path: Path) -> None:
        """A file of the report in the cache: there already, or brought; in both cases read and found to fit."""
        if _md5(path) == file.md5.lower():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._place.explained(file.key), self._opened(file.key) as body, path.open("wb") as out:
                shutil.copyfileobj(body, out, _CHUNK)
        except PointExpired as missing:
            raise Unfit(f"its file {_name(file)} is missing") from missing
        if _md5(path) != file.md5.lower():
            raise Unfit(f"its file {_name(file)} does not have the MD5 that the manifest names")

    def _forget_others(self, kept: Path) -> None:
        """What lies in the cache of other reports is of no more use."""
        for folder in self._cache.glob("*T*Z"):
            if folder != kept:
                shutil.rmtree(folder, ignore_errors=True)


class _Columns:
    """Where what stands in a row; columns nobody asked for are ignored."""

    def __init__(self, names: Sequence[str], *, versioned: bool) -> None:
        if missing := [n for n in _NEEDED if n not in names]:
            raise Unfit(f"it lacks {', '.join(missing)}; add them in its configuration")
        if versioned and "VersionId" not in names:
            raise Unfit("it lists current versions only; set it to all versions in its configuration")
        self._at = {name: number for number, name in enumerate(names)}
        self._count, self._versioned = len(names), versioned

    def entry(self, row: Sequence[str]) -> Entry | None:
        """None for a delete marker. Raises ValueError."""
        if len(row) != self._count:
            raise ValueError
        if self._told(row, "IsDeleteMarker") == "true":
            return None
        return Entry(
            key=unquote_plus(self._told(row, "Key"), errors="strict"),
            size=int(self._told(row, "Size")),
            etag=self._told(row, "ETag").strip('"'),
            modified=_moment(self._told(row, "LastModifiedDate")),
            storage=self._told(row, "StorageClass") or "STANDARD",
            version=(self._told(row, "VersionId") or "null") if self._versioned else None,
        )

    def _told(self, row: Sequence[str], name: str) -> str:
        return row[self._at[name]] if name in self._at else ""


def _rows(path: Path, columns: _Columns) -> Iterator[Entry]:
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
            for row in csv.reader(text, strict=True):
                if entry := columns.entry(row):
                    yield entry
    except (OSError, EOFError, zlib.error, csv.Error, ValueError) as error:
        raise Unfit("a row of it cannot be read") from error


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError
    return at


def _begun(folder: str) -> datetime:
    """When the report in a folder was begun, by its name; long ago if it is no report's."""
    dated = _DATED.search(folder)
    try:
        return datetime.strptime(dated[1] if dated else "", _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def _md5(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except FileNotFoundError:
        return ""


def _name(file: _File) -> str:
    return file.key.rpartition("/")[2]
