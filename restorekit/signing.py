"""Ed25519 signatures for receipts, and the keyed hash for rows. The only cryptography import."""

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def _secret_file(path: Path, make: bytes) -> bytes:
    """Read the file, or create it (0600) with `make`; the first of two creators wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        fd, draft = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(fd, "wb") as file:
            file.write(make)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)  # the name appears with the whole key behind it, or not at all
        Path(draft).unlink()
    return path.read_bytes()


def row_key(folder: Path) -> bytes:
    """The key of row hashes (32 bytes), created on first use."""
    return _secret_file(folder / "rows.key", secrets.token_bytes(32))


class Signer:
    """Signs with the key in `folder` (created on first use)."""

    def __init__(self, folder: Path) -> None:
        fresh = Ed25519PrivateKey.generate().private_bytes_raw()
        self._key = Ed25519PrivateKey.from_private_bytes(_secret_file(folder / "receipts.key", fresh))

    @property
    def public_key(self) -> str:
        """The public half (hex)."""
        raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return raw.hex()

    def sign(self, text: bytes) -> str:
        """The signature (hex)."""
        return self._key.sign(text).hex()


def holds(public_key: str, signature: str, text: bytes) -> bool:
    """True if `signature` (hex) over `text` was made by the owner of `public_key` (hex)."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), text)
    except (InvalidSignature, ValueError):
        return False
    return True
