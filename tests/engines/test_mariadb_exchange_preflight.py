"""What speaks against an exchange is found before anything is done, and named."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator

import pytest
from servers.exchange_lab import SHOP, Lab, lab
from servers.mariadb import LiveServer
from servers.mariadb_live import Quiet

from restorekit.engines.mariadb import exchange
from restorekit.engines.mariadb.exchange.lease import lease
from restorekit.errors import BackupRunning, PreflightRefused
from restorekit.model.exchange import Finding


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[LiveServer, LiveServer]]:
    with LiveServer.running(log_bin=True) as live, LiveServer.running() as staging:
        yield live, staging


@pytest.fixture
def shop(servers) -> Iterator[Lab]:
    with lab("shop", SHOP, server=servers[0], staging=servers[1]) as made:
        yield made


def found(shop: Lab, code: str, **order) -> Finding:
    """The finding of that code; there must be exactly one."""
    findings = exchange.preflight(shop.live, shop.order("aaa1", **order))
    wanted = [f for f in findings if f.code == code]
    assert len(wanted) == 1, [f.code for f in findings]
    return wanted[0]


def test_nothing_speaks_against_an_ordinary_exchange_and_nothing_was_changed(shop: Lab):
    shop.sql("DELETE FROM orders")
    before = shop.state(), shop.server.rows("SHOW DATABASES")
    assert exchange.preflight(shop.live, shop.order("aaa1")) == []
    assert (shop.state(), shop.server.rows("SHOW DATABASES")) == before


@pytest.mark.parametrize("pattern", ["rk%", "%", "rk\\_undo\\_aaa_", "_restorekit"])
def test_a_grant_by_pattern_that_covers_our_names_refuses(shop: Lab, pattern: str):
    shop.server.script(f"CREATE USER wide@localhost; GRANT SELECT ON `{pattern}`.* TO wide@localhost")
    shop.sql("DELETE FROM orders")
    try:
        finding = found(shop, "grant_covers_us")
        assert finding.severity == "refuse"
        assert f"`{pattern}`.* lets `wide`@`localhost`" in finding.text
        order = shop.order("aaa1")
        promoted = exchange.promote(shop.live, order, Quiet())
        with pytest.raises(PreflightRefused, match="live is untouched"):
            exchange.exchange(shop.live, order, promoted, Quiet())
        assert shop.rows("SELECT COUNT(*) FROM orders") == [(0,)]
    finally:
        shop.server.script("DROP USER wide@localhost")


def test_foreign_keys_from_other_databases_and_torn_ones_refuse(shop: Lab):
    shop.sql("DELETE FROM orders; INSERT INTO log (what) VALUES ('x')")
    shop.server.script(
        "CREATE DATABASE blog; CREATE TABLE blog.b (c INT, FOREIGN KEY (c) REFERENCES shop.customers (id))"
    )
    try:
        assert "blog.b" in found(shop, "foreign_fk").text
    finally:
        shop.server.script("DROP DATABASE blog")
    whole = shop.order("aaa1")
    only = [a for a in whole.actions if a.name != "customers"]
    assert "orders → customers" in found(shop, "not_closed", actions=only).text
    shop.sql("CREATE TABLE later (o INT, FOREIGN KEY (o) REFERENCES orders (id))")
    assert "later → orders" in found(shop, "not_closed", actions=whole.actions).text


def test_a_child_that_nobody_brings_tears_nothing(shop: Lab):
    shop.sql("UPDATE customers SET score = 7; DROP TABLE orders")
    customers = [a for a in shop.order("aaa1").actions if a.name == "customers"]
    assert [a.method for a in customers] == ["exchange"]
    findings = exchange.preflight(shop.live, shop.order("aaa1", actions=customers))
    assert [f.text for f in findings if f.code == "not_closed"] == []


def test_a_definer_that_live_does_not_have_refuses_by_name(shop: Lab):
    shop.staging.script("CREATE USER ghost@localhost; CREATE DEFINER=ghost@localhost VIEW haunted AS SELECT 1", "shop")
    try:
        assert "ghost@localhost" in found(shop, "definer_missing").text
    finally:
        shop.staging.script("DROP USER ghost@localhost")


def test_text_that_cannot_follow_another_name_refuses(shop: Lab):
    shop.staging.script("CREATE PROCEDURE odd() EXECUTE IMMEDIATE 'SELECT * FROM shop.orders'", "shop")
    finding = found(shop, "text_names_schema", target="acme")
    assert finding.severity == "refuse"
    assert "procedure odd" in finding.text
    assert not [f for f in exchange.preflight(shop.live, shop.order("aaa1")) if f.severity == "refuse"]


def test_a_name_that_is_too_long_an_undo_copy_that_is_there_an_engine_that_cannot_move(shop: Lab):
    assert found(shop, "name_too_long", target="x" * 65).severity == "refuse"
    shop.server.script("CREATE DATABASE rk_undo_aaa1; CREATE TABLE rk_undo_aaa1.t (id INT)")
    assert found(shop, "undo_not_empty").severity == "refuse"
    shop.server.script("DROP DATABASE rk_undo_aaa1")
    for each in (shop.server, shop.staging):
        each.script("CREATE TABLE m (id INT) ENGINE=MyISAM; CREATE TABLE g (id INT) ENGINE=MERGE UNION=(m)", "shop")
    shop.sql("INSERT INTO m VALUES (1)")
    order = shop.order("aaa1")
    merged = [*order.actions, order.actions[0].model_copy(update={"name": "g", "method": "exchange"})]
    assert "g (MRG_MyISAM)" in found(shop, "engine", actions=merged).text
    assert "m" in found(shop, "no_transactions").text


def test_tables_only_in_live_and_another_collation_are_said(shop: Lab):
    shop.sql("CREATE TABLE extra (id INT); ALTER DATABASE shop COLLATE utf8mb4_bin")
    assert found(shop, "tables_removed").text.endswith("extra")
    assert "utf8mb4_bin" in found(shop, "collation").text


def test_an_account_that_lacks_rights_is_told_which(shop: Lab):
    shop.server.script("CREATE USER op@localhost; GRANT SELECT, PROCESS ON *.* TO op@localhost")
    settings = shop.live.settings.model_copy(update={"user": "op"})
    live = type(shop.live)("db1", settings, shop.live.home)
    try:
        findings = {f.code: f for f in exchange.preflight(live, shop.order("aaa1"))}
        assert "INSERT, CREATE, DROP" in findings["rights"].text
    finally:
        shop.server.script("DROP USER op@localhost")


def test_a_prepared_xa_transaction_is_waited_for(shop: Lab):
    shop.sql("DELETE FROM log")
    shop.sql("INSERT INTO log (what) VALUES ('y')")
    with contextlib.closing(shop.server.connect("shop")) as session, session.cursor() as cursor:
        for sql in ("XA START 'x'", "INSERT INTO log (what) VALUES ('z')", "XA END 'x'", "XA PREPARE 'x'"):
            cursor.execute(sql)
    try:
        order = shop.order("aaa1", tables=["log"])
        waiting = [f for f in exchange.preflight(shop.live, order) if f.code == "long_transaction"]
        assert [f.severity for f in waiting] == ["wait"]
        assert "1 prepared XA transactions" in waiting[0].text
    finally:
        shop.server.script("XA ROLLBACK 'x'")


def backup(shop: Lab, target: str, **popen) -> "subprocess.Popen[bytes]":
    argv = ["mariadb-backup", "--no-defaults", "--backup", "--stream=mbstream", f"--socket={shop.server.socket}"]
    return subprocess.Popen([*argv, "--user=root", f"--target-dir={target}"], stderr=subprocess.PIPE, **popen)


def test_a_running_backup_is_waited_for(shop: Lab, tmp_path):
    shop.sql("DELETE FROM orders")
    order = shop.order("aaa1")
    promoted = exchange.promote(shop.live, order, Quiet())
    # Nobody reads its output: it stands still in the middle.
    with backup(shop, str(tmp_path), stdout=subprocess.PIPE) as running:
        try:
            assert running.stdout is not None
            running.stdout.read(1)
            finding = found(shop, "backup_running")
            assert (finding.severity, str(running.pid) in finding.text) == ("wait", True)
            with pytest.raises(BackupRunning, match="live is untouched"):
                exchange.exchange(shop.live, order, promoted, Quiet())
        finally:
            running.kill()
    assert shop.rows("SELECT COUNT(*) FROM orders") == [(0,)]
    end = time.monotonic() + 10
    while exchange.preflight(shop.live, order) and time.monotonic() < end:
        time.sleep(0.02)  # the server notices the end of the backup's sessions by itself
    exchange.exchange(shop.live, order, promoted, Quiet())
    assert shop.rows("SELECT COUNT(*) FROM orders") == [(200,)]


def test_a_backup_that_starts_during_an_exchange_waits_for_its_end(shop: Lab, tmp_path):
    sink = (tmp_path / "out").open("wb")
    with lease(shop.live), sink:
        running = backup(shop, str(tmp_path / "t"), stdout=sink)
        waits = "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for backup%'"
        end = time.monotonic() + 20
        while not shop.server.one(waits):
            assert time.monotonic() < end
            time.sleep(0.02)  # another process's progress can only be polled
    errors = running.communicate(timeout=60)[1]
    assert running.returncode == 0
    assert b"completed OK!" in errors


def test_too_little_room_on_live_refuses_with_both_figures(shop: Lab):
    shop.sql("DELETE FROM orders")
    order = shop.order("aaa1")
    huge = json.loads(order.proven.model_dump_json())
    for table in huge["tables"]:
        table["size_bytes"] = 1 << 50
    order = order.model_copy(update={"proven": type(order.proven).model_validate(huge)})
    finding = next(f for f in exchange.preflight(shop.live, order) if f.code == "disk")
    assert finding.severity == "refuse"
    assert "MiB free" in finding.text
