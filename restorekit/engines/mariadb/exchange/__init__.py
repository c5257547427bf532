"""Proven data becomes live in one step, and back.

promote carries the proven tables into `rk_hold_<id>` and proves them again; exchange puts them in place with one
RENAME and keeps the earlier ones in `rk_undo_<id>`; undo is the reverse. Of other tables only rows are carried, and
written in one transaction before the RENAME (`rowwise`, and the package `delta`). `marker` remembers on live what is
going on, `gate` holds writers back, `lease` keeps backups waiting, `deadman` and `settle` end what was left behind.
"""

from restorekit.engines.mariadb.exchange.preflight import preflight
from restorekit.engines.mariadb.exchange.promote import promote
from restorekit.engines.mariadb.exchange.retire import drop_holding, retire
from restorekit.engines.mariadb.exchange.run import exchange, outcome
from restorekit.engines.mariadb.exchange.settle import settle
from restorekit.engines.mariadb.exchange.swap import CRASH_POINTS
from restorekit.engines.mariadb.exchange.undo import undo

__all__ = ["CRASH_POINTS", "drop_holding", "exchange", "outcome", "preflight", "promote", "retire", "settle", "undo"]
