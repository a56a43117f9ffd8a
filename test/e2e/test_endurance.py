"""What a host may do to a server: few descriptors, little memory, a pause, a sudden death. What runs goes on, what is new is refused at once."""
import os
import pathlib
import re
import signal
import socket
import time

import pytest

from process import MILLRACE, until
from test_http import get


def growing(path, by=20_000):
    size = path.stat().st_size if path.exists() else 0
    until(lambda: path.exists() and path.stat().st_size > size + by, timeout=30, what=f"{path.name} growing")


def metric(server, name):
    found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", get(server, "/metrics")[2].decode(), re.M)
    return float(found[1])


@pytest.fixture
def streaming(procs, clip, tmp_path):
    """A publisher and a viewer of a server; gives the viewer's file."""
    def start(server, push_options=(), pull_options=()):
        procs.millrace("push", "--loop", *push_options, clip.path, server.url("rtmpq", "live/a"))
        server.wait_publisher("live/a")
        out = tmp_path / "viewer.flv"
        procs.millrace("pull", *pull_options, server.url("rtmps", "live/a"), out)
        growing(out)
        return out
    return start


def test_few_descriptors(procs, start_server, streaming):
    procs.prefix = ["prlimit", "--nofile=64:64"]
    server = start_server()
    procs.prefix = []
    out = streaming(server)
    crowd = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(100)]
    refused = 0
    for one in crowd:  # each is either held or closed at once, none hangs in the backlog
        one.settimeout(0.05)
        try:
            refused += one.recv(1) == b""
        except ConnectionResetError:
            refused += 1
        except TimeoutError:
            pass
    assert refused > 30
    assert server.process.running()
    growing(out)
    assert metric(server, "millrace_connections_refused_total") >= 0  # the reserve is for the API too
    for one in crowd:
        one.close()
    server.wait_publisher("live/b", after=publish_once(procs, server, "live/b"))
    growing(out)


def publish_once(procs, server, name):
    mark = server.process.mark()
    procs.start("ffmpeg", ["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=25", "-c:v", "flv1", "-f", "flv", server.rtmp(name)])
    return mark


def test_no_memory_for_what_is_new(start_server, procs, clip, tmp_path):
    config = tmp_path / "memory.toml"
    config.write_text("[limits]\nmemory_bytes = 1\n")
    server = start_server("--config", config)
    # It looks once a second. Until then a viewer of nothing is let in.
    until(lambda: get(server, "/live/a.flv")[0] == 503, what="the look at the memory")
    before = metric(server, "millrace_memory_refused_total")
    for command in (("push", "--no-reconnect", clip.path, server.rtmp("live/a")), ("pull", "--no-reconnect", server.url("rtmpq", "live/a"), tmp_path / "none.flv")):
        refused = procs.millrace(*command)
        assert refused.wait(20) == 6, refused.text
        assert "the server is busy: try again later" in refused.text
    assert get(server, "/live/a.flv")[0] == 503
    assert metric(server, "millrace_memory_refused_total") == before + 3


def test_a_viewer_that_holds_memory_up_gives_way(start_server, procs, tmp_path, monkeypatch):
    monkeypatch.setenv("ASAN_OPTIONS", os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1")  # or what was freed would count
    probe = start_server(state=tmp_path / "probe")
    usual = metric(probe, "millrace_resident_memory_bytes")
    assert probe.process.stop() == 0
    config = tmp_path / "memory.toml"
    # Viewers may be far behind here, so what one does not take stays.
    config.write_text(f"[limits]\nmemory_bytes = {int(usual + 150e6)}\nviewer_age_s = 60\nring_s = 60\nring_bytes = 1000000000\n")
    server = start_server("--config", config)
    load = procs.millrace("bench", "-n", "3", "--video", "160", "--settle", "0", "--seconds", "60", "--stalled", "1", "--stall", "60", server.rtmp("live/a"))
    server.process.wait_line("closed: it does not take what it is sent, and memory is short", timeout=40)
    assert metric(server, "millrace_memory_closed_total") == 1
    events = get(server, "/api/v1/stream/events?name=live/a")[2].decode()
    assert "memory_short" in events
    # The two others stay, and memory comes back.
    if b"__asan_init" not in pathlib.Path(MILLRACE).read_bytes():  # whose allocator gives nothing back
        until(lambda: metric(server, "millrace_resident_memory_bytes") < usual + 150e6, timeout=20, what="memory")
    assert sum(int(n) for n in re.findall(r'^millrace_viewers{protocol="rtmp"} (\d+)', get(server, "/metrics")[2].decode(), re.M)) == 2
    load.stop()


def test_a_pause_of_the_process(start_server, streaming):
    server = start_server()
    out = streaming(server, push_options=("--no-reconnect",), pull_options=("--no-reconnect",))
    server.process.popen.send_signal(signal.SIGSTOP)
    time.sleep(3)  # of the event, which is a time
    server.process.popen.send_signal(signal.SIGCONT)
    growing(out, 60_000)


def test_a_sudden_death(start_server, streaming):
    server = start_server()
    out = streaming(server)
    port, state = server.port, server.state
    server.process.kill()
    again = start_server(state=state, port=port)
    again.wait_publisher("live/a", timeout=30)
    growing(out)
