"""Publishers that go silent, and publishers of very large pictures."""
import signal
import time

import pytest

from media import FPS, Decoded, ffmpeg, framecrc_arguments
from peers import ffmpeg_publisher
from process import until

SILENCE = 2  # seconds


@pytest.fixture
def impatient_server(start_server, tmp_path):
    settings = tmp_path / "millrace.toml"
    settings.write_text(f"[limits]\npublisher_silence_s = {SILENCE}\n")
    return start_server("--config", settings)


def freeze(publisher, server):
    """SIGSTOP: its connection stays open and says nothing. Returns when the server has taken the name away."""
    mark = server.process.mark()
    began = time.monotonic()
    publisher.popen.send_signal(signal.SIGSTOP)
    server.process.wait_line(r"unpublishes live/a", after=mark, timeout=SILENCE + 5)
    took = time.monotonic() - began
    assert SILENCE - 0.5 < took < SILENCE + 3, f"the name was free after {took:.1f} s"
    return mark


def test_P10_the_name_of_a_frozen_encoder_is_free_again(impatient_server, procs, clip, tmp_path):
    """A viewer that stays sees the encoder that comes in its place; the frozen one is told when it wakes up."""
    server = impatient_server
    first = procs.start("ffmpeg first", ffmpeg_publisher(clip.path, server.rtmp("live/a")))
    server.wait_publisher("live/a")
    out = tmp_path / "out.flv"
    pull = procs.millrace("pull", "--stay", server.url("rtmp", "live/a?catch_up=no"), out)
    server.wait_player("live/a")
    until(lambda: out.exists() and out.stat().st_size > 20_000, what="media before the freeze")
    mark = freeze(first, server)
    before = out.stat().st_size
    second = procs.start("ffmpeg second", ffmpeg_publisher(clip.path, server.rtmp("live/a")))
    server.wait_publisher("live/a", after=mark)
    first.popen.send_signal(signal.SIGCONT)
    assert first.wait(20) != 0, "it should have noticed that its connection is gone"
    assert second.wait(30) == 0, second.tail()
    until(lambda: out.stat().st_size > before + clip.path.stat().st_size // 2, what="the second encoder's media")
    assert pull.stop() == 0
    result = Decoded(out)
    assert result.errors == []
    assert result.pictures[-len(clip.pictures):] == clip.pictures, "the second encoder's pictures are not all there"
    assert result.times == sorted(set(result.times)), "time went backwards"


def test_P10_a_push_that_was_frozen_comes_back(impatient_server, procs, clip, tmp_path):
    """Over QUIC; when it wakes up its session is over, and it publishes again by itself."""
    server = impatient_server
    push = procs.millrace("push", "--loop", clip.path, server.url("rtmpq", "live/a"))
    server.wait_publisher("live/a")
    mark = freeze(push, server)
    push.popen.send_signal(signal.SIGCONT)
    server.wait_publisher("live/a", after=mark, timeout=20)
    player = procs.start("ffmpeg player", framecrc_arguments(server.rtmp("live/a"), tmp_path / "out.crc", frames=FPS))
    assert player.wait(20) == 0, player.tail()


@pytest.fixture(scope="session")
def huge(tmp_path_factory):
    """4K, intra only: pictures of about 3 MB."""
    path = tmp_path_factory.mktemp("huge") / "huge.flv"
    done = ffmpeg("-f", "lavfi", "-i", "testsrc2=size=3840x2160:rate=5:duration=1.6,noise=alls=30:allf=t", "-c:v", "libx264", "-preset", "ultrafast",
                  "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", 1, "-qp", 33, "-f", "flv", "-y", path)
    assert done.returncode == 0, done.stderr
    return path


def packets(path):
    """Checksums and sizes of the packets, not decoded: the bytes are what has to arrive."""
    done = ffmpeg("-i", path, "-map", "0:v", "-c", "copy", "-f", "framemd5", "-")
    assert done.returncode == 0, done.stderr
    return packets_of(done.stdout)


def packets_of(text):
    lines = [[field.strip() for field in line.split(",")] for line in text.splitlines() if line[:1].isdigit()]
    return [(int(fields[4]), fields[5]) for fields in lines]


def test_key_frames_of_3_megabytes_arrive_whole(server, procs, huge, tmp_path):
    sent = packets(huge)
    sizes = [size for size, _ in sent]
    assert len(sent) == 8 and min(sizes) > 2_500_000, f"the clip is no test of this: {sizes}"
    md5, flv = tmp_path / "out.md5", tmp_path / "out.flv"
    player = procs.start("ffmpeg player", ["ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-i", server.rtmp("live/a"), "-map", "0:v", "-c", "copy",
                                           "-f", "framemd5", "-y", md5])
    pull = procs.millrace("pull", "--reliable", server.url("rtmpq", "live/a"), flv)  # a slow machine would leave late pictures out
    server.wait_player("live/a")
    server.process.wait_line(r"plays live/a over rtmpq")
    publisher = procs.start("ffmpeg", ffmpeg_publisher(huge, server.rtmp("live/a")))
    assert publisher.wait(30) == 0, publisher.tail()
    assert player.wait(20) == 0, player.tail()
    assert pull.wait(20) == 0, pull.tail()
    assert packets_of(md5.read_text()) == sent, "over TCP"
    assert packets(flv) == sent, "over QUIC"
