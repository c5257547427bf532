"""The bench runs to its end at a small size, says a verdict for everything, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from scenarios.house import ROOT

MEASURED = (
    "restore --until staged",
    "verify to level 5, manifest",
    "verify to level 5, witness",
    "diff, 0.01 % changed",
    "writer blocked by a swap, 3 tables",
    "delta, 0.01 %",
    "delta, 0.01 %, MB",
    "exchange, 1 % scattered",
    "planner's choice, 1 % clustered",
    "planner's choice, 50 %",
    "diff of a large table, 0.01 %",
    "restorekit --help",
    "restorekit points DB",
)


def start() -> "subprocess.Popen[str]":
    argv = [sys.executable, "-m", "bench", "--mb", "20", "--rounds", "1", "--tables", "3", "--rows", "3000"]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def left_behind() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("rk-bench-*"))


def processes_of(session: int) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_text().replace("\0", " ")
                if (
                    line and os.getsid(int(entry.name)) == session
                ):  # without one it has ended, and nobody has looked yet
                    found.append(line)
            except (ProcessLookupError, FileNotFoundError):
                continue
    return found


@pytest.fixture
def table(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from bench import table

    return table


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_small_bench() -> None:
    before = left_behind()
    with start() as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    table = out.splitlines()
    assert table[0].split()[:3] == ["what", "against", "goal"]
    for what in MEASURED:
        lines = [line for line in table if line.startswith(what)]
        assert lines, f"{what}\n{out}"
        assert all(line.split()[-1] in ("met", "MISSED", "-") for line in lines)
    starts = [line for line in table if "python -c pass" in line]
    assert all("no dbos, fastapi, boto3" in line and line.endswith("met") for line in starts), out
    assert left_behind() <= before
    assert processes_of(process.pid) == []


@pytest.mark.long
def test_the_accidents_alone() -> None:
    before = left_behind()
    argv = [sys.executable, "-m", "bench.delta", "--rows", "3000", "--rounds", "1"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "what" in done.stdout.splitlines()[0]
    said = [line for line in done.stderr.splitlines() if "held back" in line]
    # 3 ways at each of 6 accidents: a way that mends nothing would have ended the bench
    assert len(said) == 18, done.stderr
    assert all(f"redo {size}" not in line for line in said for size in ("0.00", "-"))
    assert left_behind() <= before


@pytest.mark.long
def test_stopped_in_the_middle_it_cleans_up() -> None:
    before = left_behind()
    with start() as process:
        assert process.stderr is not None
        assert "a dump of" in process.stderr.readline()  # everything is up, and the first load begins
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert process.returncode == 1
    assert left_behind() <= before
    assert processes_of(process.pid) == []


@pytest.mark.parametrize(
    ("goal", "held", "pairs", "verdict"),
    [
        (0.4, True, [(4, 10), (1, 10), (9, 10)], "met"),
        (0.4, True, [(5, 10), (1, 10), (9, 10)], "MISSED"),
        (0.4, False, [(1, 10)], "MISSED"),
        (None, True, [(1, 10)], "-"),
    ],
)
def test_a_verdict_is_over_the_median_of_ratios(table, goal, held, pairs, verdict) -> None:
    line = table.Line("this", "that", goal, held=held, pairs=pairs)
    assert line.verdict == verdict
    assert table.aligned([line, table.Line("never", "measured")]).splitlines()[1].split()[-1] == verdict


def test_ratios_are_taken_within_a_round(table) -> None:
    """A slow round is slow for both sides."""
    line = table.Line("this", "that", pairs=[(1, 10), (100, 1000)])
    assert line.ratios == [0.1, 0.1]
