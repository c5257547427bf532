"""The section of a Bacula or Bareos catalog in `restorekit.yaml`."""

from pathlib import Path

from pydantic import Field, field_validator

from restorekit.formats.naming import NamingSettings
from restorekit.model.duration import Seconds

_CATALOGS = ("sqlite:///", "postgresql+psycopg://")


class BaculaSettings(NamingSettings):
    """Where the catalog is, how to talk to the director, and where restored files come out.

    `catalog` is read, never written: `sqlite:///FILE` or `postgresql+psycopg://USER@HOST/NAME`; its password comes
    from `catalog_password_file`. `console` is a bconsole.conf, best of a restricted console; `bconsole` the program.
    `storage` is the library's Storage resource at the director; `drives` is asked where it is not set, and
    `drive_storages` are Storage resources of its single drives, in their order: with them a restore goes to the drive
    that has its tape; without, the storage daemon takes any, and the tape moves. Files are
    restored by the client `restore_client` (and the Job resource `restore_job`, where there is more than one) below
    `where`, a folder of ours in which each job gets one that this client writes to; `restore_user` is who the client
    runs as, where it is another user than restorekit's (which must then be root). `bootstraps` is a folder that the
    director's host reads under the same name, for backups whose records of files are pruned; `where`, if not set.
    The catalog is told what is in the library at most every `update_slots`. A restore that brings no byte for `stall`,
    or is not done after `limit`, is cancelled.

    `layout` stands for the whole path of the backed-up file where it begins with a slash, and `timezone` is the
    director's: the catalog's times carry none. Only backups of `jobs` and `clients` (names; empty: all) are looked
    at. `offsite` is what operators call the place of volumes that are not in the library. Files a bpipe plugin wrote
    are restored only with `accept_bpipe_writer`: somebody has looked that its writer writes below `where`.
    """

    catalog: str
    catalog_password_file: Path | None = None
    console: Path
    bconsole: str = "bconsole"
    storage: str
    restore_client: str
    restore_job: str | None = None
    where: Path
    restore_user: str | None = None
    bootstraps: Path | None = None
    update_slots: Seconds = 60
    stall: Seconds = 1800
    limit: Seconds = 12 * 3600
    drives: int | None = Field(default=None, ge=1)
    drive_storages: list[str] = []
    jobs: list[str] = []
    clients: list[str] = []
    offsite: str = "offsite"
    accept_bpipe_writer: bool = False

    @field_validator("catalog")
    @classmethod
    def _known_kind(cls, url: str) -> str:
        if not url.startswith(_CATALOGS):
            msg = f"begins with none of {', '.join(_CATALOGS)}"
            raise ValueError(msg)
        return url
