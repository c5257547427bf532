"""Whole mails: which part of the text says what the moment is for, and how much loss is accepted."""

import re
from collections.abc import Sequence
from datetime import timedelta

from restorekit.model.resolution import Meaning
from restorekit.timewords.reading import Tokens, at, duration
from restorekit.timewords.tokens import Token

_QUOTED = re.compile(r"^\s*>.*$", re.MULTILINE)
_ATTRIBUTION = re.compile(
    r"^.*\b(?:schrieb|wrote|geschrieben)\b.{0,120}:\s*$"
    r"|^\s*-{2,}\s*(?:original|ursprüngliche|weitergeleitete|forwarded).*$",
    re.MULTILINE | re.IGNORECASE,
)
_HEADER = re.compile(
    r"^(?:date|datum|gesendet|sent|received|empfangen|resent-date|message-id|x-[\w-]+):.*(?:\n[ \t]+\S.*)*$",
    re.MULTILINE | re.IGNORECASE,
)
_SIGNATURE = re.compile(r"^-- ?$.*\Z", re.MULTILINE | re.DOTALL)

FEW_DAYS = 3
"""How many units of loss somebody accepts who says "a few" (3), "einige" (3)."""
_UNITS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "week": 604_800,
    "month": 30 * 86400,
    "year": 365 * 86400,
}

_LAST = ("letzt", "zuletzt", "last", "latest", "most", "juengst")
_CHANGE = (
    "aender",
    "aenderung",
    "geaender",
    "bearbeit",
    "gearbeit",
    "eintrag",
    "eingetrag",
    "gepfleg",
    "eingepfleg",
    "artikel",
    "bestellung",
    "beitrag",
    "buchung",
    "eingabe",
    "update",
    "speicher",
    "gespeicher",
    "aktualisier",
    "change",
    "edit",
    "edits",
    "edited",
    "modif",
    "work",
    "worked",
    "working",
    "saved",
    "save",
    "entry",
    "entries",
    "post",
    "posts",
    "updated",
    "order",
    "stand",
)
_DAMAGE = (
    "geloesch",
    "loesch",
    "zerschoss",
    "zerschos",
    "zerschieß",
    "schredder",
    "geschredder",
    "kaputt",
    "zerstoer",
    "ueberschrieb",
    "vernicht",
    "gedropp",
    "gedroppt",
    "weggeworf",
    "verseh",
    "delet",
    "dropp",
    "drop",
    "drops",
    "truncat",
    "shredd",
    "broke",
    "broken",
    "destroy",
    "wiped",
    "wipe",
    "overw",
    "lost",
    "verschwund",
    "weg",
    "gehackt",
    "hacked",
    "unfall",
    "kaput",
    "erased",
    "nuked",
    "ruined",
    "corrupt",
    "beschaedig",
    "entfernt",
    "removed",
    "leer",
    "leere",
    "geleer",
    "gone",
    "fehlt",
    "fehlen",
    "fehlten",
    "schiefgegangen",
    "missing",
)
_STATE = (
    "stand",
    "zustand",
    "zuruecksetz",
    "zurueckspiel",
    "zurueckhol",
    "wiederherst",
    "wiederherz",
    "restor",
    "einspiel",
    "revert",
    "rollback",
    "roll",
    "state",
    "backup",
    "sicherung",
    "version",
    "snapshot",
    "zurueck",
    "back",
    "wie",
)
_BELIEF = (
    "dachte",
    "glaubte",
    "meinte",
    "thought",
    "believ",
    "assum",
    "hatte",
    "haette",
    "gemacht",
    "made",
    "had",
    "gezogen",
)
_BACKUP = ("backup", "sicherung", "datensicherung", "dump", "kopie", "copy")
_LOSS = (
    "verlor",
    "verlier",
    "verlust",
    "fehlen",
    "fehlt",
    "fehle",
    "lost",
    "lose",
    "losing",
    "loss",
    "missing",
    "weg",
    "gone",
    "verschwind",
)
_FINE = (
    "nichts",
    "egal",
    "schlimm",
    "problem",
    "ok",
    "okay",
    "matter",
    "fine",
    "accept",
    "verschmerz",
    "verkraft",
    "duerfen",
    "darf",
    "kann",
    "koennen",
    "koennten",
    "could",
    "can",
    "may",
    "wenn",
    "if",
    "tragbar",
    "akzeptab",
    "live",
    "up",
    "maximal",
    "hoechstens",
    "most",
    "bis",
    "more",
)


_AFTERWARDS = ("danach", "seitdem", "seither", "daraufhin", "afterwards", "thereafter", "since", "after", "ever")
_OPEN = ("oeffnungszeit", "geoeffnet", "sprechzeit", "buerozeit", "servicezeit", "erreichbar", "opening", "open")


def opening_hours(ts: Tokens, where: Sequence[int]) -> bool:
    """True where a clause says when somebody can be reached."""
    return any(_is_one(ts[i], _OPEN) for i in where)


def aftermath(ts: Tokens, where: Sequence[int]) -> bool:
    """True for a sentence that says what broke after the moment in it: `danach war alles weg`."""
    said = [ts[i] for i in where]
    return _says(said, _AFTERWARDS) and _says(said, _DAMAGE)


def letter(text: str) -> str:
    """The text with quotes of other mails, headers and the signature blanked; every character keeps its place."""
    if "\n" not in text.strip():
        return text
    for pattern in (_SIGNATURE, _QUOTED, _ATTRIBUTION, _HEADER):
        text = pattern.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)
    return text


def clauses(ts: Tokens, text: str, read: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """For each token the number of its clause and of its sentence; marks inside what was read do not part."""
    inside = {i for start, end in read for i in range(start, end)}
    clause = sentence = 0
    clause_of, sentence_of = [], []
    for i, token in enumerate(ts):
        if i and _new_sentence(ts, i, text):
            clause, sentence = clause + 1, sentence + 1
        clause_of.append(clause)
        sentence_of.append(sentence)
        if token.kind == "mark" and i not in inside:
            clause += token.text in ",;()"
            ends = token.text in ".!?;"
            clause, sentence = clause + ends, sentence + ends
        elif token.text in ("aber", "but", "dann", "then"):
            clause += 1
    return clause_of, sentence_of


def _new_sentence(ts: Tokens, i: int, text: str) -> bool:
    """An empty line, or a capital after the dot of a date."""
    before, token = ts[i - 1], ts[i]
    between = text[before.end : token.start]
    if between.count("\n") > 1:
        return True
    dotted = before.kind in ("date", "number") and text[before.start : before.end].endswith(".")
    return dotted and token.raw[:1].isupper() and not token.meanings


def _near(ts: Tokens, where: Sequence[int], stems: tuple[str, ...], place: int) -> int | None:
    """How far the nearest word with one of these stems is."""
    return min((abs(i - place) for i in where if _is_one(ts[i], stems)), default=None)


def meaning(ts: Tokens, where: Sequence[int], start: int, end: int) -> tuple[Meaning, bool]:
    """What the moment at [start, end) is for, by the words of its clause; True if it only dates a believed backup."""
    words = [i for i in where if not start <= i < end]
    last, change = _near(ts, words, _LAST, start), _near(ts, words, _CHANGE, start)
    if last is not None and change is not None:
        return "must_contain", False
    damage, state = _near(ts, words, _DAMAGE, start), _near(ts, words, _STATE, start)
    if _near(ts, words, _BACKUP, start) is not None and _near(ts, words, _BELIEF, start) is not None:
        return "unknown", True
    if damage is not None and (state is None or damage < state):
        return "before_damage", False
    return ("as_of", False) if state is not None else ("unknown", False)


def tolerance(ts: Tokens, sentence_of: Sequence[int]) -> tuple[timedelta | None, tuple[int, int] | None]:
    """How much loss is accepted, and the tokens that say so: a duration beside words for loss and for "fine"."""
    for i in range(len(ts)):
        if at(ts, i - 1).has("vor") or not (at(ts, i).has("number", "few") or at(ts, i).kind in ("number", "decimal")):
            continue
        found = duration(ts, i)
        if found is None or at(ts, found[1]).has("ago"):
            continue
        around = [ts[k] for k in range(len(ts)) if sentence_of[k] == sentence_of[i]]
        if _says(around, _LOSS) and _says(around, _FINE):
            seconds = sum((FEW_DAYS if q.few else q.amount) * _UNITS.get(q.unit, 172_800) for q in found[0])
            return timedelta(seconds=min(seconds, 3650 * 86400)), (i, found[1])
    return None, None


def _says(ts: Sequence[Token], stems: tuple[str, ...]) -> bool:
    return any(_is_one(t, stems) for t in ts)


def _is_one(token: Token, stems: tuple[str, ...]) -> bool:
    """Short stems are whole words: `weg` is not `wegen`."""
    if token.kind != "word" or not token.text.startswith(stems):
        return False
    return any(token.text == s or (len(s) > 4 and token.text.startswith(s)) for s in stems)
