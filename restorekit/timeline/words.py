"""All sentences of the timeline, in German and English. Elsewhere in this package no text is written for people."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from restorekit.model.locale import Locale

_DAYS = {"de": ("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So"), "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")}
_NAME_MOST = 64
_SAID_MOST = 3
_DASH = "\N{EN DASH}"

_COUNTED = {
    "en": {
        "I": ("1 insert", "{n} inserts", "inserts"),
        "U": ("1 update", "{n} updates", "updates"),
        "D": ("1 delete", "{n} deletes", "deletes"),
        "?": ("1 change", "{n} changes", "changes of unknown number"),
        "mass_delete": ("1 row deleted at once", "{n} rows deleted at once", "many rows deleted at once"),
        "mass_update": ("1 row changed at once", "{n} rows changed at once", "many rows changed at once"),
        "piecemeal": ("1 row deleted", "{n} rows deleted one by one", "rows deleted one by one"),
        "lost": ("1 row gone", "{n} rows gone", "rows gone"),
        "drop_table": ("table dropped (1 row)", "table dropped ({n} rows)", "table dropped"),
        "drop_database": ("database dropped", "database dropped", "database dropped"),
        "truncate": ("table emptied (1 row)", "table emptied ({n} rows)", "table emptied"),
        "create": ("created", "created", "created"),
        "alter": ("definition changed", "definition changed", "definition changed"),
        "rename": ("renamed", "renamed", "renamed"),
        "other_ddl": ("definition changed", "definition changed", "definition changed"),
    },
    "de": {
        "I": ("1 neue Zeile", "{n} neue Zeilen", "neue Zeilen"),
        "U": ("1 Änderung", "{n} Änderungen", "Änderungen"),
        "D": ("1 Löschung", "{n} Löschungen", "Löschungen"),
        "?": ("1 Änderung", "{n} Änderungen", "Änderungen in unbekannter Zahl"),
        "mass_delete": (
            "1 Zeile auf einmal gelöscht",
            "{n} Zeilen auf einmal gelöscht",
            "viele Zeilen auf einmal gelöscht",
        ),
        "mass_update": (
            "1 Zeile auf einmal geändert",
            "{n} Zeilen auf einmal geändert",
            "viele Zeilen auf einmal geändert",
        ),
        "piecemeal": ("1 Zeile gelöscht", "{n} Zeilen einzeln gelöscht", "Zeilen einzeln gelöscht"),
        "lost": ("1 Zeile verschwunden", "{n} Zeilen verschwunden", "Zeilen verschwunden"),
        "drop_table": ("Tabelle gelöscht (1 Zeile)", "Tabelle gelöscht ({n} Zeilen)", "Tabelle gelöscht"),
        "drop_database": ("Datenbank gelöscht", "Datenbank gelöscht", "Datenbank gelöscht"),
        "truncate": ("Tabelle geleert (1 Zeile)", "Tabelle geleert ({n} Zeilen)", "Tabelle geleert"),
        "create": ("angelegt", "angelegt", "angelegt"),
        "alter": ("Aufbau geändert", "Aufbau geändert", "Aufbau geändert"),
        "rename": ("umbenannt", "umbenannt", "umbenannt"),
        "other_ddl": ("Aufbau geändert", "Aufbau geändert", "Aufbau geändert"),
    },
}

_TEXTS = {
    "en": {
        "and": "and",
        "more": "{n} more",
        "and_more": "and {n} more",
        "in": "{table}: {what}",
        "whole": "the whole database",
        "serious": "{tables}. That much is rare there at this time of day.",
        "minor": "{tables}. Little, but unusual there at this time of day.",
        "definitions": "{tables}. Only definitions, no surprising rows.",
        "warmup": "{tables}. In the first 24 hours known: nothing to compare it with yet.",
        "accident": "{tables}. That is no routine here.",
        "between": "Some time between {start} and {end}: {tables}. These tables rarely change.",
        "between_accident": "Some time between {start} and {end}: {tables}.",
        "caution": "Only {days} of the past are known; below 14 days a weekly job can look like an accident, "
        "and ordinary work like a serious change.",
        "days": "{n} days",
        "hours": "{n} hours",
        "column": "one column = {step}",
        "routine": "routine",
        "others": "{n} more",
        "marks": "serious",
        "points": "points",
        "proven": "proven",
        "latest": "Latest {n} larger changes:",
        "nothing": "Nothing stands out.",
        "unknown": "What happened is not known.",
        "restless": "It changes all the time and nothing stands out. Last change per table:",
        "accident_at": "Accident {when}: {why}",
        "accident_said": "Accident: {why}",
        "serious_said": "Serious change: {why}",
        "minor_said": "Small change: {why}",
        "legend_serious": "● serious",
        "legend_accident": "✖ accident",
        "legend_minor": ". minor",
        "legend_serious?": "○ serious, somewhere in here",
        "legend_accident?": "✗ accident, somewhere in here",
        "legend_hole": "? nothing is known",
        "legend_somewhere": "~ changed, somewhere in here",
        "legend_points": "* proven  x failed or not usable",
        "svg_title": "What happened from {start} to {end} ({zone})",
        "lane_points": "Recovery points",
        "lane_episodes": "Larger changes",
        "lane_tables": "Changes per table",
        "point": "Recovery point {id} of {when}: {proof}",
        "is_proven": "proven",
        "is_untried": "not tried yet",
        "is_failed": "failed or not usable ({state})",
        "legend_failed": "failed or not usable",
        "serious_short": "serious change",
        "accident_short": "accident",
        "hole_short": "nothing is known",
        "somewhere_short": "changed, somewhere in here",
        "serious_at": "Serious change {when}: {why}",
        "minor_at": "Small change {when}: {why}",
        "cell": "{table}, {start} to {end}: level {level} of 8",
        "cell_somewhere": "{table}: changed some time between {start} and {end}",
        "hole": "Nothing is known from {start} to {end}",
    },
    "de": {
        "and": "und",
        "more": "{n} weitere",
        "and_more": "und {n} weitere",
        "in": "{table}: {what}",
        "whole": "die ganze Datenbank",
        "serious": "{tables}. So viel ist dort um diese Tageszeit selten.",
        "minor": "{tables}. Wenig, aber dort um diese Tageszeit ungewöhnlich.",
        "definitions": "{tables}. Nur am Aufbau, keine auffälligen Zeilen.",
        "warmup": "{tables}. In den ersten bekannten 24 Stunden: noch nichts zum Vergleichen da.",
        "accident": "{tables}. Das ist hier nicht alltäglich.",
        "between": "Irgendwann zwischen {start} und {end}: {tables}. Diese Tabellen ändern sich selten.",
        "between_accident": "Irgendwann zwischen {start} und {end}: {tables}.",
        "caution": "Nur {days} der Vergangenheit sind bekannt; unter 14 Tagen kann ein wöchentlicher Auftrag wie ein "
        "Unfall aussehen und gewöhnliche Arbeit wie eine größere Änderung.",
        "days": "{n} Tage",
        "hours": "{n} Stunden",
        "column": "eine Spalte = {step}",
        "routine": "Routine",
        "others": "{n} weitere",
        "marks": "größer",
        "points": "Punkte",
        "proven": "bewiesen",
        "latest": "Die letzten {n} größeren Änderungen:",
        "nothing": "Nichts fällt auf.",
        "unknown": "Was geschah, ist nicht bekannt.",
        "restless": "Es ändert sich ständig und nichts fällt auf. Letzte Änderung je Tabelle:",
        "accident_at": "Unfall {when}: {why}",
        "accident_said": "Unfall: {why}",
        "serious_said": "Größere Änderung: {why}",
        "minor_said": "Kleine Änderung: {why}",
        "legend_serious": "● größere Änderung",
        "legend_accident": "✖ Unfall",
        "legend_minor": ". kleine",
        "legend_serious?": "○ größere, irgendwo hier",
        "legend_accident?": "✗ Unfall, irgendwo hier",
        "legend_hole": "? nichts bekannt",
        "legend_somewhere": "~ geändert, irgendwo hier",
        "legend_points": "* bewiesen  x gescheitert oder unbrauchbar",
        "svg_title": "Was geschah von {start} bis {end} ({zone})",
        "lane_points": "Wiederherstellungspunkte",
        "lane_episodes": "Größere Änderungen",
        "lane_tables": "Änderungen je Tabelle",
        "point": "Wiederherstellungspunkt {id} von {when}: {proof}",
        "is_proven": "bewiesen",
        "is_untried": "noch nicht erprobt",
        "is_failed": "gescheitert oder unbrauchbar ({state})",
        "legend_failed": "gescheitert oder unbrauchbar",
        "serious_short": "größere Änderung",
        "accident_short": "Unfall",
        "hole_short": "nichts bekannt",
        "somewhere_short": "geändert, irgendwo hier",
        "serious_at": "Größere Änderung {when}: {why}",
        "minor_at": "Kleine Änderung {when}: {why}",
        "cell": "{table}, {start} bis {end}: Stufe {level} von 8",
        "cell_somewhere": "{table}: irgendwann zwischen {start} und {end} geändert",
        "hole": "Nichts bekannt von {start} bis {end}",
    },
}


def locale_of(name: str) -> Locale:
    """German for anything that begins with `de`, else English."""
    return "de" if name.lower().startswith("de") else "en"


def text(locale: Locale, key: str, **values: object) -> str:
    """One sentence with its values filled in."""
    return _TEXTS[locale][key].format(**values)


def counted(locale: Locale, what: str, number: int | None) -> str:
    """How often something happened: `76 updates`; without a number if nobody knows it."""
    one, many, unknown = _COUNTED[locale][what]
    if number is None:
        return unknown
    return one if number == 1 else many.format(n=grouped(locale, number))


def grouped(locale: Locale, number: int) -> str:
    """`1,251` or `1.251`."""
    return f"{number:,}".replace(",", "." if locale == "de" else ",")


def listed(locale: Locale, items: Sequence[str], most: int = 3) -> str:
    """`a, b and c`, or `a, b, c and 4 more`."""
    shown = [*items[:most], *([text(locale, "more", n=len(items) - most)] if len(items) > most else [])]
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {text(locale, 'and')} {shown[-1]}"


def said(locale: Locale, tables: Iterable[tuple[str, str]]) -> str:
    """Tables and what happened to each as the beginning of a sentence; names come as they are to be shown."""
    parts = [text(locale, "in", table=shown(name) or text(locale, "whole"), what=what) for name, what in tables]
    more = [text(locale, "and_more", n=len(parts) - _SAID_MOST)] if len(parts) > _SAID_MOST else []
    return "; ".join([*parts[:_SAID_MOST], *more])


def shown(name: str) -> str:
    """A customer's name for a table as a terminal may see it: no control characters, not endless."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in name)
    return clean if len(clean) <= _NAME_MOST else f"{clean[: _NAME_MOST - 1]}…"


def window(start: datetime, end: datetime) -> str:
    """`2009-01-08 00:00` to `2009-01-22 10:15`, without weekdays."""
    return f"{start:%Y-%m-%d %H:%M} {_DASH} {end:%Y-%m-%d %H:%M}"


def weekday(locale: Locale, at: datetime) -> str:
    """`Sat` or `Sa`."""
    return _DAYS[locale][at.weekday()]


def minute(locale: Locale, at: datetime) -> str:
    """`Sat 2009-01-17 16:41`."""
    return f"{weekday(locale, at)} {at:%Y-%m-%d %H:%M}"


def span(locale: Locale, start: datetime, end: datetime) -> str:
    """`Sat 2009-01-17 15:15` to `16:41`; the second day if it is another; one time alone within a minute."""
    if start.date() != end.date():
        return f"{minute(locale, start)} {_DASH} {minute(locale, end)}"
    if end - start < timedelta(minutes=1):
        return minute(locale, start)
    return f"{minute(locale, start)}{_DASH}{end:%H:%M}"


def length(locale: Locale, days: float) -> str:
    """`13 days`, or hours below three days."""
    return text(locale, "days", n=int(days)) if days >= 3 else text(locale, "hours", n=int(days * 24))
