"""Catalogs without a Bacula: the real tables of Debian's, and those of Bacula 11 and Bareos, filled by hand.

paper = Paper(tmp_path)
paper.job(15, day="2009-01-14", files={"/backup/db1/shop.sql": 1000})
paper.source().scan([])
"""

import base64
import contextlib
import functools
import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sources.bacula_lab import home

from restorekit.discovery import provider
from restorekit.model.point import RecoveryPoint, Scan
from restorekit.ports import Source

DDL = Path("/usr/share/bacula-director/make_sqlite3_tables")
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
YEAR_S = 365 * 86400
LATER = {
    # What both products have in these tables and restorekit reads; types as in their own PostgreSQL tables.
    "Path": "PathId INTEGER PRIMARY KEY, Path TEXT NOT NULL",
    "Client": "ClientId INTEGER PRIMARY KEY, Name TEXT NOT NULL, FileRetention BIGINT, JobRetention BIGINT",
    "FileSet": "FileSetId INTEGER PRIMARY KEY, FileSet TEXT NOT NULL",
    "Job": "JobId INTEGER PRIMARY KEY, Job TEXT NOT NULL, Name TEXT NOT NULL, Type CHAR(1) NOT NULL, "
    "Level CHAR(1) NOT NULL, ClientId INTEGER, JobStatus CHAR(1) NOT NULL, StartTime TIMESTAMP, EndTime TIMESTAMP, "
    "JobTDate BIGINT, VolSessionId INTEGER, VolSessionTime INTEGER, JobFiles INTEGER, FileSetId INTEGER, "
    "PriorJobId INTEGER, PurgedFiles SMALLINT",
    "Media": "MediaId INTEGER PRIMARY KEY, VolumeName TEXT NOT NULL, MediaType TEXT, Slot INTEGER, InChanger SMALLINT, "
    "Enabled SMALLINT, VolStatus TEXT, LastWritten TIMESTAMP, VolRetention BIGINT",
    "JobMedia": "JobMediaId INTEGER PRIMARY KEY, JobId INTEGER, MediaId INTEGER, FirstIndex INTEGER, "
    "LastIndex INTEGER, StartFile INTEGER, EndFile INTEGER, StartBlock BIGINT, EndBlock BIGINT",
    "File": "FileId BIGINT PRIMARY KEY, FileIndex INTEGER, JobId INTEGER, PathId INTEGER, LStat TEXT NOT NULL",
}
EXTRA = {
    "Bacula 5 to 9": {
        "Filename": "FilenameId INTEGER PRIMARY KEY, Name TEXT NOT NULL",
        "File": "FilenameId INTEGER, MD5 TEXT NOT NULL",
        "Media": "VolType INTEGER",
    },
    "Bacula 11 or newer": {"File": "Filename TEXT NOT NULL, MD5 TEXT NOT NULL", "Media": "VolType INTEGER"},
    "Bareos": {"File": "Name TEXT NOT NULL, Md5 TEXT NOT NULL", "JobMedia": "JobBytes NUMERIC(20)"},
}


def tables(product: str) -> list[str]:
    """Statements that make that product's tables."""
    extra = EXTRA[product]
    names = dict.fromkeys([*LATER, *extra])
    return [f"CREATE TABLE {n} ({', '.join(filter(None, (LATER.get(n, ''), extra.get(n, ''))))})" for n in names]


@functools.cache
def empty() -> bytes:
    """Debian's tables without rows, made once."""
    sql = DDL.read_text().partition("<<END-OF-DATA\n")[2].partition("END-OF-DATA")[0]
    with contextlib.closing(sqlite3.connect(":memory:")) as made:
        made.executescript(sql)
        return made.serialize()


def number(value: int) -> str:
    """As Bacula writes numbers."""
    digits = ""
    rest = abs(value)
    while rest or not digits:
        digits = DIGITS[rest % 64] + digits
        rest //= 64
    return f"-{digits}" if value < 0 else digits


def lstat(size: int, mtime: int) -> str:
    return " ".join(map(number, (2049, 77, 0o100644, 1, 0, 0, 0, size, 4096, 8, mtime, mtime, mtime, 0, 0, 2)))


def digest(path: str) -> str:
    return base64.b64encode(sha256(path.encode()).digest()).decode().rstrip("=")


class Paper:
    """A SQLite catalog with the tables of Debian's Bacula; its director's clock is Berlin's."""

    def __init__(self, base: Path, zone: str = "Europe/Berlin") -> None:
        self.base, self.zone = base, ZoneInfo(zone)
        self.file = base / "catalog.db"
        self.file.write_bytes(empty())
        self.sql(
            "INSERT INTO Client (ClientId, Name, Uname, FileRetention, JobRetention) VALUES (1, 'db1-fd', '', ?, ?)",
            YEAR_S,
            2 * YEAR_S,
        )
        self.sql("INSERT INTO FileSet (FileSetId, FileSet, MD5) VALUES (1, 'Dumps', '')")

    def sql(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute("PRAGMA synchronous = OFF")
            return list(connection.execute(statement, values))

    def add(self, table: str, **values: Any) -> None:
        marks = ", ".join("?" * len(values))
        self.sql(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", *values.values())

    def epoch(self, local: str, fold: int = 0) -> int:
        return int(datetime.fromisoformat(local).replace(tzinfo=self.zone, fold=fold).timestamp())

    def volume(self, name: str, **changes: Any) -> int:
        """The MediaId of a volume, made at its first mention."""
        row = self.sql("SELECT MediaId FROM Media WHERE VolumeName = ?", name)
        if not row:
            base = {"VolumeName": name, "MediaType": "LTO8", "VolStatus": "Full", "InChanger": 1, "VolType": 2}
            self.add("Media", **base, LastWritten="2009-01-31 04:00:00", VolRetention=10 * YEAR_S)
            row = self.sql("SELECT MediaId FROM Media WHERE VolumeName = ?", name)
        for column, value in changes.items():
            self.sql(f"UPDATE Media SET {column} = ? WHERE MediaId = ?", value, row[0][0])
        return int(row[0][0])

    def job(
        self,
        jobid: int,
        day: str = "2009-01-14",
        files: Mapping[str, int] | None = None,
        on: Sequence[tuple[str, int, int]] = (),
        **changes: Any,
    ) -> str:
        """A job that ran at three; `on` are volume, first and last file of each piece. Its unique name."""
        files = {"/backup/db1/shop.sql": 1000} if files is None else files
        name = changes.get("Job", f"Dumps.{day}_03.00.00_{jobid:02d}")
        row = {"Job": name, "Name": "Dumps", "Type": "B", "Level": "F", "ClientId": 1, "FileSetId": 1, "JobStatus": "T"}
        row |= {"SchedTime": f"{day} 03:00:00", "StartTime": f"{day} 03:00:02", "EndTime": f"{day} 03:10:00"}
        row |= {"JobTDate": self.epoch(f"{day} 03:10:00"), "JobFiles": len(files), "VolSessionId": jobid}
        self.add("Job", JobId=jobid, **(row | {"VolSessionTime": 1231000000} | changes))
        for place, (path, size) in enumerate(files.items(), 1):
            self.record(jobid, place, path, size, self.epoch(f"{day} 02:30:00"))
        for volume, first, last in on or [("TAPE01L8", 1, len(files))]:
            self.piece(jobid, volume, first, last)
        return name

    def record(self, jobid: int, place: int, path: str | bytes, size: int, mtime: int, md5: str | None = None) -> None:
        """A row of File."""
        raw = path if isinstance(path, bytes) else path.encode()
        folder, _, name = raw.rpartition(b"/")
        ids = [
            self._known("Path", "PathId", "Path", folder + b"/"),
            self._known("Filename", "FilenameId", "Name", name),
        ]
        told = digest(raw.decode(errors="replace")) if md5 is None else md5
        row = {"JobId": jobid, "FileIndex": place, "PathId": ids[0], "FilenameId": ids[1]}
        self.add("File", **row, LStat=lstat(size, mtime), MD5=told)

    def piece(self, jobid: int, volume: str, first: int, last: int) -> None:
        """A row of JobMedia: the next stretch of that volume."""
        media = self.volume(volume)
        place = {"StartFile": jobid, "EndFile": jobid + 1, "StartBlock": 7, "EndBlock": 9}
        self.add("JobMedia", JobId=jobid, MediaId=media, FirstIndex=first, LastIndex=last, **place)

    def _known(self, table: str, key: str, column: str, value: bytes) -> int:
        found = self.sql(f"SELECT {key} FROM {table} WHERE CAST({column} AS BLOB) = ?", value)
        if not found:
            self.sql(f"INSERT INTO {table} ({column}) VALUES (CAST(? AS TEXT))", value)
            found = self.sql(f"SELECT {key} FROM {table} WHERE CAST({column} AS BLOB) = ?", value)
        return int(found[0][0])

    def nights(self, jobs: int, files: int) -> None:
        """So many jobs of so many dumps each, every one in three pieces on two of 400 volumes."""
        end = self.epoch("2005-01-01 03:10:00")
        first = "/backup/db1/d0.sql"
        self.job(0, "2005-01-01", {first: 1000})
        self.sql("DELETE FROM Job WHERE JobId = 0")
        count = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
        self.sql(
            f"{count.format(400)} INSERT INTO Media (VolumeName, MediaType, VolStatus, InChanger) "
            "SELECT printf('V%04d', i), 'LTO8', 'Full', 1 FROM n"
        )
        self.sql(
            f"{count.format(jobs)} INSERT INTO Job (JobId, Job, Name, Type, Level, ClientId, JobStatus, SchedTime, "
            "StartTime, EndTime, JobTDate, JobFiles, FileSetId, VolSessionId, VolSessionTime) "
            "SELECT i, 'Dumps.' || i, 'Dumps', 'B', CASE i % 50 WHEN 1 THEN 'F' ELSE 'I' END, 1, 'T', '', "
            "datetime(? + i * 10800, 'unixepoch'), '', ? + i * 10800, ?, 1, i, 1231000000 FROM n",
            end,
            end,
            files,
        )
        self.sql(
            f"{count.format(3)} INSERT INTO JobMedia (JobId, MediaId, FirstIndex, LastIndex) SELECT JobId, "
            "2 + (JobId / 25 + i / 3) % 400, i, CASE i WHEN 3 THEN ? ELSE i END FROM Job, n ORDER BY JobId, i",
            files,
        )
        self.sql(
            f"{count.format(files)} INSERT INTO Filename (FilenameId, Name) SELECT 100 + i, 'd' || i || '.sql' FROM n"
        )
        self.sql(
            f"{count.format(files)} INSERT INTO File (FileIndex, JobId, PathId, FilenameId, LStat, MD5) "
            "SELECT i, j.JobId, f.PathId, 100 + i, f.LStat, f.MD5 FROM Job j, n, "
            "(SELECT PathId, LStat, MD5 FROM File WHERE JobId = 0) f ORDER BY j.JobId, i"
        )

    def source(self, **settings: Any) -> Source:
        section = {"kind": "bacula", "catalog": f"sqlite:///{self.file}", "layout": "/backup/{engine}/{database}.sql"}
        section |= {"console": "none", "storage": "Tape", "restore_client": "staging-fd", "where": "restored"}
        return provider("restorekit.sources", "tape", section | settings, home(self.base))  # type: ignore[no-any-return]

    def scan(self, known: Sequence[RecoveryPoint] = (), **settings: Any) -> Scan:
        return self.source(**settings).scan(known)

    def forget(self) -> None:
        """Lose what the source remembers of its last scans."""
        (self.base / "cache/sources/tape/seen.json").unlink()


def only(scan: Scan) -> RecoveryPoint:
    (point,) = scan.points
    return point


def merged(known: Sequence[RecoveryPoint], scan: Scan) -> list[RecoveryPoint]:
    """What is known after that scan."""
    return list(({p.id: p for p in known} | {p.id: p for p in scan.points}).values())


def copied(source: sqlite3.Connection, product: str) -> list[tuple[str, list[str], list[tuple[Any, ...]]]]:
    """All rows of a Bacula 9 catalog as that product would hold them: table, columns, rows."""
    found = []
    for statement in tables(product):
        table, body = re.fullmatch(r"CREATE TABLE (\w+) \((.*)\)", statement).groups()  # type: ignore[union-attr]
        columns = [c.split()[0] for c in re.split(r", (?=[A-Z])", body)]
        asked = ", ".join(_as_of_9(table, column, product) for column in columns)
        join = " JOIN Filename n USING (FilenameId)" if table == "File" else ""
        rows = [tuple(r) for r in source.execute(f"SELECT {asked} FROM {table} t{join}")]
        found.append(
            (
                table,
                columns,
                [
                    tuple(None if v == 0 and "Written" in c else v for c, v in zip(columns, r, strict=True))
                    for r in rows
                ],
            )
        )
    return found


def _as_of_9(table: str, column: str, product: str) -> str:
    if column == "JobBytes":
        return "(t.EndFile - t.StartFile) * 4294967296 + t.EndBlock - t.StartBlock + 1"
    if table == "File" and column in ("Filename", "Name"):
        return "n.Name"
    return column if column == "FilenameId" else f"t.{column}"
