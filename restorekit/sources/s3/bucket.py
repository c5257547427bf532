"""One bucket, read-only: a client that is made when first needed, and its errors explained."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from restorekit.errors import ConfigError, SourceUnavailable
from restorekit.sources.s3.credentials import credentials
from restorekit.sources.s3.explain import explained
from restorekit.sources.s3.settings import S3Settings

_CONNECT_S = 10
_READ_S = 30
_TRIES = 3
_CONNECTIONS = 8
_GUARD = threading.Lock()
"""Making a client of a session that is shared is not safe in several threads; using the client is."""


@functools.cache
def _session(profile: str | None) -> Any:
    """Shared: reading what boto3 knows about S3 takes a tenth of a second."""
    return boto3.session.Session(profile_name=profile)


class Bucket:
    """`name` is the bucket's, `folder` what all our keys begin with. May be used by several threads."""

    def __init__(self, settings: S3Settings, base: Path) -> None:
        """Opens nothing yet; relative paths start at `base`."""
        self.name = settings.bucket
        self.folder = settings.folder
        self._settings, self._base = settings, base
        self._client: Any = None

    def __repr__(self) -> str:
        at = f" at {self._settings.endpoint}" if self._settings.endpoint else ""
        return f"bucket {self.name}{at}"

    @property
    def client(self) -> Any:
        """The boto3 client. Use it inside `explained`. Raises ConfigError, SourceUnavailable for credentials."""
        with _GUARD:
            if self._client is None:
                self._client = self._connected()
            return self._client

    @contextmanager
    def explained(self, where: str = "") -> Iterator[None]:
        """Inside, what boto3 raises becomes an error of the house.

        PointExpired: object or version gone or replaced. SourceDamaged: shorter than said. SourceUnavailable: no
        answer, a broken connection, cold storage, no such bucket. ConfigError: credentials, region, settings.
        """
        try:
            with explained(f"{self!r}: {where}" if where else repr(self)):
                yield
        except (ConfigError, SourceUnavailable):
            self.forget()
            raise

    def forget(self) -> None:
        """The next use connects anew, with credentials that may have been rotated since."""
        with _GUARD:
            self._client = None
            _session.cache_clear()

    def _connected(self) -> Any:
        told = credentials(self._settings, self._base)
        profile = self._settings.profile if told is None and self._settings.profile != "default" else None
        with explained(repr(self)):
            try:
                return _session(profile).client(
                    "s3",
                    endpoint_url=self._settings.endpoint,
                    region_name=self._settings.region or ("us-east-1" if self._settings.endpoint else None),
                    aws_access_key_id=told and told.key,
                    aws_secret_access_key=told and told.secret,
                    aws_session_token=told and told.token,
                    config=self._config(),
                )
            except ValueError as error:  # boto3's own for an address that is none
                raise ConfigError(f"{self!r}: the settings cannot be used: {error}") from error

    def _config(self) -> Config:
        """Stores other than AWS answer a range with the checksum of the whole object: asked only where needed."""
        custom = self._settings.endpoint is not None
        addressing = self._settings.addressing
        return Config(
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            retries={"mode": "standard", "total_max_attempts": _TRIES},
            max_pool_connections=_CONNECTIONS,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if custom and addressing == "auto" else addressing},
        )
