"""January 2009: `I have just shredded parts of the database. The last "serious" change was on 17.01.`"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from scenarios import founding
from scenarios.founding import DELETED, EDITED, MAIL, POSTS, PRODUCTS, SHOP
from scenarios.hoster import Hoster
from servers.mariadb import QUICK, LiveServer

NIGHTS = ("2009-01-16", "2009-01-17", "2009-01-18", "2009-01-20", "2009-01-21", "2009-01-22")
NOW = ("--now", "2009-01-22T10:15:00+01:00")


@pytest.fixture(scope="module")
def hoster() -> Iterator[Hoster]:
    """A fortnight has happened, backups at night, the accident in the morning."""
    with LiveServer.running(log_bin=True, args=(*QUICK, "--binlog-format=ROW")) as live, Hoster.open(live) as hoster:
        live.script(f"CREATE DATABASE {SHOP}")
        live.script(f"SET timestamp = {founding.at('2009-01-07 23:00').timestamp():.0f};{founding.SCHEMA}", SHOP)
        live.script(f"SET timestamp = {founding.at('2009-01-07 23:01').timestamp():.0f};{founding.FILL}", SHOP)
        deeds = founding.story()
        for night in NIGHTS:
            moment = founding.at(f"{night} 02:00")
            founding.happens(live, [deed for deed in deeds if deed.when < moment])
            deeds = [deed for deed in deeds if deed.when >= moment]
            back_up(hoster, moment)
        founding.happens(live, deeds)
        yield hoster


def back_up(hoster: Hoster, moment: datetime) -> str:
    """A snapshot of that moment; restic is told the time in UTC here."""
    return hoster.repository.stream(
        f"{SHOP}.sql", hoster.live.dump(SHOP), f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    )


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mail") / "mail.txt"
    path.write_text(MAIL, encoding="utf-8")
    return path


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def plan(hoster: Hoster, *words: str) -> dict[str, Any]:
    return dict(hoster.house.ok("plan", f"db1/{SHOP}", *words, "--json").json)


def test_the_mail_gets_the_last_point_before_the_accident(hoster: Hoster, mail: Path) -> None:
    told = plan(hoster, "--mail", str(mail), *NOW)
    assert moment(told["point"]["consistent_at"]) == founding.at("2009-01-22 02:00")
    reasons = " ".join(told["reasons"])
    assert "Sa 2009-01-17 16:41" in reasons
    assert "Do 2009-01-22 08:52" in reasons
    sentence = told["options"][0]["sentences"]["de"]
    assert sentence.startswith("Wir stellen den Stand von Do 2009-01-22 02:00:00 +01:00 wieder her")
    assert "Sa 2009-01-17 15:15\N{EN DASH}16:41" in sentence
    assert "Unfall um Do 2009-01-22 08:52" in sentence
    assert "6 h 52 min" in sentence


def test_the_night_of_the_17th_is_refused_with_its_reason(hoster: Hoster, mail: Path) -> None:
    told = plan(hoster, "--mail", str(mail), *NOW)
    refused = {moment(c["point"]["consistent_at"]): c["reason"] for c in told["refused"]}
    why = refused[founding.at("2009-01-17 02:00")]
    assert "Sa 2009-01-17 02:00" in why
    assert "Sa 2009-01-17 16:41" in why
    assert "fehlen" in why
    assert founding.at("2009-01-16 02:00") in refused
    assert founding.at("2009-01-18 02:00") not in refused


def test_in_english_it_is_answered_in_english(hoster: Hoster, tmp_path: Path) -> None:
    letter = tmp_path / "mail.txt"
    letter.write_text(
        "Hello,\n\nI have just deleted half of our database. The last serious change was on January 17.\n"
        "It does not matter if a few days are lost. Can you get it back?\n",
        encoding="utf-8",
    )
    answer = hoster.house.ok("plan", f"db1/{SHOP}", "--mail", str(letter), *NOW)
    text = " ".join(answer.out.split())
    assert "We will restore the state of Thu 2009-01-22 02:00:00 +01:00" in text
    assert "It contains the last larger change (Sat 2009-01-17 15:15\N{EN DASH}16:41" in text
    assert "the accident at Thu 2009-01-22 08:52" in text
    assert "it would miss what happened until then" in text


def test_the_history_is_exact_to_the_minute(hoster: Hoster) -> None:
    told = hoster.house.ok("timeline", f"db1/{SHOP}", *NOW, "--json").json
    accident, serious = told["accident"], told["last_serious"]
    assert moment(accident["start"]) == DELETED.replace(second=0)
    assert moment(accident["end"]).replace(second=0) == founding.DROPPED.replace(second=0)
    assert set(accident["tables"]) == {"wp_posts", "shop_products"}
    assert str(POSTS) in accident["tables"]["wp_posts"]
    assert accident["position"]
    assert moment(serious["start"]) == EDITED[0].replace(second=0)
    assert moment(serious["end"]).replace(second=0) == EDITED[1].replace(second=0)
    assert {"wp_sessions", "counter"} <= set(told["routine"])
    assert [e for e in told["episodes"] if e["kind"] == "accident"] == [accident]


def test_seen_in_eighty_columns_and_drawn(hoster: Hoster, tmp_path: Path) -> None:
    answer = hoster.house.ok("timeline", f"db1/{SHOP}", *NOW, "--svg", str(tmp_path / "a.svg"), "--locale", "de")
    assert max(map(len, answer.out.splitlines())) <= 80
    assert "✖" in answer.out
    assert "2009-01-22 08:52" in answer.out
    assert (tmp_path / "a.svg").read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("words", "night"),
    [
        (("--contains", "17.01."), "2009-01-22"),
        (("--before", "heute morgen"), "2009-01-22"),
        (("--before", "the 21st of January"), "2009-01-20"),
        (("--at", "am 20. abends"), "2009-01-20"),
        (("--at", "vorgestern"), "2009-01-20"),
        ((), "2009-01-22"),
    ],
)
def test_words(hoster: Hoster, words: tuple[str, ...], night: str) -> None:
    told = plan(hoster, *words, *NOW)
    assert moment(told["point"]["consistent_at"]) == founding.at(f"{night} 02:00"), told["reasons"]


def test_a_point_with_the_damage_needs_its_name_typed(hoster: Hoster) -> None:
    made = back_up(hoster, founding.at("2009-01-22 09:30"))
    try:
        point = next(
            p["id"]
            for p in hoster.house.ok("points", f"db1/{SHOP}", "--scan", "--json").json
            if moment(p["consistent_at"]) == founding.at("2009-01-22 09:30")
        )
        words = ("restore", f"db1/{SHOP}", "--point", point, *NOW, "--until", "staged", "--json")
        answer = hoster.house.run(*words)
        assert answer.code == 3, answer
        assert "--confirm" in answer.json["error"]["hint"]
        assert hoster.house.run(*words, "--confirm", "other").code == 3
        told = hoster.house.ok(*words, "--confirm", SHOP).json
        hoster.house.ok("cancel", told["id"])
    finally:
        hoster.repository.forget(made)


def test_the_rows_come_back(hoster: Hoster, mail: Path) -> None:
    told = hoster.house.ok("restore", f"db1/{SHOP}", "--mail", str(mail), *NOW, "--yes", "--json").json
    assert (told["state"], told["level"]) == ("swapped", 5)
    assert hoster.live.one("SELECT COUNT(*) FROM wp_posts", SHOP) == POSTS
    assert hoster.live.one("SELECT COUNT(*) FROM shop_products", SHOP) == PRODUCTS
    assert hoster.live.one("SELECT body FROM wp_posts WHERE ID = 8", SHOP) == "neu 1"
    hoster.undo(told)
    assert hoster.live.one("SELECT COUNT(*) FROM wp_posts", SHOP) == 0


def test_a_nightly_look_keeps_what_the_server_throws_away(hoster: Hoster) -> None:
    """The history outlives the logs: purged, it is still told; nothing is counted twice."""
    before = hoster.house.ok("timeline", f"db1/{SHOP}", *NOW, "--json").json
    hoster.house.ok("inventory", "--logs")
    hoster.live.rows("FLUSH BINARY LOGS")
    hoster.live.rows(f"PURGE BINARY LOGS TO '{hoster.live.rows('SHOW BINARY LOGS')[-1][0]}'")
    hoster.house.ok("inventory", "--logs")
    after = hoster.house.ok("timeline", f"db1/{SHOP}", *NOW, "--json").json
    assert (after["accident"], after["last_serious"]) == (before["accident"], before["last_serious"])
    assert after["episodes"] == before["episodes"]
