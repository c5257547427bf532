"""The keys of a new installation: whoever comes first makes them, whole or not at all."""

import threading
from pathlib import Path

from restorekit import signing


def test_commands_that_start_together_have_the_same_key(tmp_path: Path) -> None:
    for attempt in range(100):
        folder, found = tmp_path / str(attempt), []
        start = threading.Barrier(4)

        def command(folder: Path = folder, found: list[bytes] = found, start: threading.Barrier = start) -> None:
            start.wait()
            found.append(signing.row_key(folder))

        commands = [threading.Thread(target=command) for _ in range(4)]
        for one in commands:
            one.start()
        for one in commands:
            one.join()
        assert [len(key) for key in found] == [32] * 4
        assert len(set(found)) == 1
        assert [p.name for p in folder.iterdir()] == ["rows.key"]
        assert (folder / "rows.key").stat().st_mode & 0o777 == 0o600
