"""The manifest inside a dump: comment lines after the trailer, so that every client can still load the file.

-- restorekit-manifest-v1 begin
-- (base64 lines of the zstd-compressed JSON of Contents)
-- restorekit-manifest-v1 end
"""

import base64
import binascii
import textwrap
from collections.abc import Iterable

import zstandard
from pydantic import ValidationError

from restorekit.errors import SourceDamaged
from restorekit.model.contents import Contents

BEGIN = b"-- restorekit-manifest-v1 begin"
END = b"-- restorekit-manifest-v1 end"
_LARGEST = 1 << 30


def encode(contents: Contents) -> bytes:
    """The comment block, with its line breaks."""
    packed = zstandard.ZstdCompressor().compress(contents.model_dump_json().encode())
    lines = textwrap.wrap(base64.b64encode(packed).decode(), 100)
    return b"\n".join((BEGIN, *(b"-- " + line.encode() for line in lines), END, b""))


def decode(lines: Iterable[bytes]) -> Contents:
    """Contents from the lines between begin and end; raises SourceDamaged if they do not decode."""
    try:
        packed = base64.b64decode(b"".join(line.removeprefix(b"--").strip() for line in lines), validate=True)
        return Contents.model_validate_json(zstandard.ZstdDecompressor().decompress(packed, max_output_size=_LARGEST))
    except (binascii.Error, zstandard.ZstdError, ValidationError) as error:
        raise SourceDamaged(
            f"the manifest at the end of the dump does not decode ({type(error).__name__}); live is untouched",
            hint="The file was changed after it was written: choose another recovery point.",
        ) from None
