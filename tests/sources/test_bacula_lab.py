"""The lab itself: what later tests rest on."""

import base64
import hashlib
from pathlib import Path

import pytest
from servers.bacula import Library
from servers.bacula_golden import DAYS, bacula_golden, content, path

__all__ = ["bacula_golden"]


@pytest.fixture(scope="module")
def library(bacula_golden: Path):
    with Library.running(bacula_golden) as running:
        yield running


def digest(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def test_every_day_is_there_under_its_date_with_the_right_digests(library: Library):
    found = library.sql(
        "SELECT Job.StartTime, Job.Level, Path.Path || Filename.Name, File.MD5 FROM Job JOIN File USING (JobId) "
        "JOIN Path USING (PathId) JOIN Filename USING (FilenameId) WHERE Filename.Name <> '' AND Job.Name = 'Dumps'"
    )
    expected = {
        (f"2009-01-{day:02d}", level[0], path(name), digest(content(name, day)))
        for day, level, names in DAYS
        for name in (("shop", "blog", "crm") if level == "Full" else names)
    }
    assert {(start[:10], *rest) for start, *rest in found} == expected


def test_a_full_spans_two_volumes(library: Library):
    ((pieces, volumes),) = library.sql("SELECT count(*), count(DISTINCT MediaId) FROM JobMedia WHERE JobId = 3")
    assert volumes == 2
    assert pieces > 2


def test_a_file_comes_back_by_the_admins_console(library: Library, tmp_path: Path):
    where = library.folder / "back"
    said = library.console(
        "restore jobid=5 restorejob=StagedRestore client=db1-fd restoreclient=staging-fd "
        f"where={where} file={path('crm')} done yes"
    )
    assert "Job queued. JobId=" in said, said
    job = int(said.rpartition("Job queued. JobId=")[2].split()[0])
    assert library.ended(job) == "T"
    assert Path(f"{where}{path('crm')}").read_bytes() == content("crm", 17)


def test_a_tape_can_be_taken_out_of_a_drive_and_put_back(library: Library):
    inside = "SELECT InChanger, Slot FROM Media WHERE VolumeName = 'TAPE01L8'"
    library.remove_tape("TAPE01L8")
    assert library.sql(inside) == [(1, 1)]
    library.update_slots()
    assert library.sql(inside) == [(0, 0)]
    library.put_back("TAPE01L8")
    library.update_slots()
    assert library.sql(inside) == [(1, 1)]
