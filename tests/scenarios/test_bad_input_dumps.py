"""Dumps that are not what they should be: cut, empty, or made to do something else than hold a database."""

from collections.abc import Iterator

import pytest
from scenarios.ground import DAMAGE, Customer, Ground


def cut_at_statement(dump: bytes) -> bytes:
    """Everything before the last table: loads with exit code 0 into any client."""
    return dump[: dump.index(b"DROP TABLE IF EXISTS `visits`")]


def cut_after_bracket(dump: bytes) -> bytes:
    """In a list of rows, between two of them."""
    return dump[: dump.index(b"),\n(", dump.index(b"INSERT INTO `orders`")) + 1]


def cut_in_string(dump: bytes) -> bytes:
    return dump[: dump.index(b"Neill")]


def smuggled(dump: bytes, text: bytes) -> bytes:
    """The dump, whole, with something more in its body."""
    head, end, tail = dump.partition(b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */")
    assert end
    return head + text + b"\n" + end + tail


@pytest.mark.parametrize(
    ("cut", "code"),
    [
        (cut_at_statement, "proof_failed"),
        (cut_after_bracket, "dump_incomplete"),
        (cut_in_string, "dump_incomplete"),
    ],
)
def test_cut(ground: Ground, shop: Customer, cut, code: str) -> None:
    point = shop.snapshot(cut(shop.dump()))
    shop.sql(DAMAGE)
    with ground.untouched():
        ground.refused("restore", shop.database, "--point", point, "--yes", code=code, exit_code=5)


def test_empty_file(ground: Ground, shop: Customer) -> None:
    point = shop.file(b"")
    with ground.untouched():
        ground.refused("restore", shop.database, "--point", point, "--yes", code="dump_incomplete", exit_code=5)
        ground.refused("restore", shop.database, "--at", "2030-01-01", code="no_point", exit_code=4, says=["is empty"])


@pytest.mark.parametrize("source", ["mariadb-dump", pytest.param("capture", marks=pytest.mark.long)])
def test_dump_of_an_empty_database_while_live_has_tables(ground: Ground, shop: Customer, source: str) -> None:
    """Whole and proven, and yet nobody wants it: the day on which the backup was empty."""
    ground.live.script(f"CREATE DATABASE hollow; RENAME TABLE {shop.name}.visits TO hollow.visits")
    ground.live.script("DROP TABLE hollow.visits")
    empty = ground.live.dump("hollow")
    if source == "capture":
        path = ground.folder / "hollow.sql"
        ground.house.ok("capture", "db1/hollow", "--to", str(path))
        empty = path.read_bytes()
    ground.live.script("DROP DATABASE hollow")
    point = shop.file(empty)
    with ground.untouched():
        ground.refused(
            "restore", shop.database, "--point", point, "--yes", code="proof_failed", exit_code=5, says=["empty"]
        )


@pytest.fixture(scope="module")
def victim(ground: Ground) -> Iterator[str]:
    """Another customer's table, and a folder that everybody may write to."""
    ground.live.script("CREATE DATABASE victim; CREATE TABLE victim.t (v INT); INSERT INTO victim.t VALUES (1)")
    (ground.folder / "open").mkdir()
    (ground.folder / "open").chmod(0o777)
    (ground.folder / "open" / "secret").write_text("1\n")
    yield "victim"
    ground.live.script("DROP DATABASE victim")


def rarely(attack: str) -> object:
    return pytest.param(attack, marks=pytest.mark.long)


@pytest.mark.parametrize(
    "attack",
    [
        "USE victim;\nDROP TABLE t;",
        "INSERT INTO victim.t VALUES (2);",
        rarely("DELETE FROM victim.t;"),
        "\\! touch {open}/shell\n",
        rarely("system touch {open}/shell;"),
        "LOAD DATA LOCAL INFILE '{open}/secret' INTO TABLE visits;",
        rarely("INSERT INTO visits VALUES (LOAD_FILE('{open}/secret'));"),
        "SELECT 1 INTO OUTFILE '{open}/outfile';",
        "SET GLOBAL max_connections = 1;",
        rarely("GRANT ALL ON *.* TO evil@localhost IDENTIFIED BY 'x';"),
        rarely("INSTALL SONAME 'metadata_lock_info';"),
    ],
    ids=lambda text: " ".join(text.split()[:3]),
)
def test_attack(ground: Ground, shop: Customer, victim: str, attack: str) -> None:
    text = attack.format(open=ground.folder / "open").encode()
    point = shop.file(smuggled(shop.dump(), text))
    with ground.untouched():
        ground.refused("restore", shop.database, "--point", point, "--yes", code="dump_refused", exit_code=5)
    assert [p.name for p in (ground.folder / "open").iterdir()] == ["secret"]
