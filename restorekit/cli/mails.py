"""A customer's mail out of a file: its text, and when it was written, if it says so."""

from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

from restorekit.errors import UsageError

_MOST_BYTES = 4 << 20


class Mail(NamedTuple):
    """What somebody wrote. `written_at` is the Date header with its offset; None for a bare text."""

    text: str
    written_at: datetime | None


def read_mail(path: Path) -> Mail:
    """A message as a mail program saves it, or just its text. Raises UsageError if the file cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--mail {path}: {error.strerror}", hint="Name a file with the customer's words.") from error
    if len(data) > _MOST_BYTES:
        raise UsageError(f"--mail {path} is larger than {_MOST_BYTES >> 20} MiB", hint="Save the mail's text alone.")
    message = message_from_bytes(data, policy=policy.default)
    if not isinstance(message, EmailMessage) or not {"from", "subject", "date"} & {k.lower() for k in message}:
        return Mail(data.decode("utf-8", "replace"), None)
    return Mail(f"{message.get('subject', '')}\n\n{_body(message)}", _date(message))


def _body(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    try:
        return str(part.get_content())
    except (LookupError, ValueError):  # a character set that does not exist
        payload = part.get_payload(decode=True)
        return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def _date(message: EmailMessage) -> datetime | None:
    written = getattr(message.get("date"), "datetime", None)
    return written if isinstance(written, datetime) and written.tzinfo is not None else None
