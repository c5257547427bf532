"""A real Bacula with a virtual tape library: own temporary folder, 127.0.0.1, unprivileged, stopped by pid.

with Library.running() as library:
    library.backup(date(2009, 1, 17), {"/backup/db1/shop.sql": dump}, "Full")
    library.remove_tape("TAPE02L8")
    library.sql("SELECT JobId, JobStatus FROM Job")

Files lie in the catalog under the names given: the lab's own folder is stripped.
"""

import contextlib
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from datetime import time as clock_time
from pathlib import Path
from typing import Any, Self

from servers.bacula_conf import DRIVES, RESTORE_CLIENT, RESTORE_JOB, SLOTS, STORAGE, Login, Ports, Sizes, texts

USER = "nobody"
GROUP = "nogroup"
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
FOLDERS = ("etc", "bin", "var", "var/fd", "var/staging", "run", "tape", "shelf", "log", "source", "restored")
DAEMONS = {  # program and configuration, in the order of starting
    "sd": ("bacula-sd", "bacula-sd.conf"),
    "fd": ("bacula-fd", "bacula-fd.conf"),
    "staging": ("bacula-fd", "staging-fd.conf"),
    "dir": ("bacula-dir", "bacula-dir.conf"),
}
ENDED = ("T", "W", "E", "f", "A", "I")


def _as_user() -> list[str]:
    """Words that start a daemon as nobody special, and end it when the test process dies."""
    drop = [f"--reuid={USER}", f"--regid={GROUP}", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", "--pdeathsig", "KILL", *drop, "--"]


def _clock(now: datetime) -> list[str]:
    """Environment under which a daemon begins at `now` and lives ten times as fast: it sleeps two seconds per job."""
    words = [f"LD_PRELOAD={FAKETIME}", f"FAKETIME=@{now:%Y-%m-%d %H:%M:%S} x10", "FAKETIME_NO_CACHE=1"]
    return [*words, "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1"]


def _own(path: Path) -> None:
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"{USER}:{GROUP}", str(path)], check=True)


def _free_ports() -> Ports:
    """Four ports that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        bound = [stack.enter_context(socket.socket()) for _ in range(4)]
        for one in bound:
            one.bind(("127.0.0.1", 0))
        return Ports(*(one.getsockname()[1] for one in bound))


def wait_for(what: str, true: Any, limit_s: float = 30) -> Any:
    """The first truthy answer of `true()`: what daemons do can only be polled."""
    end = time.monotonic() + limit_s
    while not (answer := true()):
        assert time.monotonic() < end, f"waited {limit_s:g} s for {what}"
        time.sleep(0.02)
    return answer


class Library:
    """Director, storage daemon with an autochanger of two drives, a backup client and a restore client."""

    def __init__(self, sizes: Sizes | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rk-tape-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.sizes = sizes or Sizes()
        self.ports = _free_ports()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @classmethod
    @contextlib.contextmanager
    def running(cls, golden: Path | None = None, sizes: Sizes | None = None) -> Iterator[Self]:
        """A started library that is stopped and deleted at the end, also when the test fails."""
        library = cls(sizes)
        try:
            if golden is not None:
                library.load(golden)
            library.start()
            yield library
        finally:
            library.close()

    # -- life ---------------------------------------------------------------------------------------------------

    def load(self, golden: Path) -> Self:
        """Begin with the catalog and the tapes of a saved library."""
        subprocess.run(["tar", "-xf", str(golden), "-C", str(self.folder)], check=True)
        return self

    def save(self, golden: Path) -> None:
        """Write catalog and tapes to a file. The library must be stopped."""
        assert not self._running
        made = golden.with_suffix(".new")
        words = ["--exclude=*.conmsg", "--exclude=*.state", "--exclude=*.bsr"]
        subprocess.run(["tar", "-cf", str(made), "-C", str(self.folder), *words, "var", "tape", "source"], check=True)
        made.rename(golden)

    def start(self, now: datetime | None = None) -> None:
        """Start everything that does not run; `now` (UTC) is where the daemons' clock begins, else the present."""
        self._write()
        fresh = not self._has_catalog()
        if fresh:
            self._create_catalog()
        for name in DAEMONS:
            self.start_daemon(name, now)
        if fresh:
            self._label()

    def _write(self) -> None:
        for name in FOLDERS:
            (self.folder / name).mkdir(exist_ok=True)
        for name, text in texts(self.folder, self.ports, self.sizes, self._login()).items():
            if name != "hook" or not (self.folder / "etc/hook").exists():
                (self.folder / "etc" / name).write_text(text)
        changer = Path("/etc/bacula/scripts/disk-changer").read_text()
        program = self.folder / "bin/disk-changer"
        program.write_text(changer.replace("wd=/var/lib/bacula", f"wd={self.folder}/var"))
        program.chmod(0o755)
        if not (self.tape / "barcodes").exists():
            self._fill_slots()
        (self.folder / "var/disk-changer.log").touch()  # its existence turns the changer's log on
        for drive in range(DRIVES):  # links of a saved library point into another folder
            self._relink(drive)
        _own(self.folder)

    def _fill_slots(self) -> None:
        lines = [f"{slot}:TAPE{slot:02d}L8" for slot in range(1, SLOTS + 1)]
        (self.tape / "barcodes").write_text("\n".join(lines) + "\n")
        for slot in range(1, SLOTS + 1):
            (self.tape / f"slot{slot}").touch()

    def _relink(self, drive: int) -> None:
        slot = self.loaded(drive)
        link = self.tape / f"drive{drive}"
        link.unlink(missing_ok=True)
        if slot:
            link.symlink_to(self.tape / f"slot{slot}")

    def _login(self) -> Login:
        return Login()

    def _has_catalog(self) -> bool:
        return self.catalog.exists()

    def _create_catalog(self) -> None:
        script = Path("/usr/share/bacula-director/make_sqlite3_tables").read_text()
        sql = script.partition("<<END-OF-DATA\n")[2].partition("END-OF-DATA")[0]
        with contextlib.closing(sqlite3.connect(self.catalog)) as made:
            made.executescript(sql)
        _own(self.catalog)

    def _label(self) -> None:
        self.console(f"label barcodes storage={STORAGE} pool=Scratch slots=1-{SLOTS} drive=0", "yes")
        self.update_slots()
        assert self.sql("SELECT count(*) FROM Media") == [(SLOTS,)], "not every cartridge was labelled"

    def start_daemon(self, name: str, now: datetime | None = None) -> None:
        """Start one of sd, fd, staging, dir, unless it runs, and wait until it listens."""
        if name in self._running:
            return
        program, conf = DAEMONS[name]
        # The clock is set after the change of user: its semaphore belongs to whoever the first program ran as.
        argv = [
            *_as_user(),
            "env",
            *_clock(now or datetime.now(UTC)),
            program,
            "-f",
            "-c",
            str(self.folder / "etc" / conf),
        ]
        with (self.folder / "log" / f"{name}.log").open("ab") as log:
            started = subprocess.Popen(
                argv, env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
            )
        self._running[name] = started
        wait_for(f"{program} to listen", lambda: self._listens(name))

    def _environment(self) -> dict[str, str]:
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC", "HOME": str(self.folder)}

    def _listens(self, name: str) -> bool:
        ended = self._running[name].poll()
        log = self.folder / "log" / f"{name}.log"
        assert ended is None, f"{name} ended with {ended}: {log.read_text(errors='replace')[-2000:]}"
        port = dict(zip(("dir", "sd", "fd", "staging"), vars(self.ports).values(), strict=True))[name]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def stop_daemon(self, name: str) -> None:
        """Stop one; idempotent. Its port then answers nobody."""
        process = self._running.pop(name, None)
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()

    def stop(self) -> None:
        """Stop all daemons; idempotent."""
        for name in reversed(DAEMONS):
            self.stop_daemon(name)

    def close(self) -> None:
        """Kill it and delete its folder; idempotent."""
        for process in self._running.values():
            process.kill()
            process.wait()
        self._running.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- console and catalog ------------------------------------------------------------------------------------

    @property
    def catalog(self) -> Path:
        return self.folder / "var/bacula.db"

    @property
    def tape(self) -> Path:
        return self.folder / "tape"

    def console(self, *commands: str, conf: str = "bconsole.conf", timeout: float = 60) -> str:
        """What the director says to these lines; the unrestricted console, as its admin has it."""
        argv = ["/usr/sbin/bconsole", "-n", "-c", str(self.folder / "etc" / conf)]
        feed = "".join(f"{command}\n" for command in commands).encode()
        done = subprocess.run(argv, input=feed, capture_output=True, timeout=timeout, check=False)
        return done.stdout.decode(errors="replace")

    def sql(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask (or change) the catalog; waits while the director holds it."""
        with contextlib.closing(sqlite3.connect(self.catalog, timeout=30)) as connection, connection:
            return list(connection.execute(query, values))

    def status(self, job: int) -> str:
        """A job's status letter."""
        return str(self.sql("SELECT JobStatus FROM Job WHERE JobId = ?", job)[0][0])

    def log(self, job: int) -> str:
        """What the daemons said about a job."""
        return "".join(text for (text,) in self.sql("SELECT LogText FROM Log WHERE JobId = ? ORDER BY LogId", job))

    def ended(self, job: int, limit_s: float = 60) -> str:
        """Wait for a job's end; its status letter."""
        wait_for(f"job {job} to end", lambda: self.status(job) in ENDED, limit_s)
        return self.status(job)

    # -- backups ------------------------------------------------------------------------------------------------

    def backup(self, day: date, files: Mapping[str, bytes], level: str = "Incremental", job: str = "Dumps") -> int:
        """Write `files` (full names such as /backup/db1/shop.sql) and back them up on that day at 02:00 UTC.

        Files of earlier days stay; an Incremental takes only what was written since. All daemons start anew under
        the clock of the day: after a jump the watchdog of a running one would cut the next connection off at once.
        """
        at = day if isinstance(day, datetime) else datetime.combine(day, clock_time(2))
        self.stop()
        for name, data in files.items():
            self.place(name, data, at)
        self.start(at)
        said = self.console(f"run job={job} level={level} yes")
        found = re.search(r"Job queued\. JobId=(\d+)", said)
        assert found, said
        number = int(found[1])
        assert self.ended(number) == "T", self.log(number)
        return number

    def place(self, name: str, data: bytes, at: datetime) -> None:
        """Lay a file down as a dump job would have done half an hour before `at` (naive: UTC)."""
        path = self.folder / "source" / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        written = (at - datetime(1970, 1, 1, tzinfo=at.tzinfo)).total_seconds() - 1800
        os.utime(path, (written, written))

    # -- the library --------------------------------------------------------------------------------------------

    def loaded(self, drive: int) -> int:
        """The slot whose tape is in that drive; 0 for none."""
        file = self.tape / f"loaded{drive}"
        return int(file.read_text()) if file.exists() else 0

    def loads(self) -> int:
        """How many tapes the changer has put into drives so far."""
        text = (self.folder / "var/disk-changer.log").read_text()
        return len(re.findall(r"Doing disk \S+ load \d", text))

    def update_slots(self) -> None:
        """Let the catalog learn what is in the library."""
        self.console(f"update slots storage={STORAGE} drive=0")

    def slot(self, volume: str) -> int:
        """Where a tape's home is."""
        return int(volume[4:6])

    def remove_tape(self, volume: str) -> None:
        """Take a tape out, even out of a drive. The catalog does not know until `update slots`."""
        slot = self.slot(volume)
        for drive in range(DRIVES):
            if self.loaded(drive) == slot:
                self.empty_drive(drive)
        lines = (self.tape / "barcodes").read_text().splitlines(keepends=True)
        (self.tape / "barcodes").write_text("".join(line for line in lines if not line.startswith(f"{slot}:")))
        (self.tape / f"slot{slot}").rename(self.folder / "shelf" / volume)

    def empty_drive(self, drive: int) -> None:
        """Put the tape of a drive back into its slot."""
        self.console(f"unmount storage={STORAGE} drive={drive}")
        (self.tape / f"loaded{drive}").write_text("0\n")
        (self.tape / f"drive{drive}").unlink(missing_ok=True)
        self.console(f"mount storage={STORAGE} slot=0 drive={drive}")

    def put_back(self, volume: str) -> None:
        """Put it into its slot again; the catalog does not know until `update slots`."""
        slot = self.slot(volume)
        (self.folder / "shelf" / volume).rename(self.tape / f"slot{slot}")
        lines = [*(self.tape / "barcodes").read_text().splitlines(), f"{slot}:{volume}"]
        ordered = sorted(lines, key=lambda line: int(line.partition(":")[0]))
        (self.tape / "barcodes").write_text("\n".join(ordered) + "\n")

    def medium(self, volume: str) -> Path:
        """The file that is a tape."""
        return self.tape / f"slot{self.slot(volume)}"

    def damage(self, volume: str, at: int | None = None, size: int = 64) -> None:
        """Flip bytes of a tape (its middle, or from byte `at`)."""
        path = self.medium(volume)
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2 if at is None else at)
            start = file.tell()
            flipped = bytes(b ^ 0xFF for b in file.read(size))
            file.seek(start)
            file.write(flipped)

    def damage_text(self, volume: str, text: bytes) -> None:
        """Flip the bytes on a tape that hold this text."""
        at = self.medium(volume).read_bytes().find(text)
        assert at >= 0, f"{volume} does not hold that"
        self.damage(volume, at, len(text))

    def truncate(self, volume: str, size: int | None = None) -> None:
        """Cut a tape off (half of it, or after `size` bytes)."""
        path = self.medium(volume)
        os.truncate(path, path.stat().st_size // 2 if size is None else size)

    def hook(self, text: str) -> None:
        """Shell text that runs at each call of the changer; `$cmd` is its command. Empty: none."""
        (self.folder / "etc/hook").write_text(text)

    # -- for restorekit -----------------------------------------------------------------------------------------

    @property
    def where(self) -> Path:
        """The folder that the restore client writes to."""
        return self.folder / "restored"

    def settings(self, **more: Any) -> dict[str, Any]:
        """The section of `restorekit.yaml` for it; its times are UTC."""
        return {
            "kind": "bacula",
            "catalog": f"sqlite:///{self.catalog}",
            "console": str(self.folder / "etc/restorekit.conf"),
            "storage": STORAGE,
            "drive_storages": [f"{STORAGE}-{number}" for number in range(DRIVES)],
            "restore_client": RESTORE_CLIENT,
            "restore_job": RESTORE_JOB,
            "where": str(self.where),
            "layout": "/backup/{engine}/{database}.sql",
            "timezone": "UTC",
            **({"restore_user": USER} if os.geteuid() == 0 else {}),
            **more,
        }
