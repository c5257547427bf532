"""Commands of restorekit as processes that start fast: forked off a process that has everything imported.

Starting Python and importing costs more than most crash tests need; two hundred kills would take most of an hour.
What is killed is a real process with the real command line in it. `nursery.py SOCKET` is the forking process.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from restorekit import discovery

ROOT = Path(__file__).resolve().parents[2]


class Command:
    """A running command; offers what tests use of Popen."""

    def __init__(self, line: socket.socket, out: Path) -> None:
        self._line = line
        self._out = out
        self.pid = self._number()
        self.returncode: int | None = None

    def _number(self) -> int:
        """The next line: first its pid, then its exit code."""
        text = b""
        while not text.endswith(b"\n"):
            more = self._line.recv(1)  # the next number may follow at once
            assert more, f"the nursery went away: {self.said}"
            text += more
        return int(text)

    def wait(self, timeout: float = 120) -> int:
        """Its exit code; negative if a signal ended it. Raises TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._line], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.said), timeout)
            self.returncode = self._number()
            self._line.close()
        return self.returncode

    def poll(self) -> int | None:
        """The exit code if it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, sign: signal.Signals) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sign)

    def kill(self) -> int:
        """kill -9, and its exit code."""
        self.send_signal(signal.SIGKILL)
        return self.wait()

    @property
    def said(self) -> tuple[str, str]:
        """What it wrote so far to stdout and stderr."""
        return self._out.read_text(), self._out.with_suffix(".err").read_text()

    def communicate(self, timeout: float = 120) -> tuple[str, str]:
        self.wait(timeout)
        return self.said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


@dataclass
class Nursery:
    """The forking process; use `running`."""

    folder: Path
    _count: int = 0

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path) -> Iterator[Self]:
        """One that ends at the end; what it started is killed by those who started it."""
        nursery = cls(folder)
        argv = ["setpriv", "--pdeathsig", "KILL", "--", sys.executable, __file__, str(nursery.socket)]
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        with subprocess.Popen(argv, env=environment, cwd=ROOT, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
                yield nursery
            finally:
                process.kill()

    @property
    def socket(self) -> Path:
        return self.folder / "nursery"

    def start(self, words: Sequence[str], environment: Mapping[str, str]) -> Command:
        """A `restorekit` command in the background."""
        self._count += 1
        out = self.folder / f"{self._count}.out"
        out.touch()
        out.with_suffix(".err").touch()
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.connect(str(self.socket))
        order = {"words": [*words], "environment": {**environment}, "out": str(out)}
        line.sendall(json.dumps(order).encode() + b"\n")
        return Command(line, out)


@functools.cache
def shared() -> Nursery:
    """The one of this test process; it ends with it."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rk-nursery-")))
    return stack.enter_context(Nursery.running(folder))


def _providers() -> Iterator[str]:
    for room in ("restorekit.engines", "restorekit.sources"):
        yield from (f"{room}.{kind}" for kind in discovery.kinds(room))


def _main(path: str) -> None:
    for name in ("dbos", "restorekit.bootstrap", "restorekit.cli.main", *_providers()):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a collection in a child would write to every page of it
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(32)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those who wait for a command are not waited for
    print("ready", flush=True)
    while True:
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return _attend(line)
        line.close()


def _attend(line: socket.socket) -> None:
    """Run one command in a child and tell its pid, then its exit code."""
    order = json.loads(line.makefile("r").readline())
    pid = os.fork()
    if pid == 0:
        line.close()
        _leave(_command(order))
    line.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    line.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _leave(code: int) -> None:
    """End as Python does, without taking all modules apart: that would copy every page of the parent's memory."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _command(order: dict[str, Any]) -> int:
    out = Path(order["out"])
    for target, path in ((0, Path(os.devnull)), (1, out), (2, out.with_suffix(".err"))):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(fd, target)
        os.close(fd)
    os.environ.clear()
    os.environ.update(order["environment"])
    from restorekit.cli.run import run

    return run(order["words"])


if __name__ == "__main__":
    _main(sys.argv[1])
