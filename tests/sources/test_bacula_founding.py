"""The inventory of January 2009, on the real director: what was backed up, and what became of it."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
import servers.bacula
from contract.source import delivered
from servers.bacula import Library, wait_for
from servers.bacula_golden import DAYS, VOLUMES, bacula_golden, content, path
from sources.bacula_lab import Lab
from sources.bacula_paper import merged

from restorekit.errors import PointExpired
from restorekit.model.point import PointState, RecoveryPoint, Scan

__all__ = ["bacula_golden"]


@pytest.fixture
def lab(bacula_golden: Path, tmp_path: Path) -> Iterator[Lab]:
    with Library.running(bacula_golden) as library:
        yield Lab(library, tmp_path)


def by_job(scan: Scan | tuple[RecoveryPoint, ...]) -> dict[tuple[int, str], RecoveryPoint]:
    points = scan.points if isinstance(scan, Scan) else scan
    return {(int(p.locator["jobid"]), p.database.name): p for p in points}


def day_of(job: int, database: str) -> int:
    """When a dump in that job was written: a Full takes old ones along."""
    return max(d for d, _, names in DAYS[:job] if database in names)


def test_every_dump_of_january_with_its_digest_and_its_tapes(lab: Lab):
    scan = lab.source().scan([])
    found = by_job(scan)
    written = {(n, name) for n, (_, level, names) in enumerate(DAYS, 1) for name in names}
    carried = {
        (n, name) for n, (_, level, _) in enumerate(DAYS, 1) if level == "Full" for name in ("shop", "blog", "crm")
    }
    assert set(found) == written | carried
    for (job, database), point in found.items():
        data = content(database, day_of(job, database))
        assert str(point.database) == f"db1/{database}"
        assert point.state == PointState.USABLE
        assert point.consistent_at == datetime(2009, 1, day_of(job, database), 1, 30, tzinfo=UTC)
        assert (point.size_bytes, point.locator["path"]) == (len(data), path(database))
        assert point.locator["digest"] == f"sha256:{sha256(data).hexdigest()}"
        volumes = [piece[0] for piece in json.loads(point.locator["pieces"])]
        assert set(volumes) <= set(VOLUMES)
        assert point.medium == f"tape {'+'.join(dict.fromkeys(volumes))}"
    assert any("+" in p.medium for p in found.values())
    assert (scan.problems, scan.unparsed) == ((), 1)  # the piped stream, which this layout does not name


def test_chains_are_those_of_the_director(lab: Lab):
    """With a Differential among them, as bvfs works them out."""
    lab.library.sql("UPDATE Job SET Level = 'D' WHERE JobId = 5")
    chains = {p.locator["jobid"]: p.locator["chain"] for p in lab.source().scan([]).points}
    asked = [f".bvfs_get_jobids jobid={job}" for job in chains]
    said = [line for line in lab.library.console(*asked).splitlines() if re.fullmatch(r"[\d,]+", line)]
    assert dict(zip(chains, said, strict=True)) == chains
    assert (chains["4"], chains["7"]) == ("3,4", "3,5,6,7")


def test_a_pruned_job_is_known_by_name_only_to_who_looked_before(lab: Lab, tmp_path: Path):
    known = lab.source().scan([]).points
    lab.library.console("purge files jobid=3", "yes")
    assert lab.library.sql("SELECT PurgedFiles FROM Job WHERE JobId = 3") == [(1,)]
    changed = lab.source().scan(known)
    assert set(by_job(changed)) == {(3, "shop"), (3, "blog"), (3, "crm")}
    for point in changed.points:
        assert (point.state, point.locator["fileid"]) == (PointState.USABLE, "")
        assert "pruned" in point.why
    point = by_job(changed)[3, "crm"]
    assert delivered(lab.source(), point) == content("crm", 12)  # read by bootstrap, proven by the digest of then
    stranger = Lab(lab.library, tmp_path / "elsewhere").source().scan([])
    assert 3 not in {job for job, _ in by_job(stranger)}
    (problem,) = stranger.problems
    assert "job 3 (full of Dumps on db1-fd, 2009-01-12): its file records are pruned" in problem
    assert "TAPE01L8, TAPE03L8" in problem


def test_a_purged_volume_takes_its_jobs_and_their_points(lab: Lab):
    known = lab.source().scan([]).points
    gone = {key for key, p in by_job(known).items() if "TAPE02L8" in p.medium}
    jobs = {job for job, _ in gone}
    lab.library.console("purge volume=TAPE02L8", "yes")
    scan = lab.source().scan(known)
    expired = {key: p for key, p in by_job(scan).items() if p.state == PointState.EXPIRED}
    assert set(expired) == {key for key in by_job(known) if key[0] in jobs}
    assert set(scan.gone) == {p.id for p in expired.values()}
    for (job, _), point in expired.items():
        assert f"job {job} is no longer in the catalog" in point.why
    with pytest.raises(PointExpired):
        delivered(lab.source(), expired[min(gone)])
    left = [p for p in merged(known, scan) if p.state == PointState.USABLE]
    assert {"TAPE02L8" in p.medium for p in left} == {False}
    assert "never into this one" in " ".join(scan.problems)


@pytest.mark.parametrize(("status", "state"), [("Error", PointState.DAMAGED), ("Disabled", PointState.SUSPICIOUS)])
def test_a_volume_that_was_marked_by_hand(lab: Lab, status: str, state: PointState):
    known = lab.source().scan([]).points
    lab.library.sql("UPDATE Media SET VolStatus = ? WHERE VolumeName = 'TAPE05L8'", status)
    changed = {key: p for key, p in by_job(lab.source().scan(known)).items() if p.state != PointState.USABLE}
    assert set(changed) == {(7, "blog")}  # only what lies on it, not its job's other file
    assert (changed[7, "blog"].state, "TAPE05L8" in changed[7, "blog"].why) == (state, True)


def test_a_tape_that_was_taken_out_is_offsite_and_comes_back(lab: Lab):
    known = lab.source().scan([]).points
    lab.library.remove_tape("TAPE04L8")
    lab.library.update_slots()
    away = lab.source(offsite="in the safe").scan(known)
    assert {p.state for p in away.points} == {PointState.USABLE}
    assert by_job(away)[5, "crm"].medium == "tape TAPE02L8+TAPE04L8 (TAPE04L8 in the safe)"
    assert by_job(away)[6, "shop"].medium == "tape TAPE04L8 (in the safe)"
    lab.library.put_back("TAPE04L8")
    lab.library.update_slots()
    back = lab.source().scan(merged(known, away))
    assert by_job(back)[6, "shop"].medium == "tape TAPE04L8"


def test_a_failed_night_is_no_point_and_is_said(lab: Lab):
    known = lab.source().scan([]).points
    lab.library.stop_daemon("sd")  # nobody to write to
    lab.library.console("run job=Dumps level=Full yes", "wait")
    assert lab.library.sql("SELECT JobStatus FROM Job WHERE JobId = 9") == [("f",)]
    scan = lab.source().scan(known)
    assert scan.points == ()
    (problem,) = scan.problems
    assert "Dumps on db1-fd has no good backup of" in problem
    assert "(job 9: fatal error)" in problem


@pytest.mark.long
def test_a_copy_stands_for_its_original_and_outlives_it(
    bacula_golden: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The director's own Copy job, of the Full of January 12th."""
    plain = servers.bacula.texts
    monkeypatch.setattr(
        servers.bacula, "texts", lambda *told: plain(*told) | {"bacula-dir.conf": copying(plain(*told))}
    )
    with Library.running(bacula_golden) as library:
        lab = Lab(library, tmp_path)
        known = lab.source().scan([]).points
        library.console("run job=CopyFull yes")
        wait_for("the copy", lambda: library.sql("SELECT 1 FROM Job WHERE Type = 'C' AND JobStatus = 'T'"))
        ((copy, volume),) = library.sql(
            "SELECT DISTINCT JobId, VolumeName FROM Job JOIN JobMedia USING (JobId) JOIN Media USING (MediaId) "
            "WHERE Type = 'C'"
        )
        doubled = lab.source().scan(known)
        assert set(by_job(doubled)) == {(3, "shop"), (3, "blog"), (3, "crm")}  # no new points: the same, twice on tape
        for point in doubled.points:
            ((jobid, _, volumes),) = json.loads(point.locator["copies"])
            assert (jobid, volumes) == (copy, [volume])
        library.console("delete jobid=3 yes")
        left = by_job(lab.source().scan(merged(known, doubled)))
        for name in ("shop", "blog", "crm"):
            assert left[copy, name].id == by_job(known)[3, name].id
            assert (left[copy, name].state, left[copy, name].medium) == (PointState.USABLE, f"tape {volume}")
        assert delivered(lab.source(), left[copy, "crm"]) == content("crm", 12)


def copying(texts: dict[str, str]) -> str:
    """The director's configuration with a second place for Fulls, and a job that carries one there."""
    director = texts["bacula-dir.conf"]
    start = director.index("Pool {\n  Name = Full\n")
    pool = director[start : director.index("}", start) + 1]
    far = pool.replace("Name = Full\n", "Name = Far\n  Storage = Tape\n")
    near = pool.replace("Name = Full\n", "Name = Full\n  Next Pool = Far\n")
    job = """
Job {
  Name = CopyFull
  Type = Copy
  Selection Type = SQLQuery
  Selection Pattern = "SELECT 3"
  Pool = Full
  Client = db1-fd
  FileSet = Dumps
  Storage = Tape
  Messages = Standard
  Level = Full
}
"""
    return director.replace(pool, near) + far + job
