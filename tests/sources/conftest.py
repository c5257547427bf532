"""Fixtures of the labs."""

from sources.directory_lab import folder
from sources.restic_lab import empty, lab, restic_binary

__all__ = ["empty", "folder", "lab", "restic_binary"]
