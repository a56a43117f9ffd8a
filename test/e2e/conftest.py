"""Fixtures. Everything runs on loopback, or in a network namespace of its own; nothing outlives its test."""
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(1, str(pathlib.Path(__file__).parents[1] / "support"))

from media import Clip  # noqa: E402
from nginx_rtmp import nginx_rtmp, start_nginx_rtmp  # noqa: E402,F401  (fixtures)
from process import MILLRACE, Processes  # noqa: E402
from relay import Relay  # noqa: E402


def pytest_sessionstart(session):
    if not os.access(MILLRACE, os.X_OK):
        pytest.exit(f"{MILLRACE} is not built: use ./x test --e2e, or set MILLRACE", returncode=3)


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """4 s."""
    return Clip(tmp_path_factory.mktemp("clip") / "clip.flv", 4)


@pytest.fixture(scope="session")
def blink(tmp_path_factory):
    """A quarter of a second: for tests about the dial, not the media."""
    return Clip(tmp_path_factory.mktemp("blink") / "blink.flv", 0.24)


@pytest.fixture
def procs(tmp_path):
    processes = Processes(tmp_path)
    yield processes
    processes.finish()


class Server:
    def __init__(self, processes, state, *options, port=0, listen="127.0.0.1"):
        self.processes, self.state, self.options, self.listen = processes, state, options, listen
        self._start(port)

    def _start(self, port):
        http = () if {"--http", "--no-http"} & set(map(str, self.options)) else ("--http", "127.0.0.1:0")
        self.process = self.processes.millrace("serve", "--listen", f"{self.listen}:{port}", "--state", self.state, "--log-level", "debug", *http, *self.options)
        ready = self.process.wait_line(r"ready.*?://[^ ]*:(\d+)")
        self.port = int(ready[1])
        pin = re.search(r"pin=([0-9a-f]{64})", ready.text)
        self.pin = pin[1] if pin else None
        self.ready = ready.text
        http = re.search(r" http://[^ ]*:(\d+)", ready.text)
        self.http_port = int(http[1]) if http else None

    def kill_and_restart(self):
        """As a crash does it: nobody is told. Same port, same state."""
        self.process.kill()
        self._start(self.port)

    def url(self, form, path, port=None):
        """`form` is how the URI asks for its transport; `path` is app/stream[?query]."""
        scheme, _, parameter = form.partition("?")
        join = "&" if "?" in path else "?"
        extra = [p for p in (parameter, f"pin={self.pin}" if scheme != "rtmp" or "quic" in parameter else "") if p]
        return f"{scheme}://127.0.0.1:{port or self.port}/{path}" + (join + "&".join(extra) if extra else "")

    def http(self, path, scheme="http"):
        return f"{scheme}://127.0.0.1:{self.http_port}{path}"

    def rtmp(self, path):
        return f"rtmp://127.0.0.1:{self.port}/{path}"

    def wait_publisher(self, name, after=0, timeout=15):
        return self.process.wait_line(rf"publishes {re.escape(name)} over (\w+)", after=after, timeout=timeout)

    def wait_player(self, name, after=0, timeout=15):
        return self.process.wait_line(rf"(?<!\w)plays {re.escape(name)} over (\w+)", after=after, timeout=timeout)


@pytest.fixture
def start_server(procs, tmp_path):
    def start(*options, **more):
        return Server(procs, more.pop("state", tmp_path / "state"), *options, **more)
    return start


@pytest.fixture
def server(start_server):
    return start_server()


@pytest.fixture
def relay_for():
    relays = []

    def make(server, **options):
        relays.append(Relay(server.port, **options))
        return relays[-1]
    yield make
    for relay in relays:
        relay.close()


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def namespace():
    """Its name; loopback is up in it and nothing else. Skips, visibly, where namespaces are not permitted."""
    name = f"millrace-test-{os.getpid()}"
    if not shutil.which("ip"):
        pytest.skip("iproute2 is not installed")
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, timeout=10)
    if made.returncode != 0:
        pytest.skip(f"network namespaces are not permitted here: {made.stderr.strip()}")
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True, timeout=10)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], timeout=10)
