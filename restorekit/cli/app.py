"""The Typer application and what every command shares."""

import getpass
import os
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer
from typer.core import TyperGroup

from restorekit import __version__
from restorekit.cli import completion
from restorekit.cli.out import Out
from restorekit.errors import NeedsChoice, UsageError
from restorekit.model.request import Act

if TYPE_CHECKING:
    from restorekit.bootstrap import Service

_ORDER = [
    "demo",
    "doctor",
    "inventory",
    "find",
    "points",
    "when",
    "timeline",
    "peek",
    "plan",
    "restore",
    "status",
    "watch",
    "diff",
    "approve",
    "swap",
    "cancel",
    "undo",
    "export",
    "receipt",
    "note",
    "retire",
    "capture",
    "audit",
]


class InOrder(TyperGroup):
    """Commands in the order in which they are typed at 3 a.m., not in that of their files."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All names, the known ones first and in order."""
        names = super().list_commands(ctx)
        return sorted(names, key=lambda n: _ORDER.index(n) if n in _ORDER else len(_ORDER))


app = typer.Typer(
    cls=InOrder,
    name="restorekit",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Restore a customer's database beside live, prove it, show the difference, swap it in, undo.",
    epilog=(
        "Exit codes: 0 done, 2 usage, 3 needs a choice, 4 no usable recovery point, 5 verification failed, "
        "6 approval needed, 7 live changed, 8 temporary, 9 refused by policy, 130 interrupted."
    ),
)

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
RunId = Annotated[
    str,
    typer.Argument(
        metavar="ID", help="The restore's id, or an unambiguous beginning of it.", autocompletion=completion.runs
    ),
]
Database = Annotated[
    str,
    typer.Argument(
        metavar="DB", help="engine/name, or a name that is unambiguous.", autocompletion=completion.databases
    ),
]


@dataclass
class Door:
    """The command line's hold on the service; opened only by commands that need it."""

    config: Path | None

    @cached_property
    def service(self) -> "Service":
        """Everything, wired."""
        from restorekit.bootstrap import open_service

        return open_service(self.config)

    @property
    def zone(self) -> str:
        """The zone in which times are shown and understood."""
        return self.service.settings.timezone

    def act(
        self,
        verb: str,
        *,
        database: str = "",
        restore_id: str = "",
        shown: str = "",
        confirmed: str = "",
        details: dict[str, str] | None = None,
    ) -> Act:
        """An act of the person at the keyboard."""
        return Act(
            caller=caller(),
            door="cli",
            verb=verb,
            database=database,
            restore_id=restore_id,
            shown=shown,
            confirmed=confirmed,
            details=details or {},
        )

    def time(self, text: str, option: str) -> datetime:
        """An ISO time of the configured zone; see `iso_time`."""
        return iso_time(text, option, self.zone)


def iso_time(text: str, option: str, zone_name: str) -> datetime:
    """An ISO time; without offset it is of that zone. Never guesses in the hour that exists twice."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"{option} {text!r} is not an ISO time", hint="Write for example 2009-01-17T16:41 or with +01:00."
        ) from error
    if parsed.tzinfo is not None:
        return parsed
    zone = ZoneInfo(zone_name)
    first, second = parsed.replace(tzinfo=zone, fold=0), parsed.replace(tzinfo=zone, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first
    # A gap gives back another wall clock after a round trip; a fold gives the same one twice.
    utc = ZoneInfo("UTC")
    if first.astimezone(utc).astimezone(zone).replace(tzinfo=None) != parsed:
        raise UsageError(f"{option} {text}: that time does not exist in {zone_name} (clocks went forward)")
    raise NeedsChoice(
        f"{option} {text} exists twice in {zone_name} (clocks went back)",
        hint="Write it with its offset.",
        details=(first.isoformat(), second.isoformat()),
    )


def caller() -> str:
    """Who types: the login behind sudo, if there is one."""
    me = getpass.getuser()
    behind = os.environ.get("SUDO_USER")
    return f"{behind} (as {me})" if behind and behind != me else me


def _version(value: bool) -> None:
    if value:
        typer.echo(f"restorekit {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(envvar="RESTOREKIT_CONFIG", help="restorekit.yaml (default: here, then /etc/restorekit)."),
    ] = None,
    version: Annotated[  # noqa: ARG001 - handled by its callback
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    context.obj = Door(config)


def door(context: typer.Context) -> Door:
    """The door of this call."""
    found = context.obj
    assert isinstance(found, Door)
    return found


def out(*, as_json: bool) -> Out:
    """Output for this call."""
    return Out(as_json=as_json)
