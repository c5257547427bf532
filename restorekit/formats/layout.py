"""One language for the names of backups: where in a path engine, database, customer, host and time stand.

    {engine}/{database}.sql                              matches the end of a path, at a slash
    /srv/{host}/{database}.sql.gz                        a leading slash: the whole path
    {customer}/{database}/{time:%Y-%m-%dT%H%M}.sql.zst   a time, in the source's zone unless it holds %z
    {time:%Y}/{time:%m-%d}/{database}.sql                its parts may stand apart
    {database}/{database}-{time:%s}.sql                  a name that stands twice must be the same twice
    {engine}/all.sql#{database}                          this one file holds many databases
    {database:mysql}.sql                                 names as the server writes them to disk (`@002d`)

A name stretches over any characters but the slash; literal braces are doubled. Where a path can be cut into
names in more than one way, the match says so and nobody guesses.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cached_property
from zoneinfo import ZoneInfo

from restorekit.errors import ConfigError
from restorekit.model.point import Format
from restorekit.model.value import Moment, Value

_NAMES = ("engine", "database", "customer", "host")
_MANY = "#{database}"
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|([{}])|([^{}]+)")
_DIRECTIVES = {
    "Y": ("year", r"\d{4}"),
    "y": ("year2", r"\d{2}"),
    "m": ("month", r"\d{2}"),
    "d": ("day", r"\d{2}"),
    "H": ("hour", r"\d{2}"),
    "M": ("minute", r"\d{2}"),
    "S": ("second", r"\d{2}"),
    "s": ("epoch", r"\d{9,10}"),
    "z": ("offset", r"Z|[+-]\d{2}:?\d{2}"),
}
_SHORT = {"%F": "%Y-%m-%d", "%T": "%H:%M:%S"}
_NEEDED = ({"epoch"}, {"year", "month", "day"}, {"year2", "month", "day"})
_GRAIN = (("second", timedelta(seconds=1)), ("minute", timedelta(minutes=1)), ("hour", timedelta(hours=1)))
_SQLITE = (".sqlite", ".sqlite3", ".db", ".db3", ".s3db")


class Match(Value):
    """What a path says. `time` is the claimed moment; `earliest`/`latest` bound what the name can mean.

    The bounds are as wide as the name is coarse (a date: the whole day) and as the zone is unclear (an hour
    that exists twice or never). `ambiguous` is set when the path can be cut into names in another way, too.
    """

    engine: str | None = None
    database: str | None = None
    customer: str | None = None
    host: str | None = None
    time: Moment | None = None
    earliest: Moment | None = None
    latest: Moment | None = None
    many: bool = False
    ambiguous: bool = False


def format_of(name: str) -> Format | None:
    """`sql` or `sqlite` by the suffix under the compression's; None if it says neither."""
    bare = re.sub(r"\.(gz|zst)$", "", name.lower())
    if bare.endswith(".sql"):
        return "sql"
    return "sqlite" if bare.endswith(_SQLITE) else None


@dataclass(frozen=True)
class Layout:
    """A layout and the zone its times are in; `key` names the setting in error messages.

    Raises ConfigError that names what is wrong with the text.
    """

    text: str
    zone: str = "UTC"
    key: str = "layout"

    def __post_init__(self) -> None:
        """Refuse a bad layout at once, not at the first path."""
        assert self._patterns
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError) as error:
            raise ConfigError(f"{self.key}: unknown time zone {self.zone!r}") from error

    @property
    def many(self) -> bool:
        """True if each file holds many databases."""
        return self.text.endswith(_MANY)

    @property
    def glob(self) -> str:
        """A shell pattern for the last component of every path that can match."""
        last = self.text.removesuffix(_MANY).rpartition("/")[2]
        quoted = _PIECE.sub(lambda m: "*" if m[1] is not None else re.sub(r"([*?\[\]\\])", r"\\\1", m[0]), last)
        return re.sub(r"\*+", "*", quoted.replace("{{", "{").replace("}}", "}"))

    @property
    def names_files(self) -> bool:
        """True if a matching path is a file's for sure: its last component ends with a literal suffix."""
        return re.search(r"\.[A-Za-z0-9]+$", self.text.removesuffix(_MANY)) is not None

    def match(self, path: str) -> Match | None:
        """What `path` says, or None if it is not of this layout (also when its date does not exist)."""
        narrow, wide = (pattern.search(path) for pattern in self._patterns)
        if narrow is None or wide is None:
            return None
        found = {k: v for k, v in narrow.groupdict().items() if v is not None}
        times = self._times(found)
        if times is None:
            return None
        names = {n: _decoded(found[n], mysql=f"{{{n}:mysql}}" in self.text) for n in _NAMES if n in found}
        ambiguous = narrow.groupdict() != wide.groupdict()
        return Match(**names, **times, many=self.many, ambiguous=ambiguous)

    @cached_property
    def _patterns(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        """The same pattern twice, reluctant and greedy: both agree exactly where one cut is possible."""
        return (_compiled(self.text, self.key, "+?"), _compiled(self.text, self.key, "+"))

    def _times(self, found: dict[str, str]) -> dict[str, datetime] | None:
        parts: dict[str, str] = {}
        for key, value in found.items():
            name = key.partition("__")[0]
            if name in _NAMES:
                continue
            if parts.setdefault(name, value) != value:
                return None
        return _moments(parts, ZoneInfo(self.zone)) if parts else {}


def _compiled(text: str, key: str, more: str) -> re.Pattern[str]:
    return re.compile(_Compiler(text, key, more).pattern(), re.DOTALL)


class _Compiler:
    """Layout text to regular expression."""

    def __init__(self, text: str, key: str, more: str) -> None:
        self.text, self.key, self.more = text, key, more
        self.seen: set[str] = set()
        self.groups = 0

    def pattern(self) -> str:
        body = self._body()
        out, previous_is_name = [], False
        for piece in _PIECE.finditer(body):
            if piece[2]:
                raise self._bad(f"a single {piece[2]!r}; write it twice to mean the character")
            is_name = piece[1] is not None and not piece[1].startswith("time")
            if is_name and previous_is_name:
                raise self._bad("two names stand side by side with nothing between them")
            previous_is_name = is_name
            out.append(self._field(piece[1]) if piece[1] is not None else re.escape(piece[3] or piece[0][0]))
        self._complete()
        start = r"\A" if body.startswith("/") else r"(?:\A|(?<=/))"
        return f"{start}{''.join(out)}\\Z"

    def _body(self) -> str:
        if not self.text.strip("/"):
            raise self._bad("it is empty")
        if "!" in self.text:
            raise self._bad("members of archives (`!`) are not supported yet; unpack the archive first")
        body = self.text.removesuffix(_MANY)
        if body != self.text:
            if "{database" in body:
                raise self._bad("a file of many databases cannot have {database} in its own name, too")
            self.seen.add("database")
        return body

    def _field(self, field: str) -> str:
        name, colon, form = field.partition(":")
        if name == "time":
            return self._time(form)
        if name not in _NAMES:
            known = ", ".join(f"{{{n}}}" for n in (*_NAMES, "time:…"))
            raise self._bad(f"{{{field}}} is unknown; known: {known}")
        if colon and form != "mysql":
            raise self._bad(f"{{{field}}}: the only form of a name is {{{name}:mysql}}")
        if name in self.seen:
            return f"(?P={name})"
        self.seen.add(name)
        return f"(?P<{name}>[^/]{self.more})"

    def _time(self, form: str) -> str:
        for short, long in _SHORT.items():
            form = form.replace(short, long)
        out = []
        for piece in re.finditer(r"%(.?)|([^%]+)", form):
            if piece[2]:
                out.append(re.escape(piece[2]))
                continue
            if piece[1] not in _DIRECTIVES:
                known = " ".join(f"%{d}" for d in [*_DIRECTIVES, "F", "T"])
                raise self._bad(f"%{piece[1]} in {{time:…}} is unknown; known: {known}")
            name, digits = _DIRECTIVES[piece[1]]
            self.groups += 1
            self.seen.add(name)
            out.append(f"(?P<{name}__{self.groups}>{digits})")
        if "/" in form or not out:
            raise self._bad("{time:…} needs a form such as %Y-%m-%d, without a slash")
        return "".join(out)

    def _complete(self) -> None:
        if "database" not in self.seen:
            raise self._bad("{database} is missing; restorekit must know whose backup a file is")
        timed = self.seen - set(_NAMES)
        if timed and not any(need <= timed for need in _NEEDED):
            raise self._bad("its time names no whole date (%Y %m %d, %F or %s)")

    def _bad(self, why: str) -> ConfigError:
        return ConfigError(f"{self.key}: {self.text!r}: {why}")


def _decoded(name: str, *, mysql: bool) -> str:
    """`acme@002dshop` is `acme-shop`: the server's own spelling of special characters in file names."""
    return re.sub(r"@([0-9a-f]{4})", lambda m: chr(int(m[1], 16)), name) if mysql else name


def _moments(parts: dict[str, str], zone: ZoneInfo) -> dict[str, datetime] | None:
    """Claimed moment and bounds in UTC, or None for a date that does not exist."""
    try:
        if "epoch" in parts:
            at = datetime.fromtimestamp(int(parts["epoch"]), UTC)
            return {"time": at, "earliest": at, "latest": at + timedelta(seconds=1)}
        year = int(parts["year"]) if "year" in parts else 2000 + int(parts["year2"])
        hour, minute, second = (int(parts.get(p, "0")) for p in ("hour", "minute", "second"))
        local = datetime(year, int(parts["month"]), int(parts["day"]), hour, minute, second)  # noqa: DTZ001  zone follows
    except ValueError:
        return None
    end = local + next((grain for name, grain in _GRAIN if name in parts), timedelta(days=1))
    if "offset" in parts:
        fixed = _offset(parts["offset"])
        return {
            "time": local.replace(tzinfo=fixed),
            "earliest": local.replace(tzinfo=fixed),
            "latest": end.replace(tzinfo=fixed),
        }
    earliest = bounds(local, zone)[0]
    return {"time": earliest, "earliest": earliest, "latest": bounds(end, zone)[1]}


def bounds(local: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """First and last instant (UTC) that `local` can mean in `zone`; they differ where the clock was put back or on."""
    both = sorted(local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return both[0], both[1]


def _offset(text: str) -> timezone:
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
