"""A customer's MariaDB database back from a restic snapshot: proven, swapped, undoable. Chinook, real servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from scenarios.house import Installation
from servers.mariadb import LiveServer
from servers.restic import Repository


@pytest.fixture
def house(live: LiveServer, room: Path) -> Iterator[Installation]:
    """Chinook as acme_shop, dumped into a repository on two days; the second one came through --stdin."""
    live.load_chinook("acme_shop")
    live.script(
        "CREATE OR REPLACE USER shop@localhost IDENTIFIED BY 'shop';"
        "GRANT SELECT, INSERT, UPDATE, DELETE ON acme_shop.* TO shop@localhost;"
    )
    repository = Repository(room / "repository").init()
    repository.stream("acme_shop.sql", live.dump("acme_shop"), "2026-01-16 02:00:00")
    live.script("UPDATE Customer SET City = 'Gießen' WHERE CustomerId = 1", "acme_shop")
    repository.stream("acme_shop.sql", live.dump("acme_shop"), "2026-01-17 02:00:00")
    yield Installation(
        folder=room / "house",
        engines={"db1": {"kind": "mariadb", "socket": str(live.socket), "user": "root"}},
        sources={"nightly": {**repository.settings(), "kind": "restic", "layout": "{database}.sql", "engine": "db1"}},
        databases={"acme_shop": {"customer": "acme", "engine": "db1"}},
    )
    live.script("DROP DATABASE IF EXISTS acme_shop; DROP DATABASE IF EXISTS acme_copy;")


def everything(live: LiveServer, schema: str = "acme_shop") -> bytes:
    """The whole database as a dump without its changing lines."""
    options = ("--skip-dump-date", "--routines", "--events", "--triggers", "--order-by-primary")
    return live.dump(schema, *options)


def shred(live: LiveServer) -> None:
    live.script(
        "SET foreign_key_checks = 0; DELETE FROM InvoiceLine WHERE InvoiceId % 3 = 0;"
        "UPDATE Track SET UnitPrice = 0 WHERE TrackId IN (7, 8); DROP TABLE PlaylistTrack;"
        "INSERT INTO Genre VALUES (900, 'new since then')",
        "acme_shop",
    )


def test_restored_proven_swapped_undone(house: Installation, live: LiveServer) -> None:
    whole = everything(live)
    shred(live)
    damaged = everything(live)

    answer = house.run("restore", "db1/acme_shop", "--at", "2026-01-17T12:00", "--yes", "--json")
    assert answer.code == 0, str(answer)
    told = answer.json
    assert (told["state"], told["level"], told["equal_to"]) == ("swapped", 5, "witness")
    assert everything(live) == whole
    with live.connect("acme_shop", user="shop", password="shop") as customer, customer.cursor() as cursor:
        cursor.execute("UPDATE Genre SET Name = 'Rock' WHERE GenreId = 1")

    shown = {t["name"]: t for t in house.ok("diff", told["id"], "--json").json["tables"]}
    assert shown["Track"]["changed"] == 2
    assert shown["Genre"]["extra"] == 1
    assert shown["PlaylistTrack"]["in_live"] is False

    undone = house.ok("undo", told["id"], "--json").json
    assert undone["state"] == "undone"
    assert everything(live) == damaged
    house.ok("audit", "verify")


def test_the_earlier_day_under_another_name(house: Installation, live: LiveServer) -> None:
    before = everything(live)
    answer = house.run("restore", "acme_shop", "--at", "2026-01-16T12:00", "--as", "acme_copy", "--yes", "--json")
    assert answer.code == 0, str(answer)
    assert everything(live) == before
    assert live.one("SELECT COUNT(*) FROM acme_copy.Track") == 3503
    assert live.one("SELECT City FROM acme_copy.Customer WHERE CustomerId = 1") != "Gießen"
    house.ok("undo", answer.json["id"])
    assert live.one("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = 'acme_copy'") == 0


def test_some_tables_closed_over_foreign_keys(house: Installation, live: LiveServer) -> None:
    shred(live)
    answer = house.run("restore", "acme_shop", "--at", "2026-01-18", "--tables", "InvoiceLine", "--yes", "--json")
    assert answer.code == 0, str(answer)
    assert live.one("SELECT COUNT(*) FROM acme_shop.InvoiceLine") == 2240
    assert live.one("SELECT COUNT(*) FROM acme_shop.Genre") == 25  # linked by foreign keys: Track, then Genre
    assert (
        live.one(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'acme_shop' AND table_name = 'PlaylistTrack'"
        )
        == 0
    )
