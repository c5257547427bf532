"""What the kernel says about a subvolume, asked of the kernel itself.

`btrfs subvolume list` needs root, shows local time without a zone in whole seconds, and paths that may hold spaces
and begin at the top of the file system, not where it is mounted. This call needs no rights and has none of that.
"""

import errno
import fcntl
import os
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from restorekit.errors import SourceUnavailable

ROOT_INODE = 256
"""The inode number of every subvolume's own folder."""
PLACEHOLDER_INODE = 2
"""That of the empty folder which stands in a snapshot where another subvolume was."""
_GET_SUBVOL_INFO = 0x81F8943C
_ANSWER = struct.Struct("=Q256s4Q16s16s16s4Q" + "QI4x" * 4 + "64x")
_READ_ONLY = 1
_NOT_HERE = (errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Subvolume:
    """`parent` is the uuid of what it is a snapshot of, `received` is set where `btrfs receive` made it.

    `changes` counts on with every change of what is in it; `changed` says that there was one since it was made.
    """

    uuid: str
    parent: str
    received: str
    created_at: datetime
    read_only: bool
    changes: int
    changed: bool


def subvolume_of(path: Path) -> Subvolume:
    """The subvolume in which `path` lies. Raises OSError, and SourceUnavailable where that is not on btrfs."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        answer = bytearray(_ANSWER.size)
        fcntl.ioctl(descriptor, _GET_SUBVOL_INFO, answer)
    except OSError as error:
        if error.errno not in _NOT_HERE:
            raise
        hint = "Is its file system mounted? Nothing was changed in the inventory."
        raise SourceUnavailable(f"{path} is not on btrfs", hint=hint) from error
    finally:
        os.close(descriptor)
    (_id, _name, _above, _folder, _generation, flags, uuid, parent, received, *rest) = _ANSWER.unpack(answer)
    changed, made, _sent, received_at = rest[:4]
    seconds, fraction = rest[6:8]
    return Subvolume(
        uuid=_text(uuid),
        parent=_text(parent),
        received=_text(received),
        created_at=datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=fraction // 1000),
        read_only=bool(flags & _READ_ONLY),
        changes=changed,
        changed=changed > max(made, received_at),
    )


def _text(raw: bytes) -> str:
    return str(UUID(bytes=raw)) if any(raw) else ""
