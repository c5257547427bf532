"""Providers of sources, one room per kind, found by name (restorekit.discovery)."""
