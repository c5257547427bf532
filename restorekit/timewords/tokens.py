"""Text becomes whole tokens with the places they came from; digits inside names and numbers never come loose."""

import re
import unicodedata
from typing import NamedTuple

from restorekit.timewords import stamps
from restorekit.timewords.vocabulary import Meaning, compounds, words

# A word cut off by a dot: the dot is its own, not the end of a sentence.
_ABBREVIATIONS = (
    "mo di mi do fr sa so mon tue tues wed thu thur thurs fri sat sun jan feb febr mar mrz apr jun jul aug sep sept "
    "okt oct nov dez dec std stdn min sek sec h hr hrs ca circa approx bzw z b uhr w wk d p a"
)
_ABBREVIATED = frozenset(_ABBREVIATIONS.split())
# "Good morning" and "schönes Wochenende" name no time.
_GREETING = frozenset(
    {
        "guten",
        "gute",
        "gutes",
        "schoenen",
        "schoene",
        "schoenes",
        "good",
        "nice",
        "great",
        "lovely",
        "happy",
        "pleasant",
    }
)
_UNIT = r"h|hrs?|std|min|mins|sek|sec|secs|s|d|days?|w|wks?|weeks?|uhr"
_AMOUNT = (
    r"(?:[$€£]\s?\d+(?:[.,]\d+)*)"
    r"|(?:\d+(?:[.,]\d+)*\s?(?:%|€|\$|£|(?:eur|euro|usd|chf|[kmgt]i?b|ms|mbit|ghz|mhz|px|cm|mm|kg|km)(?![a-z])))"
)
_TOKEN = re.compile(
    rf"(?P<skip>\s+)"
    r"|(?P<junk>[a-z][a-z0-9+.-]{0,15}://\S+|[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,200}"
    rf"|{_AMOUNT}|\+\d[\d ()/-]{{6,}}\d"
    r"|0\d{2,5}\s?[/-]\s?\d{3,}[\d -]*|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]{0,40}\d))"
    r"|(?P<dmy>\d{1,2}\.\s?\d{1,2}\.(?:\s?\d{4}|\d{2})(?![\w:.]{0,40}\d|\s?uhr|[a-z_@]))"
    r"|(?P<dm>\d{1,2}\.\s?\d{1,2}\.(?![\w.]{0,40}\d(?<=\.\d)))"
    r"|(?P<point>\d{1,2}\.\d{1,2}(?![\w.:]{0,40}\d|[a-z_]*_))"
    r"|(?P<clock>\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?![\w:]{0,40}\d|[a-z_]*_))"
    r"|(?P<numeric>\d{1,4}(?P<sep>[/-])\d{1,2}(?P=sep)\d{1,4}(?![\w/-]{0,40}\d|[a-z_])"
    r"|\d{1,2}/\d{1,2}(?![\w/:-]{0,40}\d|[a-z_]))"
    rf"|(?P<suffixed>\d{{1,4}}(?:[.,]\d+)?(?:st|nd|rd|th|am|pm|a|p|{_UNIT})(?![a-z_0-9@]))"
    r"|(?P<hmixed>\d{1,2}h\d{2}(?!\w))"
    r"|(?P<decimal>\d+[.,]\d+(?![\w.,]{0,40}\d|[a-z_]))"
    r"|(?P<number>\d{1,4}(?![\w@]|[.,]\d))"
    r"|(?P<glued>kw\d{1,2}(?!\w))"
    r"|(?P<name>\w*[\d_][\w.-]*\w|[\d_]\w*)"
    r"|(?P<word>[^\W\d_]+(?:'[^\W\d_]+)*)"
    r"|(?P<mark>.)",
    re.DOTALL,
)
_SPLIT = re.compile(r"(\d+(?:[.,]\d+)?)([a-z]+)")


class Token(NamedTuple):
    """`kind`: word number date point clock numeric decimal stamp mark junk. `start`/`end`: characters of the text."""

    kind: str
    text: str
    start: int
    end: int
    raw: str
    dot: bool = False
    suffix: bool = False
    spaced: bool = True
    meanings: tuple[Meaning, ...] = ()
    stamp: stamps.Stamp | None = None

    def value(self, kind: str) -> object | None:
        """What it is as a word of that kind, or None."""
        return next((m.value for m in self.meanings if m.kind == kind), None)

    def has(self, *kinds: str) -> bool:
        """True if it can be a word of one of these kinds."""
        return any(m.kind in kinds for m in self.meanings)

    @property
    def number(self) -> int:
        """The number it is; -1 if none."""
        return int(self.text) if self.kind == "number" else -1


def folded(text: str) -> tuple[str, list[int]]:
    """Lower case NFKC without umlauts, with plain hyphens and spaces; and where each character came from."""
    out: list[str] = []
    places: list[int] = []
    at = 0
    while at < len(text):
        end = at + 1
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        piece = _plain(text[at:end])
        out.append(piece)
        places.extend([at] * len(piece))
        at = end
    places.append(len(text))
    return "".join(out), places


_APOSTROPHES = "\u2019\u2018\u00b4`"
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"} | dict.fromkeys(_APOSTROPHES, "'"))


def _plain(cluster: str) -> str:
    if cluster.isascii():
        return cluster.lower()
    cluster = unicodedata.normalize("NFKC", cluster)
    category = unicodedata.category(cluster[0])
    if category == "Pd" or cluster == "\u2212":
        return "-"
    if category in ("So", "Sk", "Cs", "Co", "Cn") and cluster not in _APOSTROPHES:
        return " "
    if category == "Cf":
        return ""
    if category == "Nd":
        return str(unicodedata.digit(cluster[0]))
    return cluster.translate(_UMLAUTS).casefold().translate(_UMLAUTS)


def tokens(text: str) -> list[Token]:
    """All tokens of a text in order."""
    plain, places = folded(text)
    found: list[Token] = []
    at = 0
    for stamp in stamps.find(plain):
        found += _words(plain, at, stamp.start, places, text)
        found.append(
            Token("stamp", plain[stamp.start : stamp.end], places[stamp.start], places[stamp.end], "", stamp=stamp)
        )
        at = stamp.end
    found += _words(plain, at, len(plain), places, text)
    return found


def _words(plain: str, at: int, end: int, places: list[int], text: str) -> list[Token]:
    found: list[Token] = []
    for match in _TOKEN.finditer(plain, at, end):
        kind = match.lastgroup or ""
        if kind == "sep":
            kind = "numeric"
        if kind == "skip":
            continue
        spaced = match.start() == 0 or plain[match.start() - 1].isspace()
        for start, stop, which in _pieces(kind, match):
            raw = text[places[start] : places[stop]]
            base = Token(
                which, plain[start:stop], places[start], places[stop], raw, spaced=spaced or start > match.start()
            )
            found = _joined(found, base)
    return found


def _pieces(kind: str, match: re.Match[str]) -> list[tuple[int, int, str]]:
    """`2pm`, `kw3`, `samstagabend` are two tokens each."""
    start, end, text = match.start(), match.end(), match.group()
    if kind == "suffixed":
        parts = _SPLIT.fullmatch(text)
        assert parts is not None
        cut = start + parts.end(1)
        first = "number" if parts.group(1).isdigit() else "decimal"
        return [(start, cut, first), (cut, end, "suffix" if parts.group(2) in ("st", "nd", "rd", "th") else "word")]
    if kind == "glued":
        return [(start, start + 2, "word"), (start + 2, end, "number")]
    if kind == "hmixed":
        return [(start, end, "clock")]
    if kind == "word" and text in compounds():
        cut = start + len(compounds()[text][0])
        return [(start, cut, "word"), (cut, end, "word")]
    plain = {"dmy": "date", "dm": "date", "name": "junk"}
    return [(start, end, plain.get(kind, kind))]


def _joined(found: list[Token], token: Token) -> list[Token]:
    """Dots of ordinals and abbreviations, and suffixes, belong to the token before them."""
    last = found[-1] if found else None
    if last is not None and not last.dot and last.end == token.start:
        abbreviated = last.kind == "number" or (last.kind == "word" and last.text in _ABBREVIATED)
        if token.kind == "suffix" or (token.text == "." and abbreviated):
            found[-1] = last._replace(dot=True, end=token.end, suffix=token.kind == "suffix")
            return found
    if token.kind == "word":
        text = token.text if token.text in words() else token.text.removesuffix("'s")
        greeted = last is not None and last.text in _GREETING
        meanings = words().get(text, ())
        lasting = Meaning("unit", "hour") in meanings  # "vor einer guten Stunde"
        token = token._replace(text=text, meanings=() if greeted and not lasting else meanings)
    found.append(token)
    return found
