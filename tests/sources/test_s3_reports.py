"""Buckets read from S3 Inventory reports, on a real rclone: whole reports are built upon, no others are believed."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from contract.source import delivered
from servers.s3 import Moto, Proxy, Rclone, moto_server, rclone_server
from sources.inventory_lab import COLUMNS, DATA, NOW, Reported, digest, packed, report_files, row, write_manifest
from sources.s3_lab import source_of

from restorekit.errors import PointExpired
from restorekit.formats.layout import Layout
from restorekit.model.point import PointState, Scan
from restorekit.sources.s3.bucket import Bucket
from restorekit.sources.s3.listing import Entry, entries
from restorekit.sources.s3.newer import Crossing, Stretch, plan
from restorekit.sources.s3.reports import Reports
from restorekit.sources.s3.settings import S3Settings

__all__ = ["moto_server", "rclone_server"]
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def lab(rclone_server: Rclone, tmp_path: Path) -> Reported:
    return Reported(rclone_server, tmp_path)


def keys(scan: Scan) -> set[str]:
    return {p.locator["key"] for p in scan.points if p.state == PointState.USABLE}


def test_a_report_of_20000_rows_costs_a_few_requests(lab: Reported):
    lab.fill(1001)
    gone = [row(lab.bucket, f"db1/blog/{NOW - HOUR * n:%Y-%m-%dT%H%M}.sql", NOW - HOUR * n, DATA) for n in range(19000)]
    lab.write_report([*lab.rows, *gone[100:]], NOW - 3 * HOUR)
    with Proxy.before(lab.server) as proxy:
        scan = lab.source(endpoint=proxy.endpoint).scan([])
        assert (len(scan.points), scan.problems, scan.gone) == (1001 + 18900, (), ())
        first = len(proxy.asked)
        assert lab.source(endpoint=proxy.endpoint).scan(scan.points).points == ()
    assert first < 15
    assert len(proxy.asked) - first == first - 2  # the report's two files were kept


def test_a_report_gives_what_a_listing_gives(lab: Reported, tmp_path: Path):
    lab.fill(5)
    lab.report()
    assert read(lab, tmp_path) == sorted(entries(bucket_of(lab, lab.bucket), versioned=False))


def bucket_of(lab: Reported, name: str, prefix: str = "") -> Bucket:
    section = {k: v for k, v in lab.server.section(name, layout="{database}", prefix=prefix).items() if k != "kind"}
    return Bucket(S3Settings.model_validate(section), lab.base)


def read(lab: Reported, cache: Path, *, versioned: bool = False) -> list[Entry]:
    reports = Reports(bucket_of(lab, lab.bucket), bucket_of(lab, lab.place, lab.prefix), cache / "c", 7 * DAY)
    problems: list[str] = []
    found = reports.newest(NOW - 8 * DAY, problems, versioned=versioned)
    assert found is not None, problems
    return sorted(found.entries)


NAMES = ["db1/shöp/ü 1+1.sql", "db1/a b/100%25.sql", "db1/x/plain%20.sql", 'db1/q/"quoted",comma.sql', "db1/n/a\nb.sql"]


def test_names_are_decoded_once_and_rightly(lab: Reported, tmp_path: Path):
    for name in NAMES:
        lab.rows.append(row(lab.bucket, name, NOW, DATA))
    lab.report()
    assert [e.key for e in read(lab, tmp_path)] == sorted(NAMES)


def test_a_dump_with_a_strange_name_is_delivered(lab: Reported):
    lab.fill(1001)
    lab.upload(f"db1/shöp +&ü/{NOW - DAY:%Y-%m-%dT%H%M}.sql", NOW - 5 * DAY)
    lab.report()
    source = lab.source()
    (point,) = (p for p in source.scan([]).points if p.database.name != "shop")
    assert point.database.name == "shöp +&ü"
    assert delivered(source, point) == DATA


def test_versions_are_points_and_delete_markers_are_none(lab: Reported, tmp_path: Path):
    at = NOW - 5 * DAY
    told = {"IsLatest": "true", "IsDeleteMarker": "false"}
    lab.rows = [
        row(lab.bucket, "db1/a.sql", at, b"new", VersionId="v2", **told),
        row(lab.bucket, "db1/a.sql", at - DAY, b"old", VersionId="v1", **(told | {"IsLatest": "false"})),
        row(lab.bucket, "db1/b.sql", at, b"", VersionId="v9", **(told | {"IsDeleteMarker": "true", "Size": ""})),
        row(lab.bucket, "db1/c.sql", at, b"before versions were kept", VersionId="", **told),
    ]
    lab.report(columns=(*COLUMNS[:2], "VersionId", "IsLatest", "IsDeleteMarker", *COLUMNS[2:], "FromTheFuture"))
    found = read(lab, tmp_path, versioned=True)
    assert [(e.key, e.version, e.size) for e in found] == [
        ("db1/a.sql", "v1", 3),
        ("db1/a.sql", "v2", 3),
        ("db1/c.sql", "null", 25),
    ]
    assert found[0].modified == (at - DAY).astimezone(UTC)


def change(folder: Path, **told: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_bytes())
    write_manifest(folder, json.dumps(manifest | told).encode())


def edit_without_telling(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace("CSV", "CSV "))


def data_files(folder: Path) -> list[Path]:
    return sorted((folder.parent / "data").glob(f"{folder.name}-*"))


def flip(folder: Path) -> None:
    path = data_files(folder)[1]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def instead(folder: Path, data: bytes) -> None:
    """Another file, with the manifest to fit it: a writer that went wrong."""
    path = data_files(folder)[1]
    path.write_bytes(data)
    files = json.loads((folder / "manifest.json").read_bytes())["files"]
    files[1]["MD5checksum"] = digest(data)
    change(folder, files=files)


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "checksum missing": (lambda f: (f / "manifest.checksum").unlink(), "not finished"),
    "checksum wrong": (edit_without_telling, "does not have the MD5"),
    "manifest missing": (lambda f: (f / "manifest.json").unlink(), "no manifest.json"),
    "manifest no JSON": (lambda f: write_manifest(f, b"{"), "not what S3 documents"),
    "manifest without files": (lambda f: write_manifest(f, b'{"sourceBucket": "x"}'), "not what S3 documents"),
    "another bucket": (lambda f: change(f, sourceBucket="other"), "about bucket other"),
    "ORC": (lambda f: change(f, fileFormat="ORC"), "only CSV"),
    "without sizes": (lambda f: change(f, fileSchema="Bucket, Key, LastModifiedDate, ETag"), "lacks Size"),
    "other columns": (lambda f: change(f, fileSchema=", ".join((*COLUMNS, "More"))), "a row of it"),
    "file missing": (lambda f: data_files(f)[1].unlink(), "is missing"),
    "file flipped": (flip, "does not have the MD5"),
    "file cut": (lambda f: instead(f, data_files(f)[1].read_bytes()[:-20]), "a row of it"),
    "file no gzip": (lambda f: instead(f, b"a,b\n"), "a row of it"),
    "row short": (lambda f: instead(f, packed([["a", "b"]])), "a row of it"),
    "size no number": (lambda f: instead(f, packed([["b", "k", "x", "2026-01-01T00:00:00Z", "e", "", ""]])), "a row"),
    "time without zone": (lambda f: instead(f, packed([["b", "k", "1", "2026-01-01T00:00:00", "e", "", ""]])), "a row"),
}


@pytest.fixture(scope="session")
def shared(rclone_server: Rclone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Reported, Bucket]:
    """A bucket that is not looked into, and the one that reports about it are written to."""
    made = Reported(rclone_server, tmp_path_factory.mktemp("reported"))
    made.fill(6)
    return made, bucket_of(made, made.place)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_report_is_not_used_and_said_why(shared: tuple[Reported, Bucket], name: str, tmp_path: Path):
    spoil, said = BROKEN[name]
    lab, place = shared
    lab.prefix, place.folder = name, f"{name}/"
    spoil(lab.write_report(lab.rows, NOW - 3 * HOUR))
    problems: list[str] = []
    assert (
        Reports(bucket_of(lab, lab.bucket), place, tmp_path, DAY).newest(NOW - DAY, problems, versioned=False) is None
    )
    (problem,) = problems
    assert said in problem
    assert "nothing of it was used" in problem


def test_a_list_of_current_versions_only_is_not_used_for_a_bucket_that_keeps_versions(lab: Reported, tmp_path: Path):
    lab.fill(3)
    lab.report()
    reports = Reports(bucket_of(lab, lab.bucket), bucket_of(lab, lab.place, lab.prefix), tmp_path, DAY)
    problems: list[str] = []
    assert reports.newest(NOW - DAY, problems, versioned=True) is None
    assert "set it to all versions" in problems[0]


def test_with_a_broken_report_all_is_listed_and_nothing_expires(lab: Reported):
    lab.fill(1001)
    known = lab.source(inventory=None).scan([]).points
    flip(lab.write_report(lab.rows[:500], NOW - 3 * HOUR))
    scan = lab.source().scan(known)
    assert (scan.points, scan.gone) == ((), ())
    assert "all was listed instead" in scan.problems[1]
    assert [f.severity for f in lab.source().check()] == ["ok", "warn", "warn"]


def test_an_older_whole_report_goes_before_a_newer_broken_one(lab: Reported):
    lab.fill(1001)
    lab.report(NOW - 27 * HOUR)
    flip(lab.report(NOW - 3 * HOUR))
    scan = lab.source().scan([])
    assert len(scan.points) == 1001
    assert len(scan.problems) == 1
    assert "nothing of it was used" in scan.problems[0]


def test_a_kept_file_that_was_damaged_is_brought_again(lab: Reported):
    lab.fill(1001)
    lab.report()
    assert len(lab.source().scan([]).points) == 1001
    for path in lab.base.rglob("*.csv.gz"):
        path.write_bytes(path.read_bytes()[:-9])
    scan = lab.source().scan([])
    assert (len(scan.points), scan.problems) == (1001, ())


@pytest.mark.parametrize(("age", "problems"), [(timedelta(days=7, hours=1), 0), (timedelta(days=8, hours=1), 1)])
def test_an_old_report_is_not_built_upon(lab: Reported, age: timedelta, problems: int):
    lab.fill(1001)
    lab.report(NOW - age)
    key = f"db1/new/{NOW - DAY:%Y-%m-%dT%H%M}.sql"
    lab.write(key, DATA, NOW - DAY)
    scan = lab.source().scan([])
    assert key in keys(scan)
    assert len(scan.problems) == problems


def test_reports_that_cannot_be_read_are_a_problem_and_all_is_listed(lab: Reported):
    lab.fill(1001)
    scan = lab.source(inventory={"bucket": "nowhere", "prefix": "x"}).scan([])
    assert len(scan.points) == 1001
    assert "cannot be read" in scan.problems[0]


@pytest.mark.parametrize("part", ["begin", "end"])
def test_a_report_limited_to_a_prefix_expires_nothing(lab: Reported, part: str):
    lab.fill(1001)
    known = lab.source(inventory=None).scan([]).points
    lab.write_report(lab.rows[1:] if part == "begin" else lab.rows[:-1], NOW - 3 * HOUR)
    scan = lab.source().scan(known)
    assert (scan.points, scan.gone) == ((), ())
    assert "limited to a prefix" in scan.problems[0]


def test_a_page_of_keys_is_listed_and_needs_no_report(lab: Reported):
    lab.fill(20)
    scan = lab.source().scan([])
    assert (len(scan.points), scan.problems) == (20, ())


def test_what_is_gone_since_the_report_is_not_delivered(lab: Reported):
    lab.fill(1010)
    lab.report()
    victim = lab.rows[500]["Key"]
    (lab.medium / victim).unlink()
    source = lab.source()
    (point,) = (p for p in source.scan([]).points if p.locator["key"] == victim)
    with pytest.raises(PointExpired):
        delivered(source, point)


def test_what_the_report_lacks_is_gone_only_if_it_is_old_enough_to_be_in_it(lab: Reported):
    lab.fill(1200)
    lab.upload(f"db1/zoo/{NOW - DAY:%Y-%m-%dT%H%M}.sql", NOW - DAY)
    (lab.medium / f"{lab.rows[-1]['Key']}.sha256").write_text("0" * 64)
    known = lab.source(inventory=None).scan([]).points
    (lab.medium / lab.rows[600]["Key"]).unlink()
    lab.write_report([*lab.rows[:600], *lab.rows[601:-1]], NOW - 3 * HOUR)
    scan = lab.source().scan(known)
    assert scan.problems == ()
    (gone,) = scan.points
    assert (gone.locator["key"], gone.state) == (lab.rows[600]["Key"], PointState.EXPIRED)


def test_a_young_overwritten_dump_does_not_turn_old_again(lab: Reported):
    lab.fill(1200)
    lab.report()
    key = lab.rows[600]["Key"]
    lab.write(key, DATA + b"x", NOW - HOUR)
    known = lab.source(inventory=None).scan([]).points
    assert lab.source().scan(known).points == ()


def test_what_is_newer_is_listed_on_top_in_new_folders_too(lab: Reported):
    lab.fill(1200)
    lab.fill(1200, "blog")
    before = [NOW - HOUR * n for n in range(2500, 4800)]
    extra = [row(lab.bucket, f"db1/shop/{at:%Y-%m-%dT%H%M}.sql", at, DATA) for at in before]
    late = lab.upload(f"db1/shop/{NOW - DAY:%Y-%m-%dT%H%M}.sql", NOW - DAY)
    lab.write_report([*lab.rows, *extra], NOW - 3 * HOUR)
    (lab.medium / late).unlink()
    new = [f"db1/{name}/{NOW - HOUR:%Y-%m-%dT%H%M}.sql" for name in ("blog", "shop", "young")]
    for key in new:
        lab.write(key, DATA, NOW - HOUR)
    scan = lab.source().scan([])
    assert scan.problems == ()
    assert set(new) <= keys(scan)
    assert late not in keys(scan)
    again = lab.source().scan(scan.points)
    assert (again.points, again.gone) == ((), ())


HOURS = [NOW - HOUR * n for n in range(3000)]
OLD = (NOW - 3 * DAY).replace(minute=30)


def planned(layout: str, names: str, times: list[datetime] = HOURS) -> list[Stretch | Crossing]:
    made = sorted(layout.format(database=name, time=at) for name in names for at in times)
    read = Layout(layout)
    return plan("", made, lambda key: match.time if (match := read.match(key)) else None, OLD)


def test_one_stretch_where_all_keys_sort_by_time():
    (stretch,) = planned("{time:%Y-%m-%dT%H}/{database}.sql", "abc")
    assert stretch == Stretch("", f"{OLD:%Y-%m-%dT%H}/c.sql")


def test_a_stretch_per_folder_where_keys_sort_by_time_only_in_those():
    last = f"{OLD:%Y-%m-%dT%H}.sql"
    assert planned("{database}/{time:%Y-%m-%dT%H}.sql", "ab") == [
        Crossing("", frozenset(("a/", "b/"))),
        Stretch("a/", f"a/{last}"),
        Stretch("b/", f"b/{last}"),
    ]


@pytest.mark.parametrize("layout", ["{database}/{time:%d-%m-%Y-%H}.sql", "{database}-{time:%Y-%m-%dT%H}.sql"])
def test_nothing_where_keys_do_not_sort_by_time(layout: str):
    assert [type(place) for place in planned(layout, "ab")] in ([], [Crossing])


def test_nothing_where_a_full_listing_costs_no_more():
    assert planned("{database}/{time:%Y-%m-%dT%H}.sql", "abcdefgh", HOURS[:500]) == []


@pytest.mark.long
def test_versions_come_out_of_a_report_and_from_on_top_of_it(moto_server: Moto, tmp_path: Path):
    client, bucket = moto_server.client, moto_server.bucket("dumps-in-versions", versioned=True)
    moto_server.bucket("dumps-reports")
    names = [f"db1/shop/{at:%Y-%m-%dT%H%M}.sql" for at in reversed(HOURS[80:1080])]
    put = [(name, client.put_object(Bucket=bucket, Key=name, Body=DATA)["VersionId"]) for name in [*names, names[5]]]
    section = moto_server.section(bucket, layout=Reported.layout, timezone="UTC")
    known = source_of(tmp_path, section).scan([])
    assert len(known.points) == 1001

    told = {"IsLatest": "true", "IsDeleteMarker": "false"}
    at = NOW - 3 * HOUR
    rows = [row(bucket, name, NOW, DATA, VersionId=version, **told) for name, version in put[:-1]]
    rows += [row(bucket, names[7], HOURS[1072], DATA, VersionId="gone", **told)]
    report = report_files(bucket, "inv", rows, at, columns=(*COLUMNS, "VersionId", "IsLatest", "IsDeleteMarker"))
    for key, data in report.items():
        client.put_object(Bucket="dumps-reports", Key=key, Body=data)
    new = client.put_object(Bucket=bucket, Key=f"db1/shop/{NOW - HOUR:%Y-%m-%dT%H%M}.sql", Body=DATA)["VersionId"]

    inventory = {"bucket": "dumps-reports", "prefix": "inv"}
    scan = source_of(tmp_path, {**section, "inventory": inventory}).scan(known.points)
    assert (scan.problems, scan.gone) == ((), ())
    assert {p.locator["version"] for p in scan.points} == {"gone", new}
