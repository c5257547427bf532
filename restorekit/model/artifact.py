"""What a source delivered, and what came of loading it."""

from typing import Literal

from restorekit.model.contents import Contents, Fingerprint
from restorekit.model.point import Compression, Format
from restorekit.model.value import Value


class Artifact(Value):
    """The stream as delivered: size and SHA-256 (hex) of the source's bytes, before decompression."""

    format: Format
    compression: Compression
    size_bytes: int
    sha256: str
    digests_held: bool
    source_note: str = ""


class LoadedTable(Value):
    """A table the stream announced. `witness` sums the rows of the stream; None where it cannot."""

    name: str
    witness: Fingerprint | None = None
    why_no_witness: str = ""


class Loaded(Value):
    """What loading a stream found, changed and left out. Sentences only, never row values."""

    statements: int
    tables: tuple[LoadedTable, ...]
    complete: Literal["yes", "no", "unknown"]
    complete_why: str
    dialect: dict[str, str] = {}
    dropped: tuple[str, ...] = ()
    translated: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    definers: tuple[str, ...] = ()
    manifest: Contents | None = None
