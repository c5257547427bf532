"""Sources that lie, are damaged, closed or gone: clear words, no guess, live untouched."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from scenarios.ground import DAMAGE, Customer, Ground
from servers.restic import Repository, flip

DAYS = ("2026-01-16 02:00:00", "2026-01-17 02:00:00")


@pytest.fixture
def medium(ground: Ground, shop: Customer) -> Iterator[Repository]:
    """A repository of this test's own, with two days of the shop; the second day has more in it."""
    repository = ground.empty.copy(ground.folder / f"own_{shop.name}")
    repository.stream(f"db1/{shop.name}.sql", shop.dump(), DAYS[0])
    shop.sql("INSERT INTO orders SELECT seq, 1, seq, MD5(seq) FROM seq_1001_to_1400")
    repository.stream(f"db1/{shop.name}.sql", shop.dump(), DAYS[1])
    shop.sql(DAMAGE)
    name = f"own_{shop.name}"
    with ground.configured(sources={name: {"kind": "restic", **repository.settings()}}):
        yield repository
    shutil.rmtree(repository.folder, ignore_errors=True)


def points(ground: Ground, shop: Customer) -> list[str]:
    """Ids of usable points, newest first."""
    found = ground.house.ok("points", shop.database, "--scan", "--json").json
    return [p["id"] for p in found if p["state"] == "usable"]


def snapshot_at(repository: Repository, day: str) -> Path:
    """The file of the snapshot of that day."""
    found = {line.split()[0] for line in repository.run("snapshots", "-c").decode().splitlines() if day[:10] in line}
    (short,) = found
    (path,) = (repository.folder / "snapshots").glob(f"{short}*")
    return path


def test_wrong_password_at_the_first_contact(ground: Ground, shop: Customer, medium: Repository) -> None:
    medium.password_file.write_text("wrong")
    with ground.untouched():
        words = ("restore", shop.database, "--at", "2026-01-18", "--yes")
        ground.refused(*words, code="config", exit_code=2, says=["wrong password", "password_file"])


def test_wrong_password_since_yesterday(ground: Ground, shop: Customer, medium: Repository) -> None:
    newest = points(ground, shop)[0]
    medium.password_file.write_text("wrong")
    with ground.untouched():
        ground.refused("restore", shop.database, "--point", newest, code="config", exit_code=2, says=["wrong password"])


@pytest.mark.parametrize("damage", ["missing", "flipped"])
def test_damaged_pack(ground: Ground, shop: Customer, medium: Repository, damage: str) -> None:
    newest = points(ground, shop)[0]
    pack = max(medium.packs(), key=lambda p: p.stat().st_size)
    if damage == "missing":
        pack.unlink()
    else:
        flip(pack)
    with ground.untouched():
        ground.refused("restore", shop.database, "--point", newest, "--yes", code="source_damaged", exit_code=5)


def test_damaged_snapshot_file(ground: Ground, shop: Customer, medium: Repository) -> None:
    """restic lists the others and ends with 0: nobody would notice that the newest backup is left out."""
    flip(snapshot_at(medium, DAYS[1]))
    with ground.untouched():
        plan = ground.house.ok("plan", shop.database, "--at", "2026-01-18", "--json").json
        assert plan["point"]["consistent_at"].startswith("2026-01-16")
        (said,) = [c for c in plan["cautions"] if "could not be read" in c]
        assert f"own_{shop.name}" in said


def test_snapshot_file_damaged_after_it_was_known(ground: Ground, shop: Customer, medium: Repository) -> None:
    newest = points(ground, shop)[0]
    flip(snapshot_at(medium, DAYS[1]))
    shutil.rmtree(ground.house.folder / "cache" / "sources" / f"own_{shop.name}" / "restic")  # it holds a good copy
    with ground.untouched():
        ground.refused("restore", shop.database, "--point", newest, "--yes", code="source_damaged", exit_code=5)


def test_expired_point(ground: Ground, shop: Customer, medium: Repository) -> None:
    newest = points(ground, shop)[0]
    medium.forget(snapshot_at(medium, DAYS[1]).name)
    with ground.untouched():
        ground.refused("restore", shop.database, "--point", newest, "--yes", code="point_expired", exit_code=4)


@pytest.mark.parametrize("how", ["moved away", "forgotten"])
def test_source_vanishes_between_plan_and_stage(ground: Ground, shop: Customer, medium: Repository, how: str) -> None:
    newest = points(ground, shop)[0]
    with ground.untouched():
        died = shop.restore("--point", newest, RESTOREKIT_CRASH_AT="workflow.begin.done")
        assert died.code == -signal.SIGKILL
        run_id = ground.house.ok("status", "--json").json[0]["id"]
        if how == "forgotten":
            medium.forget(snapshot_at(medium, DAYS[1]).name, prune=True)
            ground.refused("watch", run_id, code="point_expired", exit_code=4)
        else:
            medium.folder.rename(medium.folder.with_name(f"{medium.folder.name}.away"))
            ground.refused("watch", run_id, code="source_unavailable", exit_code=8)


def test_unknown_database(ground: Ground) -> None:
    with ground.untouched():
        words = ("--at", "2026-01-18", "--yes")
        ground.refused("restore", "nobody", *words, code="unknown_name", exit_code=2, says=["nobody"])
        ground.refused("restore", "db9/nobody", *words, code="unknown_name", exit_code=2, says=["db9", "db1"])
        ground.refused("restore", "db1/nobody", *words, code="no_point", exit_code=4, says=["db1/nobody"])


def test_same_name_on_two_engines(ground: Ground, shop: Customer) -> None:
    shop.file()
    with ground.configured(engines={"db2": ground.house.engines["db1"]}), ground.untouched():
        both = [f"db1/{shop.name}", f"db2/{shop.name}"]
        ground.refused("restore", shop.name, "--at", "2030-01-01", code="needs_choice", exit_code=3, says=both)


def test_a_backup_without_engine_belongs_to_nobody_when_two_have_the_name(ground: Ground, shop: Customer) -> None:
    (ground.dumps / f"{shop.name}.sql").write_bytes(shop.dump())
    nameless = {"kind": "directory", "path": str(ground.dumps), "layout": "{database}.sql", "quiet_s": 0}
    both = ground.configured(engines={"db2": ground.house.engines["db1"]}, sources={"nameless": nameless})
    with both, ground.untouched():
        words = ("restore", f"db1/{shop.name}", "--at", "2030-01-01", "--yes")
        ground.refused(*words, code="no_point", exit_code=4)
    (ground.dumps / f"{shop.name}.sql").unlink()


def test_database_server_refuses_the_password(ground: Ground, shop: Customer) -> None:
    point = shop.file()
    (ground.folder / "db.pw").write_text("wrong")
    closed = {**ground.house.engines["db1"], "user": shop.name, "password_file": str(ground.folder / "db.pw")}
    with ground.untouched(), ground.configured(engines={"db1": closed}):
        for name in (shop.database, shop.name):
            words = ("restore", name, "--point", point, "--yes")
            ground.refused(*words, code="config", exit_code=2, says=["password_file"])


def test_playbook_with_a_typo(ground: Ground, shop: Customer) -> None:
    point = shop.file()
    typo = {"default": "name: default\nswap: {on_live_chnage: refuse}\n"}
    with ground.untouched(), ground.configured(playbooks=typo):
        words = ("restore", shop.database, "--point", point, "--yes")
        ground.refused(*words, code="playbook", exit_code=2, says=["default.yaml", "swap.on_live_chnage"])
