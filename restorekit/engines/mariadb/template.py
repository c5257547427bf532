"""An empty data directory per kind of server, made once and copied for each sandbox (30 ms instead of 500).

It knows no account with rights: nobody but the account that a sandbox creates for itself can do anything, and a
definer named in a dump finds nothing to borrow (`root` does not exist, `mariadb.sys` lost its rights).
"""

import contextlib
import os
import pwd
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from restorekit import shell
from restorekit.engines.mariadb.connect import Settings
from restorekit.errors import ConfigError, DiskFull, EngineUnavailable
from restorekit.model.home import Home

_NO_RIGHTS = b"""USE mysql;
DELETE FROM global_priv WHERE User<>'mariadb.sys';
UPDATE global_priv SET Priv='{"access":0,"account_locked":true}';
DELETE FROM tables_priv;
DELETE FROM columns_priv;
DELETE FROM procs_priv;
DELETE FROM proxies_priv;
DELETE FROM db;
DELETE FROM roles_mapping;
"""
_FULL = re.compile(r"No space left|[Dd]isk full|\b(?:[Ee]rror|[Ee]rrno|Errcode)[: ]+28\b")


def os_user(settings: Settings) -> str | None:
    """The unprivileged user that servers run as; None when this process is unprivileged itself."""
    return settings.sandbox_user if os.geteuid() == 0 else None


def is_full(text: str) -> bool:
    """True if a server or tool says that the disk is full."""
    return bool(_FULL.search(text))


def make_passage(path: Path) -> None:
    """Create `path` and what is missing above it: ours, and the server's user may only pass through it.

    Raises ConfigError, DiskFull.
    """
    try:
        for missing in [p for p in (*reversed(path.parents), path) if not p.exists()]:
            missing.mkdir(exist_ok=True)
            missing.chmod(0o711)
    except OSError as error:
        raise _no_room(path, error) from error


def make_folder(path: Path, settings: Settings) -> None:
    """Create `path`, owned by the server's user and closed to all others.

    Raises ConfigError when a parent that was there before does not let the server's user in, DiskFull.
    """
    make_passage(path.parent)
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        user = os_user(settings)
        if user is not None:
            shutil.chown(path, user, pwd.getpwnam(user).pw_gid)
    except OSError as error:
        raise _no_room(path, error) from error
    _check_way_in(path, settings)


def _no_room(path: Path, error: OSError) -> Exception:
    if is_full(str(error)):
        return DiskFull(f"no space left for {path}; live is untouched", hint="Free space or move `staging`.")
    return ConfigError(f"cannot prepare {path}: {error}")


def _check_way_in(path: Path, settings: Settings) -> None:
    user = os_user(settings)
    if user is None:
        return
    done = shell.run(shell.Spec(["test", "-w", str(path)], user=user), timeout_s=10)
    if done.returncode:
        closed = next((p for p in path.parents if not p.stat().st_mode & 0o001), path.parent)
        raise ConfigError(
            f"the user {user} of staging servers cannot enter {path}",
            hint=f"chmod o+x {closed}, or choose another folder (`staging`, or `clones` of the source).",
        )


def version_of(settings: Settings) -> str:
    """The version of the server program that sandboxes run; raises EngineUnavailable."""
    done = shell.run(shell.Spec([settings.mariadbd, "--no-defaults", "--version"]), timeout_s=30)
    words = done.stdout.decode("utf-8", "replace").split()
    if done.returncode or "Ver" not in words:
        raise EngineUnavailable(
            f"{settings.mariadbd} does not start: {done.stderr[-300:]}", hint="Install mariadb-server, or set mariadbd."
        )
    return words[words.index("Ver") + 1]


def template(settings: Settings, home: Home, wanted: Mapping[str, str]) -> Path:
    """The template's data directory; made on first use. Two processes may race: one wins, both get the same.

    Raises EngineUnavailable, DiskFull, ConfigError.
    """
    page, case = wanted.get("innodb_page_size", "16384"), wanted.get("lower_case_table_names", "0")
    kind = f"{version_of(settings)}-{page}-{case}-{os_user(settings) or 'self'}"
    final = home.cache / f"mariadb-template-{kind}"
    if final.exists():
        return final / "data"
    make_folder(home.cache / "mariadb", settings)
    draft = Path(tempfile.mkdtemp(prefix="template-", dir=home.cache / "mariadb"))
    try:
        make_folder(draft, settings)
        _install(settings, draft / "data", (f"--innodb-page-size={page}", f"--lower-case-table-names={case}"))
        with contextlib.suppress(OSError):  # somebody else was faster: theirs is as good
            draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final / "data"


def _install(settings: Settings, data: Path, options: tuple[str, ...]) -> None:
    # at its start a server deletes temporary tables in its tmpdir: in /tmp they may be those of live, in use
    make_folder(data.parent / "tmp", settings)
    own = [f"--datadir={data}", f"--tmpdir={data.parent / 'tmp'}"]
    base = ["--no-defaults", *own, "--innodb-log-file-size=8M", *options]
    install = [settings.install_db, *base, "--auth-root-authentication-method=normal", "--skip-test-db"]
    _succeed(shell.Spec([*install, "--skip-name-resolve"], user=os_user(settings)))
    bootstrap = [settings.mariadbd, *base, "--bootstrap", "--skip-networking", "--skip-log-bin"]
    _succeed(shell.Spec(bootstrap, user=os_user(settings)), _NO_RIGHTS)


def _succeed(spec: shell.Spec, feed: bytes | None = None) -> None:
    done = shell.run(spec, timeout_s=120, feed=feed)
    if done.returncode == 0:
        return
    said = f"{done.stdout.decode('utf-8', 'replace')}\n{done.stderr}"
    if is_full(said):
        raise DiskFull("no space left for the template of staging servers; live is untouched")
    raise EngineUnavailable(f"{spec.argv[0]} failed: {said.strip()[-500:]}")
