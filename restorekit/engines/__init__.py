"""Providers of engines, one room per kind, found by name (restorekit.discovery)."""
