"""`python -m restorekit` and the `restorekit` command."""

import sys


def main() -> None:
    """Run the command line and leave with its exit code."""
    from restorekit.cli.main import main as run

    sys.exit(run())


if __name__ == "__main__":
    main()
