"""The binary log of a MariaDB server as a history of changes: how many rows of which table, when, and every blow.

    live ─ files of the log ─ scan ─> one file ─ reader ─> a transaction ─ ledger ─> DatabaseChanges
                                 │ images: how many rows lie in a row event
                                 │ deeds:  what a statement did to which table
                                 └ text:   a statement without its literals

Rows are counted from the frames of row events, never from text, so nothing a customer writes into a comment or a
value can add or hide one.
"""

from restorekit.engines.mariadb.binlog.live import changes
from restorekit.engines.mariadb.binlog.scan import Place, scan_files

__all__ = ["Place", "changes", "scan_files"]
