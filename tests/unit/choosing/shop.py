"""A shop in January 2009: points of the nights, and what happened to it, as the timeline tells it."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from unit.timeline.lives import BERLIN, Life, clock, founding_story

from restorekit.choosing import Outlook
from restorekit.choosing.sentences import Locale
from restorekit.model.changes import History
from restorekit.model.database import DatabaseId
from restorekit.model.point import Quality, RecoveryPoint
from restorekit.model.request import Request, Role, Wish
from restorekit.timeline import Labels

SHOP = DatabaseId(engine="db1", name="acme_shop")
NOW = clock("2009-01-22T10:15")
ACCIDENT = clock("2009-01-22T08:52")
LAST_SERIOUS = clock("2009-01-17T16:41:59")


@cache
def life() -> Life:
    return founding_story()[0]


def told(of: Life | None = None) -> dict[Locale, History]:
    known = of or life()
    return {"de": known.history(Labels(locale="de")), "en": known.history(Labels(locale="en"))}


@cache
def histories() -> dict[Locale, History]:
    return told()


def night(day: int, **more: Any) -> RecoveryPoint:
    """The backup of a night of January, 02:00; its id is the day."""
    return point(f"2009-01-{day:02}T02:00", **{"id": f"{day:02}", **more})


def point(at: str, **more: Any) -> RecoveryPoint:
    known = {
        "id": at[8:],
        "source": "nightly",
        "medium": "restic",
        "database": SHOP,
        "consistent_at": clock(at),
        "quality": Quality.EXACT,
        "format": "sql",
        "locator": {},
    }
    return RecoveryPoint.model_validate(known | more)


def wish(role: Role, since: str, until: str | None = None, words: str = "") -> Wish:
    """One moment, or with `until` an interval, with its safe end, as the command line makes it."""
    if until is None:
        return Wish(at=clock(since), role=role, words=words)
    start, end = clock(since), clock(until)
    return Wish(at=start if role == "before_damage" else end, role=role, words=words, start=start, end=end)


def day(role: Role, number: int, words: str = "") -> Wish:
    """All of a day of January; the day that is today ends now."""
    end = min(clock("2009-01-01T00:00") + timedelta(days=number), NOW)
    return wish(role, f"2009-01-{number:02}T00:00", f"{end:%Y-%m-%dT%H:%M:%S}", words or f"{number}.01.")


def request(*wishes: Wish, locale: Locale = "en", point_id: str | None = None) -> Request:
    return Request(database=SHOP, target=SHOP, wishes=wishes, locale=locale, point_id=point_id, requested_by="admin")


def outlook(*wishes: Wish, of: Life | None = None, **more: Any) -> Outlook:
    """What a plan knows of this shop; with `histories={}` nothing happened that anybody knows of."""
    known = told(of) if of is not None else histories()
    tallies = (of or life()).tallies
    more.setdefault("proofs", {})
    values = {"now": NOW, "zone": BERLIN, "histories": known, "tallies": tallies, "locale": "en"}
    return Outlook(wishes=wishes, **(values | more))


def utc(text: str) -> datetime:
    return clock(text).astimezone(UTC)
