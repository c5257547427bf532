"""One restore job from beginning to end: submitted once, followed, mounted for, judged, cleaned up.

The director runs it whatever becomes of this process. A repetition therefore looks for the job first: by the JobId in
the order, else by the comment it was started with.
"""

import re
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from restorekit import crashpoint
from restorekit.errors import Cancelled, ConfigError, NoPoint, RestorekitError, SourceDamaged, SourceUnavailable
from restorekit.ports import Watch
from restorekit.sources.bacula.bootstrap import bootstrap
from restorekit.sources.bacula.console import quoted
from restorekit.sources.bacula.director import Director, JobState
from restorekit.sources.bacula.settings import BaculaSettings
from restorekit.sources.bacula.spool import Order, Spool
from restorekit.sources.bacula.trouble import trouble
from restorekit.sources.bacula.wanted import Wanted

COMMENT = "restorekit "
_WAITING, _MOUNTING, _READING = "waiting for a drive", "mounting", "reading"
_PLEASE = re.compile(r'Please mount (?:read |append )?Volume "([^"]+)".*?Storage:\s+"([^"]+)"', re.DOTALL)
_MOST_MOUNTS = 3
_FIRST_LOOK_S, _LAST_LOOK_S = 0.05, 2.0
_QUIET_S, _END_S = 10.0, 60.0
_QUEUED = re.compile(r"waiting (?:on|for) (?:max|Storage|higher priority|its start)", re.IGNORECASE)
"""Words of a job whose turn it is not yet."""


class Missing(NamedTuple):
    """A volume somebody has to bring."""

    volume: str


class Busy(NamedTuple):
    """Every drive already has a job of ours."""

    jobs: int
    drives: int


class Fetch:
    """How orders are carried out at one director."""

    def __init__(self, director: Director, spool: Spool, settings: BaculaSettings) -> None:
        """Paths in `settings` are absolute."""
        self._director, self._spool, self._settings = director, spool, settings

    def run(self, order: Order, watch: Watch) -> Missing | Busy | None:
        """Bring the files of `order` into the spool. None: all are there and proven. The order is gone afterwards.

        Except where the director went away meanwhile (SourceUnavailable): then it stays, and a repetition goes on
        with it. Raises what `Source.warm` raises; files that are proven are kept even then.
        """
        number = order.job or self._director.find(COMMENT + order.id) or self._submitted(order, watch)
        if isinstance(number, Busy):
            self._spool.drop(order)
            return number
        order = order.model_copy(update={"job": number})
        self._spool.record(order)
        try:
            end = self._followed(order, watch)
        except _Stalled as stalled:
            self._abandon(order)
            hint = "See `status dir` and `status storage` in bconsole; try again."
            raise SourceUnavailable(f"{stalled}; live is untouched", hint=hint) from stalled
        except Cancelled:
            self._abandon(order)
            raise
        if isinstance(end, Missing):
            self._abandon(order)
            return end
        return self._judged(order, end)

    # -- submitting ---------------------------------------------------------------------------------------------

    def _submitted(self, order: Order, watch: Watch) -> int | Busy:
        """Start the job; Busy if the drives have enough to do already. Whoever dies here is found by the comment."""
        with self._spool.alone():
            drives = self._settings.drives or max(len(self._director.drives()), 1)
            jobs = self._director.unfinished(COMMENT)
            if jobs >= drives:
                return Busy(jobs, drives)
            try:
                watch.check()
                number = self._director.submit(*self._commands(order))
            except (NoPoint, ConfigError, Cancelled):
                self._clean(order)
                raise
            crashpoint.here("tape_submitted")
            return number

    def _commands(self, order: Order) -> tuple[str, ...]:
        numbers = {wanted.job: self._director.backup(wanted.job) for wanted in order.files}
        if all(self._director.has_file(numbers[w.job], w.fileid) for w in order.files):
            return self._by_ids(order, sorted(set(numbers.values())))
        if len(order.files) > 1:
            self._clean(order)
            raise SourceUnavailable("the catalog's records of files were pruned just now", hint="Try again.")
        wanted = order.files[0]
        return self._by_name(order, wanted, numbers[wanted.job])

    def _by_ids(self, order: Order, numbers: Sequence[int]) -> tuple[str, ...]:
        """Exact FileIds: other forms of `restore` bring other versions than asked for, with status T (9.6.7)."""
        table = f"b2{secrets.randbelow(10**9):09d}"
        ids, jobs = ",".join(w.fileid for w in order.files), ",".join(map(str, numbers))
        clients = f"client={quoted(order.client)} restoreclient={quoted(self._settings.restore_client)}"
        job = f"restorejob={quoted(self._settings.restore_job)} " if self._settings.restore_job else ""
        return (
            f".bvfs_restore fileid={ids} jobid={jobs} path={table}",
            f"restore file=?{table} {clients} {job}{self._drive(order)}{self._where(order)} yes",
            f".bvfs_cleanup path={table}",
        )

    def _drive(self, order: Order) -> str:
        """The drive that has the tape: left to itself, the storage daemon may take another and move the tape there."""
        named = self._settings.drive_storages
        inside = [volume for _, volume in self._director.drives()][: len(named)] if named else []
        return f"storage={quoted(named[inside.index(order.volume)])} " if order.volume in inside else ""

    def _by_name(self, order: Order, wanted: Wanted, number: int) -> tuple[str, ...]:
        text = bootstrap(self._director.pieces(number), self._director.storage, wanted.path)
        file = self._bootstrap_file(order)
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
        file.chmod(0o644)
        job = self._settings.restore_job or self._director.restore_job()
        client = quoted(self._settings.restore_client)
        return (f"run job={quoted(job)} client={client} bootstrap={quoted(str(file))} {self._where(order)} yes",)

    def _bootstrap_file(self, order: Order) -> Path:
        folder = self._settings.bootstraps or self._spool.out(order).parent
        return folder / f"{order.id}.bsr"

    def _where(self, order: Order) -> str:
        return f"where={quoted(str(self._spool.out(order)))} comment={quoted(COMMENT + order.id)}"

    # -- following ----------------------------------------------------------------------------------------------

    def _followed(self, order: Order, watch: Watch) -> JobState | Missing:
        """Until it has ended, or waits for a tape that is not there. Raises Cancelled, _Stalled, SourceUnavailable."""
        assert order.job is not None
        clock, mounts, pause = _Clock(self._settings), 0, _FIRST_LOOK_S
        while (state := self._director.job(order.job)) and not state.ended:
            watch.check()
            brought, log = self._spool.brought(order), self._director.log(order.job)
            watch.progress(_phase(brought, log), brought, order.size or None)
            if clock.quiet(brought):
                self._asked_after(order.job, clock)
            asked = _PLEASE.findall(log)
            if len(asked) > mounts:
                mounts = len(asked)
                if (missing := self._mounted(order.job, asked[-1], mounts)) is not None:
                    return missing
            time.sleep(pause)  # the end of the director's work can only be polled
            pause = min(pause * 1.5, _LAST_LOOK_S)
        if state is None:
            raise _Stalled(f"the catalog no longer knows restore job {order.job}")
        return state

    def _asked_after(self, number: int, clock: "_Clock") -> None:
        """Nothing came for a while: is the job still there, is it its turn? Raises _Stalled, SourceUnavailable."""
        words = self._director.running(number)
        if words is None:
            state = self._director.job(number)
            if state is not None and not state.ended:  # a row alone, which a director that died has left
                raise _Stalled(f"the director no longer knows restore job {number}")
        elif _QUEUED.search(words):
            clock.patient()
        clock.check(words or "")

    def _mounted(self, number: int, asked: tuple[str, str], mounts: int) -> Missing | None:
        """A drive wants a tape: put it in if it is in the library. Missing if somebody has to bring it."""
        volume, device = asked
        self._director.update_slots()
        self._spool.slots_looked_at()
        known = self._director.volumes([volume]).get(volume)
        if known is None or not known.in_changer or mounts > _MOST_MOUNTS:
            return Missing(volume)
        names = [name for name, _ in self._director.drives()]
        if "mount" in (self._director.running(number) or ""):
            self._director.mount(known.slot, names.index(device) if device in names else 0)
        return None

    # -- ending -------------------------------------------------------------------------------------------------

    def _abandon(self, order: Order) -> None:
        """Give the drive back, then delete what came: a cancelled restore leaves a file of the right name, cut off."""
        assert order.job is not None
        self._director.cancel(order.job)
        end = time.monotonic() + _END_S
        with suppress(SourceUnavailable):
            while self._director.running(order.job) is not None and time.monotonic() < end:
                time.sleep(_FIRST_LOOK_S)  # as above
        self._clean(order)

    def forget(self, order: Order) -> None:
        """Nobody wants it any more: cancel its job, if there is one, and delete what came. Raises SourceUnavailable."""
        number = order.job or self._director.find(COMMENT + order.id)
        if number is None:
            self._clean(order)
        else:
            self._abandon(order.model_copy(update={"job": number}))

    def _clean(self, order: Order) -> None:
        self._bootstrap_file(order).unlink(missing_ok=True)
        self._spool.drop(order)

    def _judged(self, order: Order, state: JobState) -> Missing | None:
        """Only what is proven is kept: by T and digest; after W, or as one of many, by the digest alone."""
        lost: list[RestorekitError] = []
        by_digest = state.status == "W" or len(order.files) > 1
        unsure = False
        try:
            for number, wanted in enumerate(order.files):
                if state.status != "T" and not (by_digest and wanted.expected):
                    unsure = True
                    continue
                try:
                    self._kept(order, number)
                except SourceDamaged as error:
                    lost.append(error)
            crashpoint.here("tape_kept")
            if state.status not in "TW" or unsure:
                return self._failed(order, state)
            if lost:
                raise lost[0]
        finally:
            self._clean(order)
        return None

    def _kept(self, order: Order, number: int) -> None:
        path, kept = self._spool.prove(order, order.files[number])
        for point, index in order.points.items():
            if index == number:
                self._spool.keep(point, path, kept)

    def _failed(self, order: Order, state: JobState) -> Missing:
        """Missing if a tape was not there although the catalog thought so; else raises what the log means."""
        pieces = [p["volume"] for w in order.files for p in self._director.pieces(self._director.backup(w.job))]
        self._director.update_slots()
        self._spool.slots_looked_at()
        known = self._director.volumes(pieces)
        away = [volume for volume in dict.fromkeys(pieces) if volume in known and not known[volume].in_changer]
        log = self._director.log(state.number)
        if away and "autochanger" in log:
            return Missing(away[0])
        what = ", ".join(w.path for w in order.files[:3]) + (" and more" if len(order.files) > 3 else "")
        raise trouble(state.status, log, what)


class _Stalled(Exception):
    """No progress for too long."""


class _Clock:
    """How long a restore has taken, and how long it has brought nothing."""

    def __init__(self, settings: BaculaSettings) -> None:
        self._stall, self._limit = settings.stall, settings.limit
        self._begun = self._moved = self._asked = time.monotonic()
        self._brought = -1

    def quiet(self, brought: int) -> bool:
        """True every few seconds as long as nothing comes."""
        now = time.monotonic()
        if brought != self._brought:
            self._brought, self._moved, self._asked = brought, now, now
        if now - self._begun > self._limit:
            raise _Stalled(f"the restore was not done after {self._limit} s and was cancelled")
        if now - self._asked < min(_QUIET_S, self._stall):
            return False
        self._asked = now
        return True

    def patient(self) -> None:
        """It waits for its turn: backups may keep the drives all night."""
        self._moved = time.monotonic()

    def check(self, words: str) -> None:
        """Raises _Stalled."""
        if time.monotonic() - self._moved >= self._stall:
            said = " ".join(words.split()) or "nothing"
            raise _Stalled(f"the restore brought nothing for {self._stall} s and was cancelled; the director: {said}")


def _phase(brought: int, log: str) -> str:
    if brought:
        return _READING
    return _MOUNTING if "Using Device" in log else _WAITING
