"""Staged database becomes a verdict: checks of levels 1 to 6, each with outcome and reason."""

import re
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal, Protocol, Self

from restorekit.errors import ProofFailed
from restorekit.model.contents import Contents
from restorekit.model.database import Where
from restorekit.model.staged import Staged
from restorekit.model.verdict import Check, Level, Outcome, Verdict, proven
from restorekit.playbook import Playbook, SqlCheck
from restorekit.ports import Describing, Loading, Watch

EqualTo = Literal["manifest", "witness", "last_proof", "nothing"]
_MOST_EVIDENCE = 20
_SAMPLES = 5


@dataclass(frozen=True)
class Known:
    """What is known of the backup from elsewhere: the manifest beside it, and what an earlier proof of it saw."""

    manifest: Contents | None = None
    last_proof: Contents | None = None


class VerifyingEngine(Describing, Loading, Protocol):
    """What verification asks of an engine."""


def verify(
    staged: Staged, engine: VerifyingEngine, playbook: Playbook, known: Known, now: datetime, watch: Watch
) -> Verdict:
    """Run every check; nothing is raised for a failed one, the verdict says it."""
    began = time.monotonic()
    watch.progress("fingerprints", 0, None, "")
    with _Witnessing(staged, known, engine) as witness:
        contents = engine.contents(staged.where)
        watch.check()
        checks = [*_readable(staged), *_loads(staged), *engine.sound(staged.where)]
        watch.check()
        equal, equal_to = _equal(staged, contents, known, witness)
    checks += [*_complete(staged, equal_to if _all_good(equal) else "nothing"), *equal]
    checks += _works(staged.where, contents, playbook, engine)
    ordered = tuple(sorted(checks, key=lambda c: c.level))
    return Verdict(
        checks=ordered,
        level=proven(ordered),
        equal_to=equal_to if _all_good(equal) else "nothing",
        contents=contents,
        samples=tuple(engine.samples(staged.where, _SAMPLES)),
        verified_at=now,
        duration_s=round(time.monotonic() - began, 3),
    )


class _Witnessing:
    """The witness, asked beside the fingerprints where no manifest can make it needless: both read every row."""

    def __init__(self, staged: Staged, known: Known, engine: VerifyingEngine) -> None:
        self._ask = partial(engine.witness, staged.sandbox, staged.loaded)
        self._early = staged.loaded.manifest is None and known.manifest is None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="witness")
        self._answer: Future[list[Check]] | None = None

    def __enter__(self) -> Self:
        if self._early:
            self._answer = self._pool.submit(self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True)

    def checks(self) -> list[Check]:
        """What it found; raises what it raised."""
        return self._ask() if self._answer is None else self._answer.result()


def _all_good(checks: Sequence[Check]) -> bool:
    return bool(checks) and all(c.outcome in ("passed", "not_applicable") for c in checks)


def _readable(staged: Staged) -> list[Check]:
    size = f"{staged.artifact.size_bytes} bytes, sha256 {staged.artifact.sha256}"
    digests = (
        Check(level=Level.READABLE, name="source digests", outcome="passed")
        if staged.artifact.digests_held
        else Check(
            level=Level.READABLE,
            name="source digests",
            outcome="not_applicable",
            reason="this source keeps no digest of the file",
        )
    )
    return [Check(level=Level.READABLE, name="read to its end", outcome="passed", evidence=(size,)), digests]


def _complete(staged: Staged, proven_by: EqualTo) -> list[Check]:
    """The end marker. Without one, only a manifest taken at backup time can show that nothing is missing.

    An unknown end caps the verdict at level 3: the unknown check stands at level 4, where it is never counted.
    """
    loaded = staged.loaded
    name = "end of the dump"
    if loaded.complete == "yes":
        return [Check(level=Level.COMPLETE, name=name, outcome="passed", reason=loaded.complete_why)]
    if loaded.complete == "no":
        return [Check(level=Level.COMPLETE, name=name, outcome="failed", reason=loaded.complete_why)]
    if proven_by == "manifest":
        reason = f"{loaded.complete_why}; but all that the manifest names is there"
        return [Check(level=Level.COMPLETE, name=name, outcome="passed", reason=reason)]
    return [
        Check(level=Level.COMPLETE, name=name, outcome="not_applicable", reason=loaded.complete_why),
        Check(
            level=Level.SOUND,
            name="completeness is known",
            outcome="skipped",
            reason=f"{loaded.complete_why}; no more than level {int(Level.LOADS)} can be proven",
        ),
    ]


def _loads(staged: Staged) -> list[Check]:
    loaded = staged.loaded
    evidence = tuple([*loaded.warnings, *loaded.dropped, *loaded.translated][:_MOST_EVIDENCE])
    if loaded.warnings:
        reason = f"{len(loaded.warnings)} warnings that change data"
        return [Check(level=Level.LOADS, name="load", outcome="failed", reason=reason, evidence=evidence)]
    reason = f"{loaded.statements} statements, {len(loaded.tables)} tables"
    return [Check(level=Level.LOADS, name="load", outcome="passed", reason=reason, evidence=evidence)]


def _equal(staged: Staged, contents: Contents, known: Known, witness: _Witnessing) -> tuple[list[Check], EqualTo]:
    manifest = staged.loaded.manifest or known.manifest
    if manifest is not None and _comparable(manifest, contents):
        return against(manifest, contents, "manifest"), "manifest"
    witnessed = witness.checks()
    if witnessed:
        return witnessed, "witness"
    if known.last_proof is not None and _comparable(known.last_proof, contents):
        same = _all_good(against(known.last_proof, contents, "last proof"))
        reason = "the same as the last proof saw" if same else "not what the last proof saw"
        outcome: Outcome = "skipped" if same else "failed"
        return [Check(level=Level.EQUAL, name="last proof", outcome=outcome, reason=reason)], "last_proof"
    reason = "no manifest, no witness and no earlier proof to compare with"
    return [Check(level=Level.EQUAL, name="equal", outcome="skipped", reason=reason)], "nothing"


def _comparable(manifest: Contents, contents: Contents) -> bool:
    """Fingerprints of different algorithms never compare."""
    ours = {t.fingerprint.algorithm for t in contents.tables if t.fingerprint}
    theirs = {t.fingerprint.algorithm for t in manifest.tables if t.fingerprint}
    return not ours or not theirs or ours == theirs


def against(manifest: Contents, contents: Contents, what: str) -> list[Check]:
    """Level 5 checks of `contents` against a manifest: tables, rows, fingerprints, definitions, objects, counters."""
    problems = [*_table_problems(manifest, contents), *_object_problems(manifest, contents)]
    outcome: Outcome = "failed" if problems else "passed"
    count = sum(t.rows or 0 for t in contents.tables)
    reason = f"{len(problems)} differences" if problems else f"{len(contents.tables)} tables, {count} rows equal"
    return [
        Check(
            level=Level.EQUAL,
            name=f"equal to the {what}",
            outcome=outcome,
            reason=reason,
            evidence=tuple(problems[:_MOST_EVIDENCE]),
        ),
        *_unmeasured(manifest),
    ]


def _unmeasured(manifest: Contents) -> list[Check]:
    """Tables that were written while the backup ran and cannot be read at one moment: never counted as proven."""
    names = [t.name for t in manifest.tables if t.fingerprint is None]
    if not names:
        return []
    reason = "not comparable, they changed while the backup was taken: " + ", ".join(names[:_MOST_EVIDENCE])
    return [Check(level=Level.EQUAL, name="tables without one moment", outcome="skipped", reason=reason)]


def _table_problems(manifest: Contents, contents: Contents) -> list[str]:
    problems = []
    for wanted in manifest.tables:
        found = contents.table(wanted.name)
        if found is not None and wanted.fingerprint is None:
            continue  # named by _unmeasured
        if found is None:
            problems.append(f"table {wanted.name} is missing")
        elif found.rows != wanted.rows:
            problems.append(f"table {wanted.name}: {found.rows} rows instead of {wanted.rows}")
        elif found.fingerprint != wanted.fingerprint:
            problems.append(f"table {wanted.name}: other content in the same number of rows")
        elif wanted.history is not None and found.history is not None and found.history != wanted.history:
            problems.append(f"table {wanted.name}: other earlier versions of its rows")
        elif found.schema_hash != wanted.schema_hash:
            problems.append(f"table {wanted.name}: other definition")
    names = {t.name for t in manifest.tables}
    return problems + [f"table {t.name} is not in the manifest" for t in contents.tables if t.name not in names]


def _object_problems(manifest: Contents, contents: Contents) -> list[str]:
    wanted = {(o.kind, o.name): o for o in manifest.objects if o.kind != "grant"}
    found = {(o.kind, o.name): o for o in contents.objects if o.kind != "grant"}
    problems = [f"{kind} {name} is missing" for kind, name in wanted.keys() - found.keys()]
    problems += [f"{kind} {name} is not in the manifest" for kind, name in found.keys() - wanted.keys()]
    for key in wanted.keys() & found.keys():
        ours, theirs = found[key], wanted[key]
        if ours.hash != theirs.hash:
            problems.append(f"{key[0]} {key[1]}: other definition")
        if theirs.next_value is not None and (ours.next_value or 0) < theirs.next_value:
            problems.append(f"{key[0]} {key[1]}: stands before its value at backup time")
    return sorted(problems)


def _works(where: Where, contents: Contents, playbook: Playbook, engine: Describing) -> list[Check]:
    if not playbook.checks:
        reason = f"playbook {playbook.name} has no application checks"
        return [Check(level=Level.WORKS, name="application checks", outcome="skipped", reason=reason)]
    tables = {t.name for t in contents.tables} | {o.name for o in contents.objects if o.kind == "view"}
    return [_one_check(where, check, tables, playbook, engine) for check in playbook.checks]


def _one_check(where: Where, check: SqlCheck, tables: set[str], playbook: Playbook, engine: Describing) -> Check:
    missing = [t for t in check.needs if t not in tables]
    if missing:
        reason = f"no table {', '.join(missing)}"
        return Check(level=Level.WORKS, name=check.name, outcome="not_applicable", reason=reason)
    timeout = float(playbook.proof.timeout)
    try:
        if check.when is not None and not _scalar(engine.ask(where, check.when, timeout)):
            reason = "its condition does not hold here"
            return Check(level=Level.WORKS, name=check.name, outcome="not_applicable", reason=reason)
        holds = expected(check.expect, _scalar(engine.ask(where, check.sql, timeout)))
    except ProofFailed as error:
        return Check(level=Level.WORKS, name=check.name, outcome="failed", reason=error.message)
    if holds:
        return Check(level=Level.WORKS, name=check.name, outcome="passed")
    reason = f"the answer is not {check.expect}" + (f"; {check.hint}" if check.hint else "")
    return Check(level=Level.WORKS, name=check.name, outcome="failed", reason=reason)


def _scalar(rows: Sequence[tuple[object, ...]]) -> object:
    return rows[0][0] if rows and rows[0] else None


def expected(expect: str, value: object) -> bool:
    """Does `value` fulfil `>= N`, `<= N`, `== N`, `empty` or `not empty`? Raises ProofFailed for other words."""
    if expect in ("empty", "not empty"):
        is_empty = value is None or str(value) in ("", "0")
        return is_empty == (expect == "empty")
    match = re.fullmatch(r"(>=|<=|==)\s*(-?\d+)", expect)
    if match is None:
        raise ProofFailed(f"a check expects {expect!r}, which is not >= N, <= N, == N, empty or not empty")
    if not isinstance(value, (int, float, str)):
        return False
    number, wanted = float(value), float(match.group(2))
    return {">=": number >= wanted, "<=": number <= wanted, "==": number == wanted}[match.group(1)]
