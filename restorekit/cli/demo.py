"""`restorekit demo`: the founding story end to end in a lab, through the very commands an admin types."""

import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from restorekit.cli.app import app
from restorekit.cli.out import Out
from restorekit.cli.run import run
from restorekit.errors import RestorekitError, UsageError

_ZONE = "Europe/Berlin"


@app.command()
def demo(
    keep: Annotated[Path | None, typer.Option(help="Leave the lab in this new folder, to play with.")] = None,
) -> None:
    """A lab with an accident in it, and the way back, visibly.

    Two customers, five nights of backups, parts of a shop shredded: inventory, plan, proof, difference, swap, undo.

    Example: restorekit demo --keep lab
    """
    if keep is not None:
        if keep.exists() and any(keep.iterdir()):
            raise UsageError(f"{keep} is not empty", hint="Name a new folder; nothing was changed.")
        keep.mkdir(parents=True, exist_ok=True)
        _Story(keep.resolve()).tell()
        Out(as_json=False).say(f"\nThe lab stays in {keep}. Go on with: cd {keep} && restorekit status")
        return
    folder = Path(tempfile.mkdtemp(prefix="restorekit-demo-"))
    try:
        _Story(folder).tell()
    finally:
        shutil.rmtree(folder)  # our own throw-away folder, made five lines above


class _Story:
    def __init__(self, folder: Path) -> None:
        from restorekit.demo.lab import Lab

        self._out = Out(as_json=False)
        self._lab = Lab(folder, _ZONE)

    def tell(self) -> None:
        from restorekit.demo import shop

        self._say("Two customers, acme and bolt; their shops are backed up with restic every night at two.")
        nights = self._lab.build(datetime.now(ZoneInfo(_ZONE)) - timedelta(days=1))
        acme = self._lab.acme
        before = self._numbers()
        self._type("inventory")
        self._type("points", "acme_shop")
        serious, accident = nights[-1] - timedelta(hours=10), nights[-1] + timedelta(hours=6, minutes=52)
        self._say(
            f'acme writes: "I have just shredded parts of our shop. It happened at {accident:%A %H:%M}. '
            f'The last serious change was {serious:%A %H:%M}; it must be in there."'
        )
        shop.shred(acme)
        self._say(f"Order items before: {before[0]:,}, now: {self._numbers()[0]:,}; 20 products cost nothing.")
        self._say("What happened, as far as states tell; a MariaDB's logs tell it to the minute.")
        self._type("timeline", "acme_shop")
        moment = ("--before", f"{accident:%Y-%m-%dT%H:%M}", "--contains", f"{serious:%Y-%m-%dT%H:%M}")
        self._type("plan", "acme_shop", *moment)
        self._say("Staged beside live, proven, compared; it stops there: nobody has agreed yet (exit code 6).")
        self._type("restore", "acme_shop", *moment, "--no-ask", expect=6)
        run_id = self._last_run()
        self._type("diff", run_id)
        self._say("The customer agrees. The swap is one step; what was there is kept.")
        self._type("approve", run_id)
        self._check(self._numbers() == before, "the shop holds what it held before the accident")
        self._say("Second thoughts? Undo is as quick, and keeps the other side, too.")
        self._type("undo", run_id)
        self._check(self._numbers()[0] < before[0], "the shop is as it was just before the swap, damage included")
        self._type("receipt", run_id)
        self._type("audit")
        self._type("audit", "verify")

    def _numbers(self) -> tuple[int, int]:
        from restorekit.demo.shop import count

        path = self._lab.acme
        return (
            count(path, "SELECT COUNT(*) FROM order_items"),
            count(path, "SELECT COUNT(*) FROM products WHERE price > 0"),
        )

    def _last_run(self) -> str:
        from restorekit.bootstrap import open_service

        return open_service(self._lab.config).house.catalog.runs(limit=1)[0].id

    def _say(self, text: str) -> None:
        self._out.say()
        self._out.say(text, style="italic", hang=0)

    def _type(self, *words: str, expect: int = 0) -> None:
        """Run a command as if typed; another exit code than expected ends the story."""
        self._out.say()
        self._out.say("$ restorekit " + " ".join(words), style="bold")
        code = run(["--config", str(self._lab.config), *words])
        if code != expect:
            raise RestorekitError(f"restorekit {words[0]} ended with {code} instead of {expect}")

    def _check(self, holds: bool, what: str) -> None:
        if not holds:
            raise RestorekitError(f"the demo found that it is not true: {what}")
        self._out.say(f"checked: {what}")
