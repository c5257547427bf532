"""How long a library takes to mount, find and read."""

from collections.abc import Iterable
from itertools import pairwise

from pydantic import Field

from restorekit.model.readiness import Piece
from restorekit.model.value import Value

_MARK_BITS = 32
_LOW = (1 << _MARK_BITS) - 1


class Costs(Value):
    """Seconds and bytes of one kind of drive in one kind of library; the defaults are those of LTO-8, half height.

    Where the head stands on the tape is not known (a catalog knows no wraps), so ways along the tape are averages.
    `mark_bytes` and `block_bytes` turn positions into sizes where none is known: a position counts file marks in its
    high 32 bits and blocks in its low ones. On a volume that is a file they count bytes; the size is then too small, at
    worst by a factor of four.
    """

    robot_s: float = Field(default=15, ge=0, allow_inf_nan=False)
    load_s: float = Field(default=15, ge=0, allow_inf_nan=False)
    unload_s: float = Field(default=24, ge=0, allow_inf_nan=False)
    rewind_s: float = Field(default=55, ge=0, allow_inf_nan=False)
    locate_s: float = Field(default=59, ge=0, allow_inf_nan=False)
    """From the beginning of a tape to a piece."""
    hop_s: float = Field(default=41, ge=0, allow_inf_nan=False)
    """From somewhere on a tape to a piece elsewhere on it."""
    job_s: float = Field(default=3.4, ge=0, allow_inf_nan=False)
    """What a job costs before and after its reading."""
    bytes_per_s: float = Field(default=300e6, gt=0, allow_inf_nan=False)
    mark_bytes: int = Field(default=1_000_000_000, ge=0)
    block_bytes: int = Field(default=64_512, ge=0)

    @property
    def mount_s(self) -> float:
        """A tape from its slot into an empty drive, ready to be read."""
        return self.robot_s + self.load_s

    @property
    def dismount_s(self) -> float:
        """The tape of a drive back into its slot."""
        return self.rewind_s + self.unload_s + self.robot_s


LTO8 = Costs()


def volumes(pieces: Iterable[Piece]) -> tuple[str, ...]:
    """The volumes in the order in which they are mounted: that of their first piece, each once."""
    return tuple(dict.fromkeys(p.volume for p in pieces))


def mounts(wanted: tuple[str, ...], volume_in_drive: str) -> int:
    """How many tapes have to be put in to read `wanted` in that order; the first may be in the drive already."""
    return len(wanted) - (wanted[:1] == (volume_in_drive,))


def size(piece: Piece, costs: Costs = LTO8) -> int:
    """Bytes to be read for it, guessed from its positions where nobody knows."""
    if piece.size_bytes is not None:
        return max(0, piece.size_bytes)
    marks = (piece.end >> _MARK_BITS) - (piece.start >> _MARK_BITS)
    blocks = ((piece.end & _LOW) - (piece.start & _LOW)) * costs.block_bytes
    # More than that lies between no two marks: those are bytes of a file, not blocks of a tape.
    within = max(-costs.mark_bytes, min(costs.mark_bytes, blocks))
    return max(0, marks * costs.mark_bytes + within)


def estimate(pieces: Iterable[Piece], volume_in_drive: str = "", costs: Costs = LTO8) -> float:
    """Seconds of one job that reads these pieces in one drive, volume after volume, each by position."""
    by_volume: dict[str, list[Piece]] = {}
    for piece in pieces:
        by_volume.setdefault(piece.volume, []).append(piece)
    seconds, inside = costs.job_s, volume_in_drive
    for volume, wanted in by_volume.items():
        if volume == inside:
            way = costs.hop_s
        else:
            seconds += costs.mount_s + (costs.dismount_s if inside else 0)
            way = costs.locate_s
        seconds += way + _along(sorted(wanted, key=lambda p: (p.start, p.end)), costs)
        inside = volume
    return seconds


def _along(pieces: list[Piece], costs: Costs) -> float:
    """Reading, and the ways between pieces that do not lie one after the other."""
    gaps = sum(later.start > earlier.end + 1 for earlier, later in pairwise(pieces))
    return gaps * costs.hop_s + sum(size(p, costs) for p in pieces) / costs.bytes_per_s
