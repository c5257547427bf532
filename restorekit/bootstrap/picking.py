"""A part of a difference instead of the whole: chosen, shown, and kept as what would be approved."""

from restorekit.errors import NeedsChoice, Refused, UsageError
from restorekit.model.difference import Difference
from restorekit.model.pick import Pick
from restorekit.model.plan import Plan
from restorekit.model.request import Act
from restorekit.model.run import State
from restorekit.model.staged import Staged
from restorekit.model.verdict import Verdict
from restorekit.ports import Watch
from restorekit.steps import diff as diffing
from restorekit.steps.diff import Found, Part
from restorekit.steps.stage import spec
from restorekit.workflow.house import House

__all__ = ["Found", "Part", "Pick", "Picking"]


class Picking:
    """Chooses among the rows that differ. Live is read, never changed."""

    def __init__(self, house: House) -> None:
        self._house = house

    def look(self, run_id: str, part: Part, act: Act, watch: Watch) -> Found:
        """What this part would come to, measured now; nothing is kept. Raises Refused if nothing is staged for it."""
        return self._found(run_id, part, act, watch)

    def choose(self, run_id: str, part: Part, act: Act, watch: Watch) -> Found:
        """The same, kept: from now on an approval is over this part.

        Not kept if rows cannot be brought back without a decision: `undecided` then says so. Raises UsageError if
        nothing that differs is chosen.
        """
        found = self._found(run_id, part, act, watch)
        if _undecided(found.difference) is not None:
            return found
        if all(a.method == "same" for a in found.difference.actions) and not found.difference.objects:
            raise UsageError(
                "no row that differs is among those chosen: nothing would be written; live is untouched",
                hint=f"Look at what differs: restorekit diff {run_id}",
            )
        self._house.catalog.keep(self._house.catalog.run(run_id).id, found.difference)
        return found

    def undecided(self, found: Found) -> NeedsChoice | None:
        """What somebody has to decide first, if anything."""
        return _undecided(found.difference)

    def same(self, run_id: str) -> Part:
        """The part that the kept difference is about; raises UsageError if there is none yet."""
        run = self._house.catalog.run(run_id)
        before = self._house.catalog.kept(run.id, Difference)
        if before is None:
            raise UsageError(f"restore {run.id} is {run.state}: there is no difference yet; nothing was changed")
        return diffing.again(self._house.need(run.id, Plan), before)

    def _found(self, run_id: str, part: Part, act: Act, watch: Watch) -> Found:
        house = self._house
        run = house.catalog.run(run_id)
        if run.state not in (State.AWAITING_APPROVAL, State.COMPARED):
            raise Refused(
                f"restore {run.id} is {run.state}: there is nothing to choose from; nothing was changed",
                hint=f"See `restorekit status {run.id}`.",
            )
        plan, staged = house.need(run.id, Plan), house.need(run.id, Staged)
        house.catalog.audit(act.model_copy(update={"restore_id": run.id, "database": str(run.request.target)}))
        engine = house.engine(plan.target.engine)
        engine.open_sandbox(spec(run.id, plan))
        try:
            proven = diffing.Proven(plan, staged, house.need(run.id, Verdict))
            return diffing.diff(proven, part, engine, house.clock.now(), watch)
        finally:
            engine.cool(staged.sandbox)


def _undecided(difference: Difference) -> NeedsChoice | None:
    try:
        diffing.decided(difference)
    except NeedsChoice as error:
        return error
    return None
