"""The cut of a table: every key lies in exactly the ranges of its chunk; messages carry no values."""

from hypothesis import given
from hypothesis import strategies as st

from restorekit.engines.mariadb.chunks import Cut
from restorekit.engines.mariadb.fingerprint import Column, row_text
from restorekit.engines.mariadb.live import without_values
from restorekit.engines.mariadb.query import masked

ID = Column(name="id", data_type="int")


def truncated(key: int, width: int) -> int:
    """What the server's DIV does: it rounds towards zero."""
    return -(-key // width) if key < 0 else key // width


@given(keys=st.sets(st.integers(-50, 50), min_size=1), width=st.integers(1, 9), data=st.data())
def test_the_ranges_of_chunks_hold_exactly_their_keys(keys, width, data):
    cut = Cut("range", (ID,), (ID,), width)
    chunks = data.draw(st.sets(st.sampled_from(sorted({truncated(k, width) for k in keys})), min_size=1))
    ranges = cut._ranges(chunks)
    inside = {k for k in keys if any(low <= k <= high for low, high in ranges)}
    assert inside == {k for k in keys if truncated(k, width) in chunks}
    assert ranges == sorted(ranges)


def test_neighbours_become_one_range():
    assert Cut("range", (ID,), (ID,), 10)._ranges([1, 2, 3, 7]) == [(10, 39), (70, 79)]


@given(chunks=st.sets(st.integers(-400, 400)).map(sorted), each=st.sampled_from([16, 100_000]))
def test_every_chunk_is_in_one_batch_and_batches_are_bounded(chunks, each):
    cut = Cut("range", (ID,), (ID,), 10, each)
    batches = list(cut.batches(chunks))
    looked_at = [c for batch in batches for c in batch]
    assert looked_at == sorted(set(looked_at))
    assert set(chunks) <= set(looked_at) <= set(range(min(chunks, default=0), max(chunks, default=0) + 1))
    assert len(looked_at) <= 4 * len(chunks)
    assert all(len(cut._ranges(batch)) <= 100 and len(batch) * each <= 600_000 for batch in batches)


def test_the_order_of_columns_does_not_matter():
    other = Column(name="a", data_type="text", charset="utf8mb4")
    assert row_text([ID, other]) == row_text([other, ID])


def test_messages_lose_everything_in_quotes():
    assert without_values("Duplicate entry 'it's o'clock' for key 'PRIMARY'") == "Duplicate entry '…'"
    assert without_values('Truncated "secret" value') == "Truncated '…' value"


def test_masking_keeps_what_shows_the_encoding():
    assert masked("Grüße 42, JÃ¼rgen") == "xxüßx 00, xÃ¼xxxx"
