"""Real restic repositories in temporary folders, and the ways in which they get damaged.

repository = Repository(tmp_path / "repo")
repository.init()
snapshot = repository.stream("shop.sql", dump, at="2026-01-17 03:00:00")
repository.flip(repository.packs_of(snapshot)[0])
"""

import base64
import contextlib
import functools
import hashlib
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Repository:
    """A repository under `folder`; `host` is written into its snapshots; `at` times are in `zone`."""

    folder: Path
    binary: str = "restic"
    host: str = "backuphost"
    zone: str = "UTC"

    @property
    def password_file(self) -> Path:
        """Beside the repository, readable by its owner only."""
        return self.folder.with_name(f"{self.folder.name}.pw")

    def settings(self, **more: Any) -> dict[str, Any]:
        """The section of `restorekit.yaml` for it, with a layout that names database and engine."""
        section = {"repository": str(self.folder), "password_file": str(self.password_file), "restic": self.binary}
        return {"layout": "{engine}/{database}.sql", **section, **more}

    def init(self) -> "Repository":
        """Create it, with a key so cheap that each further call takes a tenth of the time."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self.password_file.write_text(PASSWORD)
        self.password_file.chmod(0o600)
        self.run("init")
        (key,) = (self.folder / "keys").iterdir()
        _cheapen(key)
        for empty in (self.folder / "data").iterdir():  # 256 folders, made again when needed; copying is faster without
            empty.rmdir()
        return self

    def run(self, *words: str, feed: bytes | None = None, cwd: Path | None = None, ok: Sequence[int] = (0,)) -> bytes:
        """Run restic on it as an admin would; fails on an exit code not in `ok`."""
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "RESTIC_PASSWORD": PASSWORD, "TZ": self.zone}
        env["RESTIC_CACHE_DIR"] = str(self.folder.with_name(f"{self.folder.name}.admin-cache"))
        argv = [self.binary, "-q", "-r", str(self.folder), *words]
        stdin = {"input": feed} if feed is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run(argv, capture_output=True, env=env, cwd=cwd, timeout=120, check=False, **stdin)
        assert done.returncode in ok, done.stderr.decode(errors="replace")
        return done.stdout

    def stream(self, name: str, data: bytes, at: str | None = None, *words: str) -> str:
        """`backup --stdin`; returns the full id. Empty `data` leaves a snapshot without the file, with exit 3."""
        known = self.ids()
        when = ["--time", at] if at else []
        flags = ["--host", self.host, "--stdin", "--stdin-filename", name, *when, *words]
        self.run("backup", *flags, feed=data, ok=(0, 3))
        return (self.ids() - known).pop()

    def backup(
        self, *paths: str | Path, at: str | None = None, words: Sequence[str] = (), cwd: Path | None = None
    ) -> str:
        """Back up files or folders; returns the full id."""
        known = self.ids()
        when = ["--time", at] if at else []
        self.run("backup", "--host", self.host, *when, *words, *map(str, paths), cwd=cwd)
        return (self.ids() - known).pop()

    def forget(self, *snapshots: str, prune: bool = False) -> None:
        self.run("forget", *(["--prune"] if prune else []), *snapshots)

    def ids(self) -> set[str]:
        return {p.name for p in (self.folder / "snapshots").iterdir()}

    def packs(self) -> set[Path]:
        """All packs: those of files and those of trees."""
        return {p for p in (self.folder / "data").glob("*/*") if p.is_file()}

    def newest_packs(self, before: set[Path]) -> list[Path]:
        """Packs that were not there `before`, the largest (file contents, if they are big) first."""
        return sorted(self.packs() - before, key=lambda p: p.stat().st_size, reverse=True)

    def snapshot_file(self, snapshot: str) -> Path:
        return self.folder / "snapshots" / snapshot

    def copy(self, folder: Path) -> "Repository":
        """An independent copy, to be damaged."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.folder, folder)
        twin = Repository(folder, self.binary, self.host)
        shutil.copy2(self.password_file, twin.password_file)
        return twin


def flip(path: Path, offset: int | None = None) -> None:
    """Change four bytes in the middle (or at `offset`)."""
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    at = len(data) // 2 if offset is None else offset
    data[at : at + 4] = bytes(b ^ 0xFF for b in data[at : at + 4])
    path.write_bytes(data)


def truncate(path: Path) -> None:
    """Cut it in half."""
    path.chmod(0o600)
    os.truncate(path, path.stat().st_size // 2)


def _cheapen(key: Path) -> None:
    """Wrap the same master key under a scrypt that costs nothing; the one made by `init` takes half a second."""
    told = json.loads(key.read_bytes())
    master = _opened(_user_key(told), base64.b64decode(told["data"]))
    told |= {"N": 2, "r": 1, "p": 1, "salt": base64.b64encode(secrets.token_bytes(64)).decode()}
    told["data"] = base64.b64encode(_sealed(_user_key(told), master)).decode()
    cheap = json.dumps(told).encode()
    key.unlink()
    key.with_name(hashlib.sha256(cheap).hexdigest()).write_bytes(cheap)


def _user_key(told: dict[str, Any]) -> bytes:
    salt = base64.b64decode(told["salt"])
    return hashlib.scrypt(PASSWORD.encode(), salt=salt, n=told["N"], r=told["r"], p=told["p"], maxmem=1 << 30, dklen=64)


def _aes_ctr(key: bytes, nonce: bytes, data: bytes) -> bytes:
    worker = Cipher(algorithms.AES(key[:32]), modes.CTR(nonce)).encryptor()
    return worker.update(data) + worker.finalize()


def _mac(key: bytes, nonce: bytes, data: bytes) -> bytes:
    block = Cipher(algorithms.AES(key[32:48]), modes.ECB()).encryptor()  # noqa: S305  Poly1305-AES is defined so
    return Poly1305.generate_tag(key[48:64] + block.update(nonce) + block.finalize(), data)


def _opened(key: bytes, sealed: bytes) -> bytes:
    nonce, data, mac = sealed[:16], sealed[16:-16], sealed[-16:]
    assert _mac(key, nonce, data) == mac
    return _aes_ctr(key, nonce, data)


def _sealed(key: bytes, plain: bytes) -> bytes:
    nonce = secrets.token_bytes(16)
    data = _aes_ctr(key, nonce, plain)
    return nonce + data + _mac(key, nonce, data)


@functools.cache
def newer_binary() -> tuple[Path | None, str]:
    """A restic newer than the installed one out of the machine's own package sources, unpacked into a folder.

    The system is not changed. Without one: None and the reason.
    """
    installed = _apt("dpkg-query", "-W", "-f=${Version}", "restic").strip()
    versions = [
        line.split("|")[1].strip() for line in _apt("apt-cache", "madison", "restic").splitlines() if "|" in line
    ]
    newer = [
        v
        for v in versions
        if subprocess.run(["dpkg", "--compare-versions", v, "gt", installed], check=False).returncode == 0
    ]
    if not newer:
        return None, f"the machine's package sources hold no restic newer than {installed or 'none'}"
    folder = Path(tempfile.mkdtemp(prefix="rk-restic-"))
    _apt("apt-get", "download", f"restic={newer[0]}", cwd=folder)
    for package in folder.glob("*.deb"):
        _apt("dpkg-deb", "-x", str(package), str(folder))
        return folder / "usr/bin/restic", ""
    return None, f"restic {newer[0]} could not be downloaded"


def _apt(*argv: str, cwd: Path | None = None) -> str:
    with contextlib.suppress(FileNotFoundError):
        return subprocess.run(argv, capture_output=True, text=True, cwd=cwd, timeout=120, check=False).stdout
    return ""


@pytest.fixture(scope="session", params=["installed", "newer"])
def restic_binary(request: pytest.FixtureRequest) -> Iterator[str]:
    """The installed restic, then a newer one where there is one."""
    if request.param == "installed":
        if shutil.which("restic") is None:
            pytest.skip("restic is not installed")
        yield "restic"
        return
    path, why = newer_binary()
    if path is None:
        pytest.skip(why)
    yield str(path)
    shutil.rmtree(path.parents[2], ignore_errors=True)
