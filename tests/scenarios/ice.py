"""Databases whose only backup lies in cold storage, and a tap before the store that says how far each thaw is.

ice.freeze("acme_shop"); ice.tap.held.add("acme_shop")   # asked for, it stays frozen
ice.tap.held.clear()                                     # now it has thawed
"""

import contextlib
import http.client
import re
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from scenarios.ground import until
from scenarios.house import Answer, FastInstallation
from servers.s3 import Moto

ROWS = 50


class Tap(ThreadingHTTPServer):
    """Passes requests on to moto, whose thaws end at once, and notes them.

    Keys with a word of `held` in them look as if their thaw were under way. While `dry`, connections are cut.
    """

    daemon_threads = True

    def __init__(self, upstream: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.upstream = upstream
        self.asked: list[str] = []
        self.held: set[str] = set()
        self.dry = False

    @classmethod
    @contextlib.contextmanager
    def before(cls, server: Moto) -> Iterator[Self]:
        with cls(server.port) as tap:
            thread = threading.Thread(target=tap.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            yield tap
            tap.shutdown()
            thread.join()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def count(self, method: str, pattern: str) -> int:
        return sum(a.startswith(method) and re.search(pattern, a) is not None for a in list(self.asked))


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        tap = self.server
        assert isinstance(tap, Tap)
        tap.asked.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if tap.dry:
            self.close_connection = True
            return
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", tap.upstream, timeout=60)) as upstream:
            upstream.request(self.command, self.path, body=body, headers=dict(self.headers))
            answer = upstream.getresponse()
            data = answer.read()
        held = any(word in self.path for word in tap.held)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() == "x-amz-restore" and held:
                self.send_header(name, 'ongoing-request="true"')
            elif name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(data)

    do_HEAD = do_POST = do_GET  # noqa: N815  so they are called

    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class Ice:
    """An installation with a SQLite engine `files` and one cold bucket."""

    house: FastInstallation
    tap: Tap
    moto: Moto
    live: Path
    bucket: str

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path, moto: Moto) -> Iterator[Self]:
        live = folder / "live"
        live.mkdir()
        words = "-".join(("ice", *folder.parts[-2:])).replace("_", "-").lower()
        bucket = moto.bucket(words[-60:].strip("-"))
        with Tap.before(moto) as tap:
            section = moto.section(bucket, layout="{engine}/{database}/{time:%Y-%m-%dT%H%M}.db")
            house = FastInstallation(
                folder=folder / "house",
                engines={"files": {"kind": "sqlite", "directory": live}},
                sources={"glacier": {**section, "endpoint": tap.endpoint, "thaw": {"poll": "1s", "days": 7}}},
            )
            try:
                yield cls(house, tap, moto, live, bucket)
            finally:
                house.end()

    def freeze(self, name: str, *nights: str) -> str:
        """A live database and its frozen backups; the id of the newest one's point."""
        with contextlib.closing(sqlite3.connect(self.live / f"{name}.db")) as shop, shop:
            shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT)")
            shop.executemany("INSERT INTO orders (item) VALUES (?)", [(f"item {n}",) for n in range(ROWS)])
        for night in nights or ("2026-01-17",):
            self.put(name, night, (self.live / f"{name}.db").read_bytes())
        return self.house.point(f"files/{name}")

    def put(self, name: str, night: str, data: bytes, storage_class: str = "GLACIER", suffix: str = "") -> None:
        key = f"files/{name}/{night}T0230.db{suffix}"
        self.moto.client.put_object(Bucket=self.bucket, Key=key, Body=data, StorageClass=storage_class)

    def delete(self, name: str, night: str) -> None:
        self.moto.client.delete_object(Bucket=self.bucket, Key=f"files/{name}/{night}T0230.db")

    def words(self, name: str, point: str, *more: str) -> tuple[str, ...]:
        return ("restore", f"files/{name}", "--point", point, "--thaw", "standard", "--until", "staged", *more)

    def left_waiting(self, name: str) -> str:
        """A restore that was left while its backup thaws; its id."""
        point = self.freeze(name)
        self.tap.held.add(name)
        answer = self.house.run(*self.words(name, point, "--no-wait", "--json"))
        assert (answer.code, answer.json["state"]) == (8, "waiting"), answer
        return str(answer.json["id"])

    def newest(self) -> str:
        """The id of the run that was asked for last, by whomever."""
        return str(self.house.ok("status", "--json").json[0]["id"])

    def state(self, run_id: str) -> str:
        return str(self.house.ok("status", run_id, "--json").json["state"])

    def waits(self, run_id: str) -> None:
        """Come back when it rests in state waiting; another process works on it."""
        until(lambda: self.state(run_id) == "waiting", "the restore waits")

    def thaws_asked(self, name: str) -> int:
        return self.tap.count("POST", f"/{name}/.*[?&]restore")

    def orders(self, run_id: str) -> list[str]:
        """How each order of the recipe `prepare` ended so far."""
        with contextlib.closing(sqlite3.connect(self.house.folder / "state" / "state.db")) as state:
            asked = "SELECT status FROM workflow_status WHERE workflow_uuid LIKE ? ORDER BY created_at"
            return [status for (status,) in state.execute(asked, (f"prepare:{run_id}%",))]

    def notes(self) -> list[Path]:
        """What the source remembers of thaws it asked for."""
        return [p for p in (self.house.folder / "cache").rglob("*.json") if "way" in p.read_text()]

    def carried_through(self, run_id: str) -> Answer:
        """Thawed now: `watch` brings it to its end."""
        self.tap.held.clear()
        return self.house.run("watch", run_id, "--json")
