"""One process takes over from another (SIGUSR2) while streams run: nobody is cut, publishers that can move do."""
import contextlib
import datetime
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest

from media import Decoded
from process import MILLRACE, until
from test_http import fetch_json, get
from test_record import RULES, listed


@pytest.fixture
def upgradable(start_server, tmp_path):
    """Servers whose successors' lines are read like their own: both write to one pipe. At the end no successor is left."""
    servers = []

    def start(text="[drain]\nupgrade_s = 60\n"):
        config = tmp_path / "upgrade.toml"
        config.write_text(text)
        servers.append(start_server("--config", config))
        return servers[-1]
    yield start
    for server in servers:
        for successor in re.findall(r"hand over: process (\d+) was started", server.process.text):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(successor), signal.SIGTERM)


@pytest.fixture
def upgrade(upgradable):
    return upgradable()


def take_over(server):
    mark = server.process.mark()
    server.process.popen.send_signal(signal.SIGUSR2)
    ready = server.process.wait_line(r"process (\d+) has taken over", after=mark, timeout=30)
    return mark, int(ready[1])


def growing(path, by=20_000):
    size = path.stat().st_size if path.exists() else 0
    until(lambda: path.exists() and path.stat().st_size > size + by, timeout=30, what=f"{path.name} growing")


def dts_gaps(path):
    """Largest step between one picture and the next, in ms, by the file's own times."""
    out = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=dts_time", "-of", "csv=p=0", path],
                         capture_output=True, text=True).stdout
    times = [float(line.strip(",")) for line in out.split() if line.strip(",") not in ("", "N/A")]
    return max((b - a for a, b in zip(times, times[1:])), default=0) * 1000


def stays(server, procs, clip, name):
    """A publisher that cannot be asked to move."""
    publisher = procs.start("ffmpeg", ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip.path, "-c", "copy", "-f", "flv", server.rtmp(name)])
    server.wait_publisher(name)
    return publisher


def ended(process):
    """Reaped by its parent, or at least dead: whoever inherits it may take its time."""
    try:
        return pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("form", ["rtmp", "rtmps", "rtmpq", "rtmpq?transport=quic-only"])
def test_our_publisher_moves_and_plain_viewers_stay(upgrade, procs, clip, tmp_path, form):
    server = upgrade
    push = procs.millrace("push", "--loop", clip.path, server.url(form, "live/a"))
    server.wait_publisher("live/a")
    # ffmpeg cannot be asked to reconnect: it stays with the old process, which has to show it what the new one gets.
    out = tmp_path / "stays.flv"
    viewer = procs.start("ffmpeg", ["ffmpeg", "-v", "error", "-y", "-i", server.rtmp("live/a"), "-c", "copy", "-f", "flv", out])
    growing(out)
    mark, successor = take_over(server)
    server.wait_publisher("live/a", after=mark)
    server.process.wait_line("shown here as it comes from the other process", after=mark)
    growing(out)
    late = tmp_path / "late.flv"
    newcomer = procs.millrace("pull", server.url(form, "live/a"), late)
    growing(late)
    assert viewer.running() and push.running()
    assert newcomer.stop() == 0
    viewer.stop()
    # GOPs of the clip are a second long.
    assert dts_gaps(out) <= 1_100
    assert Decoded(late).pictures
    # The last one has gone: so does the old process, in order, and the new one serves on.
    assert server.process.wait(20) == 0
    again = tmp_path / "again.flv"
    procs.millrace("pull", server.url(form, "live/a"), again)
    growing(again)
    assert push.running()


@pytest.mark.parametrize("publisher", ["rtmpq", "rtmp", "ffmpeg"])
def test_fifty_viewers_stay(upgrade, procs, clip, tmp_path, publisher):
    """None of them can be asked to move, and none of them notices."""
    server = upgrade
    if publisher == "ffmpeg":
        procs.start("ffmpeg", ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip.path, "-c", "copy", "-f", "flv", server.rtmp("live/a")])
    else:
        procs.millrace("push", "--loop", clip.path, server.url(publisher, "live/a"))
    server.wait_publisher("live/a")
    over_http = [tmp_path / f"http-{i}.flv" for i in range(40)]
    over_rtmp = [tmp_path / f"rtmp-{i}.flv" for i in range(10)]
    viewers = [procs.start("curl", ["curl", "-s", "-N", "-o", file, server.http("/live/a.flv")]) for file in over_http]
    viewers += [procs.start("ffmpeg", ["ffmpeg", "-v", "error", "-y", "-i", server.rtmp("live/a"), "-c", "copy", "-flush_packets", "1", "-f", "flv", file]) for file in over_rtmp]

    def all_grow():
        sizes = {file: file.stat().st_size if file.exists() else 0 for file in over_http + over_rtmp}
        until(lambda: all(file.exists() and file.stat().st_size > size + 20_000 for file, size in sizes.items()), timeout=30, what="fifty files growing")
    all_grow()
    mark, _ = take_over(server)
    if publisher != "ffmpeg":
        server.wait_publisher("live/a", after=mark)
        server.process.wait_line("shown here as it comes from the other process", after=mark)
    all_grow()
    all_grow()
    assert all(viewer.running() for viewer in viewers)
    for viewer in viewers:
        viewer.stop()
    for file in over_http + over_rtmp:
        assert dts_gaps(file) <= 1_100, file.name  # a GOP of the clip is a second long


def test_a_publisher_that_cannot_move_is_seen_by_both(upgrade, procs, clip, tmp_path):
    server = upgrade
    publisher = procs.start("ffmpeg", ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip.path, "-c", "copy", "-f", "flv", server.rtmp("live/b")])
    server.wait_publisher("live/b")
    out = tmp_path / "old.flv"
    procs.start("ffmpeg", ["ffmpeg", "-v", "error", "-y", "-i", server.rtmp("live/b"), "-c", "copy", "-f", "flv", out])
    growing(out)
    take_over(server)
    # Over RTMP, HTTP and HLS of the new process.
    new = tmp_path / "new.flv"
    procs.millrace("pull", server.rtmp("live/b"), new)
    growing(new)
    over_http = tmp_path / "http.flv"
    procs.start("curl", ["curl", "-s", "-o", over_http, server.http("/live/b.flv")])
    growing(over_http)
    until(lambda: get(server, "/live/b.m3u8")[0] == 200, timeout=20, what="a playlist")
    growing(out)
    assert publisher.running()
    publisher.stop()
    server.process.wait_line("unpublishes live/b")


def test_a_process_that_does_not_start_changes_nothing(upgrade, procs, clip, tmp_path):
    server = upgrade
    procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))
    server.wait_publisher("live/a")
    out = tmp_path / "a.flv"
    procs.millrace("pull", server.rtmp("live/a"), out)
    growing(out)
    (tmp_path / "upgrade.toml").write_text("[drain]\nupgrade_z = 1\n")
    mark = server.process.mark()
    server.process.popen.send_signal(signal.SIGUSR2)
    server.process.wait_line("ended before it was ready", after=mark)
    assert "did you mean drain.upgrade_s" in server.process.text
    growing(out)
    late = tmp_path / "late.flv"
    procs.millrace("pull", server.url("rtmpq?transport=quic-only", "live/a"), late)
    growing(late)
    # And once it can, it does.
    (tmp_path / "upgrade.toml").write_text("[drain]\nupgrade_s = 1\n")
    take_over(server)
    growing(out)


@pytest.fixture
def service_manager(tmp_path, monkeypatch):
    """What systemd would be told: a socket with a line in each datagram."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(tmp_path / "notify"))
        told.settimeout(15)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield told


def test_a_successor_that_dies_gives_back_what_it_took(service_manager, upgradable, procs, clip, tmp_path):
    """The old process, kept by a publisher that stays, is the service again; and it may be asked once more."""
    server = upgradable("[drain]\nupgrade_s = 60\n" + RULES.format(directory=tmp_path / "recordings", format="flv", more='start = "demand"')
                        + '[[record.rules]]\nstreams = "show/*"\nformat = "flv"\n')
    publishers = [stays(server, procs, clip, name) for name in ("live/a", "show/rule", "live/asked")]
    assert fetch_json(server, "/api/v1/recordings/start?name=live/asked", "POST")[0] == 200

    def states(name):
        return sorted(r["state"] for r in listed(server) if r["stream"] == name)
    recorded = ("show/rule", "live/asked")
    until(lambda: all(states(name) == ["writing"] for name in recorded), timeout=30, what="two recordings")
    _, successor = take_over(server)
    # A file is listed before its first byte is written, and one without a picture is no recording afterwards.
    until(lambda: all(states(name) == ["complete", "writing"] for name in recorded) and all(r["bytes"] > 0 for r in listed(server)),
          timeout=30, what="recordings of the new process")
    mark = server.process.mark()
    os.kill(successor, signal.SIGKILL)
    server.process.wait_line("this one is the server again", after=mark)
    assert not pathlib.Path(f"/proc/{successor}").exists(), "nobody has waited for it"
    for form in ("rtmp", "rtmps", "rtmpq?transport=quic-only"):
        out = tmp_path / f"{form[:5]}.flv"
        procs.millrace("pull", server.url(form, "live/a"), out)
        growing(out)
    until(lambda: all(states(name) == ["complete", "recovered", "writing"] for name in recorded), timeout=30, what="recordings here again")
    told = [service_manager.recv(1000).decode() for _ in range(4)]
    assert sorted(told) == sorted(["READY=1", "READY=1", f"MAINPID={successor}", f"MAINPID={server.process.popen.pid}"])
    assert told.index(f"MAINPID={successor}") < told.index(f"MAINPID={server.process.popen.pid}")

    take_over(server)
    late = tmp_path / "late.flv"
    procs.millrace("pull", server.rtmp("live/a"), late)
    growing(late)
    assert all(each.running() for each in publishers)


def test_a_successor_that_is_stopped_takes_the_old_process_along(upgrade, procs, clip):
    server = upgrade
    stays(server, procs, clip, "live/a")
    _, successor = take_over(server)
    os.kill(successor, signal.SIGTERM)
    assert server.process.wait(20) == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_a_server_that_stops_leaves_no_successor_that_still_starts(upgrade, tmp_path):
    config = tmp_path / "upgrade.toml"
    config.unlink()
    os.mkfifo(config)  # nobody writes: the new process waits for its settings
    upgrade.process.popen.send_signal(signal.SIGUSR2)
    successor = int(upgrade.process.wait_line(r"hand over: process (\d+) was started")[1])
    assert upgrade.process.stop(signal.SIGTERM) == 0
    until(lambda: ended(successor), what="the end of the process that was started")


@pytest.fixture
def first_process(procs, tmp_path):
    """A server that is process 1, as in a container, and its number out here."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True).returncode != 0:
        pytest.skip("needs root, and a namespace of processes")
    server = procs.start("container", ["unshare", "--pid", "--fork", "--kill-child", MILLRACE, "serve", "--listen", "127.0.0.1:0", "--no-http", "--state", tmp_path / "state"])
    ready = server.wait_line(r"ready.*?://[^ ]*:(\d+)")
    unshare = server.popen.pid
    yield server, int(pathlib.Path(f"/proc/{unshare}/task/{unshare}/children").read_text()), int(ready[1])


def test_the_first_process_of_a_container_hands_over_to_nobody(first_process):
    """The kernel ends all others of a container with it."""
    server, number, port = first_process
    os.kill(number, signal.SIGUSR2)
    server.wait_line("start a new container instead")
    socket.create_connection(("127.0.0.1", port), timeout=5).close()
    os.kill(number, signal.SIGTERM)
    assert server.wait(20) == 0
    assert "was started" not in server.text


def test_an_address_that_is_gone_is_closed_while_the_old_process_stays(procs, clip, tmp_path):
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        stays, goes = one.getsockname()[1], two.getsockname()[1]
    config = tmp_path / "upgrade.toml"
    config.write_text(f'listen = ["127.0.0.1:{stays}", "127.0.0.1:{goes}"]\nhttp.listen = []\n')
    server = procs.millrace("serve", "--config", config, "--state", tmp_path / "state")
    server.wait_line("ready")
    procs.start("ffmpeg", ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip.path, "-c", "copy", "-f", "flv", f"rtmp://127.0.0.1:{stays}/live/a"])
    server.wait_line("publishes live/a")
    config.write_text(f'listen = "127.0.0.1:{stays}"\nhttp.listen = []\n')
    server.popen.send_signal(signal.SIGUSR2)
    successor = int(server.wait_line(r"process (\d+) has taken over", timeout=30)[1])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", goes), timeout=5)
    socket.create_connection(("127.0.0.1", stays), timeout=5).close()
    # It comes back with the one that had it.
    os.kill(successor, signal.SIGKILL)
    server.wait_line("this one is the server again")
    for port in (stays, goes):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()


@pytest.mark.parametrize("gone", ["address", "quic"])
def test_who_is_connected_over_quic_where_the_new_process_has_none_stays(procs, clip, tmp_path, gone):
    """Nobody passes their datagrams on. They ask to come back where nobody is, and go on where they are."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        stays, goes = one.getsockname()[1], two.getsockname()[1]
    both, rest = f'listen = ["127.0.0.1:{stays}", "127.0.0.1:{goes}"]\n', "http.listen = []\nquic.idle_timeout_s = 3\n"
    config = tmp_path / "upgrade.toml"
    config.write_text(both + rest)
    server = procs.millrace("serve", "--config", config, "--state", tmp_path / "state")
    pin = server.wait_line(r"ready.*pin=([0-9a-f]{64})")[1]
    url = f"rtmpq://127.0.0.1:{goes}/live/a?transport=quic-only&pin={pin}"
    push = procs.millrace("push", "--loop", clip.path, url)
    server.wait_line("publishes live/a")
    out = tmp_path / "stays.flv"
    pull = procs.millrace("pull", url, out)
    growing(out)
    config.write_text((f'listen = "127.0.0.1:{stays}"\n' if gone == "address" else both + "quic.enabled = false\n") + rest)
    server.popen.send_signal(signal.SIGUSR2)
    successor = int(server.wait_line(r"process (\d+) has taken over", timeout=30)[1])
    try:
        for each in (push, pull):
            each.wait_line("refused.*the old one goes on")
        end = time.monotonic() + 6  # twice as long as the idle timeout
        while time.monotonic() < end:
            growing(out)
        for each in (push, pull):
            assert each.running() and "lost" not in each.text, each.text
    finally:
        os.kill(successor, signal.SIGTERM)


def test_an_address_that_is_gone_is_closed(procs, tmp_path):
    """A socket that listened and that nobody accepted from would let clients hang."""
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        stays, goes = one.getsockname()[1], two.getsockname()[1]
    config = tmp_path / "upgrade.toml"
    config.write_text(f'listen = "127.0.0.1:{stays}"\nhttp.listen = "127.0.0.1:{goes}"\n')
    server = procs.millrace("serve", "--config", config, "--state", tmp_path / "state")
    server.wait_line("ready")
    socket.create_connection(("127.0.0.1", goes), timeout=5).close()
    config.write_text(f'listen = "127.0.0.1:{stays}"\nhttp.listen = []\n')
    server.popen.send_signal(signal.SIGUSR2)
    successor = int(server.wait_line(r"process (\d+) has taken over", timeout=30)[1])
    try:
        assert server.wait(20) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", goes), timeout=5)
        socket.create_connection(("127.0.0.1", stays), timeout=5).close()
    finally:
        os.kill(successor, signal.SIGTERM)


@pytest.mark.parametrize("moves", [True, False])
def test_recordings_go_on_in_the_new_process(upgradable, procs, clip, tmp_path, moves):
    """What the old one records ends in order; the rest is in the new one's file, also of a publisher that stays where it is."""
    server = upgradable("[drain]\nupgrade_s = 60\n" + RULES.format(directory=tmp_path / "recordings", format="flv", more='start = "demand"')
                        + '[[record.rules]]\nstreams = "show/*"\nformat = "mp4"\n')
    names = ["show/rule", "live/asked"]
    for name in names:
        if moves:
            procs.millrace("push", "--loop", clip.path, server.rtmp(name))
        else:
            procs.start("ffmpeg", ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip.path, "-c", "copy", "-f", "flv", server.rtmp(name)])
        server.wait_publisher(name)
    assert fetch_json(server, "/api/v1/recordings/start?name=live/asked", "POST")[0] == 200

    def of(stream, number):
        """Once there are so many of it, the newest with some seconds: the oldest first."""
        found = sorted((r for r in listed(server) if r["stream"] == stream), key=lambda r: r["start"])
        return found if len(found) == number and found[-1]["duration_ms"] > 2_500 else None
    for name in names:
        until(lambda: of(name, 1), timeout=30, what=f"a recording of {name}")
    take_over(server)
    for name in names:
        first, second = until(lambda: of(name, 2), timeout=30, what=f"another recording of {name}")
        assert (first["state"], second["state"]) == ("complete", "writing")
        begin, again = (datetime.datetime.fromisoformat(r["start"]) for r in (first, second))
        hole = (again - begin).total_seconds() - first["duration_ms"] / 1000
        assert hole < 2, f"{name}: {hole} s are in neither file"  # GOPs of the clip are a second long


def test_the_time_has_an_end(upgradable, procs, clip):
    server = upgradable("[drain]\nupgrade_s = 2\n")
    publisher = procs.start("ffmpeg", ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip.path, "-c", "copy", "-f", "flv", server.rtmp("live/a")])
    server.wait_publisher("live/a")
    begun = time.monotonic()
    take_over(server)
    assert server.process.wait(20) == 0
    assert time.monotonic() - begun >= 2
    assert "the time is over, 1 connections are left" in server.process.text
    assert publisher.wait(10) is not None
