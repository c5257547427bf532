"""Dumps that a job writes under one name, night after night: each was begun after the one before was done."""

from collections.abc import Callable, Iterable

from restorekit.model.point import Quality, RecoveryPoint


def bounded_below(points: Iterable[RecoveryPoint], name: Callable[[RecoveryPoint], str]) -> list[RecoveryPoint]:
    """The points of which only the end of their dump was known, now with the end of the dump before as lower bound.

    `name` tells under which name a dump was written, its host included. Only those that change; a job that writes the
    next dump to the same name begins it after the one before was complete, so its data is from no earlier moment.
    """
    series: dict[str, list[RecoveryPoint]] = {}
    for point in points:
        if point.quality == Quality.BOUNDED and point.latest is not None:
            series.setdefault(name(point), []).append(point)
    changed = []
    for some in series.values():
        ends = sorted({p.latest for p in some if p.latest})
        before = dict(zip(ends[1:], ends, strict=False))
        for point in some:
            earliest = before.get(point.latest) if point.latest else None
            if point.earliest != earliest:
                changed.append(point.model_copy(update={"earliest": earliest}))
    return changed
