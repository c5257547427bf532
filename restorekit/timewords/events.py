"""Rules for what happened instead of a time: `vor dem Deploy`, `2 hours before the crash`, `bevor ich es löschte`."""

from collections.abc import Callable, Iterator

from restorekit.model.resolution import Relation
from restorekit.timewords.reading import Item, Tokens, at, duration, skip, unknown
from restorekit.timewords.said import Event, Frame

_RELATIONS: dict[str, Relation] = {
    "before": "before",
    "after": "after",
    "since": "after",
    "until": "before",
    "during": "in",
}
_CONJUNCTIONS = frozenset({"bevor", "ehe", "nachdem", "seitdem", "before", "after", "since", "als", "when"})
_SPLITTING = _CONJUNCTIONS - {"als", "when"}
_WHO = frozenset(["ich", "wir", "er", "sie", "jemand", "man", "i", "we", "he", "she", "they", "somebody", "someone"])
_POSSESSIVES = frozenset({"my", "our", "your", "mein", "meinem", "unserem"})
_DAMAGE_STEMS = (
    "geloesch",
    "delet",
    "dropp",
    "truncat",
    "ueberschr",
    "overwr",
    "wiped",
    "broke",
    "destroy",
    "zerschoss",
)
_FARTHEST_DEED = 8


def _event(ts: Tokens, i: int) -> Iterator[Item]:
    """`vor dem Deploy`, `before the last migration`, `right before I deleted the table`."""
    begin = i + 1 if at(ts, i).has("shortly") else i
    relation = _RELATIONS.get(str(at(ts, begin).value("relation")))
    if relation is None:
        return
    deed = skip(ts, begin + 1)
    end = _noun(ts, deed)
    if at(ts, end).has("event"):
        yield Frame(event=Event(relation, known=True)), end + 1
        return
    done = _deed(ts, deed, at(ts, begin).text)
    if done is not None:
        yield Frame(event=Event(relation, known=True)), done
        return
    determined = end > deed or deed > begin + 1
    named = unknown(at(ts, end)) and at(ts, end).kind == "word" and at(ts, end).text not in _WHO
    if determined and named and relation != "in":
        yield Frame(event=Event(relation, known=False)), end + 1


def _noun(ts: Tokens, i: int) -> int:
    """Where the noun is: after `our last`, `dem großen`."""
    while at(ts, i).has("which", "number", "filler") or at(ts, i).text in _POSSESSIVES:
        i += 1
    return i + 1 if unknown(at(ts, i)) and at(ts, i + 1).has("event") else i


def _deed(ts: Tokens, i: int, conjunction: str) -> int | None:
    """Where `I deleted the table` or `wir das installierten` has said it; None if a time comes first."""
    if conjunction not in _CONJUNCTIONS:
        return None
    told = conjunction in _SPLITTING and at(ts, i).text in _WHO
    for j in range(i, min(i + _FARTHEST_DEED, len(ts))):
        if at(ts, j).kind != "word" or at(ts, j).has("unit", "shift", "weekday", "daypart", "uhr"):
            return None
        if at(ts, j).text.startswith(_DAMAGE_STEMS):
            return j + 1
    return i + 1 if told else None


def _measured(ts: Tokens, i: int) -> Iterator[Item]:
    """`2 Stunden vor dem Absturz`, `the day before the crash`: near an event, which dates it."""
    found = duration(ts, i)
    k = found[1] if found else i + 1
    if (found or at(ts, i).value("unit") == "day") and at(ts, k).value("relation") in ("before", "after"):
        yield from _event(ts, k)


RULES: tuple[tuple[frozenset[str], Callable[[Tokens, int], Iterator[Item]]], ...] = (
    (frozenset({"relation", "shortly"}), _event),
    (frozenset({"number", "few", "seconds", "half", "quarter", "unit"}), _measured),
)
"""Each rule with the kinds of tokens it can begin with."""
