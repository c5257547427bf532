"""How long the command line takes to say its first word, and what it must not import for that."""

import subprocess
import sys
from dataclasses import dataclass, field

from bench.ground import DATABASE, Ground
from bench.table import Line, timed

HEAVY = ("dbos", "fastapi", "boto3")
_TIMES = 5


@dataclass
class Starting:
    """Some starts of each per round; a start is too short to be measured once."""

    ground: Ground
    lines: list[Line] = field(
        default_factory=lambda: [
            Line("restorekit --help", "python -c pass", demand=f"no {', '.join(HEAVY)}"),
            Line("restorekit points DB", "python -c pass", demand=f"no {', '.join(HEAVY)}"),
            Line("restorekit when WORDS", "python -c pass", demand=f"no {', '.join(HEAVY)}"),
        ]
    )

    def round(self) -> None:
        house = self.ground.house
        commands = (house.argv("--help"), house.argv("points", DATABASE), house.argv("when", "gestern gegen 20 Uhr"))
        for line, argv in zip(self.lines, commands, strict=True):
            loaded = self._run([argv[0], "-X", "importtime", *argv[1:]])
            names = {row.rpartition("|")[2].strip().partition(".")[0] for row in loaded.splitlines()}
            assert "restorekit" in names
            line.held = line.held and not names & set(HEAVY)
            for _ in range(_TIMES):
                ours = timed(lambda argv=argv: self._run(argv))
                line.pairs.append((ours, timed(lambda: self._run([sys.executable, "-c", "pass"]))))

    def _run(self, argv: list[str]) -> str:
        env = self.ground.house.environment()
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=True)
        return done.stderr
