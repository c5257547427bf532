"""Whole mails: what the moment is for, how much loss is accepted, and what in them is no date."""

from datetime import datetime, timedelta

import pytest

from restorekit.model.resolution import Resolution
from restorekit.timewords import resolve

NOW = datetime.fromisoformat("2009-01-22T10:15:00+01:00")
GERMAN = """\
Von: Peter Müller <peter.mueller@example.org>
Datum: Thu, 22 Jan 2009 10:02:11 +0100
Betreff: Datenbank zerschossen!!!

Hallo zusammen,

ich habe gerade eben Teile des Inhalts der Datenbank db_2009 auf mysql5.example.org geschreddert,
weil ich dachte, ich hätte heute morgen ein Backup gemacht. Kriegen Sie die Inhalte noch von
irgendeinem Band zurück? Es macht nichts, wenn ein paar Tage verloren gehen, die letzte
„ernsthafte“ Änderung war am 17.01.

Kundennummer 20080412, Rechnung 2009-0117 ist bezahlt. Wir nutzen TYPO3 4.2.3 und PHP 5.2.

Viele Grüße
Peter Müller
--\x20
Agentur Müller, Mo-Fr 9-17 Uhr, Tel. 030/1234567

Am 20.01.2009 um 14:00 schrieb Support:
> Bitte melden Sie sich bis 23.01.
"""
ENGLISH = """\
Subject: please help

Hi,

I have just shredded parts of the contents of database shop_0117 on db7, believing I had made a
backup this morning. Can you get the contents back from any tape? It does not matter if a few days
are lost; the last "serious" change was on January 17th. The order numbers are 10.11.2 and 4711-08,
the invoice was 19.01 EUR. MariaDB is 10.11.19.

Thanks, May Marsh
+44 20 7946 0958

On Tue, Jan 20, 2009 at 2:00 PM, Support <help@example.org> wrote:
> we will be closed on 21.01.
"""
SATURDAY = (datetime.fromisoformat("2009-01-17T00:00+01:00"), datetime.fromisoformat("2009-01-18T00:00+01:00"))


def read(text: str) -> Resolution:
    return resolve(text, now=NOW, tz="Europe/Berlin", locale="de")


@pytest.mark.parametrize("mail", [GERMAN, ENGLISH], ids=["de", "en"])
def test_the_founding_mail(mail: str) -> None:
    answer = read(mail)
    assert answer.status == "ok"
    assert answer.role == "must_contain", "17.01. is a lower bound, not the state that is wanted"
    assert [(c.start, c.end) for c in answer.candidates] == [SATURDAY]
    assert answer.tolerance == timedelta(days=3)
    assert "year" in {a.code for a in answer.assumptions}
    said = [mail[start:end] for start, end in answer.spans]
    assert said in (["17.01."], ["January 17th"])


@pytest.mark.parametrize(
    ("sentence", "role", "start"),
    [
        ("Gelöscht habe ich die Tabelle gestern um 15 Uhr.", "before_damage", "2009-01-21T15:00+01:00"),
        ("Um 15 Uhr gestern war auf einmal alles weg.", "before_damage", "2009-01-21T15:00+01:00"),
        ("Bitte den Stand vom 17.01. einspielen.", "as_of", "2009-01-17T00:00+01:00"),
        ("Bitte auf gestern 22 Uhr zurücksetzen.", "as_of", "2009-01-21T22:00+01:00"),
        ("Zuletzt habe ich am 17.01. etwas geändert.", "must_contain", "2009-01-17T00:00+01:00"),
        ("Our last edit was on Jan 17.", "must_contain", "2009-01-17T00:00+01:00"),
        ("Somebody dropped the table yesterday at 3pm.", "before_damage", "2009-01-21T15:00+01:00"),
        ("Please roll back to last Friday.", "as_of", "2009-01-16T00:00+01:00"),
    ],
)
def test_roles(sentence: str, role: str, start: str) -> None:
    answer = read(f"Guten Tag,\n\n{sentence}\n\nDanke")
    assert (answer.status, answer.role) == ("ok", role)
    assert answer.candidates[0].start == datetime.fromisoformat(start)


def test_what_is_wanted_outweighs_when_it_broke() -> None:
    answer = read("Heute um 9 Uhr habe ich alles gelöscht. Bitte den Stand vom 17.01. wiederherstellen.")
    assert (answer.role, answer.candidates[0].start) == ("as_of", SATURDAY[0])


def test_two_moments_for_the_same_are_asked() -> None:
    answer = read("Bitte den Stand vom 17.01. einspielen, oder den Stand vom 18.01.")
    assert answer.status == "needs_choice"
    assert len(answer.candidates) == 2
    assert len(answer.spans) == 2


@pytest.mark.parametrize(
    ("sentence", "days"),
    [
        ("Es macht nichts, wenn drei Tage fehlen.", 3),
        ("Ein Verlust von 2 Tagen ist kein Problem.", 2),
        ("We can lose up to a week.", 7),
        ("Losing a few days is fine.", 3),
        ("It's ok if 12 hours are lost.", 0.5),
        ("Vor drei Tagen habe ich Urlaub gehabt.", None),
        ("Wir haben drei Tage gearbeitet.", None),
    ],
)
def test_tolerance(sentence: str, days: float | None) -> None:
    assert read(sentence).tolerance == (None if days is None else timedelta(days=days))


@pytest.mark.parametrize(
    ("mail", "start"),
    [
        ("Guten Morgen, ich habe gestern die Tabelle gelöscht. Schönes Wochenende!", "2009-01-21T00:00+01:00"),
        ("Good morning, yesterday I deleted a table. Have a nice evening", "2009-01-21T00:00+01:00"),
        ("Guten Tag,\n\nbitte Stand vom 17.01.\n\nSchönen Abend noch", "2009-01-17T00:00+01:00"),
    ],
)
def test_greetings_name_no_time(mail: str, start: str) -> None:
    answer = read(mail)
    assert answer.status == "ok"
    assert [c.start for c in answer.candidates] == [datetime.fromisoformat(start)]


@pytest.mark.parametrize(
    "decoy",
    [
        "Kundennummer 20080412",
        "Kunden-Nr. 17.01.09",
        "Version 4.1.22",
        "MariaDB 10.11.19",
        "WordPress 4.1.22 ist kaputt",
        "wp_2009",
        "wp_2009_01_17",
        "19,90 EUR",
        "12.01 GB",
        "Tel. 030/1234567",
        "0171-2345678",
        "192.168.1.17",
        "https://example.org/2009/01/17/artikel",
        "peter.2009-01-17@example.org",
        "Danke, Sa. Müller",
        "Gruß, Fr. Schmidt",
        "I may have deleted a table",
        "Jan hat das gemacht",
        "do it",
        "die zweite Tabelle",
        "um 3 Tabellen geht es",
    ],
)
def test_decoys(decoy: str) -> None:
    answer = read(decoy)
    assert (answer.status, answer.candidates) == ("none", ())
    assert answer.question
