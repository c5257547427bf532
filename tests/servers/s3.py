"""Real S3 servers for tests, on 127.0.0.1: rclone, as an unprivileged user, for bytes on disk, moto for semantics.

with Rclone.running() as server:
    server.section("dumps")             # the part of `restorekit.yaml` that says where and with which keys
    server.write("dumps", "db1/a.sql", b"...", at=JANUARY)
"""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import boto3
import pytest
from botocore.config import Config

KEY, SECRET = "RKTESTACCESSKEY", "rk-test-secret-0123456789"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Server:
    """One that listens. Keys lie in a file of `folder`, readable by its owner only."""

    port: int
    folder: Path

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def credentials_file(self) -> Path:
        return credentials_file(self.folder / "credentials")

    def section(self, bucket: str, **more: Any) -> dict[str, Any]:
        """The section of `restorekit.yaml` for a bucket of it."""
        where = {"kind": "s3", "bucket": bucket, "endpoint": self.endpoint}
        return {**where, "credentials_file": str(self.credentials_file), **more}

    @property
    def client(self) -> Any:
        """As the backup job has it: it may write."""
        return client(self.endpoint)


def client(endpoint: str, key: str = KEY, secret: str = SECRET) -> Any:
    keys = {"aws_access_key_id": key, "aws_secret_access_key": secret}
    plain = Config(
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"},
    )
    return boto3.session.Session().client("s3", endpoint_url=endpoint, region_name="us-east-1", config=plain, **keys)


def credentials_file(path: Path, key: str = KEY, secret: str = SECRET) -> Path:
    path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    path.chmod(0o600)
    return path


class Rclone(Server):
    """`rclone serve s3` over a folder: each folder in `root` is a bucket, each file an object."""

    @classmethod
    @contextlib.contextmanager
    def running(cls, remember: str = "0s") -> Iterator[Self]:
        """What tests change below it is seen at once, unless it shall `remember` names and digests for a while."""
        with _place() as folder:
            root = folder / "root"
            root.mkdir(mode=0o777)
            root.chmod(0o777)
            port = _free_port()
            rclone = [str(Path(sys.executable).with_name("rclone")), "serve", "s3", "--addr", f"127.0.0.1:{port}"]
            fresh = ["--dir-cache-time", remember, "--config", "/dev/null", "--cache-dir", str(folder / "cache")]
            with _started([*rclone, *fresh, "--auth-key", f"{KEY},{SECRET}", str(root)], port):
                yield cls(port, folder)

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def write(self, bucket: str, key: str, data: bytes, at: datetime = LONG_AGO) -> Path:
        """Put an object there that was uploaded `at`."""
        path = self.root / bucket / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (at.timestamp(), at.timestamp()))
        return path


class Moto(Server):
    """moto as a server: versions, multipart uploads, storage classes. It refuses no key."""

    @classmethod
    @contextlib.contextmanager
    def running(cls) -> Iterator[Self]:
        with _place() as folder:
            port = _free_port()
            argv = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
            # Not as somebody else: its modules may lie where only their owner may read. It writes no file.
            with _started(argv, port, dropping=False):
                yield cls(port, folder)

    def bucket(self, name: str, *, versioned: bool = False) -> str:
        """An empty one of that name."""
        self.client.create_bucket(Bucket=name)
        if versioned:
            told = {"Status": "Enabled"}
            self.client.put_bucket_versioning(Bucket=name, VersioningConfiguration=told)
        return name

    def tell(self, path: str, body: bytes) -> bytes:
        """Say something to moto itself, such as how a thaw goes on."""
        request = urllib.request.Request(f"{self.endpoint}{path}", data=body, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())


@pytest.fixture(scope="session")
def rclone_server() -> Iterator[Rclone]:
    with Rclone.running() as server:
        yield server


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Moto]:
    with Moto.running() as server:
        yield server


class Proxy(ThreadingHTTPServer):
    """Passes requests on to a server, counts them, and spoils answers where it is told to.

    `cut` holds, for the reads to come, after how many bytes the connection breaks (None: it does not); the last one
    stays for all others. With `lying` such an answer claims to be as short as it is. `flipping` changes one byte.
    Answers to reads wait for `open`.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, upstream: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.upstream = upstream
        self.asked: list[str] = []
        self.cut: list[int | None] = []
        self.lying = False
        self.without_ranges = False
        self.flipping = False
        self.open = threading.Event()
        self.open.set()

    @classmethod
    @contextlib.contextmanager
    def before(cls, server: Server) -> Iterator[Self]:
        with cls(server.port) as proxy:
            thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            yield proxy
            proxy.shutdown()
            thread.join()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader that leaves in the middle is what is tested here."""

    def next_cut(self) -> int | None:
        return self.cut.pop(0) if len(self.cut) > 1 else next(iter(self.cut), None)


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        proxy = self.server
        assert isinstance(proxy, Proxy)
        proxy.asked.append(f"{self.command} {self.path}")
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", proxy.upstream, timeout=60)) as upstream:
            upstream.request(self.command, self.path, headers=dict(self.headers))
            answer = upstream.getresponse()
            data = answer.read()
        reading = self.command == "GET" and "list-type" not in self.path and "?versions" not in self.path
        most = proxy.next_cut() if reading else None
        if reading:
            proxy.open.wait(60)
        if reading and proxy.flipping:
            data = bytes([data[0] ^ 1]) + data[1:]
        sent = data if most is None else data[:most]
        hidden = ["content-length", "transfer-encoding", "connection"] + ["content-range"] * proxy.without_ranges
        self.send_response_only(200 if proxy.without_ranges else answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in hidden:
                self.send_header(name, value)
        announced = str(len(sent if proxy.lying else data))
        self.send_header("Content-Length", answer.getheader("Content-Length") if self.command == "HEAD" else announced)
        self.end_headers()
        self.wfile.write(sent)
        self.close_connection = len(sent) < len(data)

    do_HEAD = do_GET  # noqa: N815  so it is called

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def _place() -> Iterator[Path]:
    """A folder that the server's user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="rk-s3-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextlib.contextmanager
def _started(argv: list[str], port: int, *, dropping: bool = True) -> Iterator[None]:
    """A server that listens, as nobody special if it drops its user, and ends with the test process at the latest."""
    drop = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"] if dropping and os.geteuid() == 0 else []
    words = ["setpriv", "--pdeathsig", "KILL", *drop, "--", *argv]
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd="/")
        try:
            _wait(server, port)
            yield
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read()[-2000:].decode(errors="replace"))
            raise
        finally:
            server.terminate()
            server.wait(10)


def _wait(server: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)  # a foreign server says nowhere that it listens
    pytest.fail(f"the server ended with {server.poll()} or did not listen on {port}")
