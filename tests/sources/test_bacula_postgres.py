"""A real director whose catalog is in PostgreSQL: the same inventory, the same dumps, read by who may only read."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest
from contract.source import delivered
from servers.bacula_golden import DAYS, bacula_golden, content, path
from servers.bacula_postgres import DATABASE, PASSWORDS, READER, PostgresLibrary
from sources.bacula_lab import Lab
from sources.bacula_paper import merged

from restorekit.errors import ConfigError, PointExpired
from restorekit.model.point import PointState, RecoveryPoint

__all__ = ["bacula_golden"]

FETCH = Path(__file__).parents[2] / "setup/fetch"
FULL, INCREMENTAL = DAYS[:2]
OF_THE_JOB = ("job", "session", "jobid", "native", "chain", "pieces", "fileid", "records_until", "volume_until")
"""What another run of the same backup may have differently."""


@pytest.fixture(scope="module")
def library() -> Iterator[PostgresLibrary]:
    """With the first two backups of the golden library; later ones are not of January 2009."""
    with PostgresLibrary.running() as running:
        for day, level, names in (FULL, INCREMENTAL):
            running.backup(date(2009, 1, day), {path(name): content(name, day) for name in names}, level)
        yield running


@pytest.fixture
def lab(library: PostgresLibrary, tmp_path: Path) -> Lab:
    return Lab(library, tmp_path)


def january(points: tuple[RecoveryPoint, ...]) -> dict[tuple[str, str], RecoveryPoint]:
    """Those of the two backups, by day of the job and name of the database."""
    days = tuple(f"Dumps.2009-01-{day:02d}" for day, *_ in (FULL, INCREMENTAL))
    return {(p.locator["job"][:16], p.database.name): p for p in points if p.locator["job"].startswith(days)}


def told(point: RecoveryPoint) -> dict[str, object]:
    """What must be the same wherever the catalog is."""
    locator = {key: value for key, value in point.locator.items() if key not in OF_THE_JOB}
    return point.model_dump(exclude={"id", "locator"}) | {"locator": locator}


def test_the_same_points_as_out_of_sqlite(lab: Lab, bacula_golden: Path, tmp_path: Path):
    subprocess.run(["tar", "-xf", str(bacula_golden), "-C", str(tmp_path), "var/bacula.db"], check=True)
    another = Lab(lab.library, tmp_path / "another")  # what a scan remembers is of one catalog
    on_file = another.source(catalog=f"sqlite:///{tmp_path}/var/bacula.db", catalog_password_file=None)
    expected, scan = january(on_file.scan([]).points), lab.source().scan([])
    found = january(scan.points)
    assert {key: told(p) for key, p in found.items()} == {key: told(p) for key, p in expected.items()}
    assert len(found) == 4
    assert not lab.library.catalog.exists()
    assert found["Dumps.2009-01-08", "shop"].consistent_at == datetime(2009, 1, 8, 1, 30, tzinfo=UTC)
    assert scan.problems == ()
    assert lab.source().scan(scan.points).points == ()


@pytest.mark.parametrize("style", ["German", "SQL, DMY", "Postgres, MDY"])
def test_how_a_server_writes_dates_moves_no_point(lab: Lab, tmp_path: Path, style: str):
    known = lab.source().scan([]).points
    with lab.library.server.connect() as connection:
        connection.execute(f"ALTER ROLE {READER} SET datestyle TO '{style}'")
    try:
        again = Lab(lab.library, tmp_path / "another").source().scan([])
    finally:
        with lab.library.server.connect() as connection:
            connection.execute(f"ALTER ROLE {READER} RESET datestyle")
    assert (again.points, again.problems) == (known, ())


def test_a_dump_comes_back_from_tape(lab: Lab):
    found = january(lab.source().scan([]).points)
    for (job, database), point in found.items():
        if database == "shop":
            assert delivered(lab.source(), point) == content("shop", int(job[-2:]))


def test_check_says_what_it_is(lab: Lab):
    findings = lab.source().check()
    assert {finding.severity for finding in findings} == {"ok"}
    assert "Bacula 5 to 9" in findings[0].text
    assert PASSWORDS[READER] not in str(findings)


def test_the_account_may_only_read(library: PostgresLibrary):
    """Everything else in this file is seen by it, too."""
    with (
        psycopg.connect(
            host=str(library.server.folder), dbname=DATABASE, user=READER, password=PASSWORDS[READER], autocommit=True
        ) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("DELETE FROM Job")


@pytest.mark.parametrize("password", ["wrong", None])
def test_who_has_not_the_password_is_told_so(lab: Lab, tmp_path: Path, password: str | None):
    file = tmp_path / "catalog.pw"
    file.write_text(f"{password}\n")
    source = lab.source(catalog_password_file=password and str(file))
    with pytest.raises(ConfigError, match="refuses this user") as refused:
        source.scan([])
    assert "catalog_password_file" in refused.value.hint
    assert [finding.severity for finding in source.check()] == ["refuse"]


def test_a_pruned_job_is_known_by_name_only_to_who_looked_before(lab: Lab, tmp_path: Path):
    dump = content("crm", 5)
    job = lab.run("/backup/db1/pruned.sql", dump, datetime(2009, 2, 1, tzinfo=UTC))
    known = lab.source().scan([]).points
    lab.library.console(f"purge files jobid={job}", "yes")
    assert lab.library.sql("SELECT PurgedFiles FROM Job WHERE JobId = ?", job) == [(1,)]
    (point,) = lab.source().scan(known).points
    assert (point.database.name, point.state, point.locator["fileid"]) == ("pruned", PointState.USABLE, "")
    assert "pruned" in point.why
    assert delivered(lab.source(), point) == dump
    stranger = Lab(lab.library, tmp_path / "elsewhere").source().scan([])
    assert "pruned" not in {p.database.name for p in stranger.points}
    assert f"job {job} (full of Dumps on db1-fd" in " ".join(stranger.problems)
    lab.library.console(f"delete jobid={job} yes")  # others find no problem here


def test_a_deleted_job_has_expired(lab: Lab):
    job = lab.run("/backup/db1/deleted.sql", content("shop", 5), datetime(2009, 2, 1, tzinfo=UTC))
    known = lab.source().scan([]).points
    lab.library.console(f"delete jobid={job} yes")
    scan = lab.source().scan(known)
    (point,) = (p for p in merged(known, scan) if p.database.name == "deleted")
    assert (point.state, scan.gone) == (PointState.EXPIRED, (point.id,))
    assert f"job {job} is no longer in the catalog" in point.why
    with pytest.raises(PointExpired):
        delivered(lab.source(), point)


def test_what_cannot_be_downloaded_is_said_and_fails_nothing(tmp_path: Path):
    folder = tmp_path / "unpacked"
    folder.mkdir()
    (folder / "fetched").write_text("of another version\n")
    done = subprocess.run([FETCH, folder, "bacula-director", "no-such-package"], check=True, capture_output=True)
    assert b"no-such-package" in done.stderr
    assert [file.name for file in folder.iterdir()] == ["missing"]
    assert {file.name for file in tmp_path.iterdir()} == {"unpacked", "unpacked.lock"}
