"""What was uploaded since a report: listed where keys sort by time, from the last old one on.

Which those are is not configured but seen in the names: along a folder's keys the times they claim never go back. A
folder of which that is not true is looked through for folders of which it is, new ones among them.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby, islice, pairwise
from typing import NamedTuple

from restorekit.sources.s3.bucket import Bucket
from restorekit.sources.s3.listing import Entry, entries, folders

PAGE = 1000
"""Keys to a request."""
_SAMPLE = 100
"""So many names of a folder are read; a wrong guess costs only that a new dump waits for the next report."""
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


def plan(folder: str, keys: Sequence[str], claim: Claim, old: datetime) -> list[Stretch | Crossing]:
    """Where to list what is newer than `old`, one request or a few each; `keys` are known, sorted, below `folder`.

    Empty where a full listing would cost no more.
    """
    most = len(keys) // PAGE
    made = list(islice(_planned(folder, keys, claim, old), most + 1))
    return made if len(made) <= most else []


def _planned(under: str, keys: Sequence[str], claim: Claim, old: datetime) -> Iterator[Stretch | Crossing]:
    times = [at for key in keys[:: len(keys) // _SAMPLE + 1] if (at := claim(key)) is not None]
    if not times:
        return
    if all(one <= following for one, following in pairwise(times)):
        yield Stretch(under, next((key for key in reversed(keys) if (claim(key) or old) < old), ""))
        return
    children = {child: list(below) for child, below in groupby(keys, key=lambda key: _child(under, key)) if child}
    if children:
        yield Crossing(under, frozenset(children))
    for child, below in children.items():
        yield from _planned(child, below, claim, old)


def _child(under: str, key: str) -> str:
    """The folder below `under` that the key lies in; "" for none."""
    name, slash, _ = key[len(under) :].partition("/")
    return under + name + slash if slash else ""


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
