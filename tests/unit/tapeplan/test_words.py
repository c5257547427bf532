"""What somebody who waits for a tape is told."""

import pytest
from unit.tapeplan.library import EPOCH, requests

from restorekit.model.tapeplan import Drive, TapePlan, Turn
from restorekit.tapeplan import planned
from restorekit.tapeplan.words import queued, span


def turn(*volumes: str, mounts: int = 1, ids: tuple[str, ...] = ("me",)) -> Turn:
    return Turn(ids=ids, drive=0, volumes=volumes, mounts=mounts, starts_s=60, ends_s=720)


OTHERS = tuple(Turn(ids=(n,), drive=0, volumes=("V1",), mounts=0, starts_s=0, ends_s=1) for n in "ab")


@pytest.mark.parametrize(
    ("plan", "english", "german"),
    [
        (
            TapePlan(turns=(*OTHERS, turn("TAPE02L8"))),
            "place 3; tape TAPE02L8 is mounted for it; about 12 to 22 minutes",
            "Platz 3; Band TAPE02L8 wird dafür eingelegt; etwa 12 bis 22 Minuten",
        ),
        (
            TapePlan(turns=(turn("V1", mounts=0),)),
            "place 1; tape V1 is in the drive already; about 12 to 22 minutes",
            "Platz 1; Band V1 liegt schon im Laufwerk; etwa 12 bis 22 Minuten",
        ),
        (
            TapePlan(turns=(turn("V1", "V2", "V3", ids=("x", "me", "y")),)),
            (
                "place 1, together with 2 more; tapes V1, V2 and V3 are mounted for it, one after the other; "
                "about 12 to 22 minutes"
            ),
            (
                "Platz 1, zusammen mit 2 weiteren; die Bänder V1, V2 und V3 werden dafür nacheinander eingelegt; "
                "etwa 12 bis 22 Minuten"
            ),
        ),
        (
            TapePlan(waiting={"me": ("V0012",)}),
            "waits for tape V0012, which is not in the library",
            "wartet auf Band V0012, das nicht in der Bibliothek ist",
        ),
        (
            TapePlan(waiting={"me": ("V0012", "V0013")}),
            "waits for tapes V0012 and V0013, which are not in the library",
            "wartet auf die Bänder V0012 und V0013, die nicht in der Bibliothek sind",
        ),
        (
            TapePlan(waiting={"me": ()}),
            "waits for a tape drive; there is none in the library",
            "wartet auf ein Bandlaufwerk; in der Bibliothek ist keines",
        ),
    ],
)
def test_sentences(plan: TapePlan, english: str, german: str) -> None:
    assert queued(plan, "me") == {"en": english, "de": german}


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (1, 30, "about 1 minute"),
        (50, 70, "about 1 to 2 minutes"),
        (720, 1200, "about 12 to 20 minutes"),
        (3599, 5400, "about 0 h 59 min to 1 h 30 min"),
        (4200, 7230, "about 1 h 10 min to 2 h 1 min"),
    ],
)
def test_spans(low: float, high: float, said: str) -> None:
    assert span("en", low, high) == said


def test_everybody_in_a_plan_is_told_something() -> None:
    wishes = requests(2, n=30)
    plan = planned(wishes, [Drive(), Drive()], EPOCH)
    for wish in wishes:
        said = queued(plan, wish.id)
        assert wish.pieces[0].volume in said["en"]
        assert wish.pieces[0].volume in said["de"]
        assert said["en"] != said["de"]
