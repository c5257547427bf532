"""Bacula's own numbers and digests; chains of levels."""

import base64
import random
from hashlib import md5, sha1, sha256, sha512

import pytest
from sources.bacula_paper import lstat as written
from sources.bacula_paper import number as as_bacula

from restorekit.sources.bacula.chains import Member, chains
from restorekit.sources.bacula.lstat import attributes, digest, number

REAL = "P4A ISSh IGk B P/+ P/+ A BLOs BAA Jg BJYWKY BJYWKY BrAzHS A A C"
"""Out of a real catalog: a file of 308,140 bytes, written on 2009-01-05 at 01:30 UTC."""
REAL_STREAM = "A A IHA A A A A -B BAA B BJdoGl BJdoGl BJdoGl A A C"
"""What a plugin read on 2009-01-21 at 02:00:05 UTC."""


def test_numbers_of_bacula_are_not_rfc_4648():
    assert [number(t) for t in ("A", "B", "/", "BA", "-B", "BLOs")] == [0, 1, 63, 64, -1, 308_140]


def test_any_number_comes_back():
    some = random.Random(1)
    for value in (0, -1, 1 << 62, *(some.randrange(-(1 << 40), 1 << 40) for _ in range(500))):
        assert number(as_bacula(value)) == value


def test_size_and_change_of_a_file():
    assert attributes(REAL) == (308_140, 1_231_119_000)
    assert attributes(written(0, 1_231_119_000)) == (0, 1_231_119_000)


def test_a_stream_has_no_size():
    assert attributes(REAL_STREAM) == (None, 1_232_503_205)


@pytest.mark.parametrize("text", ["", "A B C", "P4C DsO2 IGk B AAA PoC A ä BAA Bg BJZr8g BJYtDA"])
def test_cut_attributes_are_no_zeros(text: str):
    with pytest.raises(ValueError, match=r"cut|no number"):
        attributes(text)


@pytest.mark.parametrize(("name", "algorithm"), [("md5", md5), ("sha1", sha1), ("sha256", sha256), ("sha512", sha512)])
def test_a_digest_names_its_algorithm(name: str, algorithm):
    raw = algorithm(b"x").digest()
    assert digest(base64.b64encode(raw).decode().rstrip("=")) == f"{name}:{raw.hex()}"


@pytest.mark.parametrize("text", ["0", "", "AAAA", "not base64 at all"])
def test_what_is_no_digest_proves_nothing(text: str):
    assert digest(text) == ""


def series(levels: str, lacks: dict[int, str] | None = None, client: str = "a") -> list[Member]:
    """A job a day from 1 on, with these levels."""
    missing = lacks or {}
    return [
        Member(n, client, "set", level, n * 86400, f"2009-01-{n:02d}", missing.get(n, ""))
        for n, level in enumerate(levels, 1)
    ]


@pytest.mark.parametrize(
    ("levels", "last"),
    [
        ("F", (1,)),
        ("FI", (1, 2)),
        ("FID", (1, 3)),
        ("FIIDII", (1, 4, 5, 6)),
        ("FIDDI", (1, 4, 5)),
        ("FIFI", (3, 4)),
        ("FF", (2,)),
    ],
)
def test_a_chain_is_the_last_full_then_the_last_differential_then_the_incrementals(levels: str, last: tuple[int, ...]):
    assert chains(series(levels))[len(levels)] == (last, "")


def test_a_missing_incremental_breaks_what_comes_after_it_until_the_next_differential():
    found = chains(series("FIIDIF", {2: "is gone"}))
    assert found[1].broken == ""
    assert found[3].broken == "the incremental of 2009-01-02 (job 2) is gone"
    assert [found[n].broken for n in (4, 5, 6)] == ["", "", ""]


def test_a_missing_full_breaks_all_until_the_next():
    found = chains(series("FDIFI", {1: "is gone"}))
    assert [bool(found[n].broken) for n in (2, 3, 4, 5)] == [True, True, False, False]


def test_without_a_full_there_is_no_chain():
    assert chains(series("II"))[2].broken == "the catalog knows no full backup before it"


def test_series_of_other_clients_do_not_mix():
    found = chains([*series("FI"), *(m._replace(jobid=m.jobid + 10) for m in series("IF", client="b"))])
    assert (found[2].members, found[12].members) == ((1, 2), (12,))
    assert found[11].broken


def test_what_came_back_under_another_number_is_not_gone():
    """A catalog that lost some days and had them read back from the tapes."""
    lost = series("FII", dict.fromkeys((1, 2, 3), "is gone"))
    back = [m._replace(jobid=m.jobid + 10) for m in series("FII")]
    assert chains(back, lost)[13] == ((11, 12, 13), "")
    assert chains([back[0], back[2]], lost)[13].broken == "the incremental of 2009-01-02 (job 2) is gone"


def test_a_number_that_is_given_again_is_that_of_the_new_one():
    lost = series("FII", dict.fromkeys((1, 2, 3), "is gone"))[2:]
    new = [m._replace(ended=m.ended - 1) for m in series("F")]
    assert chains([m._replace(jobid=3) for m in new], lost) == {3: ((3,), "")}


def test_two_that_ended_in_the_same_second_are_two():
    one, two = series("F")[0], series("F")[0]._replace(jobid=2)
    assert chains([one, two]) == {1: ((1,), ""), 2: ((2,), "")}
