"""Addresses change and servers die under running streams."""
import re

from media import FPS, Decoded
from process import until


def test_nat_rebinding_in_the_middle_of_a_push(server, procs, clip, relay_for, tmp_path):
    """The relay forgets the client's port, as a NAT does: the stream goes on, no picture is lost, the gap is told."""
    relay = relay_for(server)
    out = tmp_path / "out.flv"
    pull = procs.millrace("pull", server.url("rtmpq", "live/a"), out)
    server.wait_player("live/a")
    push = procs.millrace("push", clip.path, server.url("rtmpq?fallback=none", "live/a", port=relay.port))
    server.wait_publisher("live/a")
    for _ in range(2):
        # The second time a good second after the first: a server need not follow a client that moves with every packet.
        more = (out.stat().st_size if out.exists() else 0) + 60_000
        until(lambda: out.exists() and out.stat().st_size > more, what="some media before the rebinding")
        mark = server.process.mark()
        relay.rebind()
        gap = server.process.wait_line(r"path changed: (\S+) is now (\S+), silent for (\d+) ms", after=mark)
        print(gap.text)
        assert int(gap[3]) < 1000
    assert push.wait(30) == 0, push.tail()
    assert pull.wait(10) == 0, pull.tail()
    result = Decoded(out)
    assert result.errors == [] and result.pictures == clip.pictures
    assert relay.rebinds == 2
    assert len(re.findall(r'rtmp connect app="live".*transport=', server.process.text)) == 2, "somebody had to connect again"


def test_push_and_pull_come_back_after_the_server_died(server, procs, clip, tmp_path):
    out = tmp_path / "out.flv"
    push = procs.millrace("push", "--loop", clip.path, server.url("rtmpq", "live/a"))
    server.wait_publisher("live/a")
    pull = procs.millrace("pull", server.url("rtmpq", "live/a?catch_up=no"), out)  # a recorder wants the original times
    server.wait_player("live/a")
    until(lambda: out.exists() and out.stat().st_size > 50_000, what="media before the crash")
    server.kill_and_restart()
    server.wait_publisher("live/a", timeout=40)
    server.wait_player("live/a", timeout=40)
    before = out.stat().st_size
    until(lambda: out.stat().st_size > before + 100_000, timeout=30, what="media after the restart")
    assert push.running() and pull.running()
    assert pull.stop() == 0, pull.tail()
    assert push.stop() == 0, push.tail()
    result = Decoded(out)
    assert result.errors == []
    assert result.times == sorted(set(result.times)), "time went backwards in the file"
    assert len(result.pictures) > 2 * FPS


def test_push_and_pull_come_back_over_tcp(server, procs, clip, tmp_path):
    out = tmp_path / "out.flv"
    push = procs.millrace("push", "--loop", clip.path, server.url("rtmp", "live/a"))
    server.wait_publisher("live/a")
    pull = procs.millrace("pull", server.url("rtmps", "live/a"), out)
    server.wait_player("live/a")
    until(lambda: out.exists() and out.stat().st_size > 20_000, what="media before the crash")
    server.kill_and_restart()
    server.wait_publisher("live/a", timeout=40)
    server.wait_player("live/a", timeout=40)
    before = out.stat().st_size
    until(lambda: out.stat().st_size > before + 50_000, timeout=30, what="media after the restart")
    assert pull.stop() == 0, pull.tail()
    assert push.stop() == 0, push.tail()


def test_bridge_comes_back_after_the_server_died(server, procs, clip):
    """The encoder notices nothing: the bridge keeps its connection and finds the server again."""
    bridge = procs.millrace("bridge", "--listen", "127.0.0.1:0", server.url("rtmpq", "").replace("/?", "?").rstrip("/"))
    port = int(bridge.wait_line(r"rtmp://127\.0\.0\.1:(\d+)")[1])
    encoder = procs.start("ffmpeg encoder", ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip.path, "-c", "copy", "-f", "flv",
                                             f"rtmp://127.0.0.1:{port}/live/a"])
    server.wait_publisher("live/a")
    for lives in (1, 2):
        player = procs.start("ffmpeg player", ["ffmpeg", "-nostdin", "-v", "error", "-i", server.rtmp("live/a"), "-frames:v", str(FPS), "-f", "null", "-"])
        assert player.wait(30) == 0, player.tail()
        if lives == 1:
            server.kill_and_restart()
            server.wait_publisher("live/a", timeout=40)
    assert encoder.running(), encoder.tail()


def test_no_reconnect_means_none(server, procs, clip):
    push = procs.millrace("push", "--no-reconnect", "--loop", clip.path, server.url("rtmpq", "live/a"))
    server.wait_publisher("live/a")
    server.kill_and_restart()
    # A server that came back answers with a stateless reset; that or the idle limit of 30 s ends the session.
    assert push.wait(45) == 4, push.tail()


def test_push_waits_for_a_server_that_is_not_there_yet_only_if_told(start_server, procs, clip, free_port):
    """Only if it is told to: a first attempt that fails is the person's to know."""
    status, push = procs.run_millrace("push", clip.path, f"rtmp://127.0.0.1:{free_port}/live/a", timeout=20)
    assert status == 4, push.tail()
    push = procs.millrace("push", "--keep-trying", "--loop", clip.path, f"rtmp://127.0.0.1:{free_port}/live/a")
    server = start_server(port=free_port)
    server.wait_publisher("live/a", timeout=40)
    assert push.stop() == 0


def test_the_server_ends_in_order(server, procs, clip, tmp_path):
    """SIGTERM: within 2 s, players are told, exit status 0."""
    import signal
    import time
    procs.millrace("push", "--loop", clip.path, server.url("rtmpq", "live/a"))
    server.wait_publisher("live/a")
    player = procs.start("ffmpeg player", ["ffmpeg", "-nostdin", "-v", "error", "-i", server.rtmp("live/a"), "-f", "null", "-"])
    server.wait_player("live/a")
    began = time.monotonic()
    assert server.process.stop(signal.SIGTERM) == 0, server.process.tail()
    assert time.monotonic() - began < 2 + 1, "the leak check of a sanitized program takes its own time"
    assert player.wait(10) == 0, player.tail()
