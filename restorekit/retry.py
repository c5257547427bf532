"""Ports that try again: only calls that are safe to repeat and give a value, only after temporary errors.

A broken stream is not repeated here; it restarts the whole step. The only import of tenacity.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from restorekit.errors import RestorekitError

P = TypeVar("P")

SAFE = frozenset(
    {"check", "scan", "manifest", "readiness", "open_sandbox", "databases", "sound", "witness", "preflight", "outcome"}
    | {"choose"}
)
"""The methods whose docstring in `ports` says "safe to repeat", except `load`, which needs a fresh stream each time."""

TRIES = 3


def retrying(port: P, *, longest_wait_s: float = 2.0) -> P:
    """The same port; calls named in SAFE are tried up to three times, with random waits that grow up to the longest.

    The last error passes through unchanged, and so does every error that is not temporary, at once.
    """
    return cast(P, _Retrying(port, longest_wait_s))


class _Retrying:
    """Stands before a port and hands everything through."""

    def __init__(self, port: Any, longest_wait_s: float) -> None:
        self._port = port
        self._longest_wait_s = longest_wait_s

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        return self._repeated(found) if name in SAFE else found

    def __repr__(self) -> str:
        return f"retrying({self._port!r})"

    def _repeated(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def patient(*args: Any, **kwargs: Any) -> Any:
            again = Retrying(
                stop=stop_after_attempt(TRIES),
                wait=wait_random_exponential(multiplier=self._longest_wait_s / 4, max=self._longest_wait_s),
                retry=retry_if_exception(lambda e: isinstance(e, RestorekitError) and e.temporary),
                reraise=True,
            )
            return again(call, *args, **kwargs)

        return patient
