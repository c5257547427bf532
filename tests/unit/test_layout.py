from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from restorekit.errors import ConfigError
from restorekit.formats.layout import Layout, Match, format_of

BERLIN = "Europe/Berlin"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("layout", "path", "expected"),
    [
        ("{engine}/{database}.sql", "/srv/dumps/db1/shop.sql", Match(engine="db1", database="shop")),
        ("{engine}/{database}.sql", "db1/shop.sql", Match(engine="db1", database="shop")),
        ("{engine}/{database}.sql", "/shop.sql", None),
        ("{engine}/{database}.sql", "db1/shop.sql.gz", None),
        ("{database}.sql", "/a/b c.'`%.sql", Match(database="b c.'`%")),
        ("/{host}/{database}.sql.gz", "/web3/shop.sql.gz", Match(host="web3", database="shop")),
        ("/{host}/{database}.sql.gz", "/x/web3/shop.sql.gz", None),
        ("/dumps/{database}.sql", "/dumps/shop.sql", Match(database="shop")),
        ("dumps/{database}.sql", "/more-dumps/shop.sql", None),
        ("{database}/{database}.sql", "a/a.sql", Match(database="a")),
        ("{database}/{database}.sql", "a/b.sql", None),
        ("{{{database}}}.sql", "{a}.sql", Match(database="a")),
        ("{database}.sql", "a.sql\n", None),
        ("{engine}/all.sql#{database}", "db1/all.sql", Match(engine="db1", many=True)),
        ("{database:mysql}.sql", "acme@002dshop@00e4.sql", Match(database="acme-shopä")),
        ("{database}.sql", "acme@002dshop.sql", Match(database="acme@002dshop")),
    ],
)
def test_matches(layout: str, path: str, expected: Match | None):
    assert Layout(layout).match(path) == expected


def test_a_path_that_can_be_cut_in_two_ways_says_so():
    layout = Layout("{customer}_{database}.sql")
    assert layout.match("acme_shop.sql") == Match(customer="acme", database="shop")
    assert layout.match("acme_web_shop.sql").ambiguous  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("layout", "zone", "path", "time", "latest"),
    [
        ("{database}/{time:%Y-%m-%dT%H%M}.sql", "UTC", "s/2026-01-17T0300.sql", "2026-01-17 03:00", "2026-01-17 03:01"),
        (
            "{database}/{time:%Y-%m-%dT%H%M}.sql",
            BERLIN,
            "s/2026-01-17T0300.sql",
            "2026-01-17 02:00",
            "2026-01-17 02:01",
        ),
        (
            "{database}-{time:%F_%T}.sql",
            BERLIN,
            "s-2026-07-01_03:00:05.sql",
            "2026-07-01 01:00:05",
            "2026-07-01 01:00:06",
        ),
        ("{database}-{time:%Y%m%d}.sql", BERLIN, "a-b-20260117.sql", "2026-01-16 23:00", "2026-01-17 23:00"),
        (
            "{time:%y}/{time:%m}/{time:%d}/{database}.sql",
            "UTC",
            "26/01/17/s.sql",
            "2026-01-17 00:00",
            "2026-01-18 00:00",
        ),
        ("{database}.{time:%s}.sql", BERLIN, "s.1700000000.sql", "2023-11-14 22:13:20", "2023-11-14 22:13:21"),
        (
            "{database}.{time:%FT%H%M%z}.sql",
            BERLIN,
            "s.2026-01-17T0300-05:00.sql",
            "2026-01-17 08:00",
            "2026-01-17 08:01",
        ),
        ("{database}.{time:%FT%H%M%z}.sql", BERLIN, "s.2026-01-17T0300Z.sql", "2026-01-17 03:00", "2026-01-17 03:01"),
        # the hour that exists twice, the hour that does not exist: bounds at the worst end
        ("{database}.{time:%FT%H%M}.sql", BERLIN, "s.2026-10-25T0230.sql", "2026-10-25 00:30", "2026-10-25 01:31"),
        ("{database}.{time:%FT%H%M}.sql", BERLIN, "s.2026-03-29T0230.sql", "2026-03-29 00:30", "2026-03-29 01:31"),
        ("{database}.{time:%F}.sql", BERLIN, "s.2026-10-25.sql", "2026-10-24 22:00", "2026-10-25 23:00"),
    ],
)
def test_times(layout: str, zone: str, path: str, time: str, latest: str):
    match = Layout(layout, zone).match(path)
    assert match is not None
    assert (match.time, match.earliest, match.latest) == (utc(time), utc(time), utc(latest))


@pytest.mark.parametrize("path", ["s-20260230.sql", "s-20261301.sql", "s-2026011.sql"])
def test_a_date_that_does_not_exist_is_no_match(path: str):
    assert Layout("{database}-{time:%Y%m%d}.sql").match(path) is None


def test_time_parts_that_contradict_each_other_are_no_match():
    layout = Layout("{time:%Y}/{database}-{time:%F}.sql")
    assert layout.match("2026/s-2026-01-17.sql") is not None
    assert layout.match("2025/s-2026-01-17.sql") is None


@pytest.mark.parametrize(
    ("layout", "complaint"),
    [
        ("", "empty"),
        ("/", "empty"),
        ("{engine}/dump.sql", "{database} is missing"),
        ("{engine}{database}.sql", "side by side"),
        ("{datbase}.sql", "{datbase} is unknown"),
        ("{database.sql", "single '{'"),
        ("{database}}.sql", "single '}'"),
        ("{database}-{time}.sql", "needs a form"),
        ("{database}-{time:%H%M}.sql", "no whole date"),
        ("{database}-{time:%Y-%q}.sql", "%q"),
        ("{database}-{time:%Y/%m/%d}.sql", "without a slash"),
        ("{database:upper}.sql", "{database:mysql}"),
        ("{engine}.tar!{database}.sql", "not supported yet"),
        ("{database}/all.sql#{database}", "many databases"),
    ],
)
def test_a_bad_layout_is_refused_by_name(layout: str, complaint: str):
    with pytest.raises(ConfigError) as caught:
        Layout(layout, key="sources.nightly.layout")
    assert complaint in caught.value.message
    assert caught.value.message.startswith("sources.nightly.layout: ")


def test_an_unknown_zone_is_refused():
    with pytest.raises(ConfigError, match="Europe/Atlantis"):
        Layout("{database}.sql", "Europe/Atlantis")


@pytest.mark.parametrize(
    ("layout", "glob"),
    [
        ("{engine}/{database}.sql", "*.sql"),
        ("/x/{time:%F}-{database}.sql.gz", "*-*.sql.gz"),
        ("{engine}/all[1].sql#{database}", r"all\[1\].sql"),
        ("{engine}/{database}{{x}}.db", "*{x}.db"),
    ],
)
def test_globs(layout: str, glob: str):
    assert Layout(layout).glob == glob


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.sql", "sql"), ("a.sql.zst", "sql"), ("A.DB.gz", "sqlite"), ("x.sqlite3", "sqlite"), ("a.txt", None)],
)
def test_formats(name: str, form: str | None):
    assert format_of(name) == form


names = st.text(st.characters(blacklist_characters="/", blacklist_categories=("Cs",)), min_size=1, max_size=12)
fields = st.sampled_from(["engine", "customer", "host"])
literals = st.text(st.sampled_from("ab-_.@{}[]()*+?$^|\\ "), min_size=1, max_size=4)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(lambda t: t.replace(microsecond=0))  # noqa: DTZ001


@given(st.lists(st.tuples(fields, names), unique_by=lambda pair: pair[0]), names, literals, moments)
def test_formatting_then_matching_gives_the_parts_back(
    others: list[tuple[str, str]], database: str, literal: str, moment: datetime
):
    quoted = literal.replace("{", "{{").replace("}", "}}")
    text = "".join(f"{{{field}}}/" for field, _ in others) + f"{{database}}{quoted}{{time:%Y%m%d%H%M%S}}.sql"
    path = "".join(f"{name}/" for _, name in others) + f"{database}{literal}{moment:%Y%m%d%H%M%S}.sql"
    match = Layout(text).match(path)
    assert match is not None
    assume(not match.ambiguous)
    assert match.database == database
    assert {field: getattr(match, field) for field, _ in others} == dict(others)
    assert match.time == moment.replace(tzinfo=UTC)


@given(names, names, literals)
def test_two_names_in_one_component_come_back_or_are_called_ambiguous(customer: str, database: str, literal: str):
    quoted = literal.replace("{", "{{").replace("}", "}}")
    match = Layout(f"{{customer}}{quoted}{{database}}.sql").match(f"{customer}{literal}{database}.sql")
    assert match is not None
    assert match.ambiguous or (match.customer, match.database) == (customer, database)


@given(moments, st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "UTC"]))
def test_bounds_hold_every_meaning_of_a_local_time(moment: datetime, zone: str):
    match = Layout("{database}-{time:%FT%T}.sql", zone).match(f"s-{moment:%Y-%m-%dT%H:%M:%S}.sql")
    assert match is not None
    assert match.earliest is not None
    assert match.latest is not None
    for fold in (0, 1):
        meant = moment.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)
        assert match.earliest <= meant < match.latest
    assert match.latest - match.earliest <= timedelta(hours=2, seconds=1)
