"""A WordPress database restored until the application itself would answer; one in which nobody could log in."""

import re
from collections.abc import Iterator

import pytest
from scenarios.hoster import Hoster, contents
from servers.mariadb import LiveServer

TABLES = """
CREATE TABLE wp_options (option_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  option_name VARCHAR(191) NOT NULL
  DEFAULT '' UNIQUE, option_value LONGTEXT NOT NULL, autoload VARCHAR(20) NOT NULL DEFAULT 'yes');
CREATE TABLE wp_users (ID BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_login VARCHAR(60) NOT NULL DEFAULT '',
  user_pass VARCHAR(255) NOT NULL DEFAULT '', user_registered DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00',
  KEY user_login_key (user_login));
CREATE TABLE wp_usermeta (umeta_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  user_id BIGINT UNSIGNED NOT NULL
  DEFAULT 0, meta_key VARCHAR(255), meta_value LONGTEXT, KEY user_id (user_id), KEY meta_key (meta_key(191)));
CREATE TABLE wp_posts (ID BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  post_author BIGINT UNSIGNED NOT NULL DEFAULT 0,
  post_date DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00', post_content LONGTEXT NOT NULL, post_title TEXT NOT NULL,
  post_status VARCHAR(20) NOT NULL DEFAULT 'publish', post_type VARCHAR(20) NOT NULL DEFAULT 'post',
  KEY post_author (post_author));
CREATE TABLE wp_comments (comment_ID BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  comment_post_ID BIGINT UNSIGNED
  NOT NULL DEFAULT 0, comment_content TEXT NOT NULL, KEY comment_post_ID (comment_post_ID));
INSERT INTO wp_options (option_name, option_value) VALUES ('siteurl', 'https://blog.example'), ('home',
  'https://blog.example'),
  ('blogname', 'Grüße 🎈'), ('widgets', 'a:1:{s:3:"it\\'s";i:1;}');
INSERT INTO wp_users (user_login, user_pass) VALUES ('anna', '$P$Bxyz'), ('bert', '$P$Babc');
INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (1, 'wp_capabilities',
  'a:1:{s:13:"administrator";b:1;}'),
  (2, 'wp_capabilities', 'a:1:{s:6:"author";b:1;}');
INSERT INTO wp_posts (post_author, post_content, post_title) VALUES (1, '<p>Hallo; -- Welt</p>', 'Über uns'),
  (2, 'Zeile\\nZeile', 'Zwei');
INSERT INTO wp_comments (comment_post_ID, comment_content) VALUES (1, 'Schön!'), (2, '');
"""


@pytest.fixture(scope="module")
def hoster(live: LiveServer) -> Iterator[Hoster]:
    databases = {"blog": {"customer": "anna", "engine": "db1", "playbook": "wordpress"}}
    with Hoster.open(live, databases=databases) as hoster:
        yield hoster


@pytest.fixture
def blog(hoster: Hoster) -> Iterator[Hoster]:
    with hoster.database("blog"):
        hoster.live.script("SET SESSION sql_mode = '';" + TABLES, "blog")
        yield hoster


def in_the_manner_of_mysql_8(dump: bytes) -> bytes:
    """As mysqldump 8 writes it; it knows collations that MariaDB does not."""
    dump = dump.partition(b"\n")[2].replace(b"-- MariaDB dump 10.19", b"-- MySQL dump 10.13")
    dump = dump.replace(b"utf8mb4_general_ci", b"utf8mb4_0900_ai_ci").replace(b"int(11)", b"int")
    dump = re.sub(rb"bigint\(\d+\)", b"bigint", dump)
    return dump.replace(b"/*!40101 SET NAMES utf8mb4 */", b"/*!50503 SET NAMES utf8mb4 */")


def test_restored_until_it_works(blog: Hoster, live: LiveServer) -> None:
    whole = contents(live, "blog")
    blog.repository.stream("blog.sql", live.dump("blog"), "2026-01-17 02:00:00")
    live.script("DELETE FROM wp_posts WHERE ID = 1; UPDATE wp_options SET option_value = ''", "blog")
    told = blog.restore("blog", "--at", "2026-01-18")
    assert (told["state"], told["level"], told["equal_to"]) == ("swapped", 6, "witness")
    assert contents(live, "blog") == whole


def test_one_that_comes_from_a_mysql_8(blog: Hoster, live: LiveServer) -> None:
    whole = contents(live, "blog")
    point = blog.file("blog", in_the_manner_of_mysql_8(live.dump("blog")))
    live.script("TRUNCATE wp_comments; UPDATE wp_posts SET post_title = ''", "blog")
    told = blog.restore("blog", "--point", point)
    assert (told["state"], told["level"]) == ("swapped", 6)
    load = next(c for c in told["checks"] if c["name"] == "load")
    assert any("utf8mb4_0900_ai_ci" in line for line in load["evidence"]), load
    rows = [line for line in contents(live, "blog") if line.startswith((b"(", b"INSERT"))]
    assert rows == [line for line in whole if line.startswith((b"(", b"INSERT"))]


@pytest.mark.parametrize(
    ("damage", "check", "hint"),
    [
        ("UPDATE wp_usermeta SET meta_value = ''", "at least one administrator", "nobody could log in"),
        pytest.param("DELETE FROM wp_options", "site address is set", "siteurl", marks=pytest.mark.long),
        pytest.param("DELETE FROM wp_posts WHERE ID = 2", "comments belong to posts", "", marks=pytest.mark.long),
    ],
)
def test_one_that_would_not_work(blog: Hoster, live: LiveServer, damage: str, check: str, hint: str) -> None:
    """The backup was taken after the damage: it is equal to what was backed up, and it is of no use."""
    before = contents(live, "blog")
    live.script(damage, "blog")
    dump = live.dump("blog")
    live.script(f"DROP DATABASE blog; CREATE DATABASE blog; USE blog; SET SESSION sql_mode = ''; {TABLES}")
    answer = blog.house.run("restore", "db1/blog", "--point", blog.file("blog", dump), "--yes", "--json")
    told = answer.json
    assert (answer.code, told["state"], told["level"], told["error"]["code"]) == (5, "failed", 5, "proof_failed"), (
        answer
    )
    assert [c["name"] for c in told["checks"] if c["outcome"] == "failed"] == [check]
    assert "level 6 (works)" in told["error"]["message"]
    assert hint in " ".join([told["error"]["message"], *told["error"]["details"]])
    assert contents(live, "blog") == before
