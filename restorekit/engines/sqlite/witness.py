"""Level 5 without a manifest: what arrived against what was delivered. It never proves that the delivery was whole."""

from pathlib import Path

from restorekit.engines.sqlite import files
from restorekit.model.artifact import Loaded
from restorekit.model.verdict import Check, Level, Outcome


def witness(staged: Path, loaded: Loaded) -> list[Check]:
    """For a database file: the staged bytes are the delivered bytes. For a dump: per table, rows and typed sums."""
    return [_same_bytes(staged, loaded)]


def _check(name: str, outcome: Outcome, reason: str, evidence: tuple[str, ...] = ()) -> Check:
    return Check(level=Level.EQUAL, name=name, outcome=outcome, reason=reason, evidence=evidence)


def _same_bytes(staged: Path, loaded: Loaded) -> Check:
    size, digest = files.digest_of(staged)
    name = "the staged file is the delivered file"
    if (str(size), digest) == (loaded.dialect.get("bytes"), loaded.dialect.get("sha256")):
        reason = "byte for byte (SHA-256); whether the delivered file was live at its moment, no file can tell"
        return _check(name, "passed", reason, (f"sha256 {digest}",))
    return _check(name, "failed", "the staged file was changed after it was delivered", (f"sha256 {digest}",))
