"""`Can you get it back from any tape?`: January 2009 on real tapes of a virtual library, through to the swap."""

import json
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from scenarios import founding
from scenarios.founding import MAIL, POSTS, PRODUCTS, SHOP
from scenarios.hoster import Hoster
from scenarios.house import Answer, FastInstallation
from servers.bacula import Library
from servers.bacula_conf import Sizes
from servers.mariadb import QUICK, LiveServer

NIGHTS = (
    ("2009-01-17", "Full"),
    ("2009-01-18", "Incremental"),
    ("2009-01-20", "Incremental"),
    ("2009-01-22", "Incremental"),
)
NOW = ("--now", "2009-01-22T10:15:00+01:00")
BLOG = "beta_blog"


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    with Library.running(sizes=Sizes(volume=4_000_000)) as library:
        yield library


@pytest.fixture(scope="module")
def hoster(library: Library) -> Iterator[Hoster]:
    """The founding story; what the nights kept lies on tape alone."""
    with LiveServer.running(log_bin=True, args=(*QUICK, "--binlog-format=ROW")) as live, Hoster.open(live) as hoster:
        live.script(f"CREATE DATABASE {SHOP}; CREATE DATABASE {BLOG}")
        live.script(
            "CREATE TABLE posts (id INT PRIMARY KEY, text VARCHAR(40));"
            "INSERT INTO posts SELECT seq, MD5(seq) FROM seq_1_to_500",
            BLOG,
        )
        live.script(f"SET timestamp = {founding.at('2009-01-07 23:00').timestamp():.0f};{founding.SCHEMA}", SHOP)
        live.script(f"SET timestamp = {founding.at('2009-01-07 23:01').timestamp():.0f};{founding.FILL}", SHOP)
        deeds = founding.story()
        for night, level in NIGHTS:
            moment = founding.at(f"{night} 02:30")
            founding.happens(live, [deed for deed in deeds if deed.when < moment])
            deeds = [deed for deed in deeds if deed.when >= moment]
            dumps = {f"/backup/db1/{name}.sql": live.dump(name) for name in (SHOP, BLOG)}
            library.backup(founding.at(f"{night} 03:00").astimezone(UTC).replace(tzinfo=None), dumps, level)
        founding.happens(live, deeds)
        library.stop()
        library.start()
        use_only(hoster.house, library)
        yield hoster


def use_only(house: FastInstallation, library: Library) -> None:
    """The tapes are all there is; notices to operators land in a file."""
    notices = house.folder / "notices"
    script = house.folder / "notify"
    script.write_text(f"#!/bin/sh\n{{ cat; echo; }} >> {notices}\n")
    script.chmod(0o755)
    house.sources = {"tape": library.settings(update_slots="1s")}
    house.extra = {"notify": str(script)}
    house.write()


def notices(hoster: Hoster) -> list[dict[str, Any]]:
    path = hoster.house.folder / "notices"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def volumes(hoster: Hoster, point: str, database: str = f"db1/{SHOP}") -> list[str]:
    """The tapes of a point."""
    (told,) = (p for p in hoster.house.ok("points", database, "--json").json if p["id"] == point)
    return str(told["medium"]).removeprefix("tape ").split("+")


@pytest.fixture(scope="module")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mail") / "mail.txt"
    path.write_text(MAIL, encoding="utf-8")
    return path


def test_the_founding_story_from_tape(hoster: Hoster, mail: Path) -> None:
    told = hoster.house.ok("restore", f"db1/{SHOP}", "--mail", str(mail), *NOW, "--yes", "--json").json
    assert (told["state"], told["level"], told["fallen"]) == ("swapped", 5, [])
    readable = [c for c in told["checks"] if c["level"] == 1]
    assert [c["outcome"] for c in readable] == ["passed", "passed"], readable
    assert hoster.live.one("SELECT COUNT(*) FROM wp_posts", SHOP) == POSTS
    assert hoster.live.one("SELECT COUNT(*) FROM shop_products", SHOP) == PRODUCTS
    hoster.undo(told)
    assert hoster.live.one("SELECT COUNT(*) FROM wp_posts", SHOP) == 0
    assert not list((hoster.house.folder / "staging" / "spool").rglob("*.sql")), "nobody needs it any more"


def test_two_databases_of_one_tape_in_one_mount(hoster: Hoster, library: Library) -> None:
    words = ("--before", "2009-01-21T00:00:00+01:00", "--until", "verified", "--json")
    before = library.loads()
    commands = [hoster.house.start("restore", f"db1/{name}", *words) for name in (SHOP, BLOG)]
    answers = [finished(c) for c in commands]
    assert [a.code for a in answers] == [0, 0], answers
    assert {a.json["level"] for a in answers} == {5}
    tapes = [volumes(hoster, a.json["point"], a.json["database"]) for a in answers]
    assert (tapes[0], len(tapes[0])) == (tapes[1], 1), "the test wants both on one tape"
    assert library.loads() - before <= 1
    for answer in answers:
        hoster.house.ok("cancel", answer.json["id"])


def finished(command: Any) -> Answer:
    out, err = command.communicate(timeout=120)
    return Answer(command.returncode, out, err)


def test_a_missing_tape_is_asked_for_and_waited_for(hoster: Hoster, library: Library, mail: Path) -> None:
    point = hoster.house.point(f"db1/{SHOP}")
    (volume, *_) = volumes(hoster, point)
    library.remove_tape(volume)
    words = ("restore", f"db1/{SHOP}", "--mail", str(mail), *NOW, "--until", "verified", "--no-wait", "--json")
    left = hoster.house.run(*words)
    assert left.code == 8, left
    told = left.json
    assert (told["state"], told["waiting"]["for"]) == ("waiting", "operator")
    assert volume in told["waiting"]["notice"]
    assert [volume in n["text"] for n in notices(hoster)] == [True]
    assert volume in hoster.house.ok("status", told["id"]).out
    library.put_back(volume)
    done = hoster.house.ok("watch", told["id"], "--json").json
    assert (done["state"], done["level"]) == ("verified", 5)
    assert len(notices(hoster)) == 1
    hoster.house.ok("cancel", told["id"])


def test_a_damaged_tape_gives_way_to_the_next_best_point(hoster: Hoster, library: Library, mail: Path) -> None:
    newest = hoster.house.point(f"db1/{SHOP}")
    (volume, *_) = volumes(hoster, newest)
    library.damage(volume, library.medium(volume).read_bytes().rfind(b"CREATE TABLE `counter`"))
    here = hoster.live.one("SELECT COUNT(*) FROM wp_posts", SHOP)
    answer = hoster.house.run("restore", f"db1/{SHOP}", "--mail", str(mail), *NOW, "--yes", "--json")
    assert answer.code == 6, answer
    told = answer.json
    assert told["state"] == "awaiting_approval"
    assert told["point"] != newest
    assert newest in told["fallen"][0]
    assert hoster.live.one("SELECT COUNT(*) FROM wp_posts", SHOP) == here, "--yes was said of another point"
    assert hoster.house.ok("approve", told["id"], "--json").json["state"] == "swapped"
    assert hoster.live.one("SELECT COUNT(*) FROM wp_posts", SHOP) == POSTS
