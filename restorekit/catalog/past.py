"""What happened to databases, one compressed row per database and day; kept longer than the logs it came from."""

import json
import zlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from restorekit.catalog.part import Part, put
from restorekit.catalog.tables import changes, logs, states, stretches
from restorekit.model.changes import Blow, DatabaseChanges, LogReading, Past, Stretch, Tally
from restorekit.model.contents import Contents
from restorekit.model.database import DatabaseId

_DAY_S = 86400
_Slot = tuple[int, int, str, str]


class PastPart(Part):
    """Everything about what happened when."""

    def log_cursor(self, engine: str) -> str:
        """Where the next look at this engine's logs goes on; empty before the first."""
        with self._db.read() as connection:
            return _cursor(connection, engine)

    def record_log(self, engine: str, reading: LogReading, since: str) -> bool:
        """Add what was read from cursor `since` on. False, and nothing kept, if another look was recorded meanwhile."""
        with self._db.write() as connection:
            if _cursor(connection, engine) != since:
                return False
            for one in reading.changes:
                _add(connection, engine, one)
            _cover(connection, engine, reading.stretches)
            for name, contents in reading.states.items():
                _keep_state(connection, DatabaseId(engine=engine, name=name), contents)
            if reading.looked_at is not None:
                for name in reading.unchanged:
                    _still(connection, DatabaseId(engine=engine, name=name), reading.looked_at)
            values = {"cursor": reading.cursor, "read_at": self._clock.now()}
            put(connection, logs, {"engine": engine}, values)
        return True

    def record_state(self, database: DatabaseId, contents: Contents) -> None:
        """Remember rows and fingerprints per table at `contents.taken_at` (no objects). Idempotent."""
        with self._db.write() as connection:
            _keep_state(connection, database, contents)

    def past(self, database: DatabaseId, since: datetime | None = None) -> Past:
        """All that is known to have happened to it: from logs, and the states seen, oldest first."""
        day = int(since.timestamp()) // _DAY_S if since else -(1 << 31)
        mine = (changes.c.engine == database.engine, changes.c.name == database.name)
        seen = (states.c.engine == database.engine, states.c.name == database.name)
        covered = select(stretches).where(stretches.c.engine == database.engine).order_by(stretches.c.start)
        with self._db.read() as connection:
            days = connection.execute(select(changes.c.body).where(*mine, changes.c.day >= day).order_by(changes.c.day))
            found = [_unpacked(body) for body in days.scalars()]
            known = [_stretch(row) for row in connection.execute(covered)]
            bodies = connection.execute(select(states.c.body).where(*seen).order_by(states.c.taken_at)).scalars()
            contents = tuple(Contents.model_validate_json(zlib.decompress(body)) for body in bodies)
            read_at = connection.execute(select(logs.c.read_at).where(logs.c.engine == database.engine)).scalar()
        return Past(
            tallies=tuple(t for one in found for t in one.tallies),
            blows=tuple(b for one in found for b in one.blows),
            stretches=tuple(s for s in known if since is None or s.end > since),
            states=tuple(c for c in contents if since is None or c.taken_at >= since),
            read_at=read_at,
        )


def _keep_state(connection: Connection, database: DatabaseId, contents: Contents) -> None:
    key = {"engine": database.engine, "name": database.name, "taken_at": contents.taken_at}
    light = contents.model_copy(update={"objects": (), "settings": {}})
    put(connection, states, key, {"origin": contents.origin, "body": zlib.compress(_dumped(light))})


def _still(connection: Connection, database: DatabaseId, at: datetime) -> None:
    """The newest state holds until `at`: it is kept once where it began and once where it was last seen."""
    mine = (states.c.engine == database.engine, states.c.name == database.name)
    newest = select(states).where(*mine, states.c.taken_at < at).order_by(states.c.taken_at.desc()).limit(2)
    found = [(row, Contents.model_validate_json(zlib.decompress(row.body))) for row in connection.execute(newest)]
    if not found:
        return
    if len(found) > 1 and found[0][1].tables == found[1][1].tables:
        connection.execute(delete(states).where(*mine, states.c.taken_at == found[0][0].taken_at))
    _keep_state(connection, database, found[0][1].model_copy(update={"taken_at": at}))


def _dumped(contents: Contents) -> bytes:
    return contents.model_dump_json(exclude_defaults=True).encode()


def _cursor(connection: Connection, engine: str) -> str:
    return str(connection.execute(select(logs.c.cursor).where(logs.c.engine == engine)).scalar() or "")


def _add(connection: Connection, engine: str, more: DatabaseChanges) -> None:
    """Merge into the days it touches; a minute that two looks share is counted together."""
    days = {t.start // _DAY_S for t in more.tallies} | {b.began_at // _DAY_S for b in more.blows}
    for day in sorted(days):
        key = {"engine": engine, "name": more.database, "day": day}
        same = [changes.c[name] == value for name, value in key.items()]
        body = connection.execute(select(changes.c.body).where(*same)).scalar()
        before = _unpacked(body) if body is not None else DatabaseChanges(database=more.database)
        tallies = _merged([*before.tallies, *(t for t in more.tallies if t.start // _DAY_S == day)])
        blows = sorted({*before.blows, *(b for b in more.blows if b.began_at // _DAY_S == day)}, key=_order)
        put(connection, changes, key, {"body": _packed(tallies, blows)})


def _order(blow: Blow) -> tuple[int, str, str]:
    return (blow.began_at, blow.position, blow.table)


def _merged(tallies: Iterable[Tally]) -> list[Tally]:
    sums: dict[_Slot, Tally] = {}
    for one in tallies:
        key = (one.start, one.end, one.table, one.op)
        known = sums.get(key)
        if known is None:
            sums[key] = one
            continue
        rows = None if known.rows is None or one.rows is None else known.rows + one.rows
        statements = known.statements + one.statements
        sums[key] = known._replace(rows=rows, statements=statements, bytes=known.bytes + one.bytes)
    return [sums[key] for key in sorted(sums)]


def _packed(tallies: Sequence[Tally], blows: Sequence[Blow]) -> bytes:
    """JSON, compressed: 14 busy days of a shop are half a megabyte."""
    return zlib.compress(json.dumps({"tallies": tallies, "blows": blows}, separators=(",", ":")).encode(), 6)


def _unpacked(body: bytes) -> DatabaseChanges:
    said = json.loads(zlib.decompress(body))
    return DatabaseChanges.model_construct(
        database="",
        tallies=tuple(Tally(*one) for one in said["tallies"]),
        blows=tuple(Blow(*one) for one in said["blows"]),
    )


def _stretch(row: Any) -> Stretch:
    return Stretch(start=row.start, end=row.until, coverage=row.coverage, why=row.why)


def _cover(connection: Connection, engine: str, more: Iterable[Stretch]) -> None:
    """Keep stretches joined: an engine looked at every hour has one, not nine thousand a year."""
    here = stretches.c.engine == engine
    known = [_stretch(row) for row in connection.execute(select(stretches).where(here))]
    connection.execute(delete(stretches).where(here))
    new = [
        {"engine": engine, "start": s.start, "until": s.end, "coverage": s.coverage, "why": s.why}
        for s in _joined([*known, *more])
    ]
    if new:
        connection.execute(insert(stretches), new)


def _joined(parts: Iterable[Stretch]) -> list[Stretch]:
    """Stretches of one kind that touch or overlap become one."""
    found: list[Stretch] = []
    for _, group in groupby(sorted(parts, key=lambda s: (s.coverage, s.start)), key=lambda s: s.coverage):
        for one in group:
            last = found[-1] if found and found[-1].coverage == one.coverage else None
            if last is not None and _touch(last, one):
                found[-1] = last.model_copy(update={"end": max(last.end, one.end)})
            else:
                found.append(one)
    return sorted(found, key=lambda s: s.start)


def _touch(last: Stretch, one: Stretch) -> bool:
    return one.start < last.end or one.start == last.start or (one.start == last.end and one.why == last.why)
