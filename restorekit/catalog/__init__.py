"""Memory: recovery points, restores and what they found, approvals, and the audit log."""

from restorekit.catalog.store import Store, open_store

__all__ = ["Store", "open_store"]
