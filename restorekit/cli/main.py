"""Errors become text, JSON and exit codes here, and nowhere else."""

import sys

import click
import typer

from restorekit.cli import records, restores, shelf  # noqa: F401 - importing registers their commands
from restorekit.cli.app import app
from restorekit.cli.out import Out
from restorekit.errors import RestorekitError


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    words = sys.argv[1:] if argv is None else argv
    try:
        code = typer.main.get_command(app).main(args=words, prog_name="restorekit", standalone_mode=False)
    except RestorekitError as error:
        Out(as_json="--json" in words).error(error)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        Out(as_json=False).aside("interrupted; unfinished work is carried on by `restorekit watch ID`")
        return 130
    except BrokenPipeError:
        return 1
    return code if isinstance(code, int) else 0
