"""What every provider is told about the house it works in."""

from pathlib import Path

from restorekit.model.value import Value


class Home(Value):
    """`staging` holds sandboxes, `cache` templates and tool caches, `base` is where relative paths start.

    `row_key` keys the hashes of rows in differences and receipts, so that values cannot be guessed from them.
    """

    staging: Path
    cache: Path
    base: Path
    timezone: str
    row_key: bytes = b""
