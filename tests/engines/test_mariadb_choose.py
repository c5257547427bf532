"""Which of the differing rows are written: what was asked for, what it needs, and nothing that cannot be."""

from collections.abc import Iterator
from typing import Any

import pytest
from servers.mariadb import QUICK, LiveServer
from servers.mariadb_lab import FAST
from servers.mariadb_live import Quiet, live_on

from restorekit.engines.mariadb.compare import compare
from restorekit.engines.mariadb.delta import choosing, names
from restorekit.errors import PreflightRefused, UsageError
from restorekit.model.database import Where
from restorekit.model.pick import Pick
from restorekit.model.shown import Choice

STAGING, LIVE = Where(schema_name="s"), Where(schema_name="l")


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer.running(args=(*FAST, *QUICK)) as running:
        yield running


class Two:
    """The same schema twice on one server: `s` is the backup's, `l` is live's."""

    def __init__(self, server: LiveServer) -> None:
        self.server, self.compared = server, False
        server.script("DROP DATABASE IF EXISTS l; DROP DATABASE IF EXISTS s; CREATE DATABASE l; CREATE DATABASE s")

    def both(self, sql: str) -> None:
        self.compared = False
        for schema in "ls":
            self.server.script(sql, schema)

    def live(self, *statements: str) -> None:
        self.compared = False
        self.server.script(";".join(("SET foreign_key_checks=0", *statements)), "l")

    def backup(self, *statements: str) -> None:
        self.compared = False
        self.server.script(";".join(("SET foreign_key_checks=0", *statements)), "s")

    def compare(self) -> None:
        tables = [
            n for (n,) in self.server.rows("SELECT table_name FROM information_schema.tables WHERE table_schema='s'")
        ]
        found = compare(live_on(self.server), STAGING, LIVE, tables, 10, Quiet())
        self.compared = True
        self.difference = {t.name: t for t in found}

    def choose(self, *tables: str, conditions: Any = None, again: bool = False, **pick: Any) -> Choice:
        if not self.compared:
            self.compare()
        asked = Pick(tables=tables or None, filtered=bool(conditions), **pick)
        said = None if again else conditions or {}
        return choosing.choose(live_on(self.server), (STAGING, LIVE), asked, said, Quiet())

    def chosen(self, table: str, key: str = "id") -> list[Any]:
        """Operation and key of what lies in the sandbox."""
        rows = self.server.rows(f"SELECT * FROM {names.chosen(table)}")
        return sorted((op, *rest) for op, _, _, *rest in rows)


@pytest.fixture
def two(server: LiveServer) -> Two:
    return Two(server)


SHOP = """
CREATE TABLE customers (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) NOT NULL, born DATE);
CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, total INT, note VARCHAR(30),
  FOREIGN KEY (customer) REFERENCES customers (id));
CREATE TABLE items (`order` INT, line INT, what VARCHAR(20), n INT, PRIMARY KEY (`order`, line),
  FOREIGN KEY (`order`) REFERENCES orders (id) ON DELETE CASCADE);
INSERT INTO customers SELECT seq, CONCAT('c', seq), '2000-01-01' FROM seq_1_to_10;
INSERT INTO orders SELECT seq, 1 + seq % 10, seq, CONCAT('n', seq) FROM seq_1_to_50;
INSERT INTO items SELECT seq, 1, 'thing', 1 FROM seq_1_to_50;
"""


def counts(choice: Choice) -> dict[str, tuple[int, ...]]:
    return {t.name: (t.insert, t.change, t.remove) for t in choice.selection.tables}


def test_everything_that_differs(two: Two) -> None:
    two.both(SHOP)
    two.live("DELETE FROM orders WHERE id IN (3,4,50); UPDATE orders SET total=0 WHERE id IN (7,8)")
    two.live("INSERT INTO orders VALUES (60,1,1,'new')")
    choice = two.choose("orders")
    (table,) = choice.selection.tables
    assert (table.insert, table.change, table.remove, table.whole) == (3, 2, 1, True)
    assert (table.keep, table.left, table.pulled, choice.selection.conflict_count) == (0, 0, 0, 0)
    assert two.chosen("orders") == [("D", 60), ("I", 3), ("I", 4), ("I", 50), ("U", 7), ("U", 8)]
    assert len(table.keyed) == 32


def test_only_what_is_missing_and_what_it_needs(two: Two) -> None:
    two.both(SHOP)
    two.live(
        "DELETE FROM items WHERE `order` IN (3,4)",
        "DELETE FROM orders WHERE id IN (3,4)",
        "UPDATE orders SET total=0 WHERE id=7",
        "INSERT INTO orders VALUES (60,1,1,'new')",
        "DELETE FROM customers WHERE id=4",
        "UPDATE customers SET name='other' WHERE id=5",
    )
    choice = two.choose("items", rows="missing", keep_new=True)
    assert counts(choice) == {"customers": (1, 0, 0), "items": (2, 0, 0), "orders": (2, 0, 0)}
    orders = choice.selection.table("orders")
    assert orders is not None
    assert (orders.pulled, orders.keep, orders.left, orders.skipped, orders.whole) == (2, 1, 1, 0, False)
    assert two.chosen("orders") == [("I", 3), ("I", 4)]
    assert two.chosen("items") == [("I", 3, 1), ("I", 4, 1)]


def kinds(choice: Choice) -> list[tuple[str, str, str]]:
    assert len(choice.selection.conflicts) == len(choice.conflicts) <= choice.selection.conflict_count
    return sorted((c.table, c.kind, c.by) for c in choice.selection.conflicts)


ACCOUNTS = """
CREATE TABLE accounts (id INT PRIMARY KEY, mail VARCHAR(40) NOT NULL UNIQUE, name VARCHAR(20), made TIMESTAMP NOT NULL
  DEFAULT CURRENT_TIMESTAMP, seen TIMESTAMP NULL ON UPDATE CURRENT_TIMESTAMP);
CREATE TABLE posts (id INT PRIMARY KEY, account INT, text VARCHAR(30), FOREIGN KEY (account) REFERENCES accounts (id));
INSERT INTO accounts SELECT seq, CONCAT('m', seq, '@x'), 'same', '2020-01-01', '2021-01-01' FROM seq_1_to_9;
INSERT INTO posts SELECT seq, seq, 'p' FROM seq_1_to_9;
"""


def test_an_id_that_another_row_bears_now(two: Two) -> None:
    two.both(ACCOUNTS)
    two.live("DELETE FROM posts WHERE id=4", "UPDATE accounts SET mail='stranger@x' WHERE id=4")
    expected: dict[Any, Any] = {
        None: ((0, 0, 0), (0, 0, 0)),
        "skip": ((0, 0, 0), (0, 0, 0)),
        "theirs": ((0, 0, 0), (1, 0, 0)),
        "ours": ((0, 1, 0), (1, 0, 0)),
    }
    for how, rows in expected.items():
        choice = two.choose(rows="missing", conflicts=how)
        found = counts(choice)
        assert (found["accounts"], found["posts"]) == rows, how
        assert ("accounts", "id_reused", "") in kinds(choice)
        assert choice.selection.conflict_count == (2 if how in (None, "skip") else 1)
        shown = next(c for c in choice.conflicts if c.table == "accounts")
        assert (shown.key, shown.other["mail"]) == ({"id": 4}, "stranger@x")
        # the same name for the row as in the difference that was shown
        assert two.difference["accounts"].rows[0].key in {c.key for c in choice.selection.conflicts}
    # live's newer row is a new one: nothing that only live has may be touched
    kept = counts(two.choose(rows="missing", conflicts="ours", keep_new=True))
    assert (kept["accounts"], kept["posts"]) == ((0, 0, 0), (0, 0, 0))


def test_what_makes_it_another_row(two: Two) -> None:
    two.both(ACCOUNTS)
    changes = {
        "mail='other@x'": True,
        "mail='M4@X'": False,
        "made='2020-01-02'": True,
        "seen='2026-01-01'": False,
        "name='another', seen='2026-01-01'": False,
        "name='another', mail='o', made='2020-01-02', seen=NULL": True,
    }
    for change, reused in changes.items():
        two.live("DELETE FROM accounts WHERE id=4", "INSERT INTO accounts SELECT * FROM s.accounts WHERE id=4")
        two.live(f"UPDATE accounts SET {'' if 'seen' in change else 'seen=seen,'} {change} WHERE id=4")
        choice = two.choose("accounts", rows="changed")
        assert kinds(choice) == ([("accounts", "id_reused", "")] if reused else []), change
        assert counts(choice) == {"accounts": (0, 0 if reused else 1, 0)}
        # the whole table is wanted: nothing stands in the way
        assert kinds(two.choose("accounts")) == []


def test_what_nobody_fills_does_not_make_it_the_same_row(two: Two) -> None:
    two.both("CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, c INT, d INT, e INT)")
    two.both("INSERT INTO t VALUES (1,1,1,1,1,1),(2,1,1,1,1,1),(3,1,1,1,1,NULL),(4,1,1,NULL,NULL,NULL),(5,1,9,9,9,9)")
    two.live(
        "UPDATE t SET a=2,b=2,c=2 WHERE id IN (1,3)",
        "UPDATE t SET a=2,b=2,c=2,d=2 WHERE id=2",
        "UPDATE t SET a=2,b=NULL WHERE id=4",
        "UPDATE t SET a=2 WHERE id=5",
    )
    choice = two.choose("t", rows="changed", conflicts="theirs")
    assert two.chosen("t") == [("U", 1), ("U", 3), ("U", 5)]  # 3 of 5, 3 of 4, 1 of 5 with a value
    assert [c.key["id"] for c in choice.conflicts] == [2, 4]  # 4 of 5, 2 of 2


def test_a_unique_value_that_a_new_row_has(two: Two) -> None:
    two.both(ACCOUNTS)
    two.live("DELETE FROM accounts WHERE id=4", "INSERT INTO accounts (id, mail) VALUES (50, 'M4@x')")
    two.live("DELETE FROM posts")
    asked: list[tuple[Any, bool]] = [(None, False), ("theirs", False), ("skip", False), ("ours", True)]
    for how, keep_new in asked:
        choice = two.choose("accounts", rows="missing", conflicts=how, keep_new=keep_new)
        assert counts(choice) == {"accounts": (0, 0, 0)}
        assert kinds(choice) == [("accounts", "unique_taken", "mail")]
        assert choice.conflicts[0].key == {"id": 4}
        assert choice.conflicts[0].other["id"] == 50
    choice = two.choose("accounts", rows="missing", conflicts="ours")
    assert (counts(choice), kinds(choice)) == ({"accounts": (1, 0, 1)}, [])


def test_unique_values_that_change_hands_within_the_set_are_no_conflict(two: Two) -> None:
    two.both(ACCOUNTS)
    two.live("UPDATE accounts SET mail=CONCAT('t', id), seen='2021-01-01' WHERE id IN (1,2)")
    two.live("UPDATE accounts SET mail=IF(id=1,'m2@x','m1@x'), seen='2021-01-01' WHERE id IN (1,2)")
    choice = two.choose("accounts", rows="changed", conflicts="ours")
    assert counts(choice) == {"accounts": (0, 2, 0)}


def test_a_parent_that_nobody_has(two: Two) -> None:
    """An orphan of the backup cannot be brought back, whatever is said."""
    two.both(ACCOUNTS)
    two.backup("DELETE FROM accounts WHERE id=4")
    two.live("DELETE FROM accounts WHERE id=4", "DELETE FROM posts WHERE id IN (4,5)")
    hows: tuple[Any, ...] = (None, "ours", "theirs", "skip")
    for how in hows:
        choice = two.choose(rows="missing", conflicts=how)
        assert counts(choice) == {"posts": (1, 0, 0)}
        assert kinds(choice) == [("posts", "parent_missing", "accounts")]
        assert choice.selection.tables[0].skipped == 1


def test_children_of_rows_that_would_be_removed(two: Two) -> None:
    two.both(ACCOUNTS)
    two.live("INSERT INTO accounts (id, mail) VALUES (50,'a'),(51,'b')", "INSERT INTO posts VALUES (99,50,'new')")
    hows: tuple[Any, ...] = (None, "theirs", "skip")
    for how in hows:
        choice = two.choose("accounts", conflicts=how)
        assert counts(choice) == {"accounts": (0, 0, 1)}
        assert kinds(choice) == [("accounts", "has_children", "posts")]
        assert (choice.conflicts[0].key, choice.conflicts[0].other) == ({"id": 50}, {"id": 99})
    # the children give way, too
    choice = two.choose("accounts", conflicts="ours")
    assert (counts(choice), kinds(choice)) == ({"accounts": (0, 0, 2), "posts": (0, 0, 1)}, [])
    # with both tables in the pick they go anyway
    assert kinds(two.choose("accounts", "posts")) == []


def test_children_without_a_key_are_looked_for_on_live(two: Two) -> None:
    two.both(
        ACCOUNTS + "CREATE TABLE tags (account INT, tag VARCHAR(9), FOREIGN KEY (account) REFERENCES accounts (id));"
    )
    two.live("INSERT INTO accounts (id, mail) VALUES (50,'a'),(51,'b')", "INSERT INTO tags VALUES (50,'x'),(1,'y')")
    choice = two.choose("accounts", conflicts="ours")
    assert counts(choice) == {"accounts": (0, 0, 1)}
    assert kinds(choice) == [("accounts", "has_children", "tags")]


TREE = """
CREATE TABLE nodes (a INT, b VARCHAR(5), up_a INT, up_b VARCHAR(5), other INT, PRIMARY KEY (a, b),
  FOREIGN KEY (up_a, up_b) REFERENCES nodes (a, b));
CREATE TABLE leaves (id INT PRIMARY KEY, a INT, b VARCHAR(5), first INT UNIQUE,
  FOREIGN KEY (a, b) REFERENCES nodes (a, b));
ALTER TABLE nodes ADD FOREIGN KEY (other) REFERENCES leaves (first);
SET foreign_key_checks=0;
INSERT INTO nodes VALUES (1,'r',NULL,NULL,NULL),(2,'x',1,'r',NULL),(3,'y',2,'x',70),(4,'half',3,NULL,NULL);
INSERT INTO leaves VALUES (7,1,'r',70),(8,3,'y',80);
"""


def test_parents_of_parents_in_the_same_table_and_round_about(two: Two) -> None:
    two.both(TREE)
    two.live("DELETE FROM nodes", "DELETE FROM leaves")
    choice = two.choose("leaves", rows="missing", conditions={"leaves": "id=8"})
    assert counts(choice) == {"leaves": (2, 0, 0), "nodes": (3, 0, 0)}
    assert two.chosen("nodes") == [("I", 1, "r"), ("I", 2, "x"), ("I", 3, "y")]
    assert choice.selection.table("leaves").pulled == 1  # type: ignore[union-attr]


def test_skip_leaves_out_what_needs_the_other_row_and_what_only_that_needed(two: Two) -> None:
    two.both(
        ACCOUNTS + "CREATE TABLE votes (id INT PRIMARY KEY, post INT, FOREIGN KEY (post) REFERENCES posts (id));"
        "INSERT INTO votes SELECT seq, seq FROM seq_1_to_9;"
    )
    two.live(
        "DELETE FROM votes WHERE id IN (4,5)",
        "DELETE FROM posts WHERE id IN (4,5)",
        "UPDATE accounts SET mail='s' WHERE id=4",
    )
    choice = two.choose("votes", rows="missing", conflicts="skip")
    assert two.chosen("votes") == [("I", 5)]
    assert two.chosen("posts") == [("I", 5)]
    assert kinds(choice) == [("posts", "id_reused", "accounts")]
    assert choice.selection.table("votes").skipped == 1  # type: ignore[union-attr]


def test_a_condition_is_asked_of_the_backup_and_of_live_where_the_backup_has_no_row(two: Two) -> None:
    two.both(SHOP)
    two.live("UPDATE orders SET note='changed' WHERE id IN (1,2)", "DELETE FROM orders WHERE id IN (3,4)")
    two.live("INSERT INTO orders VALUES (60,1,1,'n1'), (61,1,1,'x')", "DELETE FROM items WHERE `order` IN (3,4)")
    choice = two.choose("orders", conditions={"": "note IN ('n1','n3') -- and so on"})
    assert two.chosen("orders") == [("D", 60), ("I", 3), ("U", 1)]
    (table,) = choice.selection.tables
    assert (table.left, table.keep, table.whole) == (2, 1, False)
    again = two.choose("orders", again=True)
    assert again.selection == choice.selection
    assert two.choose("orders", conditions={"orders": "note LIKE '%x%' OR id%5=4"}).selection != choice.selection


def test_a_condition_that_cannot_be_asked_says_so_without_values(two: Two) -> None:
    two.both(SHOP)
    two.live("DELETE FROM items", "DELETE FROM orders WHERE id=3")
    for condition in (
        "canary-1 =",
        "nocolumn='canary-1'",
        "id IN (SELECT 1 FROM mysql.user)",
        "id IN (SELECT id FROM l.customers WHERE name='canary-1')",
        "1) INTO OUTFILE '/tmp/canary-1' -- ",
        "id=1); DROP TABLE orders; --",
    ):
        with pytest.raises(UsageError) as caught:
            two.choose("orders", conditions={"orders": condition})
        assert "canary" not in str(caught.value) + caught.value.hint
    assert two.server.one("SELECT COUNT(*) FROM l.orders") == 49


def test_a_condition_on_a_table_that_nobody_asked_for(two: Two) -> None:
    two.both(SHOP)
    two.live("DELETE FROM items", "DELETE FROM orders WHERE id=3")
    with pytest.raises(UsageError, match="customers"):
        two.choose("orders", conditions={"customers": "id=1"})


def test_rows_that_are_needed_and_cannot_be_written(two: Two) -> None:
    two.both(
        "CREATE TABLE p (id INT PRIMARY KEY, x INT);"
        "CREATE TABLE c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id))"
    )
    two.both("INSERT INTO p VALUES (1,1),(2,2); INSERT INTO c VALUES (1,1),(2,2),(3,NULL)")
    two.live("DELETE FROM c", "DELETE FROM p WHERE id=1", "ALTER TABLE p ADD y INT")
    with pytest.raises(PreflightRefused, match="definition"):
        two.choose("c", rows="missing")
    assert counts(two.choose("c", rows="missing", conditions={"c": "id>1"})) == {"c": (2, 0, 0)}
    with pytest.raises(PreflightRefused, match="one by one"):
        two.choose("p", rows="missing")


def test_a_parent_in_a_table_whose_differences_are_not_known(two: Two) -> None:
    """It has no key: live is asked whether the parent is there."""
    two.both("CREATE TABLE p (id INT, x INT, KEY (id)); CREATE TABLE c (id INT PRIMARY KEY, p INT)")
    two.both("ALTER TABLE c ADD FOREIGN KEY (p) REFERENCES p (id)")
    two.both("INSERT INTO p VALUES (1,1),(2,2); INSERT INTO c VALUES (1,1),(2,2),(3,NULL)")
    two.live("DELETE FROM c", "DELETE FROM p WHERE id=1")
    with pytest.raises(PreflightRefused, match="no key"):
        two.choose("c", rows="missing")
    assert counts(two.choose("c", rows="missing", conditions={"c": "p=2 OR p IS NULL"})) == {"c": (2, 0, 0)}


def test_neighbours_of_every_kind_are_looked_at(two: Two) -> None:
    two.both(
        "CREATE TABLE p (id INT PRIMARY KEY, x INT CHECK (x > 0), g INT AS (x*2) STORED UNIQUE, f FLOAT,"
        " w POINT NOT NULL, t TEXT, FULLTEXT (t), SPATIAL KEY (w));"
        "CREATE TABLE old (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id)) WITH SYSTEM VERSIONING;"
        "INSERT INTO p (id, x, f, w, t) SELECT seq, seq, seq/3, POINT(seq, 1), 'w' FROM seq_1_to_9;"
        "INSERT INTO old VALUES (1,1),(2,2)"
    )
    two.live("DELETE FROM p WHERE id>7", "UPDATE old SET p=3 WHERE id=1", "UPDATE p SET f=f+1, t='u' WHERE id=1")
    two.live("INSERT INTO p (id, x, f, w) VALUES (50, 8, 1.5, POINT(0, 0))", "INSERT INTO old VALUES (7,50)")
    choice = two.choose("p", rows="all", keep_new=True, conflicts="skip")
    assert kinds(choice) == [("p", "unique_taken", "g")]
    assert two.chosen("p") == [("I", 9), ("U", 1)]
    assert kinds(two.choose("p", conflicts="theirs")) == [("p", "has_children", "old"), ("p", "unique_taken", "g")]


def test_nothing_of_a_customer_leaves_the_sandbox(two: Two) -> None:
    two.both(ACCOUNTS)
    two.live("UPDATE accounts SET mail='canary@x', name='canary' WHERE id=4", "DELETE FROM posts WHERE id=4")
    choice = two.choose(rows="missing", conditions={"": "'canary'='canary'"})
    assert choice.selection.conflict_count == 2
    assert "canary" not in choice.selection.model_dump_json()
    assert choice.conflicts[0].other["mail"] == "canary@x"


def test_the_choice_is_known_by_its_keyed_hash(two: Two) -> None:
    two.both(SHOP)
    two.live("DELETE FROM items", "UPDATE orders SET note='changed' WHERE id IN (1,2)")
    first = two.choose("orders", rows="changed").selection.table("orders")
    two.server.script("UPDATE rk_found.orders SET rk_proven=rk_proven+1 WHERE id=2")
    other = choosing.choose(live_on(two.server), (STAGING, LIVE), Pick(tables=("orders",), rows="changed"), {}, Quiet())
    table = other.selection.table("orders")
    assert first is not None
    assert table is not None
    assert (first.change, table.change) == (2, 2)
    assert first.keyed != table.keyed


def test_without_a_comparison_there_is_nothing_to_choose_from(two: Two) -> None:
    two.server.script("DROP DATABASE IF EXISTS rk_noted")
    with pytest.raises(UsageError, match="compared"):
        choosing.choose(live_on(two.server), (STAGING, LIVE), Pick(), {}, Quiet())


def test_live_moves_on_while_somebody_chooses(two: Two) -> None:
    """What is gone or changed since is no concern of the choice: whoever writes looks again."""
    two.both(ACCOUNTS)
    two.live(
        "UPDATE accounts SET name='x', seen='2021-01-01' WHERE id<4", "INSERT INTO accounts (id,mail) VALUES (50,'a')"
    )
    two.compare()
    two.live("DELETE FROM posts", "DELETE FROM accounts WHERE id IN (1,50)", "UPDATE accounts SET mail='s' WHERE id=2")
    pick = Pick(tables=("accounts",), rows="all", conflicts="skip")
    choice = choosing.choose(live_on(two.server), (STAGING, LIVE), pick, {}, Quiet())
    assert two.chosen("accounts") == [("D", 50), ("U", 1), ("U", 2), ("U", 3)]
    assert choice.selection.conflict_count == 0
