"""What happened when: what is routine, what a person did, what was an accident, and how it looks. Pure: no I/O."""

from restorekit.timeline.judging import history
from restorekit.timeline.labels import Labels

__all__ = ["Labels", "history"]
