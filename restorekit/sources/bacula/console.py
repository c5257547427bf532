"""Talking to the director through bconsole: lines in, text out, nothing else.

bconsole retries for minutes where no director listens, ends with 0 whatever happened and asks back where a word is
missing. So the port is tried first, every call has a limit, and what is said is read strictly.
"""

import re
import socket
from pathlib import Path

from restorekit import shell
from restorekit.errors import ConfigError, EngineUnavailable, SourceUnavailable, Temporary

_CONNECT_S = 5.0
_DEFAULT_PORT = 9101
_REFUSED = re.compile(r"authorization problem|Bad response to Hello|Invalid password", re.IGNORECASE)
_NOT_ALLOWED = re.compile(
    r"invalid command|is not authorized|not authorized for|: is an invalid command", re.IGNORECASE
)
_SHOWN = 600


def quoted(value: str) -> str:
    """A value as a word of a console command. Raises ConfigError for what would end the word or the line."""
    if any(c in value for c in '"\\\n\r'):
        raise ConfigError(f"{value!r} cannot be said to the director: it holds a quote, a backslash or a line end")
    return f'"{value}"'


def excerpt(text: str) -> str:
    """The end of what was said, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"…{line[-_SHOWN:]}"


class Console:
    """One director, by the configuration file of one (best restricted) console."""

    def __init__(self, program: str, conf: Path) -> None:
        """`conf` is a bconsole.conf; it is read at each call, and its password goes to bconsole alone."""
        self._program, self._conf = program, conf

    def ask(self, *lines: str, limit_s: float = 60) -> str:
        """What the director answers. Raises SourceUnavailable (down, silent), ConfigError (refused, not installed)."""
        self._knock()
        spec = shell.Spec([self._program, "-n", "-c", str(self._conf)])
        try:
            done = shell.run(spec, timeout_s=limit_s, feed="".join(f"{line}\n" for line in lines).encode())
        except EngineUnavailable as error:
            raise ConfigError(f"bconsole {error.message}", hint="apt-get install bacula-console.") from error
        except Temporary as error:
            raise SourceUnavailable(
                f"the director gave no answer within {limit_s:g} s", hint="See `status dir` in bconsole; try again."
            ) from error
        text = done.stdout.decode("utf-8", "replace")
        if _REFUSED.search(text + done.stderr):
            raise ConfigError(
                f"the director refuses the console of {self._conf}", hint="Do name and password fit its Console?"
            )
        if done.returncode != 0 and "1000 OK" not in text:
            details = (excerpt(text + done.stderr),)
            raise SourceUnavailable("bconsole could not talk to the director", hint="Try it by hand.", details=details)
        return text

    def allowed(self, text: str) -> str:
        """`text`, unless it says that this console may not do that: then ConfigError."""
        if _NOT_ALLOWED.search(text):
            raise ConfigError(
                "the console may not do what restoring needs",
                hint="Its CommandACL needs restore, run, .status, status, cancel, update, mount and .bvfs_*.",
                details=(excerpt(text),),
            )
        return text

    def _knock(self) -> None:
        """Is anybody there? Asking bconsole itself would take minutes to say no."""
        address, port = self.address()
        try:
            socket.create_connection((address, port), _CONNECT_S).close()
        except OSError as error:
            raise SourceUnavailable(
                f"no director listens at {address}:{port}", hint="Is bacula-dir running? Live is untouched."
            ) from error

    def address(self) -> tuple[str, int]:
        """Where the director listens, as the configuration says. Raises ConfigError."""
        try:
            text = self._conf.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise ConfigError(f"{self._conf} cannot be read: {error.strerror}", hint="See `console`.") from error
        bare = re.sub(r"(?m)#.*$", "", text)
        section = re.search(r"\bDirector\s*\{([^}]*)\}", bare, re.IGNORECASE)
        if section is None:
            raise ConfigError(f"{self._conf} names no Director", hint="It must be a bconsole.conf.")
        words = {}
        for directive in re.split(r"[;\n]", section[1]):
            key, _, value = directive.partition("=")
            words[key.replace(" ", "").strip().lower()] = value.strip().strip('"')
        port = words.get("dirport") or words.get("port") or str(_DEFAULT_PORT)
        return words.get("address") or "localhost", int(port)
