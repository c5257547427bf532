"""Live in a state in which a swap would be wrong: it is refused in clear words, or goes round it."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pymysql
import pytest
from scenarios.ground import DAMAGE, Customer, Ground, until


@pytest.fixture
def point(shop: Customer) -> str:
    made = shop.file()
    shop.sql(DAMAGE)
    return made


def waiting(shop: Customer, point: str) -> str:
    """A restore that waits for approval."""
    answer = shop.restore("--point", point)
    assert answer.code == 6, answer
    return str(answer.json["id"])


def test_two_restores_at_the_same_moment_and_one_more(ground: Ground, shop: Customer, point: str) -> None:
    words = ("restore", shop.database, "--point", point, "--json")
    with ground.untouched():
        both = [ground.house.start(*words) for _ in range(2)]
        codes = {command.wait(): command for command in both}
        assert set(codes) == {6, 8}, [c.said for c in both]
        assert '"restore_active"' in codes[8].said[0]
        first = ground.run_of(codes[6])
        ground.refused(*words[:-1], code="restore_active", exit_code=8, says=[first])
        ground.house.ok("cancel", first)


def test_long_transaction_holds_a_table(ground: Ground, shop: Customer, point: str) -> None:
    with ground.untouched():
        run_id = waiting(shop, point)
        with contextlib.closing(shop.live.connect(shop.name, user=shop.name, password="pw")) as customer:
            customer.begin()
            customer.query("SELECT COUNT(*) FROM orders")
            until(lambda: shop.live.rows(OLD_TRANSACTION), "the transaction is older than a moment")
            says = [f"connection {customer.thread_id()}", "orders"]
            told = ground.refused("approve", run_id, code="temporary", exit_code=8, says=says)
            assert told["state"] == "awaiting_approval"
        ground.house.ok("cancel", run_id)


OLD_TRANSACTION = "SELECT 1 FROM information_schema.innodb_trx WHERE trx_started < NOW() - INTERVAL 1 SECOND"


def test_wildcard_grant_covers_our_names(ground: Ground, shop: Customer, point: str) -> None:
    shop.sql("CREATE USER nosy@localhost; GRANT SELECT ON `rk\\_%`.* TO nosy@localhost")
    with ground.untouched():
        words = ("restore", shop.database, "--point", point, "--yes")
        ground.refused(*words, code="preflight_refused", exit_code=9, says=["nosy", "rk\\_%", "Narrow"])
    shop.sql("DROP USER nosy@localhost")


@pytest.mark.parametrize("we_are", ["root", pytest.param("an admin who may not grant", marks=pytest.mark.long)])
def test_shared_and_suspended_accounts(ground: Ground, shop: Customer, point: str, we_are: str) -> None:
    """A shared account keeps its other sessions and is not locked; a suspended one stays so; all rights come back."""
    engine = ground.house.engines["db1"]
    shop.sql(
        f"CREATE USER shared@localhost; GRANT ALL ON `{shop.name}`.* TO shared@localhost;"
        "GRANT ALL ON neighbour.* TO shared@localhost;"
        f"CREATE USER unpaid@localhost ACCOUNT LOCK; GRANT ALL ON `{shop.name}`.* TO unpaid@localhost;"
        "CREATE USER keeper@localhost; GRANT ALL ON *.* TO keeper@localhost;"
    )
    user = "root" if we_are == "root" else "keeper"
    accounts = ground.everything()[1:]
    damaged = ground.everything()
    try:
        with (
            ground.configured(engines={"db1": {**engine, "user": user}}),
            contextlib.closing(shop.live.connect("neighbour", user="shared")) as elsewhere,
        ):
            answer = shop.restore("--point", point, "--yes")
            assert (answer.code, answer.json["state"]) == (0, "swapped"), answer
            assert ground.everything()[1:] == accounts
            elsewhere.query("INSERT INTO t VALUES (1)")
            ground.house.ok("undo", answer.json["id"])
            elsewhere.query("DELETE FROM t")
        assert ground.everything()[1:] == accounts
        assert (
            shop.dump("--skip-dump-date") in damaged[0]
            or shop.live.one(f"SELECT COUNT(*) FROM {shop.name}.orders") == 100
        )
        with pytest.raises(pymysql.err.OperationalError, match="locked"):
            shop.live.connect(shop.name, user="unpaid")
    finally:
        shop.sql("DROP USER shared@localhost, unpaid@localhost, keeper@localhost")


def test_name_too_long(ground: Ground, shop: Customer, point: str) -> None:
    name = "x" * 65
    with ground.untouched():
        words = ("restore", shop.database, "--point", point, "--as", name, "--yes")
        ground.refused(*words, code="preflight_refused", exit_code=9, says=["64 characters", "--as"])


@pytest.fixture
def slow_backup(ground: Ground) -> Iterator["subprocess.Popen[bytes]"]:
    """A real mariadb-backup that gets no further: nobody reads what it streams."""
    target = ground.folder / "physical"
    target.mkdir()
    words = ["mariadb-backup", "--no-defaults", "--backup", "--stream=mbstream", f"--target-dir={target}"]
    words += [f"--socket={ground.live.socket}", "--user=root"]
    said = ground.folder / "physical.err"
    with said.open("wb") as log, subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log) as backup:
        try:
            files = Path(f"/proc/{backup.pid}/fd")
            until(
                lambda: [f for f in files.iterdir() if str(f.resolve()).startswith(str(ground.live.data))],
                "the backup reads the server's files",
            )
            yield backup
        finally:
            backup.kill()
    target.rmdir()


def test_backup_of_the_server_is_running(
    ground: Ground, shop: Customer, point: str, request: pytest.FixtureRequest
) -> None:
    with ground.untouched():
        run_id = waiting(shop, point)
        backup = request.getfixturevalue("slow_backup")
        assert backup.poll() is None, (ground.folder / "physical.err").read_text()
        told = ground.refused("approve", run_id, code="backup_running", exit_code=8, says=["backup"])
        assert told["state"] == "awaiting_approval"
        assert backup.poll() is None, (ground.folder / "physical.err").read_text()
        backup.kill()
        ground.house.ok("cancel", run_id)
