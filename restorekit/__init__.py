"""restorekit: restore a customer's database beside live, prove it, show the difference, swap, undo."""

__version__ = "0.1.0"
