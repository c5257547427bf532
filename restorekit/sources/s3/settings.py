"""The section of `restorekit.yaml` for a bucket."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from restorekit.formats.naming import NamingSettings
from restorekit.model.duration import Seconds
from restorekit.sources.s3.tiers import ThawSettings


class InventorySettings(BaseModel):
    """Where the service writes its S3 Inventory reports about the bucket: the folder right above the dated ones.

    That is `destination-prefix/source-bucket/config-ID`. A report older than `full_list` is not built upon.
    """

    model_config = ConfigDict(extra="forbid")

    bucket: str
    prefix: str
    full_list: Seconds = Field(default=7 * 86400, ge=0)


class S3Settings(NamingSettings):
    """Where the dumps lie and how to get there.

    `prefix` is a folder of the bucket; layouts start there. Without `endpoint` it is AWS. `credentials_file` is an
    INI as AWS tools write it, `credentials_command` prints one, or JSON with AccessKeyId and SecretAccessKey; without
    both the environment and the machine's own role are asked. `etag: opaque` is for stores whose ETag is no MD5.
    Whether overwritten and deleted dumps are kept as `versions` is asked of the bucket unless it is set. With
    `inventory` a bucket of more than a page of keys is read from reports.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    addressing: Literal["auto", "path", "virtual"] = "auto"
    credentials_file: Path | None = None
    credentials_command: str | None = None
    profile: str = "default"
    etag: Literal["md5", "opaque"] = "md5"
    versions: bool | None = None
    thaw: ThawSettings = ThawSettings()
    inventory: InventorySettings | None = None

    @model_validator(mode="after")
    def _one_credential(self) -> "S3Settings":
        if self.credentials_file is not None and self.credentials_command is not None:
            msg = "set at most one of credentials_file and credentials_command"
            raise ValueError(msg)
        return self

    @property
    def folder(self) -> str:
        """The prefix as keys begin with it: empty, or with a slash at its end."""
        bare = self.prefix.strip("/")
        return f"{bare}/" if bare else ""
