"""All sentences about choices, in German and English. Elsewhere in this package no text is written for people."""

from datetime import datetime

from restorekit.model.changes import Loss
from restorekit.model.locale import Locale
from restorekit.timeline import words

_TEXTS = {
    "en": {
        "serious_in": "the last larger change in “{words}” ended {when} ({what}); the state has to hold it",
        "no_serious_in": "no larger change is known in “{words}”; the state has to hold all of it, up to {when}",
        "until_accident": "no larger change is known in “{words}” before the accident of {when}; the state has to hold "
        "all of it, up to the accident",
        "accident_in": "the accident in “{words}” began {when} ({what}); the state has to be from before it",
        "accident_between": "the accident lies between two states, {when} ({what}); the state has to be from before it",
        "accident": "the accident began {when} ({what}); the state has to be from before it",
        "last_serious": "the last larger change before it was {when} ({what})",
        "fits_lower": "the earliest state that contains that moment",
        "fits_both": "the latest state between the two moments",
        "fits_upper": "the latest state not after that moment",
        "fits_proven": "the latest proven state that loses no more than was said not to matter",
        "open_below": "not known to hold what happened up to {when}: its moment is bounded from above only",
        "too_late": "holds changes up to {at}, which is after {when}",
        "holds_accident": "already holds the accident that began {when}: its data are of {at}",
        "may_hold_accident": "it may already hold the accident that began {when}: the moment of its data is not known "
        "well enough",
        "too_early": "its data is of {at}, which is before {when}: it would miss what happened until then",
        "moment_unknown": "its moment is not known; it is used only when named with --point",
        "is_expired": "expired",
        "is_suspicious": "suspicious",
        "is_ambiguous": "ambiguous",
        "is_damaged": "damaged",
        "named": "named by you",
        "named_although": "named by you, although {why}",
        "restore_state": "We will restore the state of {at} ({source}{proof}).",
        "proven": ", restored successfully in a test: level {level}",
        "unproven": ", not yet tried; it is proven before anything is changed",
        "contains": " It contains the last larger change ({when}: {what}).",
        "misses": " It does not contain the last larger change ({when}: {what}).",
        "may_miss": " Whether it contains the last larger change is not known ({when}: {what}).",
        "damaged": " It already contains the accident of {when}.",
        "lost": " Lost would be: {span} before {until}{what}.",
        "lost_nothing": ", in which nothing but routine happened",
        "lost_unknown": "; what happened in it is not fully known",
        "lost_rows": ", with {rows}",
        "lost_more": "; there may be more",
        "the_accident": "the accident at {when}",
        "from_accident": "the time in which the accident lies ({when})",
        "to_accident": "the end of the time in which the accident lies ({when})",
        "now": "now",
        "takes": " It takes about {span}.",
        "kept": " The current data is kept.",
        "recommended": "recommended",
        "least_loss": "least loss",
        "fastest": "fastest",
        "row": "1 row in {table}",
        "rows": "{n} rows in {table}",
        "some": "changes in {table}",
        "minutes": "{n} min",
        "hours": "{h} h {m} min",
        "days": "{d} days {h} h",
        "one_day": "1 day {h} h",
    },
    "de": {
        "serious_in": "die letzte größere Änderung in „{words}“ endete {when} ({what}); sie muss enthalten sein",
        "no_serious_in": "in „{words}“ ist keine größere Änderung bekannt; alles bis {when} muss enthalten sein",
        "until_accident": "in „{words}“ ist vor dem Unfall um {when} keine größere Änderung bekannt; alles bis zum "
        "Unfall muss enthalten sein",
        "accident_in": "der Unfall in „{words}“ begann {when} ({what}); der Stand muss von davor sein",
        "accident_between": "der Unfall liegt zwischen zwei Ständen, {when} ({what}); der Stand muss von davor sein",
        "accident": "der Unfall begann {when} ({what}); der Stand muss von davor sein",
        "last_serious": "die letzte größere Änderung davor war {when} ({what})",
        "fits_lower": "der früheste Stand, der diesen Zeitpunkt enthält",
        "fits_both": "der späteste Stand zwischen den beiden Zeitpunkten",
        "fits_upper": "der späteste Stand nicht nach diesem Zeitpunkt",
        "fits_proven": "der späteste bewiesene Stand, bei dem nicht mehr fehlt, als fehlen darf",
        "open_below": "ob enthalten ist, was bis {when} geschah, ist nicht bekannt: nur der späteste Zeitpunkt ist es",
        "too_late": "enthält Änderungen bis {at}, das ist nach {when}",
        "holds_accident": "enthält schon den Unfall, der {when} begann: die Daten sind von {at}",
        "may_hold_accident": "er kann den Unfall, der {when} begann, schon enthalten: der Zeitpunkt der Daten ist "
        "nicht genau genug bekannt",
        "too_early": "die Daten sind von {at}, das ist vor {when}: was bis dahin geschah, würde fehlen",
        "moment_unknown": "sein Zeitpunkt ist nicht bekannt; er wird nur genommen, wenn --point ihn nennt",
        "is_expired": "abgelaufen",
        "is_suspicious": "verdächtig",
        "is_ambiguous": "nicht eindeutig",
        "is_damaged": "beschädigt",
        "named": "von Ihnen genannt",
        "named_although": "von Ihnen genannt, obwohl {why}",
        "restore_state": "Wir stellen den Stand von {at} wieder her ({source}{proof}).",
        "proven": ", im Test erfolgreich wiederhergestellt: Stufe {level}",
        "unproven": ", noch nicht erprobt; er wird bewiesen, bevor etwas geändert wird",
        "contains": " Er enthält die letzte größere Änderung ({when}: {what}).",
        "misses": " Er enthält die letzte größere Änderung nicht ({when}: {what}).",
        "may_miss": " Ob er die letzte größere Änderung enthält, ist nicht bekannt ({when}: {what}).",
        "damaged": " Er enthält schon den Unfall von {when}.",
        "lost": " Verloren gingen: {span} vor {until}{what}.",
        "lost_nothing": ", in denen nur Alltägliches geschah",
        "lost_unknown": "; was darin geschah, ist nicht vollständig bekannt",
        "lost_rows": ", darin {rows}",
        "lost_more": "; es kann mehr sein",
        "the_accident": "dem Unfall um {when}",
        "from_accident": "der Zeit, in der der Unfall liegt ({when})",
        "to_accident": "dem Ende der Zeit, in der der Unfall liegt ({when})",
        "now": "jetzt",
        "takes": " Es dauert etwa {span}.",
        "kept": " Die jetzigen Daten bleiben aufbewahrt.",
        "recommended": "empfohlen",
        "least_loss": "geringster Verlust",
        "fastest": "am schnellsten",
        "row": "1 Zeile in {table}",
        "rows": "{n} Zeilen in {table}",
        "some": "Änderungen in {table}",
        "minutes": "{n} min",
        "hours": "{h} h {m} min",
        "days": "{d} Tage {h} h",
        "one_day": "1 Tag {h} h",
    },
}
_MOST_TABLES = 3


def text(locale: Locale, key: str, **values: object) -> str:
    """The sentence of that key with its values filled in."""
    return _TEXTS[locale][key].format(**values)


def offset_minute(locale: Locale, at: datetime) -> str:
    """`Sat 2009-01-17 16:41:59 +01:00`: said where two moments are compared."""
    offset = at.strftime("%z")
    return f"{words.weekday(locale, at)} {at:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]}"


def happened(locale: Locale, tables: dict[str, str]) -> str:
    """`shop_products: 76 updates; wp_posts: 48 inserts`."""
    return words.said(locale, tables.items())


def span(locale: Locale, seconds: float) -> str:
    """`47 min`, `6 h 47 min`, `3 days 4 h`."""
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return text(locale, "minutes", n=minutes)
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return text(locale, "hours", h=hours, m=rest)
    days, left = divmod(round(minutes / 60), 24)
    return text(locale, "one_day" if days == 1 else "days", d=days, h=left)


def lost(locale: Locale, loss: Loss, until: str) -> str:
    """What lies between the data and `until`, in time and in changes."""
    listed = [_rows(locale, table, count) for table, count in loss.rows.items()]
    if listed:
        what = text(locale, "lost_rows", rows=words.listed(locale, listed, _MOST_TABLES))
        what += "" if loss.known else text(locale, "lost_more")
    else:
        what = text(locale, "lost_nothing" if loss.known else "lost_unknown")
    return text(locale, "lost", span=span(locale, loss.hours * 3600), until=until, what=what)


def _rows(locale: Locale, table: str, count: int) -> str:
    key = "row" if count == 1 else "rows" if count else "some"
    return text(locale, key, n=words.grouped(locale, count), table=words.shown(table))
