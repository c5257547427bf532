"""What happened when: what is routine, what a person did, what was an accident, and how it looks. Pure: no I/O."""

from restorekit.timeline.drawing import svg
from restorekit.timeline.heatmap import Heat, Point, View, heat, somewhere
from restorekit.timeline.judging import history
from restorekit.timeline.labels import Labels
from restorekit.timeline.terminal import render_heat

__all__ = ["Heat", "Labels", "Point", "View", "heat", "history", "render_heat", "somewhere", "svg"]
