"""Wishes, points and what happened become ranked choices, each with its sentence in German and English. Pure."""

from restorekit.choosing.bounds import Bounds, settled
from restorekit.choosing.judging import Outlook, doubt, judged, nearest, ranked
from restorekit.choosing.options import Offer, options
from restorekit.choosing.standing import standing

__all__ = ["Bounds", "Offer", "Outlook", "doubt", "judged", "nearest", "options", "ranked", "settled", "standing"]
