"""The command line with all its commands."""

import sys

from restorekit.cli import (  # noqa: F401 - importing registers the commands
    demo,
    differences,
    records,
    restores,
    shelf,
    swapping,
    timeline,
    when,
)
from restorekit.cli.run import run


def main() -> int:
    """Run what was typed; returns the exit code."""
    return run(sys.argv[1:])
