from restorekit.cli.columns import layout, printable, stacked, wrapped

HEAD = ("point", "size", "why")


def test_a_pipe_gets_whole_lines() -> None:
    lines = layout(HEAD, [("p" * 60, "1 kB", "w" * 60)])
    assert lines[1] == "p" * 60 + "  1 kB  " + "w" * 60


def test_numbers_stand_right_and_nothing_trails() -> None:
    assert layout(HEAD, [("a", "1", ""), ("bb", "22", "")], right=(1,), width=80) == [
        "point  size  why",
        "a         1",
        "bb       22",
    ]


def test_a_long_reason_goes_below_its_row() -> None:
    lines = layout(HEAD, [("p1", "1 kB", "damaged: the pack that holds it is not in the repository")], width=40)
    assert lines == [
        "point  size",
        "p1     1 kB",
        "    damaged: the pack that holds it is",
        "    not in the repository",
    ]


def test_a_long_name_stands_above_its_row() -> None:
    name = "db1/" + "x" * 60
    lines = layout(("database", "live", "points", "note"), [(name, "208.9 kB", "5", "")], right=(2,), width=70)
    assert lines[2:] == [name, "    208.9 kB       5"]
    assert all(len(line) <= 70 for line in lines)


def test_wide_characters_count_double() -> None:
    assert layout(("a", "b"), [("日本", "x"), ("abcd", "y")])[1:] == ["日本  x", "abcd  y"]


def test_wrapping_keeps_ids_whole() -> None:
    digest = "a" * 64
    assert wrapped(f"  sha256  {digest}", 40, hang=10) == ["  sha256", " " * 10 + digest]
    assert wrapped("one two", None, hang=2) == ["one two"]


def test_stacked_rows() -> None:
    assert stacked(("id", "name"), [("1", "x")]) == ["row 1", "  id    1", "  name  x"]


def test_a_customer_cannot_drive_the_terminal() -> None:
    assert printable("a\x1b[2Jb\rc\n") == "a\\x1b[2Jb\\x0dc\n"
    assert printable("ä№日") == "ä№日"
