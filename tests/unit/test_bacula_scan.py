"""What an inventory says about a catalog in every bad state: rows written by hand into the real tables."""

import json
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sources.bacula_paper import Paper, merged, only

from restorekit.errors import ConfigError, SourceUnavailable
from restorekit.model.point import PointState, Quality


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    return Paper(tmp_path)


def states(points) -> dict[str, PointState]:
    return {p.database.name: p.state for p in points}


# What a good backup gives


def test_a_good_backup(paper: Paper):
    paper.job(15, "2009-01-14", {"/backup/db1/shop.sql": 1000, "/backup/readme": 5})
    scan = paper.scan()
    point = only(scan)
    assert (str(point.database), point.state, point.size_bytes) == ("db1/shop", PointState.USABLE, 1000)
    assert (point.medium, scan.unparsed, scan.problems) == ("tape TAPE01L8", 1, ())
    assert (point.quality, point.consistent_at) == (Quality.BOUNDED, datetime(2009, 1, 14, 1, 30, tzinfo=UTC))
    told = point.locator
    assert json.loads(told["pieces"]) == [["TAPE01L8", (15 << 32) + 7, (16 << 32) + 9, None]]
    assert (told["jobid"], told["client"], told["path"]) == ("15", "db1-fd", "/backup/db1/shop.sql")
    assert told["digest"].startswith("sha256:")
    assert (told["records_until"][:10], told["volume_until"][:10]) == ("2010-01-14", "2019-01-29")


def test_a_volume_still_being_written_to_is_not_yet_counting(paper: Paper):
    paper.job(15)
    paper.volume("TAPE01L8", VolStatus="Append")
    assert only(paper.scan()).locator["volume_until"] == ""


def test_a_file_over_two_volumes_needs_both_in_their_order(paper: Paper):
    files = {f"/backup/db1/{n}.sql": 10 for n in "abc"}
    paper.job(15, files=files, on=[("TAPE09L8", 1, 2), ("TAPE02L8", 2, 3)])
    mediums = {p.database.name: p.medium for p in paper.scan().points}
    assert mediums == {"a": "tape TAPE09L8", "b": "tape TAPE09L8+TAPE02L8", "c": "tape TAPE02L8"}


def test_a_volume_that_is_not_in_the_library_is_said_and_stays_usable(paper: Paper):
    paper.job(15, on=[("TAPE01L8", 1, 1), ("TAPE02L8", 1, 1)])
    paper.volume("TAPE02L8", InChanger=0)
    point = only(paper.scan(offsite="in the safe"))
    assert (point.state, point.medium) == (PointState.USABLE, "tape TAPE01L8+TAPE02L8 (TAPE02L8 in the safe)")
    paper.volume("TAPE01L8", InChanger=0)
    assert only(paper.scan([point])).medium == "tape TAPE01L8+TAPE02L8 (offsite)"


def test_a_time_in_the_name_goes_before_the_change_of_the_file(paper: Paper):
    paper.job(15, files={"/backup/db1/shop-2009-01-05T0300.sql": 9})
    point = only(paper.scan(layout="/backup/{engine}/{database}-{time:%Y-%m-%dT%H%M}.sql"))
    assert (point.consistent_at, point.quality) == (datetime(2009, 1, 5, 2, 0, tzinfo=UTC), Quality.CLAIMED)


def test_a_job_with_warnings_is_usable_with_a_caution(paper: Paper):
    paper.job(15, JobStatus="W")
    point = only(paper.scan())
    assert (point.state, point.why) == (PointState.USABLE, "its job ended with warnings (job 15)")


def test_what_was_deleted_since_the_last_backup_is_no_backup(paper: Paper):
    """Accurate jobs write a record with FileIndex 0."""
    paper.job(15)
    paper.record(15, 0, "/backup/db1/blog.sql", 700, 1)
    assert states(paper.scan().points) == {"shop": PointState.USABLE}


def test_names_that_are_no_text_are_counted(paper: Paper):
    paper.job(15)
    paper.record(15, 1, b"/backup/db1/caf\xe9.sql", 700, 1)
    assert paper.scan().unparsed == 1


def test_an_empty_dump_is_suspicious(paper: Paper):
    paper.job(15, files={"/backup/db1/shop.sql": 0})
    assert only(paper.scan()).state == PointState.SUSPICIOUS


def test_a_manifest_is_no_stranger(paper: Paper):
    paper.job(15, files={"/backup/db1/shop.sql": 9, "/backup/db1/shop.sql.manifest.json": 9})
    assert paper.scan().unparsed == 0


def test_a_file_of_many_databases_is_not_guessed_at(paper: Paper):
    paper.job(15, files={"/backup/db1/all.sql": 9})
    point = only(paper.scan(layout="/backup/{engine}/all.sql#{database}"))
    assert (point.state, point.database.name) == (PointState.AMBIGUOUS, "?")


def test_a_plugins_stream_waits_for_somebody_to_trust_its_writer(paper: Paper):
    paper.job(15, files={"/@bpipe/db1/shop.sql": -1})
    layout = "{engine}/{database}.sql"
    wary = only(paper.scan(layout=layout))
    assert (wary.state, wary.size_bytes, wary.locator["size"]) == (PointState.SUSPICIOUS, None, "")
    assert "accept_bpipe_writer" in wary.why
    trusted = only(paper.scan([wary], layout=layout, accept_bpipe_writer=True))
    assert (trusted.id, trusted.state, trusted.quality) == (wary.id, PointState.USABLE, Quality.CLAIMED)


def test_only_the_chosen_jobs_and_clients(paper: Paper):
    paper.job(15)
    paper.job(16, files={"/backup/db1/blog.sql": 9}, Name="Other")
    assert states(paper.scan(jobs=["Other"]).points) == {"blog": PointState.USABLE}
    assert paper.scan(clients=["db7-fd"]).points == ()


def test_one_name_from_two_clients_is_not_guessed(paper: Paper):
    paper.add("Client", ClientId=2, Name="db2-fd", Uname="")
    paper.job(15)
    paper.job(16, ClientId=2)
    same = {"layout": "/backup/db1/{database}.sql", "engine": "db1"}
    assert [p.state for p in paper.scan(**same).points] == [PointState.AMBIGUOUS] * 2
    points = paper.scan(**same, hosts={"db2-fd": "db2"}).points
    assert {str(p.database): p.state for p in points} == {"db1/shop": PointState.USABLE, "db2/shop": PointState.USABLE}


# Volumes


@pytest.mark.parametrize(
    ("changes", "state", "word"),
    [
        ({"VolStatus": "Purged"}, PointState.EXPIRED, "marked Purged"),
        ({"VolStatus": "Recycle"}, PointState.EXPIRED, "marked Recycle"),
        ({"VolStatus": "Error"}, PointState.DAMAGED, "marked Error"),
        ({"VolStatus": "Disabled"}, PointState.SUSPICIOUS, "disabled"),
        ({"Enabled": 0}, PointState.SUSPICIOUS, "disabled"),
        ({"Enabled": 2}, PointState.SUSPICIOUS, "archived"),
    ],
)
def test_a_volume_in_a_bad_state_takes_only_its_own_files(paper: Paper, changes: dict, state: PointState, word: str):
    paper.job(15, files={"/backup/db1/shop.sql": 9, "/backup/db1/blog.sql": 9}, on=[("A", 1, 1), ("B", 2, 2)])
    known = paper.scan().points
    assert set(states(known).values()) == {PointState.USABLE}
    paper.volume("A", **changes)
    scan = paper.scan(known)
    assert states(scan.points) == {"shop": state, "blog": PointState.USABLE}  # of blog, the chain is told anew
    (changed,) = (p for p in scan.points if p.database.name == "shop")
    assert "volume A" in changed.why
    assert word in changed.why
    paper.volume("A", VolStatus="Full", Enabled=1)
    back = {p.id: p for p in paper.scan(merged(known, scan)).points}
    assert (back[changed.id].state, back[changed.id].why) == (PointState.USABLE, "")


def test_a_volume_that_is_gone_from_the_catalog(paper: Paper):
    paper.job(15)
    known = paper.scan().points
    paper.sql("DELETE FROM Media")
    assert only(paper.scan(known)).state == PointState.DAMAGED


def test_a_job_without_its_positions_cannot_be_read(paper: Paper):
    paper.job(15)
    known = paper.scan().points
    paper.sql("DELETE FROM JobMedia")
    point = only(paper.scan(known))
    assert (point.state, "does not say on which volume" in point.why) == (PointState.DAMAGED, True)


def test_a_hole_in_a_job_takes_the_files_at_its_edges_too(paper: Paper):
    """Three volumes, and the records of the second are gone: b ended on it, d began on it, c lay there alone."""
    files = {f"/backup/db1/{n}.sql": 10 for n in "abcde"}
    paper.job(15, files=files, on=[("A", 1, 2), ("B", 2, 4), ("C", 4, 5)])
    assert set(states(paper.scan().points).values()) == {PointState.USABLE}
    paper.sql("DELETE FROM JobMedia WHERE MediaId = ?", paper.volume("B"))
    paper.forget()
    found = states(paper.scan().points)
    usable = {name for name, state in found.items() if state == PointState.USABLE}
    assert (usable, set(found)) == ({"a", "e"}, set("abcde"))


def test_a_piece_without_files_is_no_hole(paper: Paper):
    """A Copy job writes one with FirstIndex and LastIndex 0."""
    paper.job(15, on=[("A", 0, 0), ("B", 1, 1)])
    assert (only(paper.scan()).state, only(paper.scan()).medium) == (PointState.USABLE, "tape B")


# Records that are gone


def purge_files(paper: Paper, jobid: int) -> None:
    """As `purge files jobid=` does."""
    paper.sql("DELETE FROM File WHERE JobId = ?", jobid)
    paper.sql("UPDATE Job SET PurgedFiles = 1 WHERE JobId = ?", jobid)


def test_pruned_file_records_are_remembered(paper: Paper):
    paper.job(15)
    known = paper.scan().points
    purge_files(paper, 15)
    for _ in range(2):
        scan = paper.scan(known)
        point = only(scan)
        assert (point.id, point.state, point.locator["fileid"]) == (known[0].id, PointState.USABLE, "")
        assert "pruned" in point.why
        assert (point.size_bytes, point.locator["digest"]) == (1000, known[0].locator["digest"])
        assert paper.scan(merged(known, scan)).points == ()
        paper.forget()  # the same comes out when only the catalog of points remembers


def test_a_pruned_job_that_nobody_knew_is_said_at_every_scan(paper: Paper):
    paper.job(15, on=[("TAPE01L8", 1, 1), ("TAPE07L8", 1, 1)])
    purge_files(paper, 15)
    for _ in range(2):
        scan = paper.scan()
        assert scan.points == ()
        (problem,) = scan.problems
        assert "job 15 (full of Dumps on db1-fd, 2009-01-14)" in problem
        assert "TAPE01L8, TAPE07L8" in problem


def test_an_incremental_that_found_nothing_new_is_no_pruned_one(paper: Paper):
    paper.job(15, files={"/backup/": 4096}, Level="I")
    paper.sql("UPDATE Filename SET Name = ''")
    assert (paper.scan().problems, paper.scan().unparsed) == ((), 0)


@pytest.mark.parametrize("status", ["Full", "Append", "Purged"])
def test_a_job_that_is_gone_expires_and_its_volumes_are_named(paper: Paper, status: str):
    paper.job(14, files={"/backup/db1/blog.sql": 9}, on=[("TAPE02L8", 1, 1)])
    paper.job(15)
    known = paper.scan().points
    (shop,) = (p for p in known if p.database.name == "shop")
    paper.sql("DELETE FROM Job WHERE JobId = 15")
    paper.volume("TAPE01L8", VolStatus=status)
    scan = paper.scan(known)
    point = only(scan)
    assert (point.id, point.state, scan.gone) == (shop.id, PointState.EXPIRED, (shop.id,))
    assert "job 15 is no longer in the catalog; its volumes (TAPE01L8) may still hold it" in point.why
    assert "scratch catalog" in scan.problems[0]
    assert paper.scan(merged(known, scan)).points == ()


def test_a_job_that_is_gone_with_its_volume_given_free(paper: Paper):
    paper.job(14, files={"/backup/db1/blog.sql": 9}, on=[("TAPE02L8", 1, 1)])
    paper.job(15)
    known = paper.scan().points
    paper.sql("DELETE FROM Job WHERE JobId = 15")
    paper.volume("TAPE01L8", VolStatus="Recycle")
    scan = paper.scan(known)
    assert "TAPE01L8 was given free" in only(scan).why
    assert scan.problems == ()


def test_an_empty_catalog_expires_nothing(paper: Paper):
    paper.job(15)
    known = paper.scan().points
    paper.sql("DELETE FROM Job")
    with pytest.raises(SourceUnavailable, match="lists no backup, but 1 recovery points"):
        paper.scan(known)


# Jobs that did not end well


@pytest.mark.parametrize("status", ["f", "E", "A", "I"])
def test_a_failed_job_is_no_point_and_its_day_is_said(paper: Paper, status: str):
    paper.job(14, "2009-01-13")
    paper.job(15, "2009-01-14", JobStatus=status)
    scan = paper.scan()
    assert only(scan).locator["jobid"] == "14"
    (problem,) = scan.problems
    assert "Dumps on db1-fd has no good backup of 2009-01-14 (job 15:" in problem


def test_a_failed_job_that_was_repeated_in_the_morning_is_not_worth_a_word(paper: Paper):
    paper.job(15, JobStatus="f")
    paper.job(
        16, StartTime="2009-01-14 09:00:00", JobTDate=paper.epoch("2009-01-14 09:10:00"), EndTime="2009-01-14 09:10:00"
    )
    assert paper.scan().problems == ()


def test_a_running_job_is_neither(paper: Paper):
    paper.job(14, "2009-01-13")
    paper.job(15, JobStatus="R")
    scan = paper.scan()
    assert (len(scan.points), scan.problems) == (1, ())
    paper.sql("UPDATE Job SET JobStatus = 'T' WHERE JobId = 15")
    assert only(paper.scan(scan.points)).locator["jobid"] == "15"


def test_a_good_job_that_turned_bad_is_suspicious(paper: Paper):
    """bscan into the live catalog marks jobs E whose tapes it has not all seen."""
    paper.job(15)
    known = paper.scan().points
    paper.sql("UPDATE Job SET JobStatus = 'E'")
    point = only(paper.scan(known))
    assert (point.id, point.state, "bscan" in point.why) == (known[0].id, PointState.SUSPICIOUS, True)


# The same backup twice


def test_a_job_read_back_from_tape_is_the_same_backup(paper: Paper):
    """bscan gives it a new JobId."""
    paper.job(15)
    known = paper.scan().points
    job = known[0].locator["job"]
    paper.sql("DELETE FROM Job")
    paper.job(60, Job=job, VolSessionId=15)
    point = only(paper.scan(known))
    assert (point.id, point.locator["jobid"], point.state) == (known[0].id, "60", PointState.USABLE)


def test_a_job_imported_beside_itself_is_one_point(paper: Paper):
    name = paper.job(15)
    paper.job(60, Job=name, VolSessionId=15)
    assert only(paper.scan()).locator["jobid"] == "15"


def test_doubled_file_records_are_one_point_with_the_digest(paper: Paper):
    """Seen after a bscan: each file twice, once with digest 0."""
    paper.job(15)
    paper.record(15, 1, "/backup/db1/shop.sql", 1000, paper.epoch("2009-01-14 02:30:00"), md5="0")
    assert only(paper.scan()).locator["digest"].startswith("sha256:")
    paper.sql("UPDATE File SET MD5 = CASE FileId WHEN 1 THEN '0' ELSE ? END", "A" * 43)
    paper.forget()
    assert only(paper.scan()).locator["digest"] == "sha256:" + "00" * 32


def copy_of(paper: Paper, jobid: int, prior: int, volume: str, **changes) -> None:
    paper.job(jobid, on=[(volume, 1, 1)], Type="C", PriorJobId=prior, **changes)


def copies(point) -> dict[int, list[str]]:
    return {jobid: volumes for jobid, _, volumes in json.loads(point.locator["copies"])}


def test_of_two_copies_the_one_in_the_library_is_read(paper: Paper):
    paper.job(15, on=[("NEAR", 1, 1)])
    copy_of(paper, 16, 15, "FAR")
    first = only(paper.scan())
    assert (first.locator["jobid"], copies(first)) == ("15", {16: ["FAR"]})
    paper.volume("NEAR", InChanger=0)
    second = only(paper.scan([first]))
    assert (second.id, second.locator["jobid"], second.medium) == (first.id, "16", "tape FAR")
    assert copies(second) == {15: ["NEAR"]}


def test_a_copy_outlives_its_original_under_the_same_name(paper: Paper):
    """Bacula makes it a backup, and only its PriorJobId tells whose copy it was."""
    paper.job(15, on=[("NEAR", 1, 1)])
    copy_of(paper, 16, 15, "FAR")
    first = only(paper.scan())
    paper.sql("DELETE FROM Job WHERE JobId = 15")
    paper.sql("UPDATE Job SET Type = 'B' WHERE JobId = 16")
    second = only(paper.scan([first]))
    assert (second.id, second.locator["jobid"], second.state) == (first.id, "16", PointState.USABLE)
    assert paper.scan([second]).points == ()


def test_a_copy_of_a_copy_is_the_same_backup(paper: Paper):
    paper.job(15, on=[("NEAR", 1, 1)])
    copy_of(paper, 16, 15, "FAR")
    copy_of(paper, 17, 16, "FARTHER")
    assert copies(only(paper.scan())) == {16: ["FAR"], 17: ["FARTHER"]}


# Chains


def test_a_missing_increment_is_named_and_dumps_do_not_need_it(paper: Paper):
    for jobid, day, level in ((13, "2009-01-12", "F"), (15, "2009-01-14", "I"), (17, "2009-01-16", "I")):
        paper.job(jobid, day, Level=level)
    known = paper.scan().points
    assert [p.locator["chain"] for p in known] == ["13", "13,15", "13,15,17"]
    paper.sql("DELETE FROM Job WHERE JobId = 15")
    changed = {p.locator["jobid"]: p for p in paper.scan(known).points}
    assert changed["15"].state == PointState.EXPIRED
    assert changed["17"].locator["chain_why"] == "the incremental of 2009-01-14 (job 15) is gone"
    assert changed["17"].state == PointState.USABLE


# Clocks


def test_the_hour_that_comes_twice(paper: Paper):
    """Files carry seconds since 1970, jobs the clock on the wall and the end in both: nothing is off by an hour."""
    ended = paper.epoch("2009-10-25 02:40:00", fold=1)
    paper.job(15, "2009-10-25", {}, StartTime="2009-10-25 02:30:00", EndTime="2009-10-25 02:40:00", JobTDate=ended)
    paper.record(15, 1, "/backup/db1/shop.sql", 9, ended - 60)
    scan = paper.scan()
    assert only(scan).consistent_at == datetime(2009, 10, 25, 1, 39, tzinfo=UTC)
    assert scan.problems == ()


def test_summer_and_winter(paper: Paper):
    paper.job(15, "2009-01-14")
    paper.job(16, "2009-07-14")
    assert [p.consistent_at.hour for p in paper.scan().points] == [1, 0]
    assert paper.scan().problems == ()


def test_a_wrong_time_zone_is_said(paper: Paper):
    paper.job(15)
    (problem,) = paper.scan(timezone="America/New_York").problems
    assert "not of America/New_York" in problem
    assert "-6.0 h" in problem


def test_a_file_from_the_future_was_written_before_its_job_ended(paper: Paper):
    paper.job(15, files={})
    paper.record(15, 1, "/backup/db1/shop.sql", 9, paper.epoch("2031-01-01 00:00:00"))
    assert only(paper.scan()).latest == datetime(2009, 1, 14, 2, 10, tzinfo=UTC)


# Cost


def test_an_unchanged_catalog_is_asked_for_no_file(paper: Paper):
    paper.job(15)
    paper.job(16, files={"/backup/readme": 1})
    scan = paper.scan()
    paper.sql("DELETE FROM File")
    again = paper.scan(scan.points)
    assert (again.points, again.unparsed) == ((), 1)


def test_a_lost_memory_changes_nothing(paper: Paper):
    paper.job(15)
    paper.job(16, files={"/backup/readme": 1})
    scan = paper.scan()
    paper.forget()
    again = paper.scan(scan.points)
    assert (again.points, again.unparsed) == ((), 1)


def test_a_job_of_more_files_than_one_statement_gives(paper: Paper):
    paper.job(15, files={}, JobFiles=45_000, on=[("TAPE01L8", 1, 45_000)])
    paper.record(15, 1, "/backup/db1/first.sql", 9, 1)
    paper.sql(
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 44999) "
        "INSERT INTO File (JobId, FileIndex, PathId, FilenameId, LStat, MD5) "
        "SELECT 15, i, PathId, 99, LStat, '0' FROM n, File"
    )
    paper.sql("INSERT INTO Filename VALUES (99, 'stranger')")
    paper.record(15, 45_000, "/backup/db1/last.sql", 9, 1)
    scan = paper.scan()
    assert (set(states(scan.points)), scan.unparsed) == ({"first", "last"}, 44_998)


@pytest.mark.long
def test_ten_thousand_jobs_cost_a_listing(paper: Paper):
    paper.nights(10_000, 10)
    began = time.monotonic()
    scan = paper.scan()
    first = time.monotonic()
    assert (len(scan.points), scan.problems) == (100_000, ())
    assert paper.scan(scan.points).points == ()
    again = time.monotonic()
    paper.source().check()  # the statements of a listing, and nothing else
    listed = time.monotonic()
    assert (again - first) * 2 < first - began
    assert (listed - again) * 4 < first - began  # for so long at most a director with this catalog waits


# The catalog itself


def test_a_catalog_that_is_not_there_is_not_made(paper: Paper):
    with pytest.raises(SourceUnavailable, match="does not answer"):
        paper.scan(catalog=f"sqlite:///{paper.base}/none.db")
    assert not (paper.base / "none.db").exists()


def test_a_database_of_something_else(paper: Paper):
    other = paper.base / "other.db"
    sqlite3.connect(other).execute("CREATE TABLE t (i)").connection.close()
    with pytest.raises(ConfigError, match=r"sources\.tape\.catalog.*no Bacula and no Bareos"):
        paper.scan(catalog=f"sqlite:///{other}")
    with pytest.raises(ConfigError, match="begins with none of"):
        paper.scan(catalog="mysql://bacula@db/bacula")


def test_damaged_attributes_are_said(paper: Paper):
    paper.job(15)
    paper.sql("UPDATE File SET LStat = 'P4C'")
    scan = paper.scan()
    assert "attributes of /backup/db1/shop.sql" in scan.problems[0]
    assert (only(scan).quality, only(scan).size_bytes) == (Quality.NONE, None)
