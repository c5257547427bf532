"""Names that the state database remembers, for shell completion: no server is asked and nothing is created."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from restorekit.catalog.database import tables_of
from restorekit.catalog.store import Store, open_store
from restorekit.settings import load

Named = tuple[str, str]
"""A name, and a word about it."""
_MOST_RUNS = 100


def databases(config: Path | None) -> list[Named]:
    """`engine/name` of all, and the bare name where it is enough."""
    with _store(config) as store:
        known = store.find("") if store else []
    often = Counter(one.database.name for one in known)
    full = [(str(one.database), one.owner) for one in known]
    return full + [(one.database.name, one.owner) for one in known if often[one.database.name] == 1]


def runs(config: Path | None) -> list[Named]:
    """Ids of the newest restores."""
    with _store(config) as store:
        found = store.runs(limit=_MOST_RUNS) if store else []
    return [(run.id, f"{run.request.target} {run.state}") for run in found]


def points(config: Path | None, words: Sequence[str]) -> list[Named]:
    """Ids of the points of the database that is among the words, in either way; of all where none is."""
    with _store(config) as store:
        found = store.points() if store else []
    mine = [p for p in found if {str(p.database), p.database.name} & set(words)]
    return [(p.id, f"{p.consistent_at:%Y-%m-%d %H:%M}" if p.consistent_at else "") for p in mine or found]


def sources(config: Path | None) -> list[Named]:
    """Names of the configured sources."""
    return [(name, str(section.get("kind", ""))) for name, section in load(config).sources.items()]


@contextmanager
def _store(config: Path | None) -> Iterator[Store | None]:
    url = load(config).state
    if tables_of(url) != "current":
        yield None
        return
    with closing(open_store(url)) as store:
        yield store
