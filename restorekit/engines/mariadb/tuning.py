"""How a sandbox server is started: live's meaning of text and times, a load's speed, and no way out.

Durability is given up on purpose: a sandbox is loaded again rather than repaired, a killed server recovers from
the page cache, and what is carried to live is fingerprinted again there.
"""

from pathlib import Path

from restorekit.engines.mariadb.connect import Settings
from restorekit.model.staged import SandboxSpec

_MB = 1 << 20
_SAME_AS_LIVE = (
    "sql_mode",
    "character_set_server",
    "collation_server",
    "lower_case_table_names",
    "explicit_defaults_for_timestamp",
    "innodb_page_size",
)
CLOSED = (
    "--skip-networking",
    "--skip-name-resolve",
    "--local-infile=0",
    "--symbolic-links=0",
    "--event-scheduler=OFF",
    "--skip-log-bin",
    "--performance-schema=off",
)
_FAST = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
    "--debug-no-sync",
    "--innodb-adaptive-hash-index=0",
    "--innodb-stats-auto-recalc=0",
    "--innodb-autoinc-lock-mode=2",
    "--innodb-strict-mode=0",
    "--innodb-buffer-pool-dump-at-shutdown=0",
    "--innodb-buffer-pool-load-at-startup=0",
    "--innodb-max-dirty-pages-pct=90",
    "--max-allowed-packet=1G",
    "--myisam-recover-options=OFF",
)


def server_options(settings: Settings, spec: SandboxSpec, folder: Path, socket: Path) -> tuple[str, ...]:
    """The command line after the program's name. Memory stays within `sandbox_memory_mb`, files within `folder`."""
    wanted = [f"--{key.replace('_', '-')}={spec.settings[key]}" for key in _SAME_AS_LIVE if key in spec.settings]
    places = [
        f"--datadir={folder / 'data'}",
        f"--socket={socket}",
        f"--tmpdir={folder / 'tmp'}",
        f"--secure-file-priv={folder / 'files'}",
        f"--pid-file={folder / 'tmp' / 'pid'}",
        f"--log-error={folder / 'log' / 'error.log'}",
        f"--init-file={folder / 'init.sql'}",
    ]
    zone = spec.settings.get("time_zone", "")
    offset = [f"--default-time-zone={zone}"] if zone[:1] in ("+", "-") else []
    return ("--no-defaults", *places, *CLOSED, *_FAST, *wanted, *offset, *_sizes(settings, spec.size_hint_bytes))


def server_zone(spec: SandboxSpec) -> dict[str, str]:
    """A zone with a name (`Europe/Berlin`) reaches the server as TZ: a sandbox has no table of zones."""
    zone = spec.settings.get("time_zone", "SYSTEM")
    return {} if zone == "SYSTEM" or zone[:1] in ("+", "-") else {"TZ": zone}


def _sizes(settings: Settings, hint: int | None) -> list[str]:
    memory = settings.sandbox_memory_mb
    redo = max(96, min(memory, (hint or 256 * _MB) // _MB))
    return [
        f"--innodb-buffer-pool-size={max(32, memory // 2)}M",
        f"--innodb-log-file-size={redo}M",
        f"--innodb-sort-buffer-size={max(1, min(64, memory // 40))}M",
        f"--key-buffer-size={max(8, memory // 32)}M",
        f"--aria-pagecache-buffer-size={max(8, memory // 32)}M",
        "--max-connections=50",
    ]
