"""A restic repository in a bucket, on a real S3 server that checks signatures."""

import itertools
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from contract.source import JANUARY, Quiet, delivered, dump, only, tree
from servers.restic import Repository, flip
from servers.s3 import Rclone, credentials_file, rclone_server

from restorekit.discovery import provider
from restorekit.errors import ConfigError, SourceDamaged, SourceUnavailable
from restorekit.model.home import Home
from restorekit.ports import Source
from restorekit.sources.restic.classify import Kind, hopeless, kind_of

__all__ = ["rclone_server"]

_NUMBERS = itertools.count()


class Remote:
    """A repository whose files lie where the server finds them."""

    def __init__(self, empty: Repository, server: Rclone, base: Path) -> None:
        self.server, self.base = server, base
        self.bucket = f"restic{next(_NUMBERS)}"
        self.repository = empty.copy(server.root / self.bucket / "db")
        self.packs: list[Path] = []

    def back_up(self, database: str, data: bytes) -> None:
        before = self.repository.packs()
        self.repository.stream(f"/db1/{database}.sql", data, f"{JANUARY:%Y-%m-%d %H:%M:%S}")
        self.packs = self.repository.newest_packs(before)
        self.share()

    def share(self) -> None:
        subprocess.run(["chmod", "-R", "a+rX", str(self.repository.folder)], check=True)

    def source(self, **settings: Any) -> Source:
        section = self.repository.settings(
            kind="restic",
            repository=f"s3:{self.server.endpoint}/{self.bucket}/db",
            s3_credentials_file=str(self.server.credentials_file),
        )
        home = Home(staging=self.base, cache=self.base / "cache", base=self.base, timezone="UTC")
        return provider("restorekit.sources", "remote", section | settings, home)  # type: ignore[no-any-return]


@pytest.fixture
def remote(empty: Repository, rclone_server: Rclone, tmp_path: Path) -> Remote:
    return Remote(empty, rclone_server, tmp_path)


def test_found_and_delivered_and_nothing_is_written(remote: Remote):
    remote.back_up("shop", dump(3 << 20))
    before = tree(remote.repository.folder)
    source = remote.source()
    point = only(source, "shop")
    assert point.consistent_at == JANUARY
    with source.deliver(point, Quiet()) as delivery:
        data = b"".join(iter(lambda: delivery.read(1 << 20), b""))
        assert delivery.finish()
    assert data == dump(3 << 20)
    assert source.scan([point]).points == ()
    assert [f.severity for f in source.check()] == ["ok"]
    assert tree(remote.repository.folder) == before


def test_a_wrong_secret_is_refused_soon_and_clearly(remote: Remote):
    wrong = credentials_file(remote.base / "wrong", secret="something-else-0815")
    began = time.monotonic()
    with pytest.raises(ConfigError, match="S3 credentials") as caught:
        remote.source(s3_credentials_file=str(wrong)).scan([])
    assert time.monotonic() - began < 20
    assert "something-else" not in f"{caught.value} {caught.value.details}"


def test_a_newer_restic_that_would_try_for_a_quarter_of_an_hour_is_stopped():
    said = "Load(<config/0000000000>, 0, 0) returned error, retrying after 720.2ms: client.GetObject: "
    wrong = "The request signature we calculated does not match the signature you provided."
    assert hopeless(said + wrong, local=False)
    assert not hopeless(said + "unexpected EOF", local=False)
    assert kind_of(said + wrong, 1) is Kind.CREDENTIALS


def test_without_the_file_it_is_said_which(remote: Remote):
    with pytest.raises(ConfigError, match="the S3 credentials file /nonexistent cannot be read"):
        remote.source(s3_credentials_file="/nonexistent").scan([])


def test_a_flipped_pack_is_damage(remote: Remote):
    remote.back_up("shop", dump(1 << 20))
    flip(remote.packs[0])
    remote.share()
    source = remote.source()
    with pytest.raises(SourceDamaged):
        delivered(source, only(source, "shop"))


def test_a_bucket_that_is_not_there_expires_nothing(remote: Remote):
    remote.back_up("shop", dump(10))
    source = remote.source()
    point = only(source, "shop")
    shutil.rmtree(remote.repository.folder)
    with pytest.raises(SourceUnavailable):
        source.scan([point])
