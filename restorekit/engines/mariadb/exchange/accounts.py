"""Who may write to one schema, by which grant, and how each can be held back without touching anything else.

The server's own tables are read, since only they tell patterns from names and roles from accounts.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from pymysql.connections import Connection

from restorekit.engines.mariadb.connect import SYSTEM_SCHEMAS, is_own, quoted, rows
from restorekit.model.value import Value

GateKind = Literal["schema_revoke", "account_lock", "optimistic", "none"]
_WORDS = {
    "Create_tmp_table": "CREATE TEMPORARY TABLES",
    "Lock_tables": "LOCK TABLES",
    "Create_view": "CREATE VIEW",
    "Show_view": "SHOW VIEW",
    "Create_routine": "CREATE ROUTINE",
    "Alter_routine": "ALTER ROUTINE",
    "Delete_history": "DELETE HISTORY",
    "Delete versioning rows": "DELETE HISTORY",
}
_READING = frozenset({"SELECT", "SHOW VIEW", "REFERENCES", "GRANT"})
_WRITE_BITS = 2 | 4 | 8 | 32  # INSERT, UPDATE, DELETE, DROP in `access` of mysql.global_priv


class Grant(Value):
    """One grant on (a part of) the schema, as it stood: enough to take it away and to give it back exactly."""

    grantee: str
    user: str
    scope: str
    privileges: tuple[str, ...]
    grant_option: bool = False
    table: str = ""

    @property
    def statement(self) -> str:
        """What gives it (back)."""
        option = " WITH GRANT OPTION" if self.grant_option else ""
        return f"GRANT {', '.join(self.privileges or ('USAGE',))} ON {self.scope} TO {self.grantee}{option}"

    @property
    def revocation(self) -> str:
        """What takes it away."""
        words = [*self.privileges, *(["GRANT OPTION"] if self.grant_option else [])]
        return f"REVOKE {', '.join(words)} ON {self.scope} FROM {self.grantee}"


class Gate(Value):
    """What is done to hold writers back, and what must be given back; written down before it is done.

    `grants` are revoked; `masked` grantees reach the schema by a pattern, which a powerless grant on the exact name
    overrides for as long as it stands; `locks` were unlocked before. Sessions of `users` are ended: all of them for
    those in `sole`, of the others only those that use the schema or are inside a transaction.
    """

    kind: GateKind
    schema_name: str
    grants: tuple[Grant, ...] = ()
    masked: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    sole: tuple[str, ...] = ()
    ungated: tuple[str, ...] = ()

    @property
    def mask_scope(self) -> str:
        """The schema's exact name in a grant: there, `_` and `%` are patterns unless escaped."""
        return f"{quoted(escaped(self.schema_name))}.*"


def escaped(schema: str) -> str:
    """The schema's name as a pattern that matches nothing else."""
    return re.sub(r"([_%\\])", r"\\\1", schema)


def matches(pattern: str, schema: str) -> bool:
    """True if a grant on `pattern` covers `schema`."""
    out = []
    for part in re.findall(r"\\.|.", pattern, flags=re.DOTALL):
        wild = {"%": ".*", "_": "."}.get(part)
        out.append(wild or re.escape(part[-1]))
    return re.fullmatch("".join(out), schema, flags=re.DOTALL) is not None


def grantee(user: str, host: str, roles: frozenset[str]) -> str:
    """An account, role or PUBLIC as it stands in SQL."""
    if not host and user == "PUBLIC":
        return "PUBLIC"
    if not host and user in roles:
        return quoted(user)
    return f"{quoted(user)}@{quoted(host)}"


class Census:
    """The server's accounts, roles and grants, read once."""

    def __init__(self, connection: "Connection[Any]") -> None:
        self._connection = connection
        accounts = rows(
            connection,
            "SELECT user, host, CAST(JSON_VALUE(priv,'$.access') AS UNSIGNED), "
            "COALESCE(JSON_VALUE(priv,'$.account_locked'),'0') IN ('1','true'), "
            "COALESCE(JSON_VALUE(priv,'$.is_role'),'0') IN ('1','true') FROM mysql.global_priv",
        )
        self.roles = frozenset(user for user, _, _, _, role in accounts if role)
        self.accounts = frozenset((user, host) for user, host, _, _, role in accounts if not role)
        self.locked = frozenset((user, host) for user, host, _, locked, _ in accounts if locked)
        self.admins = frozenset((u, h) for u, h, access, _, _ in accounts if (access or 0) & _WRITE_BITS)
        self.global_ = frozenset((u, h) for u, h, access, _, _ in accounts if access)
        me = rows(connection, "SELECT CURRENT_USER()")[0][0].rpartition("@")
        self.me = (me[0], me[2])
        self._members: Mapping[str, set[tuple[str, str]]] = self._mapping()

    def _mapping(self) -> Mapping[str, set[tuple[str, str]]]:
        members: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for user, host, role in rows(self._connection, "SELECT user, host, role FROM mysql.roles_mapping"):
            members[role].add((user, host))
        return members

    def holders(self, user: str, host: str) -> frozenset[tuple[str, str]]:
        """The accounts that act through this grantee: itself, all that hold the role, or everybody for PUBLIC."""
        if (user, host) == ("PUBLIC", ""):
            return self.accounts - self.admins
        if host or user not in self.roles:
            return frozenset({(user, host)})
        found: set[tuple[str, str]] = set()
        todo: set[tuple[str, str]] = {(user, host)}
        while todo:
            each = todo.pop()
            if each not in found:
                found.add(each)
                todo |= self._members.get(each[0], set()) if not each[1] else set()
        return frozenset(found & self.accounts)

    def schema_rows(self) -> list[dict[str, Any]]:
        """mysql.db, one mapping per row."""
        return _mapped(self._connection, "SELECT * FROM mysql.db")

    def reach(self, schemas: Iterable[str]) -> Mapping[tuple[str, str], set[str]]:
        """Which of the existing schemas each grantee reaches below the global level."""
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        below = rows(
            self._connection,
            "SELECT user, host, db FROM mysql.db UNION SELECT user, host, db FROM mysql.tables_priv "
            "UNION SELECT user, host, db FROM mysql.procs_priv",
        )
        known = tuple(schemas)
        for user, host, pattern in below:
            found[user, host] |= {s for s in known if matches(pattern, s)}
        return found

    def grants(self, schema: str) -> Iterator[tuple[tuple[str, str], Grant | None]]:
        """Every grant that lets somebody write to the schema, with its holder; None for one by a wider pattern."""
        for row in self.schema_rows():
            holder = (row["User"], row["Host"])
            if not matches(row["Db"], schema):
                continue
            if re.sub(r"\\(.)", r"\1", row["Db"]) != schema:
                yield holder, None
                continue
            names = [k.removesuffix("_priv") for k, v in row.items() if k.endswith("_priv") and v == "Y"]
            yield holder, self._grant(holder, f"{quoted(row['Db'])}.*", names)
        yield from self._object_grants(schema)

    def _grant(self, holder: tuple[str, str], scope: str, names: Iterable[str], table: str = "") -> Grant:
        words = [_WORDS.get(n, n.upper()) for n in names]
        return Grant(
            grantee=grantee(*holder, self.roles),
            user=holder[0],
            scope=scope,
            privileges=tuple(w for w in words if w != "GRANT"),
            grant_option="GRANT" in words,
            table=table,
        )

    def _object_grants(self, schema: str) -> Iterator[tuple[tuple[str, str], Grant]]:
        """Grants on tables, columns and routines of the schema, as far as they allow more than reading."""
        columns: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        listing = "SELECT * FROM mysql.columns_priv WHERE db=%s"
        for row in _mapped(self._connection, listing, [schema]):
            for word in _set(row["Column_priv"]):
                columns[row["User"], row["Host"], row["Table_name"]].append(
                    f"{_WORDS.get(word, word.upper())} ({quoted(row['Column_name'])})"
                )
        for row in _mapped(self._connection, "SELECT * FROM mysql.tables_priv WHERE db=%s", [schema]):
            holder, table = (row["User"], row["Host"]), row["Table_name"]
            grant = self._grant(holder, f"{quoted(schema)}.{quoted(table)}", _set(row["Table_priv"]), table)
            more = (*grant.privileges, *columns[(*holder, table)])
            if any(word.partition(" (")[0] not in _READING for word in more):
                yield holder, grant.model_copy(update={"privileges": more})
        for row in _mapped(self._connection, "SELECT * FROM mysql.procs_priv WHERE db=%s", [schema]):
            scope = f"{row['Routine_type']} {quoted(schema)}.{quoted(row['Routine_name'])}"
            yield (row["User"], row["Host"]), self._grant((row["User"], row["Host"]), scope, _set(row["Proc_priv"]))


def survey(connection: "Connection[Any]", schema: str) -> Gate:
    """Plan the gate for one schema: the narrowest means that holds each writer back. Changes nothing.

    An account is locked only where we may not revoke and it reaches no other schema; accounts with server-wide
    rights, and those that nothing narrow holds, are named as `ungated`.
    """
    census = Census(connection)
    grantable, may_lock = _our_rights(connection)
    everyone = [s for (s,) in rows(connection, "SELECT schema_name FROM information_schema.schemata")]
    customers = [s for s in everyone if s not in SYSTEM_SCHEMAS and not is_own(s)]
    reach = census.reach(customers)
    grants: list[Grant] = []
    masked, locks, ungated = set[str](), set[str](), set[str]()
    users, sole = set[str](), set[str]()
    for holder, grant in census.grants(schema):
        if holder == census.me:
            continue
        name = grantee(*holder, census.roles)
        accounts = census.holders(*holder) - {census.me} - census.admins
        if holder in census.admins:
            ungated.add(name)
            continue
        alone = {a for a in accounts if reach.get(a, set()) | reach.get(holder, set()) <= {schema}}
        if needs(grant) <= grantable:
            users |= {user for user, _ in accounts}
            grants += [grant] if grant else []
            masked |= set() if grant else {name}
        elif may_lock and alone == accounts:
            users |= {user for user, _ in accounts}
            locks |= {grantee(*a, census.roles) for a in accounts - census.locked}
        else:
            ungated |= {name}
        sole |= {user for user, _ in alone}
    ungated |= {grantee(*a, census.roles) for a in census.admins if a != census.me}
    kind: GateKind = "schema_revoke" if grants or masked else "account_lock" if users else "optimistic"
    return Gate(
        kind=kind,
        schema_name=schema,
        grants=tuple(grants),
        masked=tuple(sorted(masked)),
        locks=tuple(sorted(locks)),
        users=tuple(sorted(users - {census.me[0]})),
        sole=tuple(sorted(sole & users)),
        ungated=tuple(sorted(ungated)),
    )


def covering(connection: "Connection[Any]", names: Iterable[str]) -> dict[str, str]:
    """Grantees without server-wide rights whose patterns cover one of `names`, with the grant's pattern."""
    census = Census(connection)
    wanted = tuple(names)
    found = {}
    for row in census.schema_rows():
        holder = (row["User"], row["Host"])
        ours = holder == census.me or holder in census.admins
        if not ours and any(matches(row["Db"], name) for name in wanted):
            found[grantee(*holder, census.roles)] = row["Db"]
    return found


def needs(grant: Grant | None) -> frozenset[str]:
    """The rights that must be ours to grant in order to give this back (None: only masked)."""
    words = ("SHOW VIEW",) if grant is None else grant.privileges
    return frozenset(word.partition(" (")[0] for word in words) | {"SELECT"}


def mightier(connection: "Connection[Any]", definers: Iterable[str], own: frozenset[str]) -> tuple[str, ...]:
    """Those of `definers` (`user@host`, or a role) whose rights are not those of the databases `own`.

    They have server-wide rights, or rights on other databases only: what they own lends these to whoever may use it.
    """
    census = Census(connection)
    everyone = {s for (s,) in rows(connection, "SELECT schema_name FROM information_schema.schemata")}
    reach = census.reach(everyone | own)
    found = []
    for text in sorted(set(definers)):
        user, _, host = text.rpartition("@") if "@" in text else (text, "", "")
        reached = reach.get((user, host), set())
        if (user, host) in census.global_ or "mysql" in reached or (reached and not reached & own):
            found.append(text)
    return tuple(found)


def _our_rights(connection: "Connection[Any]") -> tuple[frozenset[str], bool]:
    """Which rights are ours to grant everywhere, and whether we may lock accounts."""
    listing = (
        "SELECT privilege_type, is_grantable FROM information_schema.user_privileges WHERE grantee="
        "CONCAT('''', REPLACE(CURRENT_USER(),'@','''@'''), '''')"
    )
    held = dict(rows(connection, listing))
    return frozenset(word for word, grantable in held.items() if grantable == "YES"), "CREATE USER" in held


def _mapped(connection: "Connection[Any]", sql: str, args: list[Any] | None = None) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, args)
        names = [d[0] for d in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _set(value: str) -> list[str]:
    return [word for word in value.split(",") if word]
