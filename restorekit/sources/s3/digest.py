"""What the bucket itself knows about the content of an object, to be held against the bytes that came."""

import base64
import hashlib
import re
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

_MD5 = re.compile(r"([0-9a-f]{32})(?:-(\d+))?")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class _Hasher(Protocol):
    """What hashlib gives."""

    def update(self, data: bytes, /) -> None:
        """More bytes."""
        ...

    def hexdigest(self) -> str:
        """Of all of them."""
        ...


class Witness(NamedTuple):
    """A digest somebody recorded: `name` says which, for messages."""

    name: str
    expected: str
    hasher: _Hasher

    @property
    def holds(self) -> bool:
        """True if all bytes that were put into the hasher have it."""
        return self.hasher.hexdigest() == self.expected


class _Crc32:
    """CRC-32 in the shape of hashlib."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = zlib.crc32(data, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


class _Md5OfParts:
    """The MD5 of the MD5s of parts of one size, as an upload in parts leaves it in the ETag."""

    def __init__(self, part: int) -> None:
        self._part, self._room = part, part
        self._done: list[bytes] = []
        self._now = hashlib.md5(usedforsecurity=False)

    def update(self, data: bytes, /) -> None:
        while data:
            if not self._room:
                self._turn()
            piece, data = data[: self._room], data[self._room :]
            self._now.update(piece)
            self._room -= len(piece)

    def hexdigest(self) -> str:
        self._turn()
        return f"{hashlib.md5(b''.join(self._done), usedforsecurity=False).hexdigest()}-{len(self._done)}"

    def _turn(self) -> None:
        self._done.append(self._now.digest())
        self._now, self._room = hashlib.md5(usedforsecurity=False), self._part


def parts_of(told: Mapping[str, Any]) -> int:
    """In how many parts it was uploaded, where its ETag was made of their digests; else 0."""
    match = _MD5.fullmatch(_etag(told))
    return int(match[2] or 0) if match else 0


def witness(told: Mapping[str, Any], sidecar: str | None, part: int | None) -> Witness | None:
    """The strongest digest there is: of the sidecar, of the answer to a HEAD (`told`), or None.

    `part`: the size of the parts it was uploaded in, 0 for one piece, None where its ETag says nothing.
    """
    if sidecar is not None:
        return Witness("SHA-256 digest its sidecar names", sidecar, hashlib.sha256())
    named = {name.lower(): value for name, value in told.get("Metadata", {}).items()}
    if _SHA256.fullmatch(named.get("sha256", "")):
        return Witness("SHA-256 digest its metadata name", named["sha256"].lower(), hashlib.sha256())
    if checksum := _whole(told, "ChecksumSHA256"):
        return Witness("SHA-256 checksum it was uploaded with", checksum, hashlib.sha256())
    if part is not None and (etag := _etag(told)):
        hasher = _Md5OfParts(part) if part else hashlib.md5(usedforsecurity=False)
        return Witness("MD5 digest in its ETag", etag, hasher)
    if checksum := _whole(told, "ChecksumCRC32"):
        return Witness("CRC-32 checksum it was uploaded with", checksum, _Crc32())
    return None


def _whole(told: Mapping[str, Any], field: str) -> str:
    """The checksum in hex; "" for one that was made of the checksums of parts."""
    value = str(told.get(field) or "")
    if told.get("ChecksumType") == "COMPOSITE" or "-" in value:
        return ""
    return base64.b64decode(value).hex()


def _etag(told: Mapping[str, Any]) -> str:
    """The ETag where it was made of MD5s of the content."""
    if "kms" in told.get("ServerSideEncryption", "") or told.get("SSECustomerAlgorithm"):
        return ""
    etag = str(told.get("ETag", "")).strip('"')
    return etag if _MD5.fullmatch(etag) else ""
