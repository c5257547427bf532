"""The language of an answer is that of the question, where it can be told."""

import time

import pytest

from restorekit.timewords.language import language


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Guten Tag, ich habe eben Teile der Datenbank geschreddert.", "de"),
        ("HALLO, KÖNNEN SIE DAS ZURÜCKHOLEN? ES IST ALLES WEG", "de"),
        ("Hello, I have just shredded parts of the database.", "en"),
        ("gestern um 8", "de"),
        ("last night", "en"),
        ("17.01.", None),
        ("", None),
        ("Änderung", None),
        ("2009-01-17T16:41", None),
    ],
)
def test_by_the_small_words(text: str, said: str | None) -> None:
    assert language(text) == said


def test_long_texts_take_no_time() -> None:
    started = time.process_time()
    assert language("und " * 2_000_000) == "de"
    assert time.process_time() - started < 0.5
