"""A publisher that was cut off takes its own stream again with its ticket, while an ffmpeg that plays over RTMP/TCP keeps its connection."""
import signal

import pytest

from media import FPS, Decoded, picture_times
from process import until


@pytest.fixture
def viewer(server, procs, tmp_path):
    """An ffmpeg that writes what it plays into a file."""
    class Viewer:
        out = tmp_path / "seen.flv"

        def start(self):
            self.process = procs.start("ffmpeg player", ["ffmpeg", "-nostdin", "-v", "error", "-i", server.rtmp("live/a?catch_up=no"), "-c", "copy", "-flush_packets", "1",
                                                         "-f", "flv", "-y", self.out])
            server.wait_player("live/a")
            self.wait_for_more()

        def wait_for_more(self):
            size = self.out.stat().st_size if self.out.exists() else 0
            until(lambda: self.out.exists() and self.out.stat().st_size > size + 60_000, timeout=30, what="more media at the viewer")

        def check(self):
            """One connection all along, and a file with a time that goes on."""
            assert self.process.running(), self.process.tail()
            assert len([line for line in server.process.lines if "plays live/a over" in line]) == 1
            assert self.process.stop() in (0, 255), self.process.tail()
            assert Decoded(self.out).errors == []
            times = picture_times(self.out)
            assert times == sorted(set(times)), "time went backwards for the viewer"
            return times
    return Viewer()


@pytest.mark.parametrize("form, mapping", [("rtmp", ()), ("rtmps", ()), ("rtmpq?fallback=none", ("--mapping", "bytes")), ("rtmpq?fallback=none", ())],
                         ids=["rtmp", "rtmps", "bytes", "roqr"])
def test_a_push_that_was_killed_goes_on_in_another_process(server, procs, clip, viewer, tmp_path, form, mapping):
    ticket = tmp_path / "ticket"
    words = ["push", "--loop", *mapping, clip.path, server.url(form, "live/a")]
    first = procs.millrace(*words, "--resume", ticket)
    server.wait_publisher("live/a")
    viewer.start()
    assert ticket.stat().st_mode & 0o777 == 0o600
    mark = server.process.mark()
    first.kill()

    status, stranger = procs.run_millrace(*words)
    assert status != 0 and "already" in stranger.text, stranger.tail()

    second = procs.millrace(*words, "--resume", ticket)
    server.process.wait_line(r"comes back to live/a", after=mark)
    back = server.wait_publisher("live/a", after=mark)
    print(f"back on {form}: {(back.at - second.started) * 1000:.0f} ms from its start")
    viewer.wait_for_more()
    assert len(viewer.check()) > 2 * FPS
    assert "live/a" not in ticket.read_text(), "the stream's name is as secret as a key"
    assert second.stop() == 0, second.tail()
    assert not ticket.exists(), "what ended in order leaves nothing to go on with"


def test_a_push_that_changed_networks_without_a_word_goes_on(server, procs, clip, viewer, relay_for):
    """TCP has no migration: the old connection is dead and the server does not know. The ticket makes it yield."""
    relay = relay_for(server)
    push = procs.millrace("push", "--loop", clip.path, server.url("rtmp", "live/a", port=relay.port))
    server.wait_publisher("live/a")
    viewer.start()
    mark = server.process.mark()
    relay.rebind()
    lost = push.wait_line(r"trying again in")
    server.process.wait_line(r"comes back to live/a", after=mark)
    back = server.wait_publisher("live/a", after=mark)
    print(f"back {(back.at - lost.at) * 1000:.0f} ms after the loss")
    viewer.wait_for_more()
    viewer.check()
    assert push.stop() == 0, push.tail()


def test_viewers_of_a_relay_follow_when_their_server_leaves(start_server, procs, clip, tmp_path):
    """SIGTERM on one of two servers: the publisher and the relay's own connection move to the other at a key frame."""
    state = tmp_path / "state"  # one identity for both
    heir = start_server(state=state)
    config = tmp_path / "drain.toml"
    config.write_text(f'[drain]\nseconds = 5\nto = "rtmpq://127.0.0.1:{heir.port}/live"\n')
    leaver = start_server("--config", config, state=state)
    push = procs.millrace("push", "--loop", clip.path, leaver.url("rtmpq?fallback=none", "live/a"))
    leaver.wait_publisher("live/a")
    bridge = procs.millrace("bridge", "--listen", "127.0.0.1:0", f"rtmpq://127.0.0.1:{leaver.port}?fallback=none&pin={leaver.pin}")
    port = int(bridge.wait_line(r"rtmp://127\.0\.0\.1:(\d+)")[1])
    out = tmp_path / "seen.flv"
    player = procs.start("ffmpeg player", ["ffmpeg", "-nostdin", "-v", "error", "-i", f"rtmp://127.0.0.1:{port}/live/a?catch_up=no", "-c", "copy", "-flush_packets", "1",
                                           "-f", "flv", "-y", out])
    leaver.wait_player("live/a")
    until(lambda: out.exists() and out.stat().st_size > 60_000, what="media at the viewer")
    assert leaver.process.stop(signal.SIGTERM) == 0, leaver.process.tail()
    heir.wait_publisher("live/a")
    heir.wait_player("live/a")
    size = out.stat().st_size
    until(lambda: out.stat().st_size > size + 100_000, timeout=30, what="media from the other server")
    assert player.running(), player.tail()
    assert player.stop() in (0, 255)
    assert Decoded(out).errors == []
    times = picture_times(out)
    steps = [b - a for a, b in zip(times, times[1:])]
    print(f"longest step between two pictures: {max(steps)} ms")
    assert min(steps) > 0 and max(steps) <= 1000 + 1000 // FPS, "more than a group of pictures is missing"
    assert push.running() and push.stop() == 0, push.tail()
