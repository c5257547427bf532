"""The audit log in the database: appending inside other rooms' transactions, reading, verifying, exporting."""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from restorekit.catalog import chain, persons
from restorekit.catalog.part import Part
from restorekit.catalog.tables import approvals, audit, audit_head, moment_text, runs
from restorekit.errors import AuditBroken, UnknownName
from restorekit.model.audit import AuditEntry
from restorekit.model.request import Act

_WORDS = ("door", "verb", "database", "restore_id", "shown", "confirmed")
_PAGE = 500
_BEFORE_ALL = -(2**31)


class AuditPart(Part):
    """Everything about the log."""

    def audit_entries(self, database: str = "", limit: int = 100, restore_id: str = "") -> list[AuditEntry]:
        """The last entries (of one database, of one restore), oldest first."""
        wanted = select(audit).order_by(audit.c.sequence.desc()).limit(limit)
        if database:
            wanted = wanted.where(audit.c.database == database)
        if restore_id:
            wanted = wanted.where(audit.c.restore_id == restore_id)
        with self._db.read() as connection:
            known = persons.names(connection)
            found = [_entry(row) for row in connection.execute(wanted).mappings()]
        for entry in found:
            entry["act"]["caller"] = known.get(entry["act"]["caller"], entry["act"]["caller"])
        return [AuditEntry.model_validate(entry) for entry in reversed(found)]

    def audit_head(self) -> tuple[str, int]:
        """Hash and sequence number of the last entry."""
        with self._db.read() as connection:
            return _head(connection)

    def audit_verify(self, against: tuple[str, int] | None = None) -> int:
        """Number of entries; raises AuditBroken naming the first one that does not hold, or a cut tail."""
        with self._db.read() as connection:
            found = chain.check(_all(connection), against)
            _check_references(connection, found)
        return found[1]

    def audit_export(self) -> Iterator[str]:
        """The chain as JSON lines, persons as references; `chain.verify_export` checks them without a database."""
        with self._db.read() as connection:
            for entry in _all(connection):
                yield chain.canonical(entry)

    def erase_person(self, name: str, act: Act) -> None:
        """Forget the name behind its reference, everywhere at once; the chain still verifies. Raises UnknownName."""
        with self._db.write() as connection:
            # The act names the erasing person, never the erased one.
            self._append(connection, act)
            if persons.erase(connection, name) == 0:
                raise UnknownName("no person of that name is known", hint="Names count letter by letter.")

    def _append(self, connection: Connection, act: Act) -> int:
        """Add an entry inside the caller's transaction, whose write lock keeps the sequence without gaps."""
        previous, count = _head(connection)
        body = act.model_dump(mode="json") | {"caller": persons.reference(connection, act.caller)}
        at = moment_text(self._clock.now())
        entry = {"sequence": count + 1, "at": at, "act": body, "previous": previous}
        row = {word: body[word] for word in _WORDS} | {
            "sequence": count + 1,
            "at": at,
            "caller": body["caller"],
            "details": chain.canonical(body["details"]),
            "previous": previous,
            "hash": chain.seal(entry),
        }
        connection.execute(insert(audit).values(row))
        connection.execute(update(audit_head).values(count=count + 1, hash=row["hash"]))
        return count + 1


def _head(connection: Connection) -> tuple[str, int]:
    digest, count = connection.execute(select(audit_head.c.hash, audit_head.c.count)).one()
    return str(digest), int(count)


def _all(connection: Connection) -> Iterator[dict[str, Any]]:
    """Every entry in order, read in pages: a log of years must not be held in memory."""
    after = _BEFORE_ALL
    ordered = select(audit).order_by(audit.c.sequence).limit(_PAGE)
    while page := connection.execute(ordered.where(audit.c.sequence > after)).mappings().all():
        for row in page:
            after = row["sequence"]
            try:
                yield _entry(row)
            except ValueError as error:
                raise AuditBroken(f"audit entry {after} was changed after it was written") from error


def _entry(row: RowMapping) -> dict[str, Any]:
    """The entry as it was sealed; raises ValueError if `details` is not the text that was written."""
    details = json.loads(row["details"])
    if chain.canonical(details) != row["details"]:
        msg = "details are not canonical"
        raise ValueError(msg)
    act = {word: row[word] for word in _WORDS} | {"caller": row["caller"], "details": details}
    return {
        "sequence": row["sequence"],
        "at": row["at"],
        "act": act,
        "previous": row["previous"],
        "hash": row["hash"],
    }


def _check_references(connection: Connection, found: tuple[str, int]) -> None:
    """What refers to the log from outside of it: its head, and the newest entry of every run and approval."""
    head = _head(connection)
    newest = [("the head of the log", head[1])]
    of_runs = connection.execute(select(runs.c.id, runs.c.audit_sequence))
    newest += [(f"restore {run_id}", sequence) for run_id, sequence in of_runs]
    of_approvals = connection.execute(select(approvals.c.run_id, approvals.c.audit_sequence))
    newest += [(f"an approval of restore {run_id}", sequence) for run_id, sequence in of_approvals]
    for what, sequence in newest:
        if sequence > found[1]:
            raise AuditBroken(
                f"audit entry {found[1] + 1} is missing: the log ends there, but {what} refers to entry {sequence}",
                hint="The tail was cut. Compare with an export or a backup of the state database from before.",
            )
    if head != found:
        raise AuditBroken(f"audit entry {found[1]} is not what the head of the log says: entries were added or changed")
