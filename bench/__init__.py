"""Ratios against what an admin would type, interleaved in one run: `python -m bench --help`."""

import sys
from pathlib import Path

# The throw-away servers, repositories and installations are those of the tests.
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
