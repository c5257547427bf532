"""Restore by difference against an exchange of the same table and against a reload of its dump.

    python -m bench.delta [--rows N] [--rounds N]

Each accident is mended in each way, one after the other; afterwards nothing may differ from the backup.
"""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pymysql
from servers.mariadb_live import Quiet

from bench.accident import DATABASE, TABLE, Accident, Damage, Written
from bench.table import Line, aligned, timed
from restorekit.engines.mariadb.sandbox import running_marker
from restorekit.model.difference import Difference, Wanted
from restorekit.model.plan import Approval
from restorekit.steps import diff, promote, swap

DAMAGES = (
    Damage("0.01 %", 0.0001),
    Damage("1 % clustered", 0.01, clustered=True),
    Damage("1 % scattered", 0.01),
    Damage("5 %", 0.05),
    Damage("10 %", 0.1),
    Damage("50 %", 0.5),
)
_RELOAD = "mariadb < dump of the table"


class Watched:
    """An engine whose ways of finding are timed by name."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.spent: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._engine, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return method(*args, **kwargs)
            finally:
                self.spent[name] = self.spent.get(name, 0) + time.perf_counter() - began

        return call


@dataclass
class Mended:
    """One accident mended: seconds by phase, bytes, and how long writers were held back."""

    method: str
    phases: dict[str, float]
    written: Written
    blocked_s: float = 0

    @property
    def total_s(self) -> float:
        return sum(self.phases.values())

    @property
    def after_s(self) -> float:
        """Without finding the difference, which comes before any choice."""
        return self.total_s - sum(self.phases.get(name, 0) for name in ("live", "compare", "choose"))

    def __str__(self) -> str:
        phases = ", ".join(f"{name} {spent:.2f}" for name, spent in self.phases.items())
        size = f"redo {self.written.redo / 1e6:.2f} MB, binlog {self.written.binlog / 1e6:.2f} MB"
        return f"{self.method}: {self.total_s:.2f} s ({phases}), held back {self.blocked_s:.2f} s, {size}"


@dataclass
class Mending:
    """One accident, round after round."""

    ground: Accident
    damage: Damage
    time_goal: float | None = None
    size_goal: float | None = None
    lines: dict[str, Line] = field(init=False)
    _refused: str = ""

    def __post_init__(self) -> None:
        name = self.damage.name
        self.lines = {
            "delta": Line(f"delta, {name}", _RELOAD, self.time_goal),
            "delta MB": Line(f"delta, {name}, MB", _RELOAD, self.size_goal),
            "exchange": Line(f"exchange, {name}", _RELOAD),
            "exchange MB": Line(f"exchange, {name}, MB", _RELOAD),
            "choice": Line(f"planner's choice, {name}", "the better of both, difference known", 1.2),
        }

    def round(self) -> list[Mended]:
        """The reload, the method chosen where nobody insists, and the other one, unless it is refused."""
        reload = self._reload()
        chosen = self._restored(None)
        made = {chosen.method: chosen}
        if not self._refused:
            other: Wanted = "delta" if chosen.method == "exchange" else "exchange"
            made[other] = self._restored(other)
        for name, mended in made.items():
            self.lines[name].pairs.append((mended.total_s, reload.total_s))
            self.lines[f"{name} MB"].pairs.append((mended.written.megabytes, reload.written.megabytes))
        choice = self.lines["choice"]
        choice.pairs.append((chosen.after_s, min(m.after_s for m in made.values())))
        choice.what = f"planner's choice, {self.damage.name}: {chosen.method}"
        return [reload, *made.values()]

    def _reload(self) -> Mended:
        self.ground.harm(self.damage)
        before = self.ground.written()
        spent = timed(self.ground.reload)
        written = self.ground.written() - before
        self.ground.whole()
        return Mended("reload", {"load": spent}, written)

    def _restored(self, method: Wanted | None) -> Mended:
        """Find, carry beside live, write and prove."""
        ground, engine = self.ground, Watched(self.ground.engine)
        ground.harm(self.damage)
        before = ground.written()
        proven = diff.Proven(ground.plan, ground.staged, ground.verdict)
        found = diff.diff(proven, diff.Part(method=method), engine, datetime.now(UTC), Quiet()).difference
        self._refused = next(t.no_delta for t in found.tables if t.name == TABLE)
        phases = {"live": engine.spent["contents"], "compare": engine.spent["compare"]}
        phases["choose"] = engine.spent.get("choose", 0.0)
        order = self._order(found)
        phases["preflight"] = timed(lambda: swap.clear_to_swap(engine.preflight(order)))
        began = time.perf_counter()
        carried = promote.promote(order, engine, Quiet())
        phases["promote"] = time.perf_counter() - began
        began = time.perf_counter()
        exchanged = swap.swap(order, carried, engine, Quiet())
        phases["write"] = time.perf_counter() - began
        written = ground.written() - before
        ground.whole()
        engine.drop_holding(order.id)
        engine.retire(exchanged)
        used = next(a.method for a in found.actions if a.name == TABLE)
        return Mended(used, phases, written, exchanged.blocked_s)

    def _order(self, found: Difference) -> Any:
        approval = Approval(restore_id="bench", over="", approved_by="bench", approved_at=datetime.now(UTC))
        ground = self.ground
        return promote.order(f"b{time.time_ns()}", ground.plan, (ground.staged, ground.verdict), found, approval)


@dataclass
class Finding:
    """What differs in the large table, against a program that fetches all rows of both sides."""

    ground: Accident
    line: Line = field(
        default_factory=lambda: Line("diff of a large table, 0.01 %", "fetching its rows of both sides", 0.2)
    )

    def round(self) -> None:
        self.ground.harm(DAMAGES[0])
        proven = diff.Proven(self.ground.plan, self.ground.staged, self.ground.verdict)
        found: list[Any] = []
        engine, now = self.ground.engine, datetime.now(UTC)
        ours = timed(lambda: found.append(diff.diff(proven, diff.Part(), engine, now, Quiet())))
        theirs = timed(lambda: found.append(self._fetched()))
        (table,) = (t for t in found[0].difference.tables if t.name == TABLE)
        assert (table.missing, table.changed, table.extra) == found[1]
        self.line.pairs.append((ours, theirs))
        self.ground.reload()

    def _fetched(self) -> tuple[int, int, int]:
        marker = running_marker(self.ground.staged.sandbox)
        sides: list[dict[Any, Any]] = []
        for socket, user, password in (
            (self.ground.live.socket, "root", ""),
            (marker.socket, marker.admin, marker.password),
        ):
            with _driver(str(socket), user, password) as connection, connection.cursor() as cursor:
                cursor.execute(f"SELECT * FROM {TABLE}")
                sides.append({row[0]: row for row in cursor.fetchall()})
        live, proven = sides
        changed = sum(1 for key, row in proven.items() if key in live and live[key] != row)
        return len(proven.keys() - live.keys()), changed, len(live.keys() - proven.keys())


@contextlib.contextmanager
def _driver(socket: str, user: str, password: str) -> Iterator[Any]:
    with pymysql.connect(unix_socket=socket, user=user, password=password, database=DATABASE) as connection:
        yield connection


@dataclass
class Deltas:
    """All accidents of one table."""

    ground: Accident
    mendings: list[Mending] = field(init=False)
    finding: Finding = field(init=False)

    def __post_init__(self) -> None:
        goals = {"0.01 %": (0.2, 0.01), "1 % clustered": (0.5, None), "1 % scattered": (0.5, None)}
        self.mendings = [Mending(self.ground, d, *goals.get(d.name, (None, None))) for d in DAMAGES]
        self.finding = Finding(self.ground)

    @property
    def lines(self) -> list[Line]:
        return [line for mending in self.mendings for line in mending.lines.values()] + [self.finding.line]

    def round(self) -> None:
        """Every accident once; what took how long is said at once."""
        self.finding.round()
        for mending in self.mendings:
            for mended in mending.round():
                print(f"{mending.damage.name}, {mended}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.delta", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_200_000, help="rows of the table (default 1200000)")
    parser.add_argument("--rounds", type=int, default=1, help="how often everything is measured (default 1)")
    options = parser.parse_args()
    with Accident.made(options.rows) as ground:
        deltas = Deltas(ground)
        for _ in range(options.rounds):
            deltas.round()
        print(aligned(deltas.lines))


if __name__ == "__main__":
    main()
