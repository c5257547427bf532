import gzip
import io
import random
from collections.abc import Iterable, Iterator

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from restorekit.errors import DumpIncomplete, SourceDamaged, SourceUnavailable
from restorekit.formats.compression import compression_of, decompressed

TEXT = b"".join(b"INSERT INTO t VALUES (%d,'%d');\n" % (i, random.Random(i).randrange(1 << 40)) for i in range(6000))


def packed(data: bytes, how: str) -> bytes:
    return (
        gzip.compress(data, mtime=0) if how == "gzip" else zstandard.ZstdCompressor(write_checksum=True).compress(data)
    )


def streamed_zstd(data: bytes) -> bytes:
    out = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(out, closefd=False) as writer:
        writer.write(data)
    return out.getvalue()


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


def unpack(chunks: Iterable[bytes], how: str) -> bytes:
    return b"".join(decompressed(chunks, how))


@pytest.mark.parametrize("how", ["gzip", "zstd"])
@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 20])
def test_gives_back_what_was_packed_whatever_the_chunks(how: str, size: int):
    text = TEXT if size > 1 else TEXT[:2000]
    assert unpack(cut(packed(text, how), size), how) == text


def test_uncompressed_passes_unchanged():
    assert unpack([b"a", b"", b"b"], "none") == b"ab"


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_several_members_are_one_stream(how: str):
    whole = packed(TEXT, how) + packed(b"", how) + packed(b"tail", how)
    assert unpack(cut(whole, 1000), how) == TEXT + b"tail"


def test_zstd_frame_without_size_in_its_header():
    assert unpack(cut(streamed_zstd(TEXT), 999), "zstd") == TEXT


def test_zstd_skippable_frames_are_skipped():
    skippable = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
    assert unpack(cut(skippable + packed(TEXT, "zstd"), 900), "zstd") == TEXT


@pytest.mark.parametrize("how", ["gzip", "zstd"])
@given(part=st.floats(0, 1, exclude_max=True))
@settings(max_examples=40, deadline=None)
def test_every_cut_is_noticed(how: str, part: float):
    whole = packed(TEXT, how)
    with pytest.raises(DumpIncomplete, match="live is untouched"):
        unpack(cut(whole[: int(len(whole) * part)], 1500), how)


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a_cut_inside_the_trailer_holds_the_end_back(how: str):
    whole = packed(TEXT, how)
    got = []
    with pytest.raises(DumpIncomplete):
        got.extend(decompressed(cut(whole[:-1], 1 << 20), how))
    assert len(b"".join(got)) < len(TEXT)


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_garbage_after_the_end_is_refused(how: str):
    with pytest.raises(SourceDamaged):
        unpack(cut(packed(TEXT, how) + b"garbage!", 1000), how)


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_other_data_under_that_name_is_refused(how: str):
    with pytest.raises(SourceDamaged, match=how):
        unpack([TEXT], how)


@pytest.mark.parametrize("how", ["gzip", "zstd"])
def test_a_flipped_byte_is_noticed(how: str):
    whole = bytearray(packed(TEXT, how))
    whole[len(whole) // 2] ^= 0x55
    with pytest.raises((SourceDamaged, DumpIncomplete)):
        unpack(cut(bytes(whole), 1000), how)


@pytest.mark.parametrize("how", ["none", "gzip", "zstd"])
def test_an_error_of_the_source_passes_through(how: str):
    def broken() -> Iterator[bytes]:
        yield packed(TEXT, how)[:500] if how != "none" else b"SELECT"
        raise SourceUnavailable("the medium went away")

    with pytest.raises(SourceUnavailable, match="went away"):
        unpack(broken(), how)


def test_gzip_output_comes_in_bounded_pieces():
    pieces = list(decompressed([gzip.compress(bytes(64 << 20))], "gzip"))
    assert sum(map(len, pieces)) == 64 << 20
    assert max(map(len, pieces)) <= 1 << 20


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.sql", "none"), ("a.sql.gz", "gzip"), ("A.SQL.GZ", "gzip"), ("a.db.zst", "zstd"), ("gz", "none")],
)
def test_names(name: str, kind: str):
    assert compression_of(name) == kind
