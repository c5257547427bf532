"""Doctor: is everything in place? Creates and changes nothing, and is of use before anything is configured."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from restorekit import discovery, playbook, shell
from restorekit.catalog.database import tables_of
from restorekit.errors import ConfigError, RestorekitError
from restorekit.model.exchange import Finding
from restorekit.model.home import Home
from restorekit.settings import Settings, load

_LOW_DISK = 2 << 30
_PATIENCE_S = 5.0
_MINIMAL = """\
A minimal restorekit.yaml for one MariaDB server and a folder of dumps:
  engines:
    db1: {kind: mariadb, socket: /run/mysqld/mysqld.sock, user: root}
  sources:
    nightly: {kind: directory, path: /srv/dumps, layout: "{engine}/{database}.sql"}
All keys: docs/configuration.md. To see it work first: restorekit demo --keep lab"""
_TOOLS = {
    "setpriv": ("apt-get install util-linux", "nothing can be staged"),
    "restic": ("apt-get install restic", "no restic repository can be read"),
    "mariadbd": ("apt-get install mariadb-server", "no MariaDB database can be staged"),
}

Place = tuple[str, Finding]


def examine(config: Path | None) -> list[Place]:
    """(where, finding) of configuration, state, keys, clock, disk, playbooks, every engine and every source."""
    try:
        settings = load(config)
    except ConfigError as error:
        hint = _MINIMAL if config is None and "RESTOREKIT_CONFIG" not in os.environ else error.hint
        wrong = Finding(severity="refuse", code=error.code, text=error.message, hint=hint)
        return [("configuration", wrong), *_tools()]
    found: list[Place] = [("configuration", f) for f in _configured(settings)]
    found += [("state", f) for f in _asked(partial(_state, settings))]
    found += [("keys", _keys(settings.keys)), ("clock", _clock(settings.timezone))]
    found += [(f"playbook {name}", f) for name in _books(settings) for f in _asked(partial(_book, name, settings))]
    home = Home(staging=settings.staging, cache=settings.cache, base=settings.folder, timezone=settings.timezone)
    for room, sections in (("engines", settings.engines), ("sources", settings.sources)):
        for name, section in sections.items():
            check = partial(_provider, f"restorekit.{room}", name, section, home)
            found += [(name, f) for f in _asked(check)]
    return [*found, ("staging", _disk(settings.staging))]


def _tools() -> Iterator[Place]:
    for tool, (hint, loss) in _TOOLS.items():
        if shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
            yield "tools", Finding(severity="ok", code="tool", text=f"{tool} is installed")
        else:
            yield "tools", Finding(severity="warn", code="tool", text=f"{tool} is missing: {loss}", hint=hint)


def _configured(settings: Settings) -> Iterator[Finding]:
    yield Finding(
        severity="ok",
        code="config",
        text=f"{settings.folder}: engines {_named(settings.engines)}; sources {_named(settings.sources)}",
    )
    for part in ("engines", "sources"):
        if not getattr(settings, part):
            hint = f"Add it under `{part}`: docs/configuration.md."
            yield Finding(severity="warn", code="config", text=f"{part}: none is configured", hint=hint)
    for name, entry in settings.databases.items():
        if entry.engine not in settings.engines:
            text = f"databases.{name}.engine: there is no engine {entry.engine!r}"
            yield Finding(severity="refuse", code="config", text=text, hint="See `engines`.")


def _named(sections: dict[str, dict[str, object]]) -> str:
    return ", ".join(sorted(sections)) or "none"


def _state(settings: Settings) -> list[Finding]:
    """Reachable, and with which tables; opening it for work would create and migrate it, this does not."""
    answers = {
        "absent": ("ok", "does not exist yet; the first command that writes creates it"),
        "behind": ("ok", "has older tables; the first command that writes migrates them"),
        "current": ("ok", "answers, its tables are up to date"),
        "ahead": ("refuse", "has newer tables than this program knows"),
    }
    severity, text = answers[tables_of(settings.state)]
    hint = "Update restorekit on this host." if severity == "refuse" else ""
    return [Finding.model_validate({"severity": severity, "code": "state", "text": text, "hint": hint})]


def _keys(folder: Path) -> Finding:
    """Who can read the keys can sign receipts, and guess rows from their hashes."""
    if not folder.exists():
        return Finding(severity="ok", code="keys", text=f"{folder} does not exist yet; it is created with its keys")
    open_to_others = [p.name for p in folder.iterdir() if p.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    if open_to_others:
        text = f"{folder}: others may read {', '.join(sorted(open_to_others))}"
        return Finding(severity="refuse", code="keys", text=text, hint=f"chmod 600 {folder}/*")
    if not os.access(folder, os.R_OK | os.W_OK):
        return Finding(severity="refuse", code="keys", text=f"{folder} cannot be used", hint="Who owns it?")
    return Finding(severity="ok", code="keys", text=f"{folder} is for its owner only; is it in your backup?")


def _clock(zone: str) -> Finding:
    now = datetime.now(UTC).astimezone(ZoneInfo(zone))
    text = f"{now:%a %Y-%m-%d %H:%M:%S} {now.isoformat()[-6:]} in {zone}"
    if shutil.which("timedatectl") is not None:
        done = shell.run(shell.Spec(["timedatectl", "show", "-p", "NTPSynchronized", "--value"]), timeout_s=_PATIENCE_S)
        if done.stdout.strip() == b"no":
            hint = "timedatectl set-ntp true; moments of backups and writes are compared by clocks."
            return Finding(severity="warn", code="clock", text=f"{text}; not synchronised", hint=hint)
    return Finding(severity="ok", code="clock", text=text)


def _books(settings: Settings) -> list[str]:
    named = {entry.playbook for entry in settings.databases.values()}
    own = {p.stem for p in settings.playbooks.glob("*.yaml")} if settings.playbooks else set()
    return sorted(named | own | {"default"})


def _book(name: str, settings: Settings) -> list[Finding]:
    found = playbook.load(name, settings.playbooks)
    text = f"level {found.proof.min_level} before a swap, {len(found.checks)} application checks"
    return [Finding(severity="ok", code="playbook", text=text)]


def _provider(room: str, name: str, section: dict[str, object], home: Home) -> list[Finding]:
    findings: list[Finding] = discovery.provider(room, name, section, home).check()
    return findings


def _disk(folder: Path) -> Finding:
    there = folder
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    text = f"{free / 1e9:.1f} GB free for staging in {folder}"
    if free < _LOW_DISK:
        return Finding(severity="warn", code="disk", text=text, hint="A restore needs about twice its size here.")
    return Finding(severity="ok", code="disk", text=text)


def _asked(question: Callable[[], list[Finding]]) -> list[Finding]:
    """The findings, or the error as one."""
    try:
        return question()
    except RestorekitError as error:
        return [Finding(severity="refuse", code=error.code, text=error.message, hint=error.hint)]
