"""Both languages in one table: word → meanings. Always both; nobody has to say in which language they write."""

from collections import defaultdict
from functools import cache
from typing import Any, NamedTuple

from restorekit.timewords import english, german

_FOLD = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_BARE = str.maketrans({"ä": "a", "ö": "o", "ü": "u", "ß": "ss"})


class Meaning(NamedTuple):
    """What kind of word it is, and which one."""

    kind: str
    value: Any


def fold(word: str) -> str:
    """Lower case without umlauts, as words are looked up."""
    return word.casefold().translate(_FOLD)


def _spellings(word: str) -> set[str]:
    found = {fold(word), word.casefold().translate(_BARE)}
    return found | {w.replace("'s", "") for w in found}


@cache
def words() -> dict[str, tuple[Meaning, ...]]:
    """Every single word with all its meanings."""
    table: dict[str, list[Meaning]] = defaultdict(list)

    def add(text: str, kind: str, value: Any = "") -> None:
        for word in text.split():
            for spelled in _spellings(word):
                meaning = Meaning(kind, value)
                if meaning not in table[spelled]:
                    table[spelled].append(meaning)

    for language in (german, english):
        _calendar(language, add)
        _adverbs(language, add)
        _numbers(language, add)
    _whole_words(add)
    _clockwork(add)
    return {word: tuple(meanings) for word, meanings in table.items()}


def _whole_words(add: Any) -> None:
    for text, name in {**german.FEASTS, **english.FEASTS}.items():
        if " " not in text:
            add(text, "feast", name)
    for text, value in german.PART_OF.items():
        add(text, "part_of", value)
    for text, number in german.HALVES.items():
        add(text, "number", number)


def _calendar(language: Any, add: Any) -> None:
    for number, text in language.MONTHS.items():
        add(text, "month", number)
    for number, text in language.WEEKDAYS.items():
        add(text, "weekday", number)
    for days, text in language.DAYS.items():
        add(text, "shift", days)
    for name, text in language.DAYPARTS.items():
        add(text, "daypart", name)
    for name, text in language.UNITS.items():
        add(text, "unit", name)
    for which, text in language.WHICH.items():
        add(text, "which", which)
    for part, text in language.PARTS.items():
        add(text, "part", part)


def _adverbs(language: Any, add: Any) -> None:
    for relation, text in language.RELATIONS.items():
        add(text, "relation", relation)
    for how, text in language.VAGUE.items():
        add(text, "vague", how)
    add(language.SHORTLY, "shortly")
    add(language.FILLERS, "filler")
    add(language.EVENTS, "event")


def _numbers(language: Any, add: Any) -> None:
    ones = language.ONES.split()
    for number, text in enumerate(ones):
        add(text, "number", number)
    add(language.ARTICLES, "number", 1)
    add(language.FEW, "few")
    for ten, text in language.TENS.items():
        add(text, "number", ten)
        if language is german:
            for one in range(1, 10):
                add(f"{ones[one]}und{text}", "number", ten + one)
    add("zwo", "number", 2)
    _ordinals(language, add)


def _ordinals(language: Any, add: Any) -> None:
    if language is english:
        for number, text in enumerate(language.ORDINALS.split(), start=1):
            add(text, "ordinal", number)
        return
    ones = language.ONES.split()
    stems = {n: f"{w}t" for n, w in enumerate(ones)} | {1: "erst", 3: "dritt", 7: "siebt", 8: "acht"}
    spelled = [(n, stems[n]) for n in range(1, 18)] + [(18, "achtzehnt"), (19, "neunzehnt")]
    spelled += [(20, "zwanzigst"), (30, "dreißigst"), (31, "einunddreißigst")]
    spelled += [(20 + one, f"{ones[one]}undzwanzigst") for one in range(1, 10)]
    for number, stem in spelled:
        add(" ".join(stem + ending for ending in ("e", "en", "er", "es", "em")), "ordinal", number)
    add("achtzehn", "number", 18)
    add("neunzehn", "number", 19)


def _clockwork(add: Any) -> None:
    add("uhr", "uhr")
    add("am", "meridiem", "am")
    add("pm", "meridiem", "pm")
    add("halb", "halb")
    add("half", "half")
    add("halbe halben halber halbes", "number", 0.5)
    add("viertel", "viertel", 15)
    add("dreiviertel", "viertel", 45)
    add("quarter quarters", "quarter")
    add("past", "past")
    add("to", "to")
    add("mitternacht midnight", "named", "midnight")
    add("noon midday", "named", "noon")
    add("kw kalenderwoche calendarweek isoweek", "calendar_week")
    add("ago her zurueck back", "ago")
    add("vor", "vor")
    add("zwischen between", "between")
    add("von vom from", "from")
    add("bis to till until through thru", "upto")
    add("und and", "and")
    add("viertelstunde", "seconds", 900)
    add("dreiviertelstunde", "seconds", 2700)
    add("quartal quartals quartale q", "quartal")
    add("fortnight", "fortnight")
    add("spät späten später frühen", "edge")
    add("herum rum", "afterwards")
    add("most", "most")
    add("by", "by")
    add("or oder", "or")
    add("gut fast almost nearly", "roughly")
    add("oclock", "filler")
    add(_DECOYS, "decoy")
    add(_DENIALS, "denial")
    add("latest newest neueste neuester neuesten neuestes aktuellste aktuellster aktuellsten jetzt now", "latest")
    add("backup backups sicherung sicherungen datensicherung snapshot stand dump state", "backup")


@cache
def phrases() -> dict[tuple[str, ...], Meaning]:
    """Meanings of several words together, by their words."""
    feasts = {**german.FEASTS, **english.FEASTS}
    table = {
        tuple(spelled.split()): Meaning("feast", key) for text, key in feasts.items() for spelled in _spellings(text)
    }
    fixed = {
        "the day before yesterday": Meaning("shift", -2),
        "day before yesterday": Meaning("shift", -2),
        "vor gestern": Meaning("shift", -2),
        "the day after tomorrow": Meaning("shift", 2),
        "day after tomorrow": Meaning("shift", 2),
        "the other day": Meaning("vague", "recently"),
        "vor kurzem": Meaning("vague", "recently"),
        "vor einiger zeit": Meaning("vague", "recently"),
        "vor laengerer zeit": Meaning("vague", "recently"),
        "a while ago": Meaning("vague", "recently"),
        "some time ago": Meaning("vague", "recently"),
        "a while back": Meaning("vague", "recently"),
        "a moment ago": Meaning("vague", "minutes"),
        "gerade eben": Meaning("vague", "minutes"),
        "just now": Meaning("vague", "minutes"),
        "right now": Meaning("latest", ""),
        "no later than": Meaning("relation", "until"),
        "not later than": Meaning("relation", "until"),
        "close of business": Meaning("daypart", "closing"),
        "end of business": Meaning("daypart", "closing"),
        "end of day": Meaning("daypart", "closing"),
        "end of the day": Meaning("daypart", "closing"),
        "prior to": Meaning("relation", "before"),
        "bis zum": Meaning("relation", "until"),
        "bis zur": Meaning("relation", "until"),
        "up to": Meaning("relation", "until"),
        "in the": Meaning("filler", ""),
    }
    for few in ("last few days", "past few days", "last couple of days", "letzten tage", "letzten tagen"):
        fixed[few] = Meaning("vague", "recently")
    for unit in ("sekunden", "minuten", "stunden", "tagen", "wochen", "monaten", "jahren", "langer zeit"):
        fixed[f"vor {unit}"] = Meaning("vague", "recently")
    for unit in ("seconds", "minutes", "hours", "days", "weeks", "months", "years", "long", "a long time"):
        fixed[f"{unit} ago"] = Meaning("vague", "recently")
    return table | {tuple(text.split()): meaning for text, meaning in fixed.items()}


@cache
def phrase_starts() -> frozenset[str]:
    """First words of phrases."""
    return frozenset(spelled[0].rstrip(".") for spelled in phrases())


@cache
def compounds() -> dict[str, tuple[str, str]]:
    """`samstagabend` → (`samstag`, `abend`), `mondaymorning` is not written so."""
    firsts = [w for text in german.WEEKDAYS.values() for w in text.split() if len(w) > 2]
    firsts += ["gestern", "heute", "vorgestern", "spät"]
    lasts = [w for text in german.DAYPARTS.values() for w in text.split()]
    found = {fold(f) + fold(last): (fold(f), fold(last)) for f in firsts for last in lasts}
    return {word: pair for word, pair in found.items() if word != "sonnabend"}


# What stands before a number that is no date.
_DECOYS = (
    "version v php mysql mariadb postgres postgresql perl python ruby typo3 wordpress shopware joomla drupal nextcloud "
    "rechnung kunde kundennr ticket nr no id nummer number order invoice customer bestellung auftrag tel telefon fax "
    "phone plz port kapitel seite page punkt abschnitt section chapter zeile line artikel konto iban vertrag case bug "
    "issue build pin preis price raum room row rows handy mobil vorgang"
)
# Words that turn what follows into something else than that moment.
_DENIALS = (
    "nicht not kein keine keinen keinem except außer spätestens frühestens mindestens höchstens weder jeden jede jedes "
    "jeder every each immer always täglich daily usually über mehr more over less fewer weniger nie never"
)

_SERIOUS_KINDS = ("month", "weekday", "shift", "daypart", "which", "feast")


@cache
def _correct() -> tuple[str, ...]:
    table = words()
    return tuple(w for w, ms in table.items() if len(w) >= 5 and any(m.kind in _SERIOUS_KINDS for m in ms))


@cache
def suggestion(word: str) -> str | None:
    """The word of the calendar that this is a slip of, or None. Never used to answer, only to ask."""
    if len(word) < 5 or word in words() or word in compounds():
        return None
    allowed = 1 if len(word) < 7 else 2
    near = [w for w in _correct() if w[0] == word[0] and abs(len(w) - len(word)) <= allowed]
    best = min(((_distance(word, w), w) for w in near), default=(9, ""))
    return best[1] if best[0] <= allowed else None


def _distance(left: str, right: str) -> int:
    """Insertions, deletions, changes and swaps of neighbours between two words."""
    before: list[int] = []
    above = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        row = [i]
        for j, b in enumerate(right, start=1):
            best = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, above = above, row
    return above[-1]
