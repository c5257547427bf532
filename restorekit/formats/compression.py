"""Compressed streams, decoded to their very end: a file cut short never looks like a shorter file."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import zstandard

from restorekit.errors import DumpIncomplete, SourceDamaged
from restorekit.model.point import Compression

_PIECE = 1 << 20
_ZSTD_BITE = 8 << 10  # zstd offers no bound on its output; a small bite keeps a bomb in the hundreds of MB
_ZSTD_WINDOW = 1 << 31  # `zstd --long=31`, the format's own limit
_SUFFIXES: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd"}
_HINT = "Choose another recovery point; live is untouched."


def compression_of(name: str) -> Compression:
    """What the name's last suffix says: `gzip` for .gz, `zstd` for .zst, else `none`."""
    return next((kind for suffix, kind in _SUFFIXES.items() if name.lower().endswith(suffix)), "none")


def decompressed(chunks: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """The decoded stream in pieces; the last piece leaves only after the end-of-stream marker was seen.

    Several gzip members or zstd frames in a row are one stream. Raises DumpIncomplete when the input ends
    before the marker, SourceDamaged when it does not decode or something else follows; whatever iterating
    `chunks` raises passes through unchanged.
    """
    if compression == "none":
        yield from chunks
        return
    held = b""
    for piece in _decoded(chunks, *_DECODERS[compression]):
        if held:
            yield held
        held = piece
    if held:
        yield held


class _Decoder(Protocol):
    """One member or frame: takes input, says when its end marker came and what was left over."""

    eof: bool
    unused: bytes

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Decode `data`."""
        ...


class _Gzip:
    """One gzip member, its CRC and length checked by zlib."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(wbits=31)
        self.eof = False
        self.unused = b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        while data and not self.eof:
            yield self._object.decompress(data, _PIECE)
            data = self._object.unconsumed_tail
            self.eof, self.unused = self._object.eof, self._object.unused_data


class _Zstd:
    """One zstd frame, its checksum checked where the writer put one."""

    def __init__(self) -> None:
        self._object = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        self.eof = False
        self.unused = b""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), _ZSTD_BITE):
            yield self._object.decompress(data[at : at + _ZSTD_BITE])
            if self._object.eof:
                self.eof, self.unused = True, self._object.unused_data + data[at + _ZSTD_BITE :]
                return


_DECODERS: dict[str, tuple[str, Callable[[], _Decoder]]] = {"gzip": ("gzip", _Gzip), "zstd": ("zstd", _Zstd)}


def _decoded(chunks: Iterable[bytes], name: str, new: Callable[[], _Decoder]) -> Iterator[bytes]:
    """Pieces of all members; `decoder` is None only between two of them."""
    decoder: _Decoder | None = new()
    for chunk in chunks:
        data = chunk
        while data:
            decoder = decoder or new()
            yield from _guarded(decoder, data, name)
            if not decoder.eof:
                break
            data, decoder = decoder.unused, None
    if decoder is not None:
        raise DumpIncomplete(f"the {name} stream ends before its end marker; live is untouched", hint=_HINT)


def _guarded(decoder: _Decoder, data: bytes, name: str) -> Iterator[bytes]:
    try:
        for piece in decoder.pieces(data):
            if piece:
                yield piece
    except (zlib.error, zstandard.ZstdError) as error:
        raise SourceDamaged(f"the backup does not decode as {name}: {error}; live is untouched", hint=_HINT) from error
