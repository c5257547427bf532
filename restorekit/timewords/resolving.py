"""Words and a clock become a Resolution: one reading, or a question; never a silent guess."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from restorekit.model.locale import Locale
from restorekit.model.resolution import Assumption, Candidate, Code, Meaning, Relation, Resolution, Status
from restorekit.timewords import sentences
from restorekit.timewords.almanac import Impossible
from restorekit.timewords.expand import Context, Reading, readings
from restorekit.timewords.finding import Found, Search, search
from restorekit.timewords.grammar import runs
from restorekit.timewords.mails import aftermath, clauses, letter, meaning, opening_hours, tolerance
from restorekit.timewords.reading import Tokens, at
from restorekit.timewords.said import ClockRange, DayRange, Frame
from restorekit.timewords.tokens import Token, tokens

LONGEST = 50_000
"""Characters; a longer text is not read."""
_MOST = 3
_REACH = 60
"""How many tokens away a word still says what a moment is for."""
_PRIORITY: dict[Meaning, int] = {"as_of": 0, "must_contain": 1, "before_damage": 2, "unknown": 3}
_QUESTIONS: tuple[Code, ...] = (
    "dst", "tz", "order", "weekday", "ampm", "night", "midnight", "year", "month", "vague",
)  # fmt: skip
_STATED = frozenset({"year", "month"})
"""What is always said when it was left out, without being a reason to ask."""
_NO_SUCH = frozenset({"no_such_date", "no_such_time", "absurd", "reversed", "contradiction"})
ZoneOrigin = Literal["said", "profile", "server"]


class Outcome(NamedTuple):
    """What one place of the text came to."""

    status: Status
    readings: tuple[Reading, ...]
    role: Meaning
    weak: bool
    spans: tuple[tuple[int, int], ...]
    key: str = ""
    relation: Relation = "in"

    @property
    def asks(self) -> tuple[Code, ...]:
        """Why it must be asked although there is one reading."""
        return tuple(dict.fromkeys(c for r in self.readings for c in r.ask))


def resolve(
    text: str, *, now: datetime, tz: str, locale: Locale = "de", zone_said_by: ZoneOrigin = "profile"
) -> Resolution:
    """What the words mean at `now`, in zone `tz`: intervals with a role, what was assumed, or a question.

    Never raises for any text; ValueError for a `now` without zone, ZoneInfoNotFoundError for an unknown `tz`.
    `zone_said_by`: "server" if nobody said the zone; then the resolution says which one was taken.
    """
    if now.tzinfo is None:
        raise ValueError("now needs its zone")
    context = Context(now.astimezone(UTC), ZoneInfo(tz))
    base = Resolution(text=text, now=local(now, tz), tz=tz, status="none")
    if not text.strip():
        return _asked(base, "question_empty", locale)
    if len(text) > LONGEST:
        return _asked(base, "question_long", locale)
    outcomes, missed, loss = _read(text, context)
    answer = _chosen(base.model_copy(update={"tolerance": loss}), outcomes, missed, locale)
    return _zone_told(answer, zone_said_by, locale)


def local(moment: datetime, tz: str) -> datetime:
    """In that zone, with its offset fixed: two such times of one zone compare right in the hour that exists twice."""
    there = moment.astimezone(ZoneInfo(tz))
    return there.replace(tzinfo=timezone(there.utcoffset() or timedelta(0)), fold=0)


def _read(text: str, context: Context) -> tuple[list[Outcome], Search | None, timedelta | None]:
    ts = Tokens(tokens(letter(text)))
    all_runs, whole = runs(ts)
    clause_of, sentence_of = clauses(ts, text, [(r.start, r.end) for r in all_runs])
    loss, loss_at = tolerance(ts, sentence_of)
    if loss_at is not None:
        all_runs = [r for r in all_runs if r.end <= loss_at[0] or loss_at[1] <= r.start]
    found = search(ts, all_runs, clause_of)
    kept = [one for one in found.found if not _reachable(ts, one, clause_of)]
    outcomes = [_outcome(ts, one, clause_of, context) for one in kept]
    return _with_context(ts, kept, outcomes, sentence_of), found if whole else None, loss


def _reachable(ts: Tokens, one: Found, clause_of: Sequence[int]) -> bool:
    """Opening hours are no moment; only ranges can be."""
    ranges = all(isinstance(f.day, DayRange) or isinstance(f.clock, ClockRange) for f in one.run.frames)
    return ranges and opening_hours(ts, _along(clause_of, one))


def _along(number_of: Sequence[int], one: Found) -> list[int]:
    """The tokens of its clause or sentence, as far as words count."""
    start, end = max(0, one.run.start - _REACH), one.run.end + _REACH
    return [i for i, c in enumerate(number_of[start:end], start) if c == number_of[one.run.start]]


def _with_context(
    ts: Tokens, found: Sequence[Found], outcomes: Sequence[Outcome], sentence_of: Sequence[int]
) -> list[Outcome]:
    """What a clause alone does not tell: `… or maybe the 18th`, and `at 3pm we updated, then all was gone`."""
    told: list[Outcome] = []
    alone = Counter(sentence_of[one.run.start] for one in found)
    for one, outcome in zip(found, outcomes, strict=True):
        role = outcome.role
        if role == "unknown" and told and any(at(ts, i).has("or") for i in range(one.run.start - 3, one.run.start)):
            role = told[-1].role
        elif role == "unknown" and not outcome.weak and alone[sentence_of[one.run.start]] == 1:
            role = "before_damage" if aftermath(ts, _along(sentence_of, one)) else role
        told.append(outcome._replace(role=role))
    return told


def _outcome(ts: Tokens, found: Found, clause_of: Sequence[int], context: Context) -> Outcome:
    role, belief = meaning(ts, _along(clause_of, found), found.run.start, found.run.end)
    spans = tuple(_place(ts[a:b]) for a, b in found.pieces)
    outcome = _meant(found.run.frames, context)
    weak = outcome.weak and not (role == "before_damage" and outcome.status == "needs_choice")  # "just deleted"
    return outcome._replace(role=role, weak=belief or weak, spans=spans)


def _place(ts: Sequence[Token]) -> tuple[int, int]:
    return ts[0].start, ts[-1].end


def _meant(frames: Iterable[Frame], context: Context) -> Outcome:
    frames = tuple(frames)
    special = next((s for s in map(_special, frames) if s is not None), None)
    if special is not None:
        return special
    event = next((f.event for f in frames if f.event is not None), None)
    said = [f._replace(event=None) for f in frames if event is None or f.event is not None]
    found, impossible = _all_readings(said, context)
    past = _confirmed([r for r in found if not r.future])
    if event is not None:
        # An event without a time only says what happened; where a time stands elsewhere, that one counts.
        return Outcome("event", past[:_MOST], "unknown", not past, (), relation=event.relation)
    if past:
        unique = len(past) == 1 and not past[0].ask
        return Outcome(
            "ok" if unique else "needs_choice", past, "unknown", _weak(frames), (), relation=past[0].relation
        )
    if found:
        return Outcome("future", tuple(found), "unknown", weak=False, spans=())
    status: Status = "invalid" if impossible in _NO_SUCH else "none"
    return Outcome(status, (), "unknown", weak=status == "none", spans=(), key=impossible or "unclear")


def _confirmed(past: list[Reading]) -> tuple[Reading, ...]:
    """`Sat 10/1`: where a weekday confirms one order of day and month, it rules the other out."""
    sure = tuple(r for r in past if "weekday" not in r.ask)
    return sure if sure and any(r.order for r in sure) else tuple(past)


def _weak(frames: Iterable[Frame]) -> bool:
    """`just now` and `earlier` count only where nothing else is said."""
    return all(f.vague is not None and not (f.has_day or f.has_time) for f in frames)


def _special(frame: Frame) -> Outcome | None:
    if frame.position:
        return Outcome("position", (), "unknown", weak=False, spans=())
    if frame.latest:
        return Outcome("latest", (), "unknown", weak=True, spans=())
    if frame.vague == "recently" and not (frame.has_day or frame.has_time or frame.elapsed or frame.event):
        return Outcome("vague", (), "unknown", weak=True, spans=())
    return None


def _all_readings(frames: Iterable[Frame], context: Context) -> tuple[list[Reading], str]:
    """Readings of all derivations, each interval once; the last reason why one is impossible."""
    found: dict[tuple[datetime | None, datetime, bool], Reading] = {}
    impossible = ""
    for frame in frames:
        try:
            for reading in readings(frame, context):
                found.setdefault((reading.start, reading.end, reading.future), reading)
        except Impossible as error:
            impossible = error.key
    return list(found.values()), impossible


# --- choosing among the places of a text ---------------------------------------------------------------------------


def _chosen(base: Resolution, outcomes: list[Outcome], missed: Search | None, locale: Locale) -> Resolution:
    if missed is None:
        return _asked(base, "ask_several", locale, status="vague")
    strong = [o for o in outcomes if not o.weak] or outcomes
    timed = [o for o in strong if o.status != "future"] or strong
    if not timed:
        return _nothing(base, missed, locale)
    best = min(_PRIORITY[o.role] for o in timed)
    top = [o for o in timed if _PRIORITY[o.role] == best]
    spans = tuple(s for o in top for s in o.spans)
    base = base.model_copy(update={"spans": spans, "role": top[0].role})
    settled = [o for o in top if o.status in ("ok", "needs_choice")]
    distinct = {tuple((r.start, r.end) for r in o.readings) for o in top}
    if len(top) > 1 and len(distinct) > 1 and (settled or len({o.status for o in top}) > 1):
        return _several(base, top, locale)
    if (missed.partly or missed.typo) and top[0].status == "ok" and top[0].role == "unknown" and len(outcomes) == 1:
        return _nothing(base.model_copy(update={"spans": ()}), missed, locale)
    return _single(base, top[0], locale)


def _nothing(base: Resolution, missed: Search, locale: Locale) -> Resolution:
    if missed.typo is not None:
        question = sentences.text("question_typo", locale, word=missed.typo[0], suggestion=missed.typo[1].capitalize())
        return base.model_copy(update={"question": question})
    return _asked(base, "question_partly" if missed.partly else "question_none", locale)


def _several(base: Resolution, top: list[Outcome], locale: Locale) -> Resolution:
    found = list(dict.fromkeys(r._replace(notes=(), ask=()) for o in top for r in o.readings if not r.future))
    if not found:
        return _asked(base, "ask_several", locale, status="vague")
    candidates = tuple(_candidate(r, base, locale) for r in found[:_MOST])
    question = sentences.text("ask_several", locale)
    return base.model_copy(update={"status": "needs_choice", "candidates": candidates, "question": question})


def _single(base: Resolution, outcome: Outcome, locale: Locale) -> Resolution:
    if outcome.status in ("ok", "needs_choice", "event"):
        return _resolved(base, outcome, locale)
    if outcome.status == "future":
        return _future(base, outcome.readings[0], locale)
    key = {"latest": "", "position": "", "vague": "question_vague"}.get(outcome.status, outcome.key)
    if not key:
        return base.model_copy(update={"status": outcome.status})
    return _asked(base, key, locale, status=outcome.status)


def _resolved(base: Resolution, outcome: Outcome, locale: Locale) -> Resolution:
    preferred = "mdy" if locale == "en" else "dmy"
    ranked = sorted(outcome.readings, key=lambda r: (_other_order(r, preferred), _time_for_date(r)))[:_MOST]
    assumptions = [_assumption(code, r, base.tz, locale) for r in ranked for code in (*r.notes, *r.ask)]
    update: dict[str, object] = {
        "status": outcome.status,
        "relation": outcome.relation,
        "width_policy": ranked[0].width if ranked else None,
        "candidates": tuple(_candidate(r, base, locale) for r in ranked),
    }
    if outcome.status == "event":
        assumptions.append(Assumption(code="event", text=sentences.text("event", locale)))
        update["question"] = sentences.text("question_event", locale)
    elif outcome.status == "needs_choice":
        update["question"] = sentences.text(f"ask_{_reason(ranked)}", locale)
    update["assumptions"] = tuple(dict.fromkeys(assumptions))
    return base.model_copy(update=update)


def _other_order(reading: Reading, preferred: str) -> bool:
    return bool(reading.order) and reading.order != preferred


def _time_for_date(reading: Reading) -> bool:
    """`17.01` is a date first."""
    return "order" in reading.ask and reading.granularity != "day"


def _reason(ranked: Sequence[Reading]) -> str:
    """The first thing to ask for: what must be asked anyway, else what the readings differ by."""
    asked = {c for r in ranked for c in r.ask}
    noted = {c for r in ranked for c in r.notes}
    if any(r.order for r in ranked) and len(ranked) > 1:
        return "order"
    return next((c for c in _QUESTIONS if c in asked), None) or next(
        (c for c in _QUESTIONS if c in noted and c not in _STATED), "vague"
    )


def _assumption(code: Code, reading: Reading, tz: str, locale: Locale) -> Assumption:
    begin = local(reading.start or reading.end, tz)
    return Assumption(code=code, text=sentences.text(code, locale, day=begin.day, year=begin.year))


def _candidate(reading: Reading, base: Resolution, locale: Locale) -> Candidate:
    codes = dict.fromkeys((*((reading.order,) if reading.order else ()), *reading.notes))
    begin = local(reading.start or reading.end, base.tz)
    why = " ".join(sentences.text(c, locale, day=begin.day, year=begin.year) for c in codes)
    return Candidate(
        start=local(reading.start, base.tz) if reading.start is not None else None,
        end=local(reading.end, base.tz),
        granularity=reading.granularity,
        why=why or sentences.text("as_said", locale),
    )


def _future(base: Resolution, reading: Reading, locale: Locale) -> Resolution:
    note = Assumption(code="future", text=sentences.text("future", locale))
    base = base.model_copy(update={"assumptions": (note,)})
    begin = local(reading.start or reading.end, base.tz)
    ahead = (begin.date() - base.now.date()).days
    back = timedelta(days=1) if ahead == 0 else timedelta(days=7) if ahead < 7 else timedelta(days=365)
    earlier = begin - back
    if earlier >= base.now or ahead > 370:
        return _asked(base, "question_future_plain", locale, status="future")
    said = f"{sentences.weekday(earlier.weekday(), locale)} {earlier:%Y-%m-%d}"
    said += "" if reading.granularity in ("day", "week", "month", "year", "weekend") else f" {earlier:%H:%M}"
    question = sentences.text("question_future", locale, suggestion=said)
    return base.model_copy(update={"status": "future", "question": question})


def _asked(base: Resolution, key: str, locale: Locale, status: Status = "none") -> Resolution:
    return base.model_copy(update={"status": status, "question": sentences.text(key, locale)})


def _zone_told(answer: Resolution, origin: ZoneOrigin, locale: Locale) -> Resolution:
    if origin != "server" or not answer.candidates:
        return answer
    told = Assumption(code="tz", text=sentences.text("zone_server", locale, tz=answer.tz))
    return answer.model_copy(update={"assumptions": (*answer.assumptions, told)})
