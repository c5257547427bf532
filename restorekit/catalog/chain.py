"""The audit chain as plain values: how an entry is sealed, and how a chain is checked anywhere, without a database."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from restorekit.errors import AuditBroken

GENESIS = "0" * 64
_FIELDS = frozenset({"sequence", "at", "act", "previous", "hash"})


def canonical(data: Any) -> str:
    """The one JSON text of a value."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def seal(entry: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the previous hash and everything else in the entry."""
    covered = canonical({key: value for key, value in entry.items() if key not in ("previous", "hash")})
    return hashlib.sha256(f"{entry['previous']}{covered}".encode()).hexdigest()


def check(entries: Iterable[Mapping[str, Any]], against: tuple[str, int] | None = None) -> tuple[str, int]:
    """Hash and number of the last entry; raises AuditBroken naming the first entry that does not hold.

    `against` is a head and count seen earlier. Without one, a chain rewritten from some entry to its end, and a
    tail cut together with everything that refers to it, cannot be told from a true one.
    """
    previous, count = GENESIS, 0
    seen = against is None or against[1] == 0
    for entry in entries:
        count += 1
        _check_one(entry, count, previous)
        previous = entry["hash"]
        if against is not None and count == against[1]:
            seen = True
            if previous != against[0]:
                raise AuditBroken(
                    f"audit entry {count} is not the one that was seen earlier: the log was rewritten up to there",
                    hint="Compare with an export from before; the receipt's signature says which side is older.",
                )
    if not seen and against is not None:
        raise AuditBroken(
            f"audit entry {count + 1} is missing: the log ends there, {against[1]} entries were seen earlier",
            hint="The tail was cut. Entries after it may stand in an export or a backup of the state database.",
        )
    return previous, count


def _check_one(entry: Mapping[str, Any], number: int, previous: str) -> None:
    if entry.get("sequence") != number:
        what = "is missing"
    elif entry.get("previous") != previous:
        what = "does not continue the one before it"
    elif frozenset(entry) != _FIELDS or entry["hash"] != seal(entry):
        what = "was changed after it was written"
    else:
        return
    raise AuditBroken(
        f"audit entry {number} {what}; entries before it hold",
        hint="Compare with an export or a backup of the state database from before.",
    )


def verify_export(lines: Iterable[str], against: tuple[str, int] | None = None) -> tuple[str, int]:
    """Check an exported log; returns and raises as `check`."""
    return check(_parsed(lines), against)


def _parsed(lines: Iterable[str]) -> Iterable[Mapping[str, Any]]:
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        # The text itself must be the canonical one: a changed byte is a change, also where JSON would not care.
        if not isinstance(entry, dict) or canonical(entry) != line.rstrip("\n"):
            raise AuditBroken(f"audit entry {number} was changed after it was written; entries before it hold")
        yield entry
