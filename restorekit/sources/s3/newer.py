"""What was uploaded since a report: listed where keys sort by time, from the last old one on.

Which those are is not configured but seen in the names: along a folder's keys the times they claim never go back. A
folder of which that is not true is looked through for folders of which it is, new ones among them.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain, groupby, pairwise
from typing import NamedTuple

from restorekit.sources.s3.bucket import Bucket
from restorekit.sources.s3.listing import Entry, entries, folders

PAGE = 1000
"""Keys to a request."""
Claim = Callable[[str], datetime | None]
"""The time the name of a key claims, if it claims one."""


class Stretch(NamedTuple):
    """All keys that begin with `under` and come after `after`."""

    under: str
    after: str

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.startswith(self.under) and key > self.after


class Crossing(NamedTuple):
    """A folder to be looked through for new ones beside those `known`."""

    under: str
    known: frozenset[str]


class _Timed(NamedTuple):
    key: str
    at: datetime | None


def plan(folder: str, keys: Sequence[str], claim: Claim, old: datetime) -> list[Stretch | Crossing]:
    """Where to list what is newer than `old`, one request or a few each; `keys` are known, sorted, below `folder`.

    Empty where a full listing would cost no more.
    """
    made = _planned(folder, [_Timed(key, claim(key)) for key in keys], old)
    return made if len(made) < len(keys) / PAGE else []


def _planned(under: str, keys: Sequence[_Timed], old: datetime) -> list[Stretch | Crossing]:
    timed = [(at, key) for key, at in keys if at is not None]
    if not timed:
        return []
    if all(one <= following for (one, _), (following, _) in pairwise(timed)):
        return [Stretch(under, max((key for at, key in timed if at < old), default=""))]
    children = {
        f"{under}{name}/": list(below)
        for name, below in groupby(keys, key=lambda k: k.key[len(under) :].partition("/")[0])
    }
    below = {child: keys for child, keys in children.items() if keys[0].key.startswith(child)}
    if not below:
        return []
    crossing = Crossing(under, frozenset(below))
    return [crossing, *chain.from_iterable(_planned(child, keys, old) for child, keys in below.items())]


def listed(
    bucket: Bucket, where: Sequence[Stretch | Crossing], *, versioned: bool
) -> Iterator[tuple[Stretch, list[Entry]]]:
    """Each stretch with all that lies in it now, new folders included. Raises what `Bucket.explained` does."""
    for place in where:
        if isinstance(place, Stretch):
            yield place, list(entries(bucket, versioned=versioned, under=place.under, after=place.after))
            continue
        for new in folders(bucket, place.under):
            if new not in place.known:
                yield Stretch(new, ""), list(entries(bucket, versioned=versioned, under=new))
