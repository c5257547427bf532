"""The whole path with its memory in PostgreSQL; two command lines at once; an audit log that somebody touched."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from scenarios.hoster import Hoster, contents, everything
from servers.mariadb import LiveServer
from servers.postgres import PostgresServer

TABLES = """
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(60) NOT NULL);
CREATE TABLE orders (id INT PRIMARY KEY, customer INT NOT NULL, amount INT,
  FOREIGN KEY (customer) REFERENCES customers (id));
INSERT INTO customers (name) VALUES ('Jürgen Müller'), ('O''Neill'), ('Zoë 🎈');
INSERT INTO orders SELECT seq, 1 + seq % 3, seq FROM seq_1_to_200;
"""
DAMAGE = "DELETE FROM orders WHERE id > 100; UPDATE customers SET name = 'nobody' WHERE id = 2"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer.running() as server:
        yield server


@pytest.fixture(scope="module")
def hoster(live: LiveServer, postgres: PostgresServer) -> Iterator[Hoster]:
    with Hoster.open(live, state=postgres.new_database()) as hoster:
        yield hoster


def backed_up(hoster: Hoster, *names: str) -> None:
    for name in names:
        hoster.live.script(TABLES, name)
        hoster.repository.stream(f"{name}.sql", hoster.live.dump(name), "2026-01-17 02:00:00")
        hoster.live.script(DAMAGE, name)


def test_the_whole_path(hoster: Hoster, live: LiveServer, tmp_path: Path) -> None:
    house = hoster.house
    with hoster.database("shop"):
        live.script(TABLES, "shop")
        whole = contents(live, "shop")
        live.script("DROP TABLE orders, customers", "shop")
        backed_up(hoster, "shop")
        damaged = everything(live, "shop")
        waiting = house.run("restore", "db1/shop", "--at", "2026-01-18", "--json")
        assert (waiting.code, waiting.json["state"], waiting.json["level"]) == (6, "awaiting_approval", 5), waiting
        told = house.ok("approve", waiting.json["id"], "--json").json
        assert told["state"] == "swapped"
        assert contents(live, "shop") == whole
        receipt = tmp_path / "receipt.json"
        receipt.write_text(house.ok("receipt", told["id"], "--json").out)
        hoster.undo(told)
        assert everything(live, "shop") == damaged
        known = house.ok("points", "db1/shop", "--json").json
        assert [p["level"] for p in known] == [5]
        assert house.ok("audit", "verify", "--against", str(receipt), "--json").json["holds"] is True
    assert not (house.folder / "state").exists(), "nothing was kept anywhere else"


def test_two_command_lines_at_once(hoster: Hoster, live: LiveServer) -> None:
    """One becomes the worker, the other follows; each ends with its own restore done."""
    with hoster.database("one"), hoster.database("two"):
        backed_up(hoster, "one", "two")
        words = ("--at", "2026-01-18", "--yes", "--json")
        running = [hoster.house.start("restore", f"db1/{name}", *words) for name in ("one", "two")]
        told = []
        for process in running:
            out, err = process.communicate(timeout=200)
            assert process.returncode == 0, (out, err)
            told.append(json.loads(out))
        assert [(t["database"], t["state"], t["level"]) for t in told] == [
            ("db1/one", "swapped", 5),
            ("db1/two", "swapped", 5),
        ]
        for name in ("one", "two"):
            assert live.one(f"SELECT COUNT(*) FROM `{name}`.orders") == 200
        hoster.house.ok("audit", "verify")


Change = Callable[[str], None]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def kept(request: pytest.FixtureRequest, live: LiveServer, postgres: PostgresServer) -> Iterator[tuple[Hoster, Change]]:
    """An installation that has restored something, and a way to meddle with its memory."""
    state = postgres.new_database() if request.param == "postgresql" else ""
    with Hoster.open(live, state=state) as hoster, hoster.database("shop"):
        backed_up(hoster, "shop")

        def in_sqlite(sql: str) -> None:
            with closing(sqlite3.connect(hoster.house.folder / "state/state.db")) as memory, memory:
                memory.execute(sql)

        def in_postgres(sql: str) -> None:
            with postgres.connect(state.partition("?")[0].rpartition("/")[2]) as memory:
                memory.execute(sql)  # type: ignore[call-overload]

        yield hoster, in_postgres if state else in_sqlite


def broken(hoster: Hoster, *words: str) -> Any:
    answer = hoster.house.run("audit", "verify", *words, "--json")
    assert (answer.code, answer.json["error"]["code"]) == (5, "audit_broken"), answer
    return answer.json["error"]


def test_who_meddles_with_the_audit_log_is_found_out(kept: tuple[Hoster, Change], tmp_path: Path) -> None:
    hoster, change = kept
    told = hoster.restore("shop", "--at", "2026-01-18")
    receipt = tmp_path / "receipt.json"
    receipt.write_text(hoster.house.ok("receipt", told["id"], "--json").out)
    hoster.undo(told)
    hoster.house.ok("audit", "verify", "--against", str(receipt))

    change("UPDATE rk_audit SET verb = 'approvf' WHERE verb = 'approve'")  # one byte
    broken(hoster)
    change("UPDATE rk_audit SET verb = 'approve' WHERE verb = 'approvf'")
    hoster.house.ok("audit", "verify")

    forged = tmp_path / "forged.json"
    forged.write_text(receipt.read_text().replace('"level": 5', '"level": 6'))
    answer = hoster.house.run("receipt", "verify", str(forged), "--json")
    assert (answer.code, answer.json["error"]["code"]) == (5, "audit_broken"), answer

    entries = hoster.house.ok("audit", "--json").json
    cut = next(e for e in entries if e["act"]["verb"] == "swapped")["sequence"]
    change(f"DELETE FROM rk_audit WHERE sequence >= {cut}")
    broken(hoster)
    # A forger who is thorough: the log's own head and all that names entries now fit the shorter log.
    last = next(e for e in entries if e["sequence"] == cut - 1)
    change(f"UPDATE rk_audit_head SET count = {last['sequence']}, hash = '{last['hash']}'")
    change(f"UPDATE rk_runs SET audit_sequence = {last['sequence']} WHERE audit_sequence > {last['sequence']}")
    broken(hoster, "--against", str(receipt))
