"""What every rule of the grammar uses: steps over fillers, quantities, and whether a number may be a date here."""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from restorekit.timewords.said import Frame, Unit
from restorekit.timewords.tokens import Token
from restorekit.timewords.vocabulary import Meaning, phrase_starts, phrases

Item = tuple[Frame, int]
"""What was read, and where it ends."""
_LONGEST_PHRASE = 4
_MOST_FILLERS = 6
_ADJECTIVES = frozenset({"gut", "gute", "guten", "knappe", "knappen", "ganze", "ganzen", "vollen", "good", "full"})
_MARKS = frozenset(",()[]\"'")


class Tokens(list[Token]):
    """Tokens of one text, with what rules ask of them again and again."""

    @cached_property
    def strangers(self) -> tuple[int, ...]:
        """Where words stand that no vocabulary knows, or that make a number no date."""
        return tuple(i for i, t in enumerate(self) if unknown(t) or t.has("decoy"))

    @cached_property
    def kinds(self) -> tuple[frozenset[str], ...]:
        """For each token all that it can be."""
        begin = phrase_starts()
        return tuple(
            frozenset((t.kind, *(m.kind for m in t.meanings), *(("phrase",) if t.text in begin else ()))) for t in self
        )


class Quantity(NamedTuple):
    """So much of a unit; `few` if no number was said."""

    amount: float
    unit: Unit
    few: bool


def at(ts: Tokens, i: int) -> Token:
    """The token there; an empty one beyond the ends."""
    return ts[i] if 0 <= i < len(ts) else _NOTHING


_NOTHING = Token("none", "", 0, 0, "")


def skip(ts: Tokens, i: int) -> int:
    """The next place that is no filler: articles, prepositions without meaning, commas."""
    end = i + _MOST_FILLERS
    while i < end and (at(ts, i).has("filler") or (at(ts, i).kind == "mark" and at(ts, i).text in _MARKS)):
        i += 1
    return i


def phrase(ts: Tokens, i: int) -> tuple[Meaning, int] | None:
    """The longest phrase that begins here, and where it ends."""
    if not 0 <= i < len(ts) or "phrase" not in ts.kinds[i]:
        return None
    for length in range(_LONGEST_PHRASE, 0, -1):
        words = tuple(_spelled(t) for t in ts[i : i + length])
        found = phrases().get(words) if len(words) == length else None
        if found is not None:
            return found, i + length
    return None


def _spelled(token: Token) -> str:
    return token.text + "." if token.kind == "number" and token.dot else token.text


def unknown(token: Token) -> bool:
    """True for a word or name that no vocabulary knows."""
    return token.kind in ("word", "junk") and not token.meanings


def fits_here(ts: Tokens, i: int, *, strict: bool = False) -> bool:
    """False where a number is a version, an invoice or the like; `strict`: also after any unknown word."""
    k = i - 1
    while at(ts, k).kind == "mark" and at(ts, k).text in ":#.":
        k -= 1
    before = at(ts, k)
    if before.kind == "mark" and before.text in "/\\*=<>":
        return before.text == "/" and _is_day(at(ts, k - 1))
    if before.has("decoy") or before.text.endswith(("nummer", "nr", "number")):
        return False
    return not (strict and (unknown(before) or before.kind in ("number", "decimal")))


def _is_day(token: Token) -> bool:
    return token.kind == "date" or (token.kind == "number" and token.dot) or token.has("weekday")


def alone(ts: Tokens, i: int, j: int) -> bool:
    """True if nothing but known words stands around [i, j)."""
    return all(i <= place < j for place in ts.strangers)


def number(ts: Tokens, i: int) -> tuple[float, int] | None:
    """A number in digits or words: `3`, `1,5`, `twenty five`, `anderthalb`."""
    token = at(ts, i)
    if token.kind == "number" and not token.dot:
        return token.number, i + 1
    if token.kind in ("decimal", "point"):
        return float(token.text.replace(",", ".")), i + 1
    if token.kind == "junk" and token.text.isdecimal():
        return float(token.text[:12]), i + 1
    value = token.value("number")
    if value is None:
        return None
    assert isinstance(value, int | float)
    k = i + 2 if at(ts, i + 1).text == "-" else i + 1
    ones = at(ts, k).value("number")
    if value in (20, 30, 40, 50) and isinstance(ones, int) and 0 < ones < 10:
        return value + ones, k + 1
    return value, i + 1


def _amount(ts: Tokens, i: int) -> tuple[float, bool, int] | None:
    """(amount, few, end): `ein paar`, `a couple of`, `half an`, `einer halben`, or a number."""
    k = i + 1 if at(ts, i).value("number") == 1 else i
    if at(ts, k).has("few"):
        return 0, True, k + 2 if at(ts, k + 1).text == "of" else k + 1
    if at(ts, k).has("half"):
        return 0.5, False, k + 2 if at(ts, k + 1).value("number") == 1 else k + 1
    if k > i and at(ts, k).value("number") == 0.5:
        return 0.5, False, k + 1
    if k > i and at(ts, k).text in _ADJECTIVES:
        return 1, False, k + 1
    found = number(ts, i)
    if found is None:
        return None
    half = _and_a_half(ts, found[1])
    return (found[0] + 0.5, False, half) if half else (found[0], False, found[1])


def quantity(ts: Tokens, i: int) -> tuple[Quantity, int] | None:
    """`3 Stunden`, `an hour and a half`, `a quarter of an hour`, `einer Viertelstunde`."""
    k = i + 1 if at(ts, i).value("number") == 1 else i
    if (seconds := at(ts, k).value("seconds")) is not None:
        assert isinstance(seconds, int)
        return Quantity(seconds / 60, "minute", few=False), k + 1
    if at(ts, k).has("fortnight"):
        return Quantity(2, "week", few=False), k + 1
    quarters = number(ts, i)
    if at(ts, k).has("quarter"):
        quarters = (1, k)
    if quarters and at(ts, quarters[1]).has("quarter") and at(ts, quarters[1] + 3).value("unit") == "hour":
        return Quantity(15 * quarters[0], "minute", few=False), quarters[1] + 4
    amount, few, j = _amount(ts, i) or (0, False, i)
    unit = at(ts, j).value("unit")
    if unit is None or j == i:
        return None
    half = _and_a_half(ts, j + 1)
    return Quantity(amount + (0.5 if half else 0), unit, few), half or j + 1  # type: ignore[arg-type]


def _and_a_half(ts: Tokens, i: int) -> int | None:
    if not at(ts, i).has("and"):
        return None
    k = i + 2 if at(ts, i + 1).value("number") == 1 else i + 1
    return k + 1 if at(ts, k).has("half") or at(ts, k).value("number") == 0.5 else None


def duration(ts: Tokens, i: int) -> tuple[tuple[Quantity, ...], int] | None:
    """One or two quantities: `2 hours and 15 minutes`."""
    first = quantity(ts, i)
    if first is None:
        return None
    k = first[1] + 1 if at(ts, first[1]).has("and") else first[1]
    second = quantity(ts, k)
    if second is not None and not first[0].few and second[0].unit != first[0].unit:
        return (first[0], second[0]), second[1]
    return (first[0],), first[1]


def options(ts: Tokens, i: int, *kinds: str) -> Iterator[Meaning]:
    """Meanings of these kinds of the token there."""
    return (m for m in at(ts, i).meanings if m.kind in kinds)


def lone_number(ts: Tokens, i: int) -> int | None:
    """A bare number, as ends of ranges are: `17` in `17-19 January`."""
    found = number(ts, i)
    token = at(ts, i)
    if found is None and token.kind == "number":
        return token.number
    return int(found[0]) if found and found[1] == i + 1 and found[0] == int(found[0]) else None
