"""Which of the two languages a text is in, by its commonest small words; only for the language of the answer."""

import re

from restorekit.model.locale import Locale

_GERMAN = (
    "und der die das den dem ein eine einen ich wir sie es nicht ist war habe haben bitte am um vor nach von mit "
    "auf zu für bis seit gestern heute uhr letzte letzten letzter kann können noch wieder alles "
    "danke hallo geehrte"
)
_ENGLISH = (
    "and the a an i we you it is was have has not please on at before after from with to for until since yesterday "
    "today ago last can could again everything thanks hello dear my our been do does morning night"
)


def language(text: str) -> Locale | None:
    """`de`, `en`, or None where neither has more of its words in the text."""
    words = re.findall(r"[^\W\d_]+", text.casefold()[:20_000])
    german, english = (sum(w in known.split() for w in words) for known in (_GERMAN, _ENGLISH))
    if german == english:
        return None
    return "de" if german > english else "en"
