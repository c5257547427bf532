"""Running restic: always without lock, quiet, with a cache of its own, the password in a memory file.

`--no-lock` because reading must not write to the medium; `-q` because restic >= 0.16 otherwise prints words
about locks into the dumped data and ends with 0; a cache per source because copies of one repository share its
id and would evict each other.
"""

import os
import re
import select
import shlex
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

from restorekit import shell
from restorekit.errors import ConfigError, EngineUnavailable, SourceUnavailable, Temporary
from restorekit.sources.restic.classify import Kind, error, excerpt, hopeless, kind_of

OLDEST = (0, 14, 0)
FIRST_BYTE_S = 600.0
STALL_S = 120.0
_TICK_S = 0.2


class Checked(Protocol):
    """The part of `ports.Watch` that running needs."""

    def check(self) -> None:
        """Raise if it should stop."""
        ...


class Unwatched:
    """Nobody can cancel."""

    def check(self) -> None:
        """Go on."""


class Failed(Exception):
    """restic ended badly; never leaves this room."""

    def __init__(self, kind: Kind, stderr: str) -> None:
        super().__init__(excerpt(stderr))
        self.kind, self.stderr = kind, stderr


class Running:
    """A restic whose output is read; only time spent waiting for *it* counts against its deadlines."""

    def __init__(self, process: shell.Process, watch: Checked, *, local: bool) -> None:
        self._process, self._watch, self._local = process, watch, local
        self._fd = process.stdout.fileno()
        self._allowed_s = FIRST_BYTE_S

    def read(self, most: int) -> bytes:
        """Bytes as they come, b"" at the end. Raises Failed, SourceUnavailable after a stall, what `watch` raises."""
        end = time.monotonic() + self._allowed_s
        while not select.select([self._fd], [], [], _TICK_S)[0]:
            self._watch.check()
            if hopeless(self._process.stderr, local=self._local):
                self._process.kill()
                raise Failed(kind_of(self._process.stderr, 1), self._process.stderr)
            if time.monotonic() > end:
                self._process.kill()
                raise SourceUnavailable(
                    f"restic gave no data for {self._allowed_s:g} s and was stopped",
                    hint="Is the repository reachable? Live is untouched.",
                    details=(excerpt(self._process.stderr),),
                )
        self._allowed_s = STALL_S
        return os.read(self._fd, most)

    def end(self) -> str:
        """Wait for its end, which must be a good one; returns what it said on stderr. Raises Failed."""
        done = self._process.wait(STALL_S)
        if done.returncode != 0:
            raise Failed(kind_of(done.stderr, done.returncode), done.stderr)
        return done.stderr


class Tool:
    """One repository and how to open it."""

    def __init__(
        self,
        binary: str,
        repository: str,
        password: tuple[Path | None, str | None],
        cache: Path,
        s3_credentials: Path | None = None,
    ) -> None:
        """`password` is a file or a command; `folder` is set where the repository is a local one."""
        self.repository = repository
        bare = repository.removeprefix("local:")
        self.folder = Path(bare) if bare.startswith("/") else None
        self._binary, self._password, self._cache = binary, password, cache
        self._s3_credentials = s3_credentials

    def __repr__(self) -> str:
        return f"restic repository {excerpt(self.repository)}"

    def version(self) -> tuple[int, ...]:
        """The binary's version. Raises ConfigError if it is missing, no restic, or too old."""
        done = shell.run(shell.Spec([self._binary, "version"]), timeout_s=60)
        match = re.search(rb"restic (\d+)\.(\d+)\.(\d+)", done.stdout)
        if match is None:
            raise ConfigError(
                f"{self._binary} does not say that it is restic", hint="apt-get install restic, or set `restic`."
            )
        found = tuple(int(part) for part in match.groups())
        if found < OLDEST:
            raise ConfigError(f"restic {'.'.join(map(str, found))} is too old; 0.14 or newer is needed")
        return found

    @contextmanager
    def running(self, *words: str, watch: Checked | None = None, cached: bool = True) -> Iterator[Running]:
        """Start it; leaving the context ends it, however far it is."""
        cache = ["--cache-dir", str(self._cache)] if cached else ["--no-cache"]
        argv = [self._binary, "--no-lock", "-q", *cache, "-r", self.repository, "--password-file", "{fd:password}"]
        secrets = {"password": self._secret()}
        env = {}
        if self._s3_credentials is not None:
            secrets["s3"] = _content(self._s3_credentials, "S3 credentials")
            env["AWS_SHARED_CREDENTIALS_FILE"] = "{fd:s3}"  # a secret in an environment can be read by others
        try:
            started = shell.start(shell.Spec([*argv, *words], secrets=secrets, env=env))
        except EngineUnavailable as error:
            raise ConfigError(f"the restic binary {error.message}", hint="See `restic` of this source.") from error
        with started as process:
            yield Running(process, watch or Unwatched(), local=self.folder is not None)

    def ask(self, *words: str, cached: bool = True) -> tuple[bytes, str]:
        """Run to the end; what it said on stdout and stderr. Raises Failed, SourceUnavailable."""
        with self.running(*words, cached=cached) as restic:
            out = b"".join(iter(lambda: restic.read(1 << 20), b""))
            return out, restic.end()

    def forget_cache(self) -> None:
        """Throw the cache away: a damaged one must not pass for a damaged medium at the next attempt."""
        shutil.rmtree(self._cache, ignore_errors=True)

    @contextmanager
    def explained(self, where: str) -> Iterator[Self]:
        """Inside, Failed becomes the error of the house."""
        try:
            yield self
        except Failed as failed:
            raise error(failed.kind, where, failed.stderr) from failed

    def _secret(self) -> bytes:
        """The password, read anew for each call: it may be rotated, and is not kept."""
        file, command = self._password
        secret = _content(file, "password") if file is not None else _said(command or "")
        if not secret.strip():
            raise ConfigError(f"the password of {self!r} is empty", hint="Check password_file or password_command.")
        return secret


def _content(file: Path, what: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as missing:
        raise ConfigError(f"the {what} file {file} cannot be read: {missing.strerror}") from missing


def _said(command: str) -> bytes:
    try:
        done = shell.run(shell.Spec(shlex.split(command)), timeout_s=60)
    except Temporary as failed:
        raise SourceUnavailable("the password command did not answer", hint="Try password_command by hand.") from failed
    if done.returncode != 0:
        text = f"the password command ended with code {done.returncode}"
        raise SourceUnavailable(text, hint="Try password_command by hand; is the vault reachable?")
    return done.stdout
