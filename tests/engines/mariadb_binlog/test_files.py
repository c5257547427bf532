"""Files that end early, are damaged, encrypted or none at all: a hole and a sentence, and never half a transaction."""

import struct
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from servers.binlog import counts, files, newest, rotated, tool_counts
from servers.mariadb import LiveServer
from servers.mariadb_live import live_on

from restorekit.engines.mariadb.binlog import Place, changes, reader, scan, scan_files

OPTIONS = ("--binlog-format=ROW", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0")


@pytest.fixture(scope="module")
def trail(server):
    """Three files of twelve transactions with three rows each, and where each of them ends."""
    server.script("CREATE DATABASE trail; USE trail; CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v TEXT)")
    found = []
    with server.connect("trail") as session, session.cursor() as cursor:
        for _ in range(3):
            path, ends = rotated(server), []
            for number in range(12):
                cursor.execute("BEGIN")
                cursor.execute("INSERT INTO t (v) VALUES ('a'), (REPEAT('b', 70))")
                cursor.execute("INSERT INTO t (v) VALUES (%s)", (number,))
                cursor.execute("COMMIT")
                ends.append(server.rows("SHOW MASTER STATUS")[0][1])
            found.append((path, ends))
    server.rows("FLUSH BINARY LOGS")
    return found


def rows(reading):
    return counts(reading).get(("trail", "t", "I"), 0)


def starts(data):
    """Where the events of a file begin."""
    at = 4
    while at < len(data):
        yield at
        at += struct.unpack_from("<I", data, at + 9)[0]


def event(kind, body, at, flags=0):
    """An event as it would stand at `at`, without a checksum."""
    size = 19 + len(body)
    return struct.pack("<IBIIIH", 1232614333, kind, 1, size, at + size, flags) + body


def replaced(data, at, kind, body=b"", flags=0):
    """`data` up to `at`, an event of that kind, and the rest of the file behind a gap that no one should read."""
    return data[:at] + event(kind, body + b"\0\0\0\0", at, flags) + data[at:]


def test_a_file_cut_anywhere_counts_whole_transactions_and_can_be_continued(trail, tmp_path):
    path, ends = trail[0]
    data = path.read_bytes()
    near = {at + off for at in starts(data) for off in (-1, 0, 1, 18, 19, 20)} & set(range(len(data) + 1))
    for cut in sorted(near | set(range(0, len(data), 151))):
        copy = tmp_path / path.name
        copy.write_bytes(data[:cut])
        reading = scan_files([copy])
        whole = sum(end <= cut for end in ends)
        assert rows(reading) == 3 * whole, cut
        assert scan_files([copy], until=1).changes == reading.changes
        copy.write_bytes(data)
        rest = scan_files([copy], Place.parsed(reading.cursor))
        assert rows(reading) + rows(rest) == 36, cut
        assert rest.problems == ()


def test_a_cut_file_between_whole_ones_is_a_hole_up_to_the_next(trail, tmp_path):
    copies = [tmp_path / path.name for path, _ in trail]
    for copy, (path, _) in zip(copies, trail, strict=True):
        copy.write_bytes(path.read_bytes())
    copies[1].write_bytes(copies[1].read_bytes()[: trail[1][1][4] + 50])
    reading = scan_files(copies)
    assert rows(reading) == 36 + 15 + 36
    assert [s.coverage for s in reading.stretches] == ["rows", "none", "rows"]
    (problem,) = reading.problems
    assert problem == f"{copies[1].name} ends inside a transaction that begins at {trail[1][1][4]}"
    assert reading.cursor.startswith(copies[2].name)


def test_a_file_that_is_gone_is_a_hole(trail, tmp_path):
    first, last = trail[0][0], trail[2][0]
    reading = scan_files([first, tmp_path / trail[1][0].name, last])
    assert (rows(reading), [s.coverage for s in reading.stretches]) == (72, ["rows", "none", "rows"])
    assert reading.problems == (f"{trail[1][0].name} cannot be read: No such file or directory",)


def test_damage_in_the_middle_is_a_hole_up_to_the_next_file(trail, tmp_path):
    copies = [tmp_path / path.name for path, _ in trail]
    for copy, (path, _) in zip(copies, trail, strict=True):
        copy.write_bytes(path.read_bytes())
    data, (_, ends) = bytearray(copies[1].read_bytes()), trail[1]
    for wrong in (0, 5, 18, 20, 1 << 20, 0xFFFFFFFF):
        damaged = data.copy()
        struct.pack_into("<I", damaged, ends[6] + 9, wrong)
        copies[1].write_bytes(damaged)
        reading = scan_files(copies)
        assert rows(reading) == 36 + 21 + 36, wrong
        assert [s.coverage for s in reading.stretches] == ["rows", "none", "rows"], wrong
        assert f"is damaged at {ends[6]}" in reading.problems[0]
    copies[1].write_bytes(data[: ends[6]] + bytes(4096))
    assert rows(scan_files(copies)) == 36 + 21 + 36
    copies[1].write_bytes(data[: ends[6]] + data[ends[6] + 1 :])
    assert rows(scan_files(copies)) == 36 + 21 + 36


def test_no_flipped_byte_of_a_frame_raises(trail, tmp_path):
    path, _ = trail[2]
    data = path.read_bytes()
    copy = tmp_path / path.name
    for at in (at + off for at in list(starts(data))[-12:] for off in (4, 8, 9, 12, 13, 19, 24, 26, 30, 40)):
        if at < len(data):
            copy.write_bytes(data[:at] + bytes([data[at] ^ 0x5A]) + data[at + 1 :])
            assert rows(scan_files([copy])) <= 36, at


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "does not begin like a binary log"),
        (b"\xfebi", "does not begin like a binary log"),
        (b"\xfebin", "ends before it has begun"),
        (b"CREATE TABLE", "does not begin like a binary log"),
        (b"\xfebin" + event(2, b"x" * 200, 4), "does not begin with a description of its format"),
        (b"\xfebin" + event(15, b"\x03\0" + b"x" * 200, 4), "has format 3"),
        (b"\xfebin" + event(15, b"\x04\0" + b"x" * 200, 4)[:60], "ends before it has begun"),
    ],
)
def test_what_is_no_log_is_a_hole(trail, tmp_path, content, sentence):
    first, last = trail[0][0], trail[1][0]
    other = tmp_path / "binlog.000900"
    other.write_bytes(content)
    reading = scan_files([first, other, last])
    assert rows(reading) == 72
    assert [s.coverage for s in reading.stretches] == ["rows", "none", "rows"]
    assert reading.problems[0].startswith(f"binlog.000900 {sentence}")
    known, hole, _ = reading.stretches
    assert known.end == hole.start
    later = scan_files([first, other], until=1795000000)
    other.write_bytes(last.read_bytes())
    assert rows(scan_files([first, other], Place.parsed(later.cursor))) == 36


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (164, "is encrypted"),
        (40, "compressed transactions of MySQL"),
        (39, "an event of an unknown kind, 39"),
        (199, "an event of an unknown kind, 199"),
        (23, "rows of an unknown table"),
    ],
)
def test_what_cannot_be_understood_is_a_hole(trail, tmp_path, kind, sentence):
    (path, ends), (after, _) = trail[0], trail[1]
    copy = tmp_path / path.name
    copy.write_bytes(replaced(path.read_bytes(), ends[2], kind, bytes(40)))
    reading = scan_files([copy, after])
    assert rows(reading) == 9 + 36
    assert [s.coverage for s in reading.stretches] == ["rows", "none", "rows"]
    assert sentence in reading.problems[0]


def test_an_event_that_may_be_ignored_is(trail, tmp_path):
    path, ends = trail[0]
    copy = tmp_path / path.name
    copy.write_bytes(replaced(path.read_bytes()[: ends[2]], ends[2], 199, bytes(40), flags=0x80))
    reading = scan_files([copy])
    assert (rows(reading), reading.problems) == (9, ())


def test_an_incident_is_a_hole_and_reading_goes_on(trail, tmp_path):
    path, ends = trail[0]
    copy = tmp_path / path.name
    copy.write_bytes(replaced(path.read_bytes()[: ends[2]], ends[2], 26, b"\x01\x00\x00"))
    reading = scan_files([copy, trail[1][0]])
    assert rows(reading) == 9 + 36
    assert all(a.end <= b.start or b.coverage == "rows" for a, b in pairwise(reading.stretches))
    assert "none" in [s.coverage for s in reading.stretches]
    assert "lost changes" in reading.problems[0]


def rebuilt(path, head, events):
    """A file of `head` and of these (kind, seconds, flags, body), without checksums."""
    data = head
    for kind, ts, flags, body in events:
        size = 19 + len(body)
        data += struct.pack("<IBIIIH", ts, kind, 1, size, len(data) + size, flags) + body
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def bare(server):
    """A file without checksums: its head and its events."""
    server.script("SET GLOBAL binlog_checksum=NONE")
    path = newest(server)
    server.script(
        "CREATE DATABASE crafted; USE crafted; CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20));"
        "BEGIN; INSERT INTO t SELECT seq, 'a' FROM seq_1_to_60; UPDATE t SET v='b' WHERE id<4; COMMIT;"
        "DELETE FROM t;"
    )
    server.script("SET GLOBAL binlog_checksum=CRC32")
    data = path.read_bytes()
    rest = list(starts(data))[1:]
    found = []
    for at in rest:
        ts, kind, _, size, _, flags = struct.unpack_from("<IBIIIH", data, at)
        found.append((kind, ts, flags, data[at + 19 : at + size]))
    return path.name, data[: rest[0]], found


CRAFTED = {("crafted", "t", "I"): 60, ("crafted", "t", "U"): 3, ("crafted", "t", "D"): 60}


def test_crafted_files_read_like_the_original(bare, tmp_path):
    name, head, found = bare
    assert counts(scan_files([rebuilt(tmp_path / name, head, found)])) == CRAFTED


def test_rows_of_the_second_version_count_the_same(bare, tmp_path):
    name, head, found = bare
    second = {23: 30, 24: 31, 25: 32}
    extra = struct.pack("<H", 5) + b"abc"
    later = [
        (second[kind], ts, flags, body[:8] + extra + body[8:]) if kind in second else (kind, ts, flags, body)
        for kind, ts, flags, body in found
    ]
    assert counts(scan_files([rebuilt(tmp_path / name, head, later)])) == CRAFTED


def test_a_log_whose_transactions_have_no_name_of_ours(bare, tmp_path):
    """As MySQL writes it: an anonymous beginning, then BEGIN as a statement."""
    name, head, found = bare
    query = next(body for kind, _, _, body in found if kind == 2)
    begin = query[:8] + b"\0" + query[9:11] + b"\0\0" + b"\0BEGIN"
    for beginning in ([], [(34, 0, b"\0" * 42)]):
        later = []
        for kind, ts, flags, body in found:
            if kind != 162:
                later.append((kind, ts, flags, body))
                continue
            later += [(anonymous, ts, flag, text) for anonymous, flag, text in beginning]
            if not body[12] & 1:
                later.append((2, ts, 0, begin))
        reading = scan_files([rebuilt(tmp_path / name, head, later)])
        assert (counts(reading), reading.problems) == (CRAFTED, ())
        kinds = [(b.kind, b.gtid, b.position != "") for c in reading.changes for b in c.blows]
        assert kinds == [("create", "", True), ("create", "", True), ("mass_delete", "", True)]


def test_a_transaction_without_an_end_is_not_counted(bare, tmp_path):
    name, head, found = bare
    for at, (kind, *_) in enumerate(found):
        if kind == 16:  # what ends it is missing, and the log goes on
            reading = scan_files([rebuilt(tmp_path / name, head, found[:at] + found[at + 1 :])])
            assert any(t.rows is None for c in reading.changes for t in c.tallies) or reading.problems
            assert sum(counts(reading).values()) in {60, 63}


def test_any_kind_in_any_place_is_no_traceback(bare, tmp_path):
    name, head, found = bare
    kinds = (2, 3, 4, 15, 16, 18, 19, 23, 24, 25, 26, 30, 31, 33, 34, 38, 40, 160, 162, 164, 165, 166, 167, 168, 255)
    for at in range(len(found)):
        for kind in kinds:
            _, ts, flags, body = found[at]
            shorter = (body, body[:9], b"")[(at + kind) % 3]
            later = [*found[:at], (kind, ts, flags, shorter), *found[at + 1 :]]
            reading = scan_files([rebuilt(tmp_path / name, head, later)])
            assert all(count <= 120 for count in counts(reading).values())


def test_a_sessions_own_clock_is_no_coverage_but_an_importers_is(bare, tmp_path):
    name, head, found = bare
    born = struct.unpack_from("<I", head, 4)[0]
    begins = [at for at, (kind, *_) in enumerate(found) if kind == 162]
    transaction = found[begins[-1] :]
    many = transaction * 150
    one = [(kind, 1, flags, body) for kind, _, flags, body in transaction]
    spoofed = scan_files([rebuilt(tmp_path / name, head, [*one, *found[: begins[-1]], *many])])
    assert spoofed.stretches[0].start.timestamp() > born - 120
    old = [(kind, 1232206897, flags, body) for kind, _, flags, body in many]
    imported = scan_files([rebuilt(tmp_path / name, head, [*found[: begins[-1]], *old, *transaction])])
    assert imported.stretches[0].start.timestamp() == 1232206860


def test_memory_does_not_grow_with_the_file(server):
    path = rotated(server)
    server.script("CREATE DATABASE heavy; USE heavy; CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v TEXT)")
    for _ in range(3):
        server.rows("INSERT INTO t (v) SELECT REPEAT('x', 5000) FROM seq_1_to_2000", "heavy")
    assert path.stat().st_size > 7 * reader.WINDOW
    tracemalloc.start()
    try:
        reading = scan_files([path])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert counts(reading) == {("heavy", "t", "I"): 6000}
    assert peak < 3 * reader.WINDOW


def test_a_pass_that_holds_enough_ends_and_the_next_one_goes_on(trail, tmp_path, monkeypatch):
    copies = [tmp_path / path.name for path, _ in trail]
    for copy, (path, _) in zip(copies, trail, strict=True):
        copy.write_bytes(path.read_bytes())
    copies[0].write_bytes(copies[0].read_bytes()[:-60])
    whole = scan_files(copies)
    monkeypatch.setattr(scan, "MOST_TALLIES", 1)
    found = [scan_files(copies)]
    while found[-1].more:
        copies.pop(0).unlink()  # what was read may go
        found.append(scan_files(copies, Place.parsed(found[-1].cursor)))
    assert (len(found), counts(*found), found[-1].cursor) == (3, counts(whole), whole.cursor)
    assert tuple(p for reading in found for p in reading.problems) == whole.problems
    assert found[0].stretches[-1].end.timestamp() == Place.parsed(found[0].cursor).until


def test_large_events_and_small_windows_count_the_same(trail, monkeypatch):
    paths = [path for path, _ in trail]
    whole = scan_files(paths)
    for window in (19, 64, 300, 4096):
        monkeypatch.setattr(reader, "WINDOW", window)
        assert scan_files(paths) == whole


def test_a_row_larger_than_the_window(server):
    path = rotated(server)
    server.script("CREATE DATABASE large; CREATE TABLE large.t (a LONGBLOB, b INT)")
    server.script("INSERT INTO large.t VALUES (REPEAT('x', 6000000), 1), ('', 2); DELETE FROM large.t")
    assert counts(scan_files([path])) == {("large", "t", "I"): 2, ("large", "t", "D"): 2}


def test_without_checksums(server):
    server.script("SET GLOBAL binlog_checksum=NONE")
    path = newest(server)
    server.script("CREATE DATABASE bare; CREATE TABLE bare.t (a INT); INSERT INTO bare.t VALUES (1), (2)")
    server.script("SET GLOBAL binlog_checksum=CRC32")
    assert counts(scan_files([path])) == tool_counts([path]) == {("bare", "t", "I"): 2}
    assert scan_files([path]).problems == ()


def test_an_encrypted_log_is_a_hole(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("1;" + "a7addd9adea9978fda19f21e6be987880e68ac92632ca052e5bb42b1a506939a\n")
    with LiveServer.running(log_bin=True, args=OPTIONS) as running:
        if not (Path(running.one("SELECT @@plugin_dir")) / "file_key_management.so").exists():
            pytest.skip("this machine's MariaDB comes without file_key_management")
        running.script("CREATE DATABASE e; CREATE TABLE e.t (a INT); INSERT INTO e.t VALUES (1)")
        first = changes(live_on(running), "")
        (running.folder / "keys").write_bytes(keys.read_bytes())
        running.args = (
            *OPTIONS,
            "--plugin-load-add=file_key_management",
            f"--file-key-management-filename={running.folder / 'keys'}",
            "--encrypt-binlog=ON",
        )
        running.restart()
        running.script("INSERT INTO e.t VALUES (2)")
        reading = changes(live_on(running), first.cursor)
        assert (counts(reading), [s.coverage for s in reading.stretches][-1]) == ({}, "none")
        assert reading.problems == (f"{files(running)[-1].name} is encrypted",)
        running.args = OPTIONS
