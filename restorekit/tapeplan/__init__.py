"""One plan for a tape library across everything that waits for it, and what is said of it. Pure.

Wishes become jobs (`jobs`), a policy picks the next one for a drive that is free (`policy`), and the clock moves on to
the next drive (`planning`). Times come from a model of the drives (`costs`), sentences from `words`. A plan is cheap
and never kept: whoever has something new, an arrival, an end, a tape put in, asks for another one, and only turns that
begin at 0 are begun.
"""

from restorekit.tapeplan.costs import LTO8, Costs, estimate
from restorekit.tapeplan.planning import planned

__all__ = ["LTO8", "Costs", "estimate", "planned"]
