"""The configuration files of the Bacula lab. One directive per line: a size, a time or an ACL runs to its end."""

from dataclasses import dataclass
from pathlib import Path

PASSWORD = "lab"
SLOTS = 10
DRIVES = 2
STORAGE = "Tape"
BACKUP_CLIENT = "db1-fd"
RESTORE_CLIENT = "staging-fd"
RESTORE_JOB = "StagedRestore"

COMMANDS = (
    "restore, run, list, llist, status, .status, cancel, wait, messages, update, mount, unmount, release, gui, .api, "
    ".jobs, .bvfs_update, .bvfs_get_jobids, .bvfs_lsdirs, .bvfs_lsfiles, .bvfs_versions, .bvfs_restore, "
    ".bvfs_cleanup, quit, exit, .quit"
)
"""What the restricted console may do: no delete, purge, prune, sqlquery, label, truncate."""


@dataclass(frozen=True)
class Ports:
    """Where the four daemons listen on 127.0.0.1."""

    director: int
    storage: int
    client: int
    staging: int


@dataclass(frozen=True)
class Sizes:
    """How small the cartridges are; `piece` is the distance between two seek points."""

    volume: int = 2_000_000
    piece: int = 1_000_000


@dataclass(frozen=True)
class Login:
    """How the director reaches its catalog; a SQLite file needs none of it. `address` may be a socket's folder."""

    user: str = ""
    password: str = ""
    address: str = ""

    @property
    def lines(self) -> str:
        where = f'\n  DB Address = "{self.address}"' if self.address else ""
        return f'dbuser = "{self.user}"\n  dbpassword = "{self.password}"{where}'


def texts(folder: Path, ports: Ports, sizes: Sizes, login: Login) -> dict[str, str]:
    """Every configuration file by name."""
    return {
        "bacula-dir.conf": _director(folder, ports, sizes, login),
        "bacula-sd.conf": _storage(folder, ports, sizes),
        "bacula-fd.conf": _client(folder, BACKUP_CLIENT, ports.client, "fd"),
        "staging-fd.conf": _client(folder, RESTORE_CLIENT, ports.staging, "staging"),
        "bconsole.conf": _console(ports, PASSWORD),
        "restorekit.conf": _console(ports, "unused") + _named_console("restorekit"),
        "looker.conf": _console(ports, "unused") + _named_console("looker"),
        "changer.conf": f"maxslot={SLOTS + 1}\nmaxdrive={DRIVES - 1}\n. {folder}/etc/hook\n",
        "hook": "",
    }


def _director(folder: Path, ports: Ports, sizes: Sizes, login: Login) -> str:
    source = folder / "source"
    skipped = len(source.parts) - 1
    return f"""Director {{
  Name = lab-dir
  DIRport = {ports.director}
  DirAddress = 127.0.0.1
  QueryFile = "/etc/bacula/scripts/query.sql"
  WorkingDirectory = "{folder}/var"
  PidDirectory = "{folder}/run"
  Maximum Concurrent Jobs = 10
  Password = "{PASSWORD}"
  Messages = Daemon
  FD Connect Timeout = 20
  SD Connect Timeout = 20
}}
Catalog {{
  Name = Cat
  dbname = bacula
  {login.lines}
}}
{_client_resource(BACKUP_CLIENT, ports.client)}
{_client_resource(RESTORE_CLIENT, ports.staging)}
Autochanger {{
  Name = {STORAGE}
  Address = 127.0.0.1
  SDPort = {ports.storage}
  Password = "{PASSWORD}"
  Device = Lib
  Media Type = VT
  Autochanger = {STORAGE}
  Maximum Concurrent Jobs = 10
}}
{"".join(_single(n, ports) for n in range(DRIVES))}
{_pool("Scratch", sizes)}
{_pool("Full", sizes)}
{_pool("Incr", sizes)}
FileSet {{
  Name = Dumps
  Include {{
    Options {{
      signature = SHA256
      mtimeonly = yes
      strippath = {skipped}
    }}
    File = "{source}"
  }}
}}
FileSet {{
  Name = Pipe
  Include {{
    Options {{
      signature = SHA256
    }}
    Plugin = "bpipe:/@bpipe/db1/piped.sql:cat {folder}/piped.sql:/bin/cp /dev/stdin %w/piped.sql"
  }}
}}
JobDefs {{
  Name = Base
  Type = Backup
  Client = {BACKUP_CLIENT}
  Storage = {STORAGE}
  Messages = Standard
  Pool = Full
  Full Backup Pool = Full
  Incremental Backup Pool = Incr
  Differential Backup Pool = Incr
  Level = Incremental
}}
Job {{
  Name = Dumps
  JobDefs = Base
  FileSet = Dumps
}}
Job {{
  Name = Pipe
  JobDefs = Base
  FileSet = Pipe
}}
{_restore_job("AnotherRestore", folder)}
{_restore_job(RESTORE_JOB, folder)}
Messages {{
  Name = Standard
  append = "{folder}/log/jobs.log" = all, !skipped
  catalog = all, !skipped, !saved
}}
Messages {{
  Name = Daemon
  append = "{folder}/log/daemon.log" = all, !skipped
}}
Console {{
  Name = looker
  Password = "{PASSWORD}"
  CatalogACL = *all*
  ClientACL = *all*
  CommandACL = status, .status, list
}}
Console {{
  Name = restorekit
  Password = "{PASSWORD}"
  CatalogACL = *all*
  ClientACL = *all*
  JobACL = *all*
  PoolACL = *all*
  StorageACL = *all*
  FileSetACL = *all*
  WhereACL = *all*
  RestoreClientACL = {RESTORE_CLIENT}
  BackupClientACL = *all*
  DirectoryACL = *all*
  CommandACL = {COMMANDS}
}}
"""


def _restore_job(name: str, folder: Path) -> str:
    return f"""Job {{
  Name = {name}
  Type = Restore
  Client = {RESTORE_CLIENT}
  FileSet = Dumps
  Storage = {STORAGE}
  Pool = Full
  Messages = Standard
  Where = "{folder}/nowhere"
  Maximum Concurrent Jobs = 10
}}"""


def _client_resource(name: str, port: int) -> str:
    return f"""Client {{
  Name = {name}
  Address = 127.0.0.1
  FDPort = {port}
  Catalog = Cat
  Password = "{PASSWORD}"
  File Retention = 50 years
  Job Retention = 50 years
  AutoPrune = no
  Maximum Concurrent Jobs = 10
}}"""


def _pool(name: str, sizes: Sizes) -> str:
    scratch = "" if name == "Scratch" else "\n  Scratch Pool = Scratch"
    return f"""Pool {{
  Name = {name}
  Pool Type = Backup
  Maximum Volume Bytes = {sizes.volume}{scratch}
  Recycle = yes
  AutoPrune = no
  Volume Retention = 50 years
}}"""


def _storage(folder: Path, ports: Ports, sizes: Sizes) -> str:
    drives = ", ".join(f"Drive-{n}" for n in range(DRIVES))
    head = f"""Storage {{
  Name = lab-sd
  SDPort = {ports.storage}
  SDAddress = 127.0.0.1
  WorkingDirectory = "{folder}/var"
  Pid Directory = "{folder}/run"
  Plugin Directory = "/usr/lib/bacula"
  Maximum Concurrent Jobs = 20
}}
Director {{
  Name = lab-dir
  Password = "{PASSWORD}"
}}
Autochanger {{
  Name = Lib
  Device = {drives}
  Changer Device = "{folder}/etc/changer.conf"
  Changer Command = "{folder}/bin/disk-changer %c %o %S %a %d"
}}
Messages {{
  Name = Standard
  director = lab-dir = all
}}
"""
    return head + "".join(_drive(n, folder, sizes) for n in range(DRIVES))


def _single(number: int, ports: Ports) -> str:
    """One drive of the library as a storage of its own, so that a job can be told which drive to take."""
    return f"""Storage {{
  Name = {STORAGE}-{number}
  Address = 127.0.0.1
  SDPort = {ports.storage}
  Password = "{PASSWORD}"
  Device = Drive-{number}
  Media Type = VT
  Autochanger = {STORAGE}
  Maximum Concurrent Jobs = 10
}}
"""


def _drive(number: int, folder: Path, sizes: Sizes) -> str:
    return f"""Device {{
  Name = Drive-{number}
  Drive Index = {number}
  Media Type = VT
  Device Type = File
  Archive Device = "{folder}/tape/drive{number}"
  Autochanger = yes
  AutomaticMount = yes
  AlwaysOpen = yes
  RemovableMedia = yes
  RandomAccess = yes
  LabelMedia = no
  Maximum File Size = {sizes.piece}
  Maximum Changer Wait = 300
  Maximum Concurrent Jobs = 1
}}
"""


def _client(folder: Path, name: str, port: int, place: str) -> str:
    return f"""Director {{
  Name = lab-dir
  Password = "{PASSWORD}"
}}
FileDaemon {{
  Name = {name}
  FDport = {port}
  FDAddress = 127.0.0.1
  WorkingDirectory = "{folder}/var/{place}"
  Pid Directory = "{folder}/run"
  Plugin Directory = "/usr/lib/bacula"
  Maximum Concurrent Jobs = 20
}}
Messages {{
  Name = Standard
  director = lab-dir = all, !skipped, !restored
}}
"""


def _console(ports: Ports, password: str) -> str:
    return f"""Director {{
  Name = lab-dir
  DIRport = {ports.director}
  address = 127.0.0.1
  Password = "{password}"
}}
"""


def _named_console(name: str) -> str:
    return f"""Console {{
  Name = {name}
  Password = "{PASSWORD}"
}}
"""
