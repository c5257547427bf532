"""Small files that lie beside a backup `F` and belong to it: its digest, and what it holds."""

import re

from restorekit.errors import SourceDamaged

DIGEST = ".sha256"
MANIFEST = ".manifest.json"


def named_digest(text: bytes, where: str) -> str:
    """The digest in the text of an `F.sha256` (lower case hex), as sha256sum writes it. Raises SourceDamaged."""
    match = re.match(rb"\\?([0-9a-fA-F]{64})\b", text)
    if match is None:
        hint = "Choose another recovery point; live is untouched."
        raise SourceDamaged(f"{where} holds no SHA-256 digest", hint=hint)
    return match[1].decode().lower()
