"""Everything that speaks against an exchange, looked for before anything is done. Nothing here changes anything."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import MARKER_SCHEMA, one, rows
from restorekit.engines.mariadb.exchange import keys, lease, marker, rename, traffic
from restorekit.engines.mariadb.exchange.accounts import covering, mightier, survey
from restorekit.engines.mariadb.exchange.promote import COMING, by_rows, sequences, unknown_sequences, wanted
from restorekit.engines.mariadb.live import Live, reading
from restorekit.engines.mariadb.objects import Definitions, harvest, missing_definers, under_name
from restorekit.errors import PreflightRefused, Temporary
from restorekit.model.exchange import ExchangeOrder, Finding

_ENGINES = frozenset({"InnoDB", "Aria", "MyISAM", "MEMORY", "CSV", "ARCHIVE"})
_NEEDED = (
    *("SELECT", "INSERT", "CREATE", "DROP", "ALTER", "TRIGGER", "EVENT", "CREATE VIEW", "SHOW VIEW", "CREATE ROUTINE"),
    *("ALTER ROUTINE", "LOCK TABLES", "RELOAD", "PROCESS", "CREATE USER", "CONNECTION ADMIN", "SET USER"),
)
_WRITING = ("UPDATE", "DELETE", "CREATE TEMPORARY TABLES")
_SPARE = 1.1
_ROW_BYTES = 100
_IMAGES = 4
"""Times a row that is written one by one goes through the binary log: what it was, what it is, and the way back."""

_SHORTER = "Restore it under a shorter name with --as."


@dataclass(frozen=True)
class Scene:
    """What every check looks at."""

    live: Live
    session: "Connection[Any]"
    staging: "Connection[Any]"
    order: ExchangeOrder

    @property
    def moving(self) -> frozenset[str]:
        """Everything that changes places, sequences included."""
        names = {a.name for a in self.order.actions if a.method in COMING or a.method == "remove"}
        return frozenset(names | sequences(self.order) | unknown_sequences(self.order))

    @property
    def checks(self) -> tuple[Callable[["Scene"], Iterator[Finding]], ...]:
        """What to look at: where writers are not held back, only what concerns single rows."""
        return CHECKS if self.order.gate == "closed" else OPEN_CHECKS

    @property
    def log_bytes(self) -> int:
        """About how much the rows that are written one by one put into the binary log, in one piece."""
        rows_of = {t.name: t.writes for t in self.order.selection.tables} if self.order.selection else {}
        tables = [t for t in self.order.proven.tables if t.name in by_rows(self.order)]
        wide = {t.name: _ROW_BYTES + t.size_bytes // max(1, t.rows or 0) for t in tables}
        return sum(_IMAGES * wide[name] * rows_of.get(name, 0) for name in wide)


def preflight(live: Live, order: ExchangeOrder) -> list[Finding]:
    """All findings, gravest first; empty if nothing speaks against it. Raises EngineUnavailable."""
    with reading(order.target):
        session = live.connect()
        staging = live.where_connect(order.staging)
        try:
            scene = Scene(live, session, staging, order)
            found = list(rights(scene))
            if not found or found[0].severity != "refuse":  # without them the other questions cannot be asked
                found += [finding for check in (*scene.checks, disk) for finding in check(scene)]
        finally:
            session.close()
            staging.close()
    gravity = ("refuse", "wait", "warn", "ok")
    return sorted(found, key=lambda f: gravity.index(f.severity))


def insist(live: Live, session: "Connection[Any]", order: ExchangeOrder) -> None:
    """Raise for the first thing that refuses (PreflightRefused) or must be waited for (Temporary, BackupRunning)."""
    staging = live.where_connect(order.staging)
    try:
        scene = Scene(live, session, staging, order)
        found = [finding for check in scene.checks for finding in check(scene)]
    finally:
        staging.close()
    if refused := [f for f in found if f.severity == "refuse"]:
        raise PreflightRefused(
            f"{refused[0].text}; live is untouched",
            hint=refused[0].hint,
            details=tuple(f.text for f in refused[1:]),
        )
    for finding in found:
        if finding.code == "backup_running":
            raise lease.running(finding.text)
        if finding.severity == "wait":
            raise Temporary(f"{finding.text}; live is untouched", hint=finding.hint)


def _refuse(code: str, text: str, hint: str = "") -> Finding:
    return Finding(severity="refuse", code=code, text=text, hint=hint)


def _warn(code: str, text: str, hint: str = "") -> Finding:
    return Finding(severity="warn", code=code, text=text, hint=hint)


def names(scene: Scene) -> Iterator[Finding]:
    """Lengths, and whether the undo copy's name is free."""
    keep = marker.undo_schema(scene.order.id)
    if len(scene.order.target) > 64:
        yield _refuse("name_too_long", f"the name {scene.order.target} is longer than 64 characters", _SHORTER)
    if held := rename.tables_of(scene.session, keep):
        found = marker.read(scene.session, scene.order.id)
        if found is None or found.phase == "taken_back":
            yield _refuse("undo_not_empty", f"{keep} holds {len(held)} tables already", "Look what they are.")


def covered(scene: Scene) -> Iterator[Finding]:
    """Grants by pattern that would let a customer see or drop our schemas."""
    ours = (marker.hold_schema(scene.order.id), marker.undo_schema(scene.order.id), MARKER_SCHEMA)
    for who, pattern in covering(scene.session, ours).items():
        yield _refuse(
            "grant_covers_us",
            f"the grant on `{pattern}`.* lets {who} into {', '.join(ours[:2])}",
            "Narrow this grant to the customer's own names, for example by a prefix.",
        )


def accounts(scene: Scene) -> Iterator[Finding]:
    """Whom the gate cannot hold back."""
    gate = survey(scene.session, scene.order.target)
    if gate.kind == "account_lock":
        yield _warn("account_lock", f"no rights to revoke: {len(gate.users)} accounts will be locked for the moment")
    if gate.kind == "optimistic" and _customers(gate.ungated):
        named = ", ".join(_customers(gate.ungated)[:10])
        yield _warn(
            "shared_account",
            f"{named} reach other databases, too, and cannot be held back; what they write meanwhile is named",
            "Give restorekit's account GRANT OPTION, so that rights on this one database can be revoked.",
        )


def _customers(ungated: tuple[str, ...]) -> list[str]:
    return [who for who in ungated if not who.startswith("`root`@")]


def foreign_keys(scene: Scene) -> Iterator[Finding]:
    """Foreign keys that would be torn, or that point in from elsewhere."""
    if outside := keys.pointing_in(scene.session, scene.order.target, None if scene.moving else by_rows(scene.order)):
        yield _refuse(
            "foreign_fk",
            f"foreign keys of other databases point into {scene.order.target}: {', '.join(outside[:10])}",
            "They would follow the old tables. Drop them for the exchange and create them again.",
        )
    torn = keys.torn(scene.session, scene.order.target, scene.moving)
    torn += keys.orphaned(scene.staging, scene.order.staging.schema_name, wanted(scene.order))
    if torn:
        yield _refuse(
            "not_closed",
            f"the set is not closed over foreign keys: {', '.join(dict.fromkeys(torn))}",
            "Plan the restore again with both ends of each.",
        )


def topology(scene: Scene) -> Iterator[Finding]:
    """Galera, replicas, filters."""
    variables = dict(rows(scene.session, "SHOW GLOBAL VARIABLES LIKE 'wsrep_on'"))
    if variables.get("wsrep_on") == "ON":
        yield _refuse("galera", "this server is part of a Galera cluster, which is not supported yet")
    yield from traffic.replication(scene.session)


def backup(scene: Scene) -> Iterator[Finding]:
    """A physical backup of the server that is under way."""
    if (why := lease.probe(scene.session)) is not None:
        yield Finding(severity="wait", code="backup_running", text=why, hint="Try again when the backup has ended.")


def locks(scene: Scene) -> Iterator[Finding]:
    """Transactions that hold tables which change places, or whose rows are written: closing the gate would end them."""
    there = rename.tables_of(scene.session, scene.order.target)
    gated = by_rows(scene.order) if scene.order.gate == "closed" else frozenset()
    yield from traffic.held(scene.live, scene.order.target, sorted(there & (scene.moving | gated)))


def definers(scene: Scene) -> Iterator[Finding]:
    """Accounts that own coming objects and do not exist on live; text that cannot follow another name."""
    staged = harvest(scene.staging, scene.order.staging.schema_name)
    if not scene.order.objects:
        staged = staged.only(lambda s: s.kind == "trigger" and s.table in wanted(scene.order))
    if missing := missing_definers(scene.session, staged):
        yield _refuse(
            "definer_missing",
            f"the objects belong to accounts that live does not have: {', '.join(missing)}",
            "Create these accounts (they may be locked), or restore only the tables.",
        )
    try:
        coming = under_name(staged, scene.order.target)
    except PreflightRefused as error:
        yield _refuse("text_names_schema", error.message, error.hint)
    else:
        yield from _mighty(scene, coming)


def _mighty(scene: Scene, coming: Definitions) -> Iterator[Finding]:
    """A dump can name anybody as the owner of its code. Only what live has already, letter by letter, is believed."""
    if scene.order.policy.privileged_definers == "accept":
        return
    believed = {(s.kind, s.name, s.sql) for s in harvest(scene.session, scene.order.target).stored}
    new = [s for s in coming.stored if s.definer and (s.kind, s.name, s.sql) not in believed]
    own = frozenset({scene.order.target, scene.order.staging.schema_name})
    mighty = mightier(scene.session, (s.definer for s in new), own)
    if named := [f"{s.title} of {s.definer}" for s in new if s.definer in mighty]:
        yield _refuse(
            "definer_mighty",
            f"live does not have these objects so, and they would run with rights beyond {scene.order.target}: "
            f"{', '.join(named[:10])}",
            "If you know them: set swap.privileged_definers: accept in the playbook. Else restore only the tables.",
        )


def engines(scene: Scene) -> Iterator[Finding]:
    """Storage engines that cannot be moved, and those that cannot be rolled back."""
    listing = (
        "SELECT table_name, engine FROM information_schema.tables WHERE table_schema=%s AND table_type IN "
        "('BASE TABLE','SYSTEM VERSIONED') AND engine IS NOT NULL"
    )
    found = set(rows(scene.session, listing, [scene.order.target]))
    found |= set(rows(scene.staging, listing, [scene.order.staging.schema_name]))
    of = {name: engine for name, engine in found if name in scene.moving}
    if strange := sorted(f"{name} ({engine})" for name, engine in of.items() if engine not in _ENGINES):
        yield _refuse("engine", f"tables of engines that cannot be exchanged: {', '.join(strange)}")
    if plain := sorted(name for name, engine in of.items() if engine in ("MyISAM", "Aria")):
        yield _warn("no_transactions", f"tables without transactions: {', '.join(plain)}")


def binlog_cache(scene: Scene) -> Iterator[Finding]:
    """Rows written in one transaction must fit into what the server lets one transaction log."""
    if not by_rows(scene.order) or not one(scene.session, "SELECT @@log_bin"):
        return
    room = int(one(scene.session, "SELECT @@max_binlog_cache_size"))
    if scene.log_bytes > room:
        yield _refuse(
            "binlog_cache",
            f"the rows to be written need about {scene.log_bytes >> 10} KiB of binary log in one transaction, the "
            f"server's max_binlog_cache_size is {room >> 10} KiB",
            "Raise it, or restore these tables whole with --method exchange.",
        )


def extras(scene: Scene) -> Iterator[Finding]:
    """Tables that only live has and that would go into the undo copy; a default character set that differs."""
    if gone := [a.name for a in scene.order.actions if a.method == "remove"]:
        yield _warn("tables_removed", f"tables that only live has move into the undo copy: {', '.join(gone)}")
    have = one(
        scene.session,
        "SELECT default_collation_name FROM information_schema.schemata WHERE schema_name=%s",
        [scene.order.target],
    )
    proven = scene.order.proven.settings.get("schema_collation", "")
    if have and proven and have != proven:
        yield _warn("collation", f"{scene.order.target} keeps its default collation {have}; the backup had {proven}")


def rights(scene: Scene) -> Iterator[Finding]:
    """What our own account lacks."""
    listing = (
        "SELECT privilege_type FROM information_schema.user_privileges WHERE grantee="
        "CONCAT('''', REPLACE(CURRENT_USER(),'@','''@'''), '''')"
    )
    held = {word for (word,) in rows(scene.session, listing)}
    needed = (*_NEEDED, *_WRITING) if by_rows(scene.order) else _NEEDED
    if lacking := [word for word in needed if word not in held]:
        yield _refuse(
            "rights", f"restorekit's account lacks {', '.join(lacking)}", "`restorekit doctor` has the GRANT."
        )
    if "SUPER" not in held:
        yield _warn(
            "no_checkpoint",
            "without SUPER no checkpoint can be written before the exchange: a server that crashes twice right after "
            "it may not start again",
        )


def disk(scene: Scene) -> Iterator[Finding]:
    """Room for the holding copy and its way through the binary log, where the server is on this host."""
    data = Path(str(one(scene.session, "SELECT @@datadir")))
    if scene.live.settings.socket is None or not data.is_dir():
        return
    coming = wanted(scene.order)
    size = sum(t.size_bytes for t in scene.order.proven.tables if t.name in coming)
    need = int((size + scene.log_bytes) * _SPARE * (2 if one(scene.session, "SELECT @@log_bin") else 1))
    room = os.statvfs(data)
    free = room.f_bavail * room.f_frsize
    if free < need:
        yield _refuse(
            "disk",
            f"live needs {need >> 20} MiB for the copy and has {free >> 20} MiB free",
            "Make room, or restore fewer tables.",
        )


CHECKS: tuple[Callable[[Scene], Iterator[Finding]], ...] = (
    names,
    covered,
    accounts,
    foreign_keys,
    topology,
    backup,
    locks,
    definers,
    engines,
    extras,
    binlog_cache,
)
OPEN_CHECKS = (names, covered, foreign_keys, topology, binlog_cache)
"""Without a gate nobody is held back and nothing changes its place: backups and other transactions do no harm."""
