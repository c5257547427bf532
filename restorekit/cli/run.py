"""Errors become text, JSON and exit codes here, and nowhere else."""

from collections.abc import Sequence

import typer
from typer._click.exceptions import ClickException  # typer carries its own click and names it nowhere else

from restorekit.cli.app import app
from restorekit.cli.out import Out, described
from restorekit.errors import RestorekitError, UsageError
from restorekit.workflow.failure import frames


def run(words: Sequence[str]) -> int:
    """Run one command line; returns its exit code."""
    try:
        code = typer.main.get_command(app).main(args=list(words), prog_name="restorekit", standalone_mode=False)
    except RestorekitError as error:
        Out(as_json="--json" in words).error(error)
        return error.exit_code
    except ClickException as error:
        error.show()
        Out(as_json="--json" in words).document({"error": described(UsageError(error.format_message()))})
        return UsageError.exit_code
    except typer.Abort:  # the end of input at a question; of KeyboardInterrupt typer itself makes 130
        return 130
    except BrokenPipeError:
        return 1
    except Exception as error:  # noqa: BLE001 - a defect; its text may quote a customer's row, so only its place is shown
        unexpected = RestorekitError(
            f"{type(error).__name__}: this is a defect of restorekit",
            hint="Report the places below. What was begun is carried on or taken back by the next command.",
            details=tuple(frames(error).splitlines()[-12:]),
        )
        Out(as_json="--json" in words).error(unexpected)
        return unexpected.exit_code
    return code if isinstance(code, int) else 0
