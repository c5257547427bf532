"""A customer's mail out of a file: its text, and when it was written, if it says so."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

from restorekit.errors import UsageError

_MOST_BYTES = 4 << 20
_UNSEEN = {"head", "script", "style", "title"}
_WITHIN_A_LINE = {"a", "abbr", "b", "big", "code", "em", "font", "i", "s", "small", "span", "strong", "sub", "sup", "u"}


class Mail(NamedTuple):
    """What somebody wrote. `written_at` is the Date header with its offset; None for a bare text."""

    text: str
    written_at: datetime | None


def read_mail(path: Path) -> Mail:
    """A message as a mail program saves it, or just its text. Raises UsageError if there is no text to be read."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--mail {path}: {error.strerror}", hint="Name a file with the customer's words.") from error
    if len(data) > _MOST_BYTES:
        raise UsageError(f"--mail {path} is larger than {_MOST_BYTES >> 20} MiB", hint="Save the mail's text alone.")
    mail = _mail(data)
    if not any(letter.isalnum() for letter in mail.text):
        raise UsageError(f"--mail {path} holds no text", hint="Save the customer's words in it, as plain text.")
    return mail


def _mail(data: bytes) -> Mail:
    message = message_from_bytes(data, policy=policy.default)
    if not isinstance(message, EmailMessage) or not {"from", "subject", "date"} & {k.lower() for k in message}:
        return Mail(_decoded(data), None)
    return Mail(f"{message.get('subject', '')}\n\n{_body(message)}", _date(message))


def _body(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    payload = part.get_payload(decode=True) if part is not None else None
    if part is None or not isinstance(payload, bytes):
        return ""
    text = _decoded(payload, part.get_content_charset("utf-8"))
    return _seen(text) if part.get_content_subtype() == "html" else text


def _decoded(data: bytes, charset: str = "utf-8") -> str:
    """As it says it is written, or else as what most often is meant."""
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        charset = "utf-16"
    for name in (charset, "utf-8"):
        try:
            return data.decode(name).removeprefix("\ufeff")
        except (LookupError, ValueError):  # a character set that does not exist, or is not the one that was used
            continue
    return data.decode("cp1252", "replace")


def _date(message: EmailMessage) -> datetime | None:
    written = getattr(message.get("date"), "datetime", None)
    if not isinstance(written, datetime):
        return None
    # `-0000` is UTC from a place that nobody names.
    return written if written.tzinfo is not None else written.replace(tzinfo=UTC)


class _Reader(HTMLParser):
    """What a person sees of a page, line by line."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - as it is called
        self._unseen += tag in _UNSEEN
        self._line(tag)

    def handle_endtag(self, tag: str) -> None:
        self._unseen = max(0, self._unseen - (tag in _UNSEEN))
        self._line(tag)

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.seen.append(" ".join(data.split("\n")))

    def _line(self, tag: str) -> None:
        if tag not in _WITHIN_A_LINE:
            self.seen.append("\n")


def _seen(page: str) -> str:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return "".join(reader.seen)
