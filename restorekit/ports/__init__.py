"""What restorekit asks of the world. Duties (retry, idempotence, permanent errors) stand on each method.

A step takes the narrowest protocol. `Temporary` errors may be retried by a wrapper where the docstring says
"safe to repeat"; everything else is permanent for this call.
"""

from restorekit.ports.around import Clock, Watch
from restorekit.ports.engines import (
    Capturing,
    Chronicling,
    Comparing,
    Describing,
    Engine,
    Exchanging,
    Extracting,
    Extraction,
    Loading,
    Sandboxing,
)
from restorekit.ports.memory import Catalog
from restorekit.ports.sources import AtHand, Cloning, Delivery, Source, Stream

__all__ = [
    "AtHand",
    "Capturing",
    "Catalog",
    "Chronicling",
    "Clock",
    "Cloning",
    "Comparing",
    "Delivery",
    "Describing",
    "Engine",
    "Exchanging",
    "Extracting",
    "Extraction",
    "Loading",
    "Sandboxing",
    "Source",
    "Stream",
    "Watch",
]
