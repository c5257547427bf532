"""Words and mails at the command line: understood or asked about, never guessed, and never a traceback."""

import json
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from unit.timeline.lives import Life, clock, founding_story

from restorekit.bootstrap import open_service
from restorekit.model.changes import DatabaseChanges, LogReading

SHOP = "files/acme_shop"
NOW = ("--now", "2009-01-22T10:15:00+01:00")
NIGHTS = range(14, 23)
LETTER = """\
Guten Tag,

ich habe eben Teile der Datenbank geschreddert. Können Sie den Inhalt zurückholen? Es macht nichts, wenn ein paar
Tage fehlen; die letzte größere Änderung war am 17.01.
"""
HEADERS = "From: Ada <ada@example.org>\nSubject: Hilfe\nDate: Thu, 22 Jan 2009 10:15:00 +0100\n"
SENTENCE = "Die letzte größere Änderung war am 17.01.; ich habe heute alles gelöscht."


@pytest.fixture
def story(desk: Any) -> Any:
    """Backups of nine nights of January 2009, and what a log said of that month."""
    by_the_minute(desk)
    for night in NIGHTS:
        taken(desk, clock(f"2009-01-{night:02}T02:00"))
    remember(desk, founding_story()[0])
    return desk


def remember(desk: Any, life: Life) -> None:
    """As if a log had said so."""
    changes = DatabaseChanges(database="acme_shop", tallies=tuple(life.tallies), blows=tuple(life.blows))
    found = LogReading(changes=(changes,), stretches=tuple(life.stretches))
    open_service(desk.house.config).house.catalog.record_log("files", found, "")


def by_the_minute(desk: Any) -> None:
    """The names of its backups say of when they are."""
    desk.house.sources["plain"]["layout"] = "{engine}/{database}-{time:%Y%m%dT%H%M}.db"
    desk.house.write()


def taken(desk: Any, at: datetime) -> None:
    """A backup that says it is of that minute."""
    file = desk.dumps / f"acme_shop-{at:%Y%m%dT%H%M}.db"
    shutil.copy(desk.live / "acme_shop.db", file)
    os.utime(file, (at.timestamp() + 30,) * 2)


def proposed(desk: Any, *words: str) -> str:
    """Day and time of the data that a plan proposes."""
    plan = desk.ok("plan", SHOP, *words, "--json").json
    at = datetime.fromisoformat(plan["point"]["consistent_at"])
    return f"{at.astimezone(clock('2009-01-01').tzinfo):%m-%d %H:%M}"


def nothing_began(desk: Any) -> bool:
    return bool(desk.ok("status", "--json").json == [])


def letter(folder: Path, text: str | bytes) -> tuple[str, str]:
    path = folder / "mail.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return "--mail", str(path)


@pytest.mark.parametrize(
    ("words", "night"),
    [
        (("--at", "vorgestern"), "01-20 02:00"),
        (("--at", "January 19"), "01-19 02:00"),
        (("--at", "2009-01-19T01:59"), "01-18 02:00"),
        (("--at", "2009-01-19T01:01:00+00:00"), "01-19 02:00"),
        (("--before", "heute morgen"), "01-22 02:00"),
        (("--before", "the 18th of January"), "01-17 02:00"),
        (("--contains", "17.01."), "01-22 02:00"),
        (("--contains", "17.01.", "--before", "21.01."), "01-20 02:00"),
        ((), "01-22 02:00"),
    ],
)
def test_words_choose(story: Any, words: tuple[str, ...], night: str) -> None:
    assert proposed(story, *words, *NOW) == night


def test_what_is_unclear_is_asked_and_nothing_begins(story: Any) -> None:
    for command in ("plan", "restore"):
        answer = story.type(command, SHOP, "--at", "12/01", *NOW, "--json")
        error = answer.json["error"]
        assert (answer.code, error["code"]) == (3, "needs_choice")
        assert "2008-12-01" in error["details"][0]
        assert "2009-01-12" in error["details"][1]
        assert "YYYY-MM-DD" in error["details"][2]
        assert "--at 2008-12-01" in error["hint"]
        plain = story.type(command, SHOP, "--before", "gegen 8", *NOW)
        assert plain.code == 3
        assert "1. Thursday 2009-01-22 07:30" in plain.err
        assert "live untouched" in plain.err
    assert nothing_began(story)


@pytest.mark.parametrize(
    "words",
    ["32.01.", "25 Uhr", "übermorgen", "im Jahr 2031", "irgendwann", "", " ", "x" * 10_000, "\0", "2009-01-17T25:00"],
)
def test_what_means_no_moment_is_said(story: Any, words: str) -> None:
    for option in ("--at", "--contains"):
        answer = story.type("plan", SHOP, option, words, *NOW)
        assert answer.code == 3, answer
        assert "nothing was changed" in answer.err
        assert "defect" not in answer.err
        assert len(answer.err) < 1000


def test_before_the_update_shows_what_is_known_to_have_happened(story: Any) -> None:
    answer = story.type("plan", SHOP, "--before", "vor dem Update", *NOW, "--json")
    assert answer.code == 3
    said = "\n".join(answer.json["error"]["details"])
    assert "2009-01-22T08:52+0100" in said
    assert "wp_posts" in said
    assert "2009-01-17T15:15+0100" in said


@pytest.mark.parametrize(
    ("mail", "night"),
    [
        (LETTER, "01-22 02:00"),
        (LETTER.encode("latin-1"), "01-22 02:00"),
        (LETTER.encode("utf-16"), "01-22 02:00"),
        ("\ufeff" + LETTER, "01-22 02:00"),
        ("My last serious change was on January 17. I have just deleted everything.", "01-22 02:00"),
        ("Bitte stellen Sie den Stand von vorgestern wieder her.", "01-20 02:00"),
    ],
)
def test_a_bare_text(story: Any, tmp_path: Path, mail: str | bytes, night: str) -> None:
    assert proposed(story, *letter(tmp_path, mail), *NOW) == night


def test_the_mail_itself_says_when_it_was_written(story: Any, tmp_path: Path) -> None:
    words = letter(tmp_path, HEADERS + "Content-Type: text/plain; charset=utf-8\n\n" + LETTER)
    plan = story.ok("plan", SHOP, *words, "--json").json
    assert plan["request"]["said_at"] == "2009-01-22T10:15:00+01:00"
    assert [w["role"] for w in plan["request"]["wishes"]] == ["must_contain", "before_damage"]
    assert plan["request"]["wishes"][0]["at"].startswith("2009-01-17T16:41:59")
    assert plan["request"]["tolerance_s"] == 3 * 86400
    assert plan["request"]["locale"] == "de"
    assert plan["options"][0]["sentences"]["de"].startswith("Wir stellen den Stand von Do 2009-01-22 02:00")


DRESSES = {
    "quoted-printable": (
        b"Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
        b"Die letzte gr=F6=DFere =C4nderung war am =\n17.01.; ich habe heute alles gel=F6scht.\n"
    ),
    "latin1": b"Content-Type: text/plain; charset=iso-8859-1\n\n" + SENTENCE.encode("latin-1"),
    "no character set": b"\n" + SENTENCE.encode("latin-1"),
    "wrong character set": b"Content-Type: text/plain; charset=klingon\n\n" + SENTENCE.encode(),
    "page": (
        b"Content-Type: text/html; charset=utf-8\n\n<html><head><style>p {margin: 0 12px; width: 30.12.2008}</style>"
        b"</head><body><p>Die <b>letzte</b> gr&ouml;&szlig;ere &Auml;nderung war am 17<span>.01.</span></p>"
        b"<p>Ich habe heute alles gel&ouml;scht.</p></body></html>"
    ),
    "both": (
        'Content-Type: multipart/alternative; boundary="x"\n\n--x\nContent-Type: text/html\n\n<p>am 19.01.</p>\n'
        f"--x\nContent-Type: text/plain; charset=utf-8\n\n{SENTENCE}\n--x--\n"
    ).encode(),
    "attachment": (
        'Content-Type: multipart/mixed; boundary="x"\n\n--x\nContent-Type: text/plain; charset=utf-8\n\n'
        f"{SENTENCE}\n--x\nContent-Type: text/plain\nContent-Disposition: attachment; filename=log.txt\n\n"
        "2009-01-14 10:00:00 deleted\n--x--\n"
    ).encode(),
}  # fmt: skip


@pytest.mark.parametrize("dress", DRESSES)
def test_a_mail_in_any_dress(story: Any, tmp_path: Path, dress: str) -> None:
    plan = story.ok("plan", SHOP, *letter(tmp_path, HEADERS.encode() + DRESSES[dress]), "--json").json
    assert plan["request"]["wishes"][0]["at"].startswith("2009-01-17T16:41:59")
    assert plan["request"]["wishes"][0]["role"] == "must_contain"
    assert "09-01-22T02:00" in plan["options"][0]["sentences"]["de"].replace(" ", "T")


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", 2, "holds no text"),
        (b"\n \n\0", 2, "holds no text"),
        (HEADERS.encode(), 3, "no moment was named"),
        (b"From: a@b\n\n", 2, "holds no text"),
        (b"Hallo. " * 750_000, 2, "larger than 4 MiB"),
        (bytes(range(256)) * 4000, 3, ""),
        (b"Hilfe, alles ist weg!", 3, "no moment was named"),
        (b"Bitte den Stand vom 32.01. wiederherstellen.", 3, ""),
        (b"Date: Fri, 31 Dec 2999 23:59:59 +0000\n\ngestern", 2, "lies in the future"),
    ],
)
def test_mails_that_say_nothing(desk: Any, tmp_path: Path, content: bytes, code: int, said: str) -> None:
    desk.ok("capture", SHOP, "--to", str(desk.dumps / "acme_shop.db"))
    answer = desk.type("plan", SHOP, *letter(tmp_path, content))
    assert answer.code == code, answer
    assert said in answer.err
    assert "live untouched" in answer.err
    assert "defect" not in answer.err


def test_a_mail_with_two_moments_is_asked_about(story: Any, tmp_path: Path) -> None:
    mail = letter(tmp_path, "Bitte den Stand vom 18.01. oder den vom 19.01. wiederherstellen.")
    answer = story.type("plan", SHOP, *mail, *NOW, "--json")
    assert answer.code == 3
    error = answer.json["error"]
    assert ["2009-01-18" in error["details"][0], "2009-01-19" in error["details"][1]] == [True, True]
    assert "--mail 2009" not in error["hint"]
    assert "--at 2009-01-18" in error["hint"]


def test_files_that_cannot_be_read(desk: Any, tmp_path: Path) -> None:
    for name in ("nowhere.txt", "."):
        answer = desk.type("plan", SHOP, "--mail", str(tmp_path / name))
        assert answer.code == 2
        assert "--mail" in answer.err


def test_a_mail_without_a_moment_leaves_it_to_what_happened(story: Any, tmp_path: Path) -> None:
    assert proposed(story, *letter(tmp_path, "Hilfe, alles ist weg!"), *NOW) == "01-22 02:00"


def test_what_may_be_lost_lets_a_proven_point_go_first(story: Any, tmp_path: Path) -> None:
    points = {p["consistent_at"][:10]: p["id"] for p in story.ok("points", SHOP, "--scan", "--json").json}
    proven = points["2009-01-20"]
    assert story.ok("restore", SHOP, "--point", proven, *NOW, "--until", "verified", "--json").json["level"] >= 5
    mail = letter(tmp_path, LETTER)
    plan = story.ok("plan", SHOP, *mail, *NOW, "--json").json
    assert {o["kind"]: o["point_id"] for o in plan["options"]} == {
        "recommended": proven,
        "least_loss": points["2009-01-22"],
    }
    strict = letter(tmp_path, LETTER.replace("Es macht nichts, wenn ein paar\nTage fehlen; d", "D"))
    assert proposed(story, *strict, *NOW) == "01-22 02:00"


def test_the_answer_is_in_the_language_of_the_question(story: Any) -> None:
    def locale(*words: str) -> str:
        return str(story.ok("plan", SHOP, *words, *NOW, "--json").json["request"]["locale"])

    assert locale("--at", "vorgestern um 8 Uhr") == "de"
    assert locale("--at", "the day before yesterday") == "en"
    assert locale("--at", "19.01.") == "en"
    assert locale("--at", "the day before yesterday", "--locale", "de") == "de"
    settings = json.loads(story.house.config.read_text())
    story.house.config.write_text(json.dumps(settings | {"locale": "de"}))
    assert locale("--at", "19.01.") == "de"
    assert story.type("plan", SHOP, "--at", "19.01.", "--locale", "fr").code == 2


def test_a_point_and_a_moment_exclude_each_other(story: Any, tmp_path: Path) -> None:
    for words in (("--at", "gestern"), ("--contains", "2009-01-17"), letter(tmp_path, LETTER)):
        answer = story.type("restore", SHOP, "--point", "abc", *words)
        assert answer.code == 2
        assert "exclude each other" in answer.err
    assert nothing_began(story)


def test_a_point_with_the_damage_is_restored_only_when_its_name_is_typed(story: Any) -> None:
    taken(story, clock("2009-01-22T09:30"))
    point = next(p["id"] for p in story.ok("points", SHOP, "--scan", "--json").json if "T08:30" in p["consistent_at"])
    restore = ("restore", SHOP, "--point", point, *NOW, "--until", "staged")
    for more in ((), ("--confirm", "yes"), ("--confirm", "acme"), ("--confirm", "")):
        answer = story.type(*restore, *more)
        assert answer.code == 3, answer
        assert "already holds the accident that began Thu 2009-01-22 08:52" in answer.err
        assert "--confirm acme_shop" in answer.err
    assert nothing_began(story)
    assert story.type(*restore, "--confirm", "acme_shop").code == 0
    plan = story.ok("plan", SHOP, "--point", point, *NOW)
    assert "DAMAGE" in plan.out
    late = story.type("restore", SHOP, "--at", "heute", *NOW, "--until", "staged", "--json")
    assert (late.code, late.json["error"]["code"]) == (3, "needs_choice")


def test_now_is_the_clock_of_the_words(story: Any) -> None:
    assert proposed(story, "--at", "gestern", "--now", "2009-01-20T10:00:00+01:00") == "01-19 02:00"
    for wrong in ("yesterday", "2009-13-01", "1000-01-01T00:00", "2999-01-01T00:00"):
        answer = story.type("plan", SHOP, "--at", "gestern", "--now", wrong)
        assert answer.code == 2
        assert "--now" in answer.err
    for absurd in ("0001-01-01T00:00", "9999-12-31T23:59:59-12:00"):
        assert story.type("plan", SHOP, "--at", absurd).code == 2


def test_the_hour_that_exists_twice_and_the_one_that_does_not(story: Any) -> None:
    for words in (("--at", "2008-10-26T02:30"), ("--at", "26.10.2008 02:30")):
        answer = story.type("plan", SHOP, *words, *NOW, "--json")
        assert answer.code == 3
        assert len(answer.json["error"]["details"]) >= 2
    assert story.type("plan", SHOP, "--at", "2008-03-30T02:30", *NOW).code in (2, 3)


def test_points_around_words(story: Any) -> None:
    days = [p["consistent_at"] for p in story.ok("points", SHOP, "--scan", "--around", "18.01.2009", "--json").json]
    middle = clock("2009-01-18T12:00")
    distances = [abs(datetime.fromisoformat(at) - middle) for at in days]
    assert distances == sorted(distances)
    assert distances[0] < timedelta(hours=11)
    asked = story.type("points", SHOP, "--around", "12/01")
    assert asked.code == 3
    assert "--around" in asked.err
