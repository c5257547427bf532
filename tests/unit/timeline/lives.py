"""Small made-up pasts, written by hand: a minute, a table, what happened."""

from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from restorekit.model.changes import Blow, BlowKind, History, Op, Stretch, Tally
from restorekit.timeline import Heat, Labels, Point, View, heat, history

BERLIN = ZoneInfo("Europe/Berlin")


def clock(text: str, zone: tzinfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


def seconds(text: str, zone: tzinfo = BERLIN) -> int:
    return int(clock(text, zone).timestamp())


class Life:
    """What happened from `since` to `until`; heartbeat all along, jobs of the clock at night."""

    def __init__(self, since: str, until: str, zone: tzinfo = BERLIN) -> None:
        self.zone = zone
        self.since, self.until = clock(since, zone), clock(until, zone)
        self.tallies: list[Tally] = []
        self.blows: list[Blow] = []
        self.stretches = [Stretch(start=self.since, end=self.until, coverage="rows")]
        self._offset = 4

    def change(self, when: str | int, table: str, op: Op = "U", rows: int | None = 1, statements: int = 1) -> None:
        minute = (seconds(when, self.zone) if isinstance(when, str) else when) // 60 * 60
        self.tallies.append(Tally(minute, minute + 60, table, op, rows, statements, 100))

    def blow(self, when: str | int, table: str, kind: BlowKind, rows: int | None = None, digest: str = "") -> str:
        at = seconds(when, self.zone) if isinstance(when, str) else when
        self._offset += 950
        position = f"log.000001:{self._offset}"
        self.blows.append(
            Blow(at, at + 3, table, kind, rows, digest or f"{kind} {table}", position, f"0-1-{self._offset}")
        )
        return position

    def mass(self, when: str | int, table: str, rows: int, op: Op = "D") -> str:
        self.change(when, table, op, rows)
        return self.blow(when, table, "mass_delete" if op == "D" else "mass_update", rows)

    def heartbeat(self, table: str = "sessions", every_min: int = 7) -> None:
        at = int(self.since.timestamp())
        while at < self.until.timestamp():
            self.change(at, table, "I", 3, 3)
            at += every_min * 60

    def days(self) -> list[str]:
        count = (self.until.date() - self.since.date()).days + 1
        return [f"{self.since.date() + timedelta(days=n)}" for n in range(count)]

    def edits(self, since: str, until: str, every_min: int = 2, tables: tuple[str, ...] = ("wp_posts",)) -> None:
        at, end = seconds(since, self.zone), seconds(until, self.zone)
        while at <= end:
            for table in tables:
                self.change(at, table)
            at += every_min * 60
        for table in tables:
            self.change(end, table)

    def history(self, labels: Labels | None = None, now: datetime | None = None) -> History:
        return history(
            self.tallies, self.blows, self.stretches, zone=self.zone, labels=labels or Labels(), now=now or self.until
        )


def fortnight() -> Life:
    life = Life("2009-01-08T00:00", "2009-01-22T10:15")
    life.heartbeat()
    return life


def founding_story() -> tuple[Life, str]:
    """A shop: edits on 17.01. until 16:41:37, a DELETE without WHERE on 22.01. 08:52:13, a DROP at 08:54:02."""
    life = Life("2009-01-08T00:00", "2009-01-22T10:15")
    life.heartbeat()
    for day in life.days()[:-1]:
        life.mass(f"{day}T03:20", "cache", 300)
        life.blow(f"{day}T03:30", "search_index", "truncate")
        life.change(f"{day}T03:30", "search_index", "I", 2000, 6)
        for hour in (10, 13, 18):
            life.change(f"{day}T{hour}:{int(day[-2:]) * 13 % 60:02}", "orders", "I")
    life.mass("2009-01-11T04:00", "log", 9000)
    life.mass("2009-01-18T04:00", "log", 12000)
    life.edits("2009-01-15T09:30", "2009-01-15T09:49")
    life.edits("2009-01-17T15:15", "2009-01-17T16:41:37", tables=("wp_posts", "shop_products"))
    life.change("2009-01-19T11:11", "wp_posts")
    first = life.mass("2009-01-22T08:52:13", "wp_posts", 919)
    life.blow("2009-01-22T08:54:02", "shop_products", "drop_table", None, "DROP TABLE shop_products")
    life.change("2009-01-22T09:20", "wp_posts", "I", 3, 3)
    return life, first


class Nights:
    """Manifests of the nights, 02:00 each: what differs between a night and the next."""

    def __init__(self, first: str = "2009-01-01", nights: int = 21) -> None:
        self.first = clock(f"{first}T02:00")
        self.nights = nights
        self.tallies: list[Tally] = []
        self.blows: list[Blow] = []
        self.stretches_more: list[Stretch] = []
        for night in range(nights - 1):
            self.differs(night, "sessions", "?", None)
            self.differs(night, "orders", "I", 12)

    def span(self, night: int) -> tuple[int, int]:
        start = self.first + timedelta(days=night)
        return int(start.timestamp()), int((start + timedelta(days=1)).timestamp())

    def differs(self, night: int, table: str, op: Op = "?", rows: int | None = None) -> None:
        self.tallies.append(Tally(*self.span(night), table, op, rows, 0, 0))

    def lost(self, night: int, table: str, kind: BlowKind, rows: int) -> None:
        self.blows.append(Blow(*self.span(night), table, kind, rows, "", "", ""))

    @property
    def stretches(self) -> list[Stretch]:
        known = Stretch(start=self.first, end=self.first + timedelta(days=self.nights - 1), coverage="states")
        return [known, *self.stretches_more]

    def history(self, locale: str = "en") -> History:
        return history(
            self.tallies,
            self.blows,
            self.stretches,
            zone=BERLIN,
            labels=Labels(locale=locale),
            now=self.first + timedelta(days=self.nights),
        )


POINTS = [
    Point(
        clock(f"2009-01-{day:02}T02:00"),
        "T" if day % 2 else "S",
        day % 5 == 0,
        "damaged" if day == 13 else "usable",
        "p",
    )
    for day in range(8, 23)
]


def story(locale: str = "en", width: int = 80) -> Heat:
    life, _ = founding_story()
    found = life.history(Labels(locale=locale))
    view = View(life.since - timedelta(days=1), life.until, BERLIN, width, locale)
    return heat(found, life.tallies, life.blows, POINTS, view)
