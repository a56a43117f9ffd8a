"""Sockets that systemd has opened (LISTEN_FDS): the server takes those, and who comes while it starts again waits for it."""
import re
import socket
import sys

import pytest

from process import MILLRACE, until
from test_endurance import growing

# What systemd does between fork and exec (man 3 sd_listen_fds): the sockets become 3, 4, …, and the process learns that they are for it.
ACTIVATE = """
import fcntl, os, sys
count = int(sys.argv[1])
given = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in sys.argv[2:2 + count]]
for number, fd in enumerate(given):
    os.dup2(fd, 3 + number)
os.closerange(3 + count, 200)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count), LISTEN_FDNAMES=":".join(["millrace.socket"] * count))
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


class Manager:
    """Holds the sockets, as systemd does while the service comes and goes."""

    def __init__(self, procs, folder):
        self.procs, self.folder, self.sockets = procs, folder, []
        self.config = folder / "millrace.toml"

    def open(self, kind, port=0, shared=False):
        one = socket.socket(socket.AF_INET, kind)
        if shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            one.listen(64)
        self.sockets.append(one)
        return one.getsockname()[1]

    def start(self, *options):
        numbers = [str(s.fileno()) for s in self.sockets]
        self.process = self.procs.start("millrace serve", [sys.executable, "-c", ACTIVATE, str(len(numbers)), *numbers, MILLRACE, "serve", "--config", self.config, "--state", self.folder / "state",
                                                           "--log-level", "debug", *options], pass_fds=[s.fileno() for s in self.sockets])
        return self.process

    def ready(self):
        self.pin = self.process.wait_line(r"ready: .*pin=([0-9a-f]{64})")[1]

    def close(self):
        for one in self.sockets:
            one.close()


@pytest.fixture
def manager(procs, tmp_path):
    one = Manager(procs, tmp_path)
    yield one
    one.close()


def url(manager, port, form, path):
    return f"{form}://127.0.0.1:{port}/{path}" + (f"?pin={manager.pin}&transport=quic-only" if form == "rtmpq" else f"?pin={manager.pin}" if form == "rtmps" else "")


def test_the_sockets_are_taken_and_wait_for_a_restart(manager, procs, clip, tmp_path):
    port = manager.open(socket.SOCK_STREAM)
    manager.open(socket.SOCK_DGRAM, port)
    web = manager.open(socket.SOCK_STREAM)
    manager.config.write_text(f'listen = "127.0.0.1:{port}"\nshards = 2\n[http]\nlisten = "127.0.0.1:{web}"\n')
    manager.start()
    manager.ready()
    procs.millrace("push", "--loop", clip.path, url(manager, port, "rtmpq", "live/a"))
    manager.process.wait_line("publishes live/a over rtmpq")
    # Both shards accept: of so many connections from different ports one alone would be chance.
    for form in ("rtmp", "rtmps", "rtmpq"):
        out = tmp_path / f"{form}.flv"
        procs.millrace("pull", url(manager, port, form, "live/a"), out)
        growing(out)
    assert manager.process.stop() == 0
    # Nobody accepts now, and nobody is refused.
    waiting = socket.create_connection(("127.0.0.1", web), timeout=5)
    waiting.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    manager.start()
    manager.ready()
    waiting.settimeout(15)
    assert waiting.recv(64).startswith(b"HTTP/1.1 200")
    waiting.close()
    for form in ("rtmp", "rtmps", "rtmpq"):  # and who was connected comes back
        growing(tmp_path / f"{form}.flv")


def test_as_many_udp_sockets_as_shards(manager, procs, clip, tmp_path):
    port = manager.open(socket.SOCK_DGRAM, shared=True)
    for _ in range(2):
        manager.open(socket.SOCK_DGRAM, port, shared=True)
    manager.config.write_text(f'listen = "127.0.0.1:{port}"\nshards = 1\n[http]\nlisten = []\n')
    manager.start()
    manager.ready()
    procs.millrace("push", "--loop", clip.path, url(manager, port, "rtmpq", "live/a"))
    outs = [tmp_path / f"{n}.flv" for n in range(6)]
    for out in outs:
        procs.millrace("pull", url(manager, port, "rtmpq", "live/a"), out)
    for out in outs:
        growing(out)
    shards = {int(n) % 3 for n in re.findall(r"#(\d+) \S+: plays live/a over rtmpq", manager.process.text)}
    until(lambda: len(shards) > 1, timeout=1, what="viewers on more than one shard")


@pytest.mark.parametrize("wrong", ["another port", "udp for http", "no listening", "unix"])
def test_what_is_wrong_is_told(manager, wrong):
    port = manager.open(socket.SOCK_STREAM)
    expected = f"tcp 127.0.0.1:{port} is none of listen and http.listen"
    manager.config.write_text('listen = "127.0.0.1:1"\n[http]\nlisten = []\n')
    if wrong == "udp for http":
        manager.sockets.pop().close()
        port = manager.open(socket.SOCK_DGRAM)
        manager.config.write_text(f'listen = "127.0.0.1:1"\n[http]\nlisten = "127.0.0.1:{port}"\n')
        expected = f"udp 127.0.0.1:{port} is none of listen:"
    elif wrong == "no listening":
        one = socket.socket()
        one.bind(("127.0.0.1", 0))
        manager.sockets = [one]
        expected = "descriptor 3 does not listen"
    elif wrong == "unix":
        manager.sockets = [socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)]
        expected = "descriptor 3 has no Internet address"
    process = manager.start()
    assert process.wait(15) == 2
    assert expected in process.text
