"""A data directory as files: is all in it that a server needs, of which version is it, how must one be started."""

import re
from collections.abc import Iterator
from pathlib import Path

from restorekit.engines.mariadb.connect import Settings
from restorekit.engines.mariadb.template import version_of
from restorekit.engines.mariadb.tuning import CLOSED
from restorekit.errors import PointUnusable

_NEEDED = ("ibdata1", "ib_logfile0", "aria_log_control", "mysql")
_TOLD = ("mariadb_upgrade_info", "mysql_upgrade_info")
_CREATOR = re.compile(rb"(?:MariaDB|Backup) (\d+\.\d+\.\d+)")
_BINLOG = b"\xfebin"
_BINLOG_FLAGS_AT = 21
_RELAYED = 0x40
_HEAD = 512
_FLAGS_AT = 54
_WITH_CRC32 = 0x10
_ANOTHER = "Choose another recovery point; live is untouched."
_THROW_AWAY = (
    "--skip-slave-start",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--debug-no-sync",
    "--innodb-buffer-pool-dump-at-shutdown=0",
    "--innodb-buffer-pool-load-at-startup=0",
    "--max-allowed-packet=1G",
    "--max-connections=50",
)
"""What it writes is thrown away. (The doublewrite buffer stays on: a torn page is repaired from it.)"""


def check(settings: Settings, datadir: Path) -> None:
    """Raises PointUnusable if parts of it lie elsewhere or it is of another version than ours; EngineUnavailable."""
    missing = [name for name in _NEEDED if not (datadir / name).exists()]
    if missing:
        text = f"the data directory is not whole: {', '.join(missing)} must lie elsewhere, outside of what was frozen"
        raise PointUnusable(text, hint=_ANOTHER)
    if links := sorted(str(p.relative_to(datadir)) for p in datadir.glob("*/*.isl")):
        raise PointUnusable(f"tablespaces lie outside of the data directory ({links[0]})", hint=_ANOTHER)
    found = max(_versions(datadir), default=())
    ours = version_of(settings)
    if found[:2] != _numbers(ours)[:2]:
        theirs = ".".join(map(str, found)) or "an unknown version"
        text = f"the data directory is of MariaDB {theirs}, and {settings.mariadbd} here is {ours}"
        raise PointUnusable(text, hint=f"Install the same version and set `mariadbd`. {_ANOTHER}")


def options(settings: Settings, datadir: Path, folder: Path, socket: Path) -> list[str]:
    """Options for a server in a copy of it; what it needs of its own lies in `folder`."""
    memory = settings.sandbox_memory_mb
    places = [
        f"--datadir={datadir}",
        f"--socket={socket}",
        f"--tmpdir={folder / 'tmp'}",
        f"--secure-file-priv={folder / 'files'}",
        f"--pid-file={folder / 'tmp' / 'pid'}",
        f"--init-file={folder / 'init.sql'}",
    ]
    as_written = [
        f"--innodb-page-size={_page_size(datadir)}",
        f"--innodb-log-file-size={(datadir / 'ib_logfile0').stat().st_size}",  # another size would write it anew
        f"--innodb-data-file-path={_system_files(datadir)}",
        f"--innodb-undo-tablespaces={len(list(datadir.glob('undo[0-9][0-9][0-9]')))}",
    ]
    sizes = [f"--innodb-buffer-pool-size={max(32, memory // 2)}M", f"--key-buffer-size={max(8, memory // 32)}M"]
    return [*places, *as_written, *sizes, *CLOSED, *_THROW_AWAY, *_binlog(datadir, folder)]


def _binlog(datadir: Path, folder: Path) -> list[str]:
    """Recovery asks the binary log which transactions were committed: without it, those in between are lost.

    The server gets an index of our own: the one in the directory may name files of live by their whole path, and a
    server writes to the logs that it finds there.
    """
    files = _newest_binlogs(datadir)
    if not files:
        return []
    index = folder / "binlog.index"
    index.write_text("".join(f"{path}\n" for path in files), encoding="utf-8")
    index.chmod(0o666)  # the folder around it is closed
    return [f"--log-bin={files[-1].with_suffix('')}", f"--log-bin-index={index}", "--server-id=1", "--sync-binlog=0"]


def _newest_binlogs(datadir: Path) -> list[Path]:
    """The binary logs of the name that was written to last; not what a replica has relayed."""
    named: dict[str, list[Path]] = {}
    for path in datadir.glob("*.[0-9][0-9][0-9][0-9][0-9][0-9]*"):
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if head.startswith(_BINLOG) and not head[_BINLOG_FLAGS_AT] & _RELAYED:
            named.setdefault(path.stem, []).append(path)
    newest = max(named.values(), key=lambda files: max(f.stat().st_mtime_ns for f in files), default=[])
    return sorted(newest, key=lambda p: (len(p.suffix), p.suffix))


def _versions(datadir: Path) -> Iterator[tuple[int, ...]]:
    """What its last upgrade noted, and who wrote the redo log: a server can run without ever having been upgraded."""
    for name in _TOLD:
        if (datadir / name).exists():
            yield _numbers((datadir / name).read_text(encoding="ascii", errors="replace"))
    with (datadir / "ib_logfile0").open("rb") as file:
        if creator := _CREATOR.search(file.read(_HEAD)):
            yield _numbers(creator[1].decode())


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version.strip())
    return tuple(int(part) for part in found.groups()) if found else ()


def _page_size(datadir: Path) -> int:
    """As the flags of the first page say; a server told otherwise would not start."""
    with (datadir / "ibdata1").open("rb") as file:
        flags = int.from_bytes(file.read(_HEAD)[_FLAGS_AT : _FLAGS_AT + 4], "big")
    power = flags & 0xF if flags & _WITH_CRC32 else flags >> 6 & 0xF
    return 512 << power if power else 16384


def _system_files(datadir: Path) -> str:
    """The files of the system tablespace in order, as large as they are; the last one may grow."""
    files = sorted(datadir.glob("ibdata[0-9]*"), key=lambda p: int(p.name.removeprefix("ibdata")))
    return ";".join(f"{p.name}:{p.stat().st_size}" for p in files) + ":autoextend"
