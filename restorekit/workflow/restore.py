"""The order of a restore, written once. Four recipes: prepare, apply, undo, cleanup.

A recipe is deterministic: it only calls steps, in order; everything that reads or changes the world happens in a
step body, which may run more than once. What a step found is stored in the catalog before the next one begins.
The last thing a recipe does is the move to the state in which the run rests or has ended: who sees it may go on.
"""

from collections.abc import Callable
from functools import partial

from restorekit.errors import RestorekitError
from restorekit.model.run import State
from restorekit.workflow.bodies import Bodies
from restorekit.workflow.house import House
from restorekit.workflow.warming import UNREADABLE, Warmth
from restorekit.workflow.work import Recipe, Step


def recipes(house: House) -> dict[str, Recipe]:
    """The recipes by name."""
    kitchen = _Kitchen(house)
    known: dict[str, Recipe] = {
        "prepare": kitchen.prepare,
        "apply": kitchen.apply,
        "undo": kitchen.undo,
        "cleanup": kitchen.cleanup,
    }
    return {name: _noted(house, recipe) for name, recipe in known.items()}


def _noted(house: House, recipe: Recipe) -> Recipe:
    """The recipe, with each attempt at a step noted in the catalog: when it began, when and how it ended."""

    def carry_out(run_id: str, step: Step) -> None:
        def noting(name: str, body: Callable[[], str | None]) -> str | None:
            def attempt() -> str | None:
                house.catalog.note_step(run_id, name, None)
                try:
                    answer = body()
                except RestorekitError as error:
                    house.catalog.note_step(run_id, name, error.code)
                    raise
                house.catalog.note_step(run_id, name, "done")
                return answer

            return step(name, attempt)

        recipe(run_id, noting)

    return carry_out


class _Kitchen:
    """Recipes bound to a house."""

    def __init__(self, house: House) -> None:
        self._warmth = Warmth(house)
        self._do = Bodies(house, self._warmth.cool)

    def prepare(self, run_id: str, step: Step) -> None:
        """Warm, stage, verify, compare; ends waiting for approval, or where the request said until."""
        do = self._do
        try:
            until, fallen = str(step("begin", lambda: do.begin(run_id))).split()
            if self._stage(run_id, step, int(fallen)) == "waiting":
                return
            if until == "staged":
                step("end", lambda: do.rest(run_id, State.STAGED))
                return
            step("verify", lambda: do.verify(run_id))
            if until == "verified":
                step("end", lambda: do.rest(run_id, State.VERIFIED))
                return
            step("diff", lambda: do.diff(run_id))
            step("end", lambda: do.rest(run_id, State.COMPARED if until == "diff" else State.AWAITING_APPROVAL))
        except RestorekitError as error:
            failed = error
            step("fail", lambda: do.fail(run_id, failed))

    def _stage(self, run_id: str, step: Step, fallen: int) -> str | None:
        """Warm and stage; a point that cannot be read gives way to the next best one, until there is none.

        `fallen` points have given way before.
        """
        warmth = self._warmth
        while True:
            try:
                if step("warm", partial(warmth.warm, run_id)) == "waiting":
                    return "waiting"
                return step("stage", partial(self._do.stage, run_id))
            except UNREADABLE as error:
                if step("fall back", partial(warmth.fall_back, run_id, fallen, error)) != "another":
                    raise
                fallen += 1

    def apply(self, run_id: str, step: Step) -> None:
        """Promote and swap what was approved; ends swapped, or back at waiting for approval with the reason."""
        do = self._do
        approval = step("agreed", lambda: do.agreed(run_id))
        try:
            step("clear", lambda: do.clear(run_id))
            step("promote", lambda: do.promote(run_id))
            step("swap", lambda: do.swap(run_id))
        except RestorekitError as error:
            failed = error
            if step("settle", lambda: do.settle(run_id)) != "finished":
                step("fail", lambda: do.step_back(run_id, failed, approval))
                return
        step("tidy", lambda: do.tidy(run_id))
        step("receipt", lambda: do.receipt(run_id))

    def undo(self, run_id: str, step: Step) -> None:
        """Exchange back; a failure leaves the restore swapped."""
        do = self._do
        try:
            step("undo", lambda: do.undo(run_id))
        except RestorekitError as error:
            failed = error
            step("fail", lambda: do.stay_swapped(run_id, failed))

    def cleanup(self, run_id: str, step: Step) -> None:
        """Discard what a cancelled restore had staged."""
        step("discard", lambda: self._do.discard(run_id, State.CANCELLED))
