"""A value of a customer's row is nowhere but in his databases: no state file, log, error, spool or table of ours."""

import contextlib
import sqlite3
from base64 import b64encode

from scenarios.ground import Customer, Ground

CANARY = "CANARY-7f3a-9c41"
FORMS = (CANARY.encode(), CANARY.encode("utf-16-le"), CANARY.encode().hex().encode(), b64encode(CANARY.encode())[:-4])


def found(ground: Ground) -> list[str]:
    """Files of the installation, outputs of its commands and rows of its state in which the value stands."""
    files = [p for p in ground.house.folder.rglob("*") if p.is_file()]
    files += [*ground.folder.glob("*.out"), *ground.folder.glob("*.err")]
    hits = [str(p) for p in files if any(form in p.read_bytes() for form in FORMS)]
    with contextlib.closing(sqlite3.connect(ground.house.folder / "state" / "state.db")) as state:
        return hits + [line[:80] for line in state.iterdump() if CANARY in line]


def test_the_search_finds_it(ground: Ground) -> None:
    """Else nothing found would mean nothing."""
    ground.house.ok("status")
    planted = ground.house.folder / "planted"
    for form in FORMS:
        planted.write_bytes(b"\0\1" + form + b"\0")
        assert found(ground) == [str(planted)]
    planted.unlink()


def test_nowhere(ground: Ground, shop: Customer) -> None:
    shop.sql(
        "CREATE TABLE secrets (id INT PRIMARY KEY, v VARCHAR(60) UNIQUE, t TEXT);"
        f"INSERT INTO secrets VALUES (1, '{CANARY} one', 'ü {CANARY}'), (2, '{CANARY} two', NULL), (3, 'x', 'y');"
        f"CREATE TABLE nokey (v VARCHAR(60)); INSERT INTO nokey VALUES ('{CANARY}'), ('{CANARY}')"
    )
    dump = shop.dump()
    good = shop.snapshot(dump)
    shop.sql(
        f"UPDATE secrets SET v = '{CANARY} changed' WHERE id = 1; DELETE FROM secrets WHERE id = 2;"
        f"INSERT INTO secrets VALUES (9, '{CANARY} new', ''); DELETE FROM nokey LIMIT 1"
    )
    shop.file(dump)
    broken = {
        "a duplicate key": dump.replace(b"(3,'x','y')", f"(3,'{CANARY} one','y')".encode()),
        "a bad number": dump.replace(b"(3,'x','y')", f"('{CANARY}','x','y')".encode()),
        "an unknown statement": dump + f"\nCALL somebody('{CANARY}');\n".encode(),
        "cut in the value": dump[: dump.index(CANARY.encode()) + 12],
        "a syntax error": dump.replace(b"(3,'x','y')", f"(3,'x','y'); SELECT '{CANARY}' FRM x; (".encode()),
    }
    for what, text in broken.items():
        assert text != dump, what
        path = ground.dumps / "db1" / f"{shop.name}.sql"
        path.write_bytes(text)
        failed = shop.restore("--point", shop.point("plain"), "--yes")
        assert failed.code == 5, (what, failed)

    waiting = shop.restore("--point", good)
    assert waiting.code == 6, waiting
    run_id = waiting.json["id"]
    ground.house.ok("diff", run_id)
    ground.house.ok("diff", run_id, "--json")
    resting = [p for p in found(ground) if f"/staging/{run_id}/" not in p]
    assert resting == []
    assert ground.house.run("approve", run_id).code == 0
    ground.house.ok("receipt", run_id, "--json")
    ground.house.ok("undo", run_id)
    ground.house.ok("status", run_id)
    ground.house.ok("audit", "--json")
    assert found(ground) == []
    assert CANARY.encode() not in shop.live.dumped("--skip-extended-insert", "_restorekit")
