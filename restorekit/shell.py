"""The only place that starts processes.

Argument lists only, never a shell. Secrets travel through anonymous memory files handed over as `/dev/fd/N`.
Short-lived children die with this process: one long-lived thread starts them under `setpriv --pdeathsig KILL`
(the signal fires when the *thread* ends), they inherit the running step's lock descriptor, so that a rerun on
this host waits until the last of them is gone, and each lives in its own process group, which is killed whole.
Servers (`daemon`) inherit neither: a sandbox outlives its worker and is found again by its folder.
"""

import contextlib
import fcntl
import os
import pwd
import queue
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from restorekit.errors import ConfigError, EngineUnavailable, Temporary

_LOCK_FD: ContextVar[int | None] = ContextVar("step_lock_fd", default=None)
_PIPE = 1 << 20
"""Bytes a program may write ahead of its reader: with the usual 64 KiB it stands still while the reader works."""
_STDERR_KEPT = 64 << 10


@dataclass(frozen=True)
class Done:
    """A finished process."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: str


@dataclass(frozen=True)
class Spec:
    """What to start. `{fd:NAME}` in an argument or environment value becomes `/dev/fd/N` of that secret."""

    argv: Sequence[str]
    secrets: Mapping[str, bytes] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    user: str | None = None


@contextlib.contextmanager
def inheriting_lock(fd: int) -> Iterator[None]:
    """Children started inside inherit this lock descriptor."""
    token = _LOCK_FD.set(fd)
    try:
        yield
    finally:
        _LOCK_FD.reset(token)


class Process:
    """A running child with pipes. Use as a context manager: leaving kills its whole group and reaps it."""

    def __init__(self, popen: "subprocess.Popen[bytes]", argv: tuple[str, ...]) -> None:
        self.argv = argv
        self._popen = popen
        self._stderr = b""
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe into the child."""
        assert self._popen.stdin is not None
        return self._popen.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe out of the child."""
        assert self._popen.stdout is not None
        return self._popen.stdout

    def _collect(self) -> None:
        """Drain stderr (a full pipe would block the child); keep its end."""
        assert self._popen.stderr is not None
        while chunk := self._popen.stderr.read1(8192):  # type: ignore[attr-defined]
            self._stderr = (self._stderr + chunk)[-_STDERR_KEPT:]

    def wait(self, timeout_s: float | None = None) -> Done:
        """Wait for the end; raises Temporary after `timeout_s`. stdout is what nobody has read."""
        try:
            code = self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            self.kill()
            raise Temporary(f"{self.argv[0]} did not end within {timeout_s:g} s and was stopped") from error
        self._reader.join(5)
        return Done(self.argv, code, b"", self.stderr)

    @property
    def stderr(self) -> str:
        """The end of what it said on stderr."""
        return self._stderr.decode("utf-8", "replace").strip()

    def kill(self) -> None:
        """Kill the whole process group; idempotent."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._reader.join(5)
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                # What it has left behind in a session of its own may hold the other end: then a reader waits for that,
                # and closing waits for the reader.
                closing = threading.Thread(target=_close, args=(pipe,), daemon=True)
                closing.start()
                closing.join(1)


class _Spawner:
    """One thread that starts every short-lived child, so that their death signal is tied to the process."""

    def __init__(self) -> None:
        self._requests: queue.SimpleQueue[tuple[dict[str, Any], queue.SimpleQueue[Any]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._guard = threading.Lock()

    def popen(self, **kwargs: Any) -> "subprocess.Popen[bytes]":
        with self._guard:
            if self._thread is None or self._pid != os.getpid():
                self._requests = queue.SimpleQueue()
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._work, name="spawner", daemon=True)
                self._thread.start()
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._requests.put((kwargs, answer))
        result = answer.get()
        if isinstance(result, BaseException):
            raise result
        assert isinstance(result, subprocess.Popen)
        return result

    def _work(self) -> None:
        while True:
            kwargs, answer = self._requests.get()
            try:
                answer.put(subprocess.Popen(**kwargs))
            except OSError as error:
                answer.put(error)


_SPAWNER = _Spawner()


def _close(pipe: IO[bytes]) -> None:
    with contextlib.suppress(OSError):
        pipe.close()


def _environment(spec: Spec, fds: Mapping[str, int]) -> dict[str, str]:
    """A constructed, minimal environment: inherited variables change what tools do."""
    base = {"PATH": f"{os.environ.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin", "HOME": os.environ.get("HOME", "/")}
    base |= {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
    return base | {key: _fill(value, fds) for key, value in spec.env.items()}


def _fill(text: str, fds: Mapping[str, int]) -> str:
    for name, fd in fds.items():
        text = text.replace(f"{{fd:{name}}}", f"/dev/fd/{fd}")
    return text


def _memory_file(secret: bytes) -> int:
    fd = os.memfd_create("secret")
    os.fchmod(fd, 0o644)  # it begins world-writable, and clients ignore such a file; the child may be another user
    os.write(fd, secret)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _drop_to(user: str | None) -> list[str]:
    """`setpriv` words that make an unprivileged user of root; nothing for those who are none."""
    if user is None or os.geteuid() != 0:
        return []
    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise ConfigError(f"there is no user {user!r} on this machine", hint="See `sandbox_user`.") from error
    return [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


def _require(program: str) -> None:
    """`setpriv` would only end with a code of its own."""
    if shutil.which(program, path=_environment(Spec(argv=()), {})["PATH"]) is None:
        raise EngineUnavailable(f"{program} cannot be started: it is not installed", hint="See `restorekit doctor`.")


def start(spec: Spec, *, stdin: bool = False, stdout: int | None = None) -> Process:
    """Start a short-lived child with pipes. `stdout` may be a descriptor to write to instead of a pipe.

    Raises EngineUnavailable if there is no such program.
    """
    _require(spec.argv[0])
    fds = {name: _memory_file(secret) for name, secret in spec.secrets.items()}
    lock = _LOCK_FD.get()
    try:
        argv = ["setpriv", "--pdeathsig", "KILL", *_drop_to(spec.user), "--", *(_fill(a, fds) for a in spec.argv)]
        popen = _SPAWNER.popen(
            args=argv,
            env=_environment(spec, fds),
            cwd=spec.cwd,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE,
            pass_fds=(*fds.values(), *((lock,) if lock is not None else ())),
            start_new_session=True,
        )
    finally:
        for fd in fds.values():
            os.close(fd)
    if popen.stdout is not None:
        with contextlib.suppress(OSError):  # a user's share of large pipes may be used up; a small one is only slower
            fcntl.fcntl(popen.stdout, fcntl.F_SETPIPE_SZ, _PIPE)
    return Process(popen, tuple(spec.argv))


def run(spec: Spec, *, timeout_s: float = 600, feed: bytes | None = None) -> Done:
    """Run to the end and return everything it said; the exit code is the caller's to judge."""
    with start(spec, stdin=feed is not None) as process:
        collected: list[bytes] = []
        reader = threading.Thread(target=lambda: collected.append(process.stdout.read()), daemon=True)
        reader.start()
        if feed is not None:
            with contextlib.suppress(BrokenPipeError):  # it may end without having read anything
                process.stdin.write(feed)
                process.stdin.close()
        done = process.wait(timeout_s)
        reader.join(5)
    return Done(done.argv, done.returncode, b"".join(collected), done.stderr)


def daemon(spec: Spec, log: Path) -> int:
    """Start a server that outlives this process: own session, no lock, no pipes. Returns its pid.

    The caller records the pid; the server is stopped by `stop`.
    """
    with log.open("ab") as sink:
        popen = subprocess.Popen(
            ["setpriv", *_drop_to(spec.user), "--", *spec.argv],
            env=_environment(spec, {}),
            cwd=spec.cwd,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    _reap_later(popen)
    return popen.pid


def _reap_later(popen: "subprocess.Popen[bytes]") -> None:
    """Without somebody waiting, a stopped server would stay a zombie while its worker lives."""
    threading.Thread(target=popen.wait, name=f"reaper-{popen.pid}", daemon=True).start()


class Companion:
    """A process beside this one that outlives it and sees its end: nobody else holds the pipe it reads."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen

    def send(self, words: bytes) -> None:
        """Write to it; that it has gone already is no error here."""
        assert self._popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._popen.stdin.write(words)
            self._popen.stdin.flush()

    def line(self, limit_s: float) -> bytes:
        """Its next line; b"" at its end or after `limit_s`."""
        assert self._popen.stdout is not None
        ready, _, _ = select.select([self._popen.stdout], [], [], limit_s)
        return self._popen.stdout.readline() if ready else b""


@contextlib.contextmanager
def companion(spec: Spec) -> Iterator[Companion]:
    """Start one: own session, no lock, no death signal. Leaving closes its pipe; it ends by itself."""
    popen = subprocess.Popen(
        list(spec.argv),
        env=_environment(spec, {}),
        cwd=spec.cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield Companion(popen)
    finally:
        for pipe in (popen.stdin, popen.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        _reap_later(popen)


def alive(pid: int, word: str) -> bool:
    """True if `pid` runs and its command line holds `word`: a pid alone may have been given to somebody else."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
    return word in line


def stop(pid: int, word: str, *, patience_s: float = 10) -> None:
    """Stop a server started by `daemon`: TERM, then KILL; only if `pid` still is the one (`word`)."""
    for sign, patience in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 5.0)):
        end = time.monotonic() + patience
        with contextlib.suppress(ProcessLookupError):
            if alive(pid, word):
                os.kill(pid, sign)
        while alive(pid, word) and time.monotonic() < end:
            time.sleep(0.01)  # another process's end can only be polled
        if not alive(pid, word):
            return
