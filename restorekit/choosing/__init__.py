"""Wishes, points and what happened become ranked choices, each with its sentence in German and English. Pure."""

from restorekit.choosing.bounds import Bounds, settled
from restorekit.choosing.judging import Outlook, judged, ranked
from restorekit.choosing.options import Offer, options

__all__ = ["Bounds", "Offer", "Outlook", "judged", "options", "ranked", "settled"]
