"""A second set of mails: the right moment with the right role, or a question; never the wrong moment."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest

from restorekit.timewords import resolve

NOW = datetime.fromisoformat("2009-01-22T10:15:00+01:00")


class Mail(NamedTuple):
    """`start`: on the clock of Berlin; empty where it has to be asked. `days`: loss that is accepted."""

    mail: str
    status: str
    role: str
    start: str
    days: float | None


MAILS = [Mail(**m) for m in json.loads(Path(__file__).with_name("second_mails.json").read_text(encoding="utf-8"))]


@pytest.mark.parametrize("mail", MAILS, ids=lambda m: m.mail[:40])
def test_mail(mail: Mail) -> None:
    answer = resolve(mail.mail, now=NOW, tz="Europe/Berlin", locale="de")
    assert answer.status == mail.status
    assert answer.tolerance == (None if mail.days is None else timedelta(days=mail.days))
    if mail.status == "ok":
        assert answer.role == mail.role
        assert [c.start for c in answer.candidates] == [datetime.fromisoformat(f"{mail.start}+01:00")]
    else:
        assert answer.question
