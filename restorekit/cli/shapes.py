"""The stable JSON of answers. What is here is a promise to scripts; fields are only ever added."""

from typing import TYPE_CHECKING, Any

from restorekit.model.database import KnownDatabase
from restorekit.model.difference import Difference
from restorekit.model.point import RecoveryPoint
from restorekit.model.waiting import Waiting

if TYPE_CHECKING:
    from restorekit.bootstrap.desk import Story
    from restorekit.bootstrap.stock import Inventory, Stock


def story(told: "Story") -> dict[str, Any]:
    """`restore`, `status`, `approve`, `undo`: one restore."""
    run, receipt = told.run, told.receipt
    return {
        "id": run.id,
        "database": str(run.request.target),
        "of": str(run.request.database),
        "state": str(run.state),
        "level": run.level,
        "equal_to": told.verdict.equal_to if told.verdict else None,
        "point": told.plan.point.id if told.plan else run.request.point_id,
        "fallen": list(told.plan.fallen) if told.plan else [],
        "waiting": waiting(told.waiting) if told.waiting else None,
        "error": run.failure.model_dump(mode="json") if run.failure else None,
        "progress": run.progress.model_dump(mode="json") if run.progress else None,
        "steps": [s.model_dump(mode="json") for s in told.steps],
        "checks": [c.model_dump(mode="json") for c in told.verdict.checks] if told.verdict else [],
        "requested_by": run.request.requested_by,
        "created_at": run.created_at.isoformat(),
        "changed_at": run.changed_at.isoformat(),
        "undo_until": receipt.undo_until.isoformat() if receipt else None,
        "blocked_s": receipt.exchanged.blocked_s if receipt else None,
        "slipped": [s.model_dump(mode="json") for s in receipt.exchanged.slipped] if receipt else [],
        "applied": [a.model_dump(mode="json") for a in receipt.exchanged.applied] if receipt else [],
    }


def difference(value: Difference) -> dict[str, Any]:
    """`diff`, `swap --dry-run`: all but live as a whole."""
    return value.model_dump(mode="json", exclude={"live"})


def swap_plan(run_id: str, value: Difference) -> dict[str, Any]:
    """`plan ID`: what the swap of a waiting restore would do to each table."""
    return {"restore": run_id, "gate": value.gate, "tables": [a.model_dump(mode="json") for a in value.actions]}


def waiting(what: Waiting) -> dict[str, Any]:
    """What a restore waits for: `for` is a state of its medium, `notice` what a person has to do."""
    stands = what.readiness
    ready = what.late_at or stands.ready_at
    return {
        "for": stands.state,
        "why": stands.why,
        "words": what.words,
        "notice": stands.notice or None,
        "place": what.place,
        "volumes": sorted({p.volume for p in stands.pieces}),
        "since": what.since.isoformat(),
        "ready_at": ready.isoformat() if ready else None,
    }


def point(one: RecoveryPoint, level: int | None) -> dict[str, Any]:
    """One recovery point."""
    shape = one.model_dump(mode="json", exclude={"locator"})
    return {**shape, "database": str(one.database), "level": level}


def stock(one: "Stock") -> dict[str, Any]:
    """One database of the inventory."""
    return {
        "database": str(one.database),
        "customer": one.customer,
        "live": one.live is not None,
        "size_bytes": one.live.size_bytes if one.live else None,
        "points": len(one.points),
        "newest": one.newest.isoformat() if one.newest else None,
        "newest_proven": one.newest_proven.isoformat() if one.newest_proven else None,
        "level": one.best_level,
        "sources": one.sources,
        "gaps": [g.model_dump(mode="json") for g in one.gaps],
        "others": one.others,
        "inherited": one.inherited,
    }


def known(one: KnownDatabase) -> dict[str, Any]:
    """One database of `find`."""
    moved = str(one.moved_from) if one.moved_from else None
    shape = one.model_dump(mode="json", exclude={"owner"})
    return {**shape, "database": str(one.database), "customer": one.owner, "moved_from": moved}


def inventory(found: "Inventory") -> dict[str, Any]:
    """The whole inventory with totals that add up."""
    return {
        "databases": [stock(s) for s in found.stocks],
        "problems": list(found.problems),
        "unparsed": found.unparsed,
        "totals": found.totals,
    }
