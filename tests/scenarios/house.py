"""A whole installation in a temporary folder, driven as an admin drives it: by the command line, as a process."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scenarios.nursery import ROOT, Command, shared


@dataclass(repr=False)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def __repr__(self) -> str:
        return f"exit code {self.code}\n{self.out}\n{self.err}"


@dataclass
class Installation:
    """`folder` holds everything; `sections` are the YAML lines of engines, sources and databases."""

    folder: Path
    engines: dict[str, dict[str, Any]]
    sources: dict[str, dict[str, Any]]
    databases: dict[str, dict[str, Any]] = field(default_factory=dict)
    state: str = ""
    playbooks: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write()

    @property
    def config(self) -> Path:
        return self.folder / "restorekit.yaml"

    def write(self) -> None:
        books = self.folder / "playbooks"
        books.mkdir(exist_ok=True)
        for name, text in self.playbooks.items():
            (books / f"{name}.yaml").write_text(text)
        # JSON is YAML: no writer needed here.
        self.config.write_text(
            json.dumps(
                {
                    "state": self.state or f"sqlite:///{self.folder}/state/state.db",
                    "timezone": "Europe/Berlin",
                    "staging": str(self.folder / "staging"),
                    "cache": str(self.folder / "cache"),
                    "keys": str(self.folder / "keys"),
                    "host": "testhost",
                    "playbooks": str(books),
                    "engines": self.engines,
                    "sources": self.sources,
                    "databases": self.databases,
                    **self.extra,
                },
                default=str,
            )
        )

    def environment(self, **extra: str) -> dict[str, str]:
        return {**os.environ, "RESTOREKIT_CONFIG": str(self.config), "NO_COLOR": "1", "COLUMNS": "80", **extra}

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "restorekit", *words]

    def start(self, *words: str, **env: str) -> "subprocess.Popen[str]":
        """A command in the background, for those who kill it."""
        return subprocess.Popen(
            self.argv(*words),
            env=self.environment(**env),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, env: dict[str, str] | None = None, timeout: float = 120) -> Answer:
        with self.start(*words, **(env or {})) as process:
            out, err = process.communicate(timeout=timeout)
        return Answer(process.returncode, out, err)

    def ok(self, *words: str) -> Answer:
        answer = self.run(*words)
        assert answer.code == 0, f"restorekit {' '.join(words)}: {answer}"
        return answer

    def point(self, database: str, index: int = 0) -> str:
        """The id of a usable point, newest first."""
        found = [p for p in self.ok("points", database, "--scan", "--json").json if p["state"] == "usable"]
        return str(found[index]["id"])


@dataclass
class FastInstallation(Installation):
    """An installation whose commands come out of the nursery; they and their children have its folder as HOME."""

    started: list[Command] = field(default_factory=list, kw_only=True)

    def start(self, *words: str, **env: str) -> Any:
        command = shared().start(words, self.environment(HOME=str(self.folder), **env))
        self.started.append(command)
        return command

    def end(self) -> None:
        """Kill whatever a failed test left running."""
        for command in self.started:
            command.kill()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def processes(self) -> dict[int, str]:
        """Children of its commands that are alive: pid and command line."""
        mark = f"HOME={self.folder}".encode()
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def nothing_runs(self, patience_s: float = 10) -> None:
        """Wait until no child is left; the end of a process of others can only be polled."""
        end = time.monotonic() + patience_s
        while left := self.processes():
            assert time.monotonic() < end, left
            time.sleep(0.02)
