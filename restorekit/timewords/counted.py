"""Rules for counted time: `vor 3 Stunden`, `2-3 days ago`, `die letzten 2 Tage`, `two days before Christmas`."""

from collections.abc import Callable, Iterator
from math import ceil, floor

from restorekit.timewords.dates import days
from restorekit.timewords.reading import Item, Quantity, Tokens, at, duration, number, quantity, skip
from restorekit.timewords.said import DaysAgo, Elapsed, Frame, Offset, Recent, Related, Shift

_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_SIZES = _SECONDS | {"day": 86_400, "week": 604_800}
_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365}


def _leads(ts: Tokens, i: int) -> bool:
    return at(ts, i).has("vor") or at(ts, i).value("relation") == "since"


def _roughly(ts: Tokens, i: int) -> int:
    about = at(ts, i).value("relation") == "around" or at(ts, i).has("shortly", "roughly")
    return i + 1 if about else i


def _ago(ts: Tokens, i: int) -> Iterator[Item]:
    """`vor 3 Stunden`, `3 hours ago`, `vor etwa zwei Wochen`, `seit 2 Tagen`."""
    leading = _leads(ts, i)
    k = _roughly(ts, i + 1 if leading else i)
    found = duration(ts, k)
    if found is None or not (leading or at(ts, found[1]).has("ago")):
        return
    end = found[1] if leading else found[1] + 1
    frame = _long_ago(found[0])
    if frame is not None:
        yield frame._replace(related=_since(ts, i)), end


def _since(ts: Tokens, i: int) -> Related | None:
    return Related("after", inclusive=True) if at(ts, i).value("relation") == "since" else None


def _between(ts: Tokens, i: int) -> Iterator[Item]:
    """`vor 2-3 Tagen`, `two or three weeks ago`: between the one and the other, and to be asked."""
    leading = _leads(ts, i)
    k = _roughly(ts, i + 1 if leading else i)
    least = number(ts, k)
    if least is None or not (at(ts, least[1]).text in ("-", ",") or at(ts, least[1]).has("or", "upto")):
        return
    most = quantity(ts, least[1] + 1)
    if most is None or most[0].few or not least[0] < most[0].amount:
        return
    if leading or at(ts, most[1]).has("ago"):
        frame = _span_ago(least[0], most[0])
        yield frame._replace(related=_since(ts, i)), most[1] if leading else most[1] + 1


def _span_ago(least: float, most: Quantity) -> Frame:
    if most.unit in _SECONDS:
        size = _SECONDS[most.unit]
        centre, slack = (least + most.amount) / 2, (most.amount - least + 1) / 2
        return Frame(elapsed=Elapsed(centre * size, slack * size, hourly=most.unit == "hour", doubt="vague"))
    size = _DAYS.get(most.unit, 1)
    return Frame(day=DaysAgo(ceil(most.amount * size), "day", few=True, least=floor(least * size)))


def _ahead(ts: Tokens, i: int) -> Iterator[Item]:
    """`in 3 Tagen`: understood, to be refused."""
    found = duration(ts, i + 1) if at(ts, i).text == "in" else None
    if found is not None and not found[0][0].few:
        frame = _long_ago(tuple(q._replace(amount=-q.amount) for q in found[0]))
        if frame is not None:
            yield frame, found[1]


def _long_ago(parts: tuple[Quantity, ...]) -> Frame | None:
    first, few = parts[0], any(q.few for q in parts)
    if any(q.unit in _SECONDS for q in parts) and all(q.unit in _SIZES for q in parts):
        amount = sum(q.amount * _SIZES[q.unit] for q in parts)
        if few:
            return Frame(elapsed=Elapsed(_SECONDS[first.unit], 0, hourly=first.unit == "hour", few=True))
        hourly = parts[-1].unit == "hour" and all(q.amount == int(q.amount) for q in parts)
        return Frame(elapsed=Elapsed(amount, 1800 if hourly else max(60, amount / 10), hourly=hourly))
    if len(parts) > 1:
        return None
    return _some_days_ago(first, few=few)


def _some_days_ago(said: Quantity, *, few: bool) -> Frame | None:
    """One and a half weeks are between ten and eleven days, half a year is six months."""
    if said.amount == int(said.amount):
        return Frame(day=DaysAgo(int(said.amount), said.unit, few))
    if said.unit == "year":
        return _some_days_ago(Quantity(said.amount * 12, "month", few=few), few=few)
    if said.amount < 0 or said.unit not in _DAYS:
        return None
    total = said.amount * _DAYS[said.unit]
    return Frame(day=DaysAgo(ceil(total), "day", few=True, least=floor(total)))


def _recent(ts: Tokens, i: int) -> Iterator[Item]:
    """`die letzten 3 Tage`, `the past 24 hours`, `in der letzten Stunde`."""
    if at(ts, i).value("which") != "last":
        return
    unit = at(ts, i + 1).value("unit")
    if unit == "hour" and at(ts, i + 1).text in ("hour", "stunde"):
        yield Frame(recent=Recent(1, "hour")), i + 2
    found = duration(ts, i + 1)
    if found is not None and len(found[0]) == 1 and not found[0][0].few:
        yield Frame(recent=Recent(found[0][0].amount, found[0][0].unit)), found[1]


def _offset(ts: Tokens, i: int) -> Iterator[Item]:
    """`2 Tage vor dem 17.01.`, `am Tag nach Neujahr`, `a week before Christmas`."""
    if _leads(ts, i - 1):
        return
    found = quantity(ts, i)
    if found is None:
        if at(ts, i).value("unit") != "day":
            return
        found = Quantity(1, "day", few=False), i + 1
    said, k = found
    sign = {"before": -1, "after": 1}.get(str(at(ts, k).value("relation")))
    if sign is None or said.few or said.unit not in ("day", "week") or said.amount != int(said.amount):
        return
    for base, end in days(ts, skip(ts, k + 1)):
        if not isinstance(base, Shift | DaysAgo):
            many = sign * int(said.amount) * _DAYS[said.unit]
            yield Frame(day=Offset(base, many)), end


RULES: tuple[tuple[frozenset[str], Callable[[Tokens, int], Iterator[Item]]], ...] = (
    (
        frozenset(
            {"vor", "relation", "number", "few", "seconds", "fortnight", "half", "quarter", "junk", "decimal", "point"}
        ),
        _ago,
    ),
    (frozenset({"vor", "relation", "number", "decimal"}), _between),
    (frozenset({"filler"}), _ahead),
    (frozenset({"which"}), _recent),
    (frozenset({"number", "unit", "fortnight"}), _offset),
)
"""Each rule with the kinds of tokens it can begin with."""
