"""Errors that outlive their process: to a stored value and back.

A step's error is recorded as JSON, so that a replay after a crash meets the same error as the first time. Text of
unexpected exceptions is left out on purpose: a server's message may quote a customer's row.
"""

import traceback
from collections.abc import Iterator

from restorekit.errors import RestorekitError
from restorekit.model.run import Failure


def failure_of(error: BaseException, during: str) -> Failure:
    """What is stored of an error that came up `during` a step or recipe; holds no text of a foreign exception."""
    if isinstance(error, RestorekitError):
        return Failure(
            code=error.code,
            exit_code=error.exit_code,
            message=error.message,
            hint=error.hint,
            details=error.details,
        )
    return Failure(
        code=RestorekitError.code,
        exit_code=RestorekitError.exit_code,
        message=f"{type(error).__name__} during {during}",
        hint="This is a defect; the log of the worker holds the place in the code.",
    )


def error_of(failure: Failure) -> RestorekitError:
    """The error of the same code; an unknown code (a newer version's) becomes a RestorekitError."""
    kind = next((k for k in _kinds(RestorekitError) if k.code == failure.code), RestorekitError)
    return kind(failure.message, hint=failure.hint, details=failure.details)


def _kinds(root: type[RestorekitError]) -> Iterator[type[RestorekitError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _kinds(kind)


def frames(error: BaseException) -> str:
    """The traceback of an error and of its causes without their messages: files, lines, types. For the log."""
    parts = []
    cause: BaseException | None = error
    while cause is not None:
        parts.append("".join(traceback.format_tb(cause.__traceback__)) + type(cause).__name__)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\ncaused by\n".join(parts)
