import gzip
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import zstandard
from contract.source import Quiet, SourceContract, delivered, dump, only, tree
from sources.directory_lab import LAYOUT, LONG_AGO, Folder

from restorekit.errors import ConfigError, PointExpired, SourceDamaged, SourceUnavailable
from restorekit.model.point import PointState, Quality


class TestDirectory(SourceContract):
    @pytest.fixture
    def lab(self, tmp_path: Path) -> Folder:
        return Folder(tmp_path)


PLAIN = {"layout": ["{engine}/{database}.sql", "{engine}/{database}.sql.gz", "{engine}/{database}.sql.zst"]}


def test_digests_are_said_to_hold_only_where_there_is_one(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    text = dump(1000)
    lab.write("db1/with.sql", text)
    lab.write("db1/with.sql.sha256", sha256(text).hexdigest().encode())
    lab.write("db1/without.sql", text)
    source = lab.source()
    for name, held in (("with", True), ("without", False)):
        with source.deliver(only(source, name), Quiet()) as delivery:
            while delivery.read(100):
                pass
            assert delivery.finish() is held


def test_a_sidecar_without_a_digest_is_damage(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    lab.write("db1/shop.sql", dump(10))
    lab.write("db1/shop.sql.sha256", b"")
    source = lab.source()
    with pytest.raises(SourceDamaged, match="holds no SHA-256"):
        delivered(source, only(source, "shop"))


def test_compressed_files_are_delivered_as_they_are(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    packed = {"gzip": gzip.compress(dump(999)), "zstd": zstandard.compress(dump(999))}
    lab.write("db1/g.sql.gz", packed["gzip"])
    lab.write("db1/z.sql.zst", packed["zstd"])
    source = lab.source()
    for name in ("g", "z"):
        point = only(source, name)
        assert delivered(source, point) == packed[point.compression]


def test_a_compressed_file_that_does_not_decode_is_damaged_at_first_sight(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    lab.write("db1/shop.sql.gz", gzip.compress(dump(100))[:40])
    lab.write("db1/blog.sql.gz", b"no gzip at all")
    assert {p.state for p in lab.source().scan([]).points} == {PointState.DAMAGED}


def test_an_empty_file_is_suspicious(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    lab.write("db1/shop.sql", b"")
    point = only(lab.source(), "shop")
    assert (point.state, point.why) == (PointState.SUSPICIOUS, "the file is empty")


def test_the_end_marker_bounds_the_moment_from_above(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    lab.write("db1/summer.sql", b"SELECT 1;\n-- Dump completed on 2026-07-17  3:00:05\n")
    lab.write("db1/twice.sql", b"SELECT 1;\n-- Dump completed on 2026-10-25  2:30:00\n")
    source = lab.source()
    summer, twice = only(source, "summer"), only(source, "twice")
    assert (
        summer.latest == summer.consistent_at == datetime(2026, 7, 17, 1, 0, 6, tzinfo=UTC)
    )  # the marker knows no fractions
    assert twice.latest == datetime(2026, 10, 25, 1, 30, 1, tzinfo=UTC)  # the later of the two half past two
    assert (summer.earliest, summer.quality) == (None, Quality.BOUNDED)


def test_a_file_time_alone_is_no_moment(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    lab.write("db1/shop.sql", b"SELECT 1;\n")
    point = only(lab.source(), "shop")
    assert (point.consistent_at, point.latest, point.quality) == (None, LONG_AGO, Quality.NONE)


def test_files_being_written_are_not_offered(folder: Callable[..., Folder]):
    lab = folder(**PLAIN, quiet_s=60)
    lab.write("db1/now.sql", dump(10), datetime.now(UTC))
    for name in ("a.sql.part", ".b.sql", "c.sql.tmp"):
        lab.write(f"db1/{name}", dump(10))
    scan = lab.source().scan([])
    assert (scan.points, scan.unparsed) == ((), 0)
    assert "now.sql: changed less than 60 s ago" in scan.problems[0]


def test_a_replaced_file_is_refused_and_becomes_another_point(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    lab.write("db1/shop.sql", dump(100, 1))
    source = lab.source()
    old = only(source, "shop")
    lab.write("db1/shop.sql", dump(100, 2), LONG_AGO + timedelta(days=1))
    with pytest.raises(PointExpired, match="was replaced since it was scanned"):
        delivered(source, old)
    scan = source.scan([old])
    assert {(p.id == old.id, p.state) for p in scan.points} == {(True, PointState.EXPIRED), (False, PointState.USABLE)}


def test_a_file_of_the_same_size_and_time_is_still_another_file(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    lab.write("db1/shop.sql", dump(100, 1))
    source = lab.source()
    old = only(source, "shop")
    lab.write("db1/other", dump(100, 2)).rename(lab.medium / "db1/shop.sql")
    with pytest.raises(PointExpired):
        delivered(source, old)


def test_a_file_written_to_while_it_is_read_is_not_finished(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    path = lab.write("db1/shop.sql", dump(3 << 20))
    source = lab.source()
    with source.deliver(only(source, "shop"), Quiet()) as delivery:
        assert delivery.read(1000)
        with path.open("r+b") as file:
            file.write(b"x")
        while delivery.read(1 << 20):
            pass
        with pytest.raises(SourceDamaged, match="was written to while it was read"):
            delivery.finish()


def test_links_are_not_followed_and_count_not_twice(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    path = lab.write("db1/shop.sql", dump(10))
    (lab.medium / "db1/latest.sql").symlink_to(path)
    assert len(lab.source().scan([]).points) == 1


def test_a_link_put_in_place_of_the_file_is_not_opened(folder: Callable[..., Folder], tmp_path: Path):
    lab = folder(**PLAIN)
    path = lab.write("db1/shop.sql", dump(10))
    source = lab.source()
    point = only(source, "shop")
    path.unlink()
    (tmp_path / "secret").write_bytes(dump(10))
    path.symlink_to(tmp_path / "secret")
    with pytest.raises((SourceUnavailable, PointExpired)):
        delivered(source, point)


def test_a_folder_that_turned_empty_expires_nothing(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    lab.write("db1/shop.sql", dump(10))
    source = lab.source()
    known = source.scan([]).points
    shutil.rmtree(lab.medium / "db1")
    with pytest.raises(SourceUnavailable, match="is empty, but 1 recovery point"):
        source.scan(known)


def test_other_rules_are_applied_to_old_files(folder: Callable[..., Folder]):
    lab = folder(layout="{database}.sql")
    lab.write("shop.sql", dump(10))
    first = only(lab.source(), "shop")
    assert (first.state, first.database.engine) == (PointState.AMBIGUOUS, "?")
    assert "names no engine" in first.why
    lab.settings["engine"] = "db1"
    scan = lab.source().scan([first])
    assert {(str(p.database), p.state) for p in scan.points} == {
        ("?/shop", PointState.EXPIRED),
        ("db1/shop", PointState.USABLE),
    }


def test_a_name_that_can_be_cut_in_two_ways_is_not_guessed(folder: Callable[..., Folder]):
    lab = folder(layout="{customer}_{database}.sql", engine="db1")
    lab.write("acme_web_shop.sql", dump(10))
    (point,) = lab.source().scan([]).points
    assert point.state == PointState.AMBIGUOUS
    assert "more than one way" in point.why


def test_a_host_in_the_layout_needs_its_engine(folder: Callable[..., Folder]):
    lab = folder(layout="{host}/{database}.sql", engine="db1", hosts={"web1": "db7"})
    lab.write("web1/a.sql", dump(10))
    lab.write("web2/b.sql", dump(10))
    source = lab.source()
    assert str(only(source, "a").database) == "db7/a"
    assert only(source, "b").state == PointState.AMBIGUOUS


def test_bad_settings_name_the_key(folder: Callable[..., Folder]):
    with pytest.raises(ConfigError, match=r"sources\.files\.layout: .*{datbase} is unknown"):
        folder(layout="{datbase}.sql").source()
    with pytest.raises(ConfigError, match=r"sources\.files: quiet_s"):
        Folder.source(_with(folder, quiet_s=-1))


def _with(folder: Callable[..., Folder], **settings: Any) -> Folder:
    lab = Folder.__new__(Folder)
    lab.base = Path("/nonexistent")
    lab.settings = {"kind": "directory", "path": "dumps", "layout": LAYOUT, **settings}
    return lab


def test_the_manifest_beside_it(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    lab.write("db1/shop.sql", dump(10))
    lab.write("db1/shop.sql.manifest.json", b'{"origin": "captured"}')
    source = lab.source()
    assert source.manifest(only(source, "shop")) == b'{"origin": "captured"}'


@contextmanager
def nobody() -> Iterator[None]:
    """Inside, this process may not read everything, even when the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_may_not_be_read_is_a_problem_and_expires_nothing():
    with tempfile.TemporaryDirectory(dir="/tmp") as base:
        Path(base).chmod(0o755)
        lab = Folder(Path(base), **PLAIN)
        closed = lab.write("db1/shop.sql", dump(10)).parent
        lab.write("db2/blog.sql", dump(10)).chmod(0)
        source = lab.source()
        known = source.scan([]).points
        closed.chmod(0)
        with nobody():
            scan = source.scan(known)
            with pytest.raises(SourceUnavailable, match="cannot be opened"):
                delivered(source, known[1])
        assert (scan.points, scan.gone) == ((), ())
        assert "/db1: cannot be read" in scan.problems[0]
        closed.chmod(0o700)


def test_names_that_are_no_text_are_counted(folder: Callable[..., Folder]):
    lab = folder(**PLAIN)
    lab.write("db1/shop.sql", dump(10))
    (lab.medium / os.fsdecode(b"db1/\xff.sql")).write_bytes(b"x")
    scan = lab.source().scan([])
    assert (len(scan.points), scan.unparsed) == (1, 1)
    assert tree(lab.medium)
