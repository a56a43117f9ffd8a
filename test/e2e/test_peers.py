"""Real encoders and real players, each against millrace."""
import pathlib
import re
import shutil

import pytest

import peers

from media import FPS, SIZE, Decoded, checksums, framecrc_arguments, is_run_of
from process import until

ENOUGH = 2 * FPS  # pictures that a player has to show


def gst(sink):
    return lambda url, clip: peers.gst_publisher(sink(url), size=SIZE, bit_rate=400)


PUBLISHERS = {
    "ffmpeg": lambda url, clip: ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip.path, "-c", "copy", "-f", "flv", url],
    "librtmp": gst(peers.rtmpsink),
    "rtmp2sink": gst(peers.rtmp2sink),
}


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_publisher(publisher, server, procs, clip, tmp_path):
    """What a real encoder publishes is played over QUIC by us and over TCP by ffmpeg."""
    encoder = procs.start(publisher, PUBLISHERS[publisher](server.rtmp("live/a"), clip))
    server.wait_publisher("live/a")
    crc = tmp_path / "out.crc"
    player = procs.start("ffmpeg player", framecrc_arguments(server.rtmp("live/a"), crc, frames=ENOUGH))
    out = tmp_path / "out.flv"
    pull = procs.millrace("pull", server.url("rtmpq", "live/a"), out)
    assert player.wait(30) == 0, player.tail()
    until(lambda: out.exists() and len(Decoded(out).pictures) >= ENOUGH, timeout=20, what="enough pictures over QUIC")
    assert pull.stop() == 0
    assert encoder.running(), encoder.tail()
    frames = checksums(crc)
    assert len(frames[0]) >= ENOUGH and len(frames[1]) > 0
    assert Decoded(out).errors == []
    if publisher == "ffmpeg":
        assert is_run_of(frames[0], clip.pictures), "other pictures than those sent"
    else:
        assert len(set(frames[0])) > 5, "the picture stands still"


@pytest.fixture
def looping(server, procs, clip):
    """A clip that goes round over QUIC."""
    procs.millrace("push", "--loop", clip.path, server.url("rtmpq", "live/a"))
    server.wait_publisher("live/a")
    return server


def test_player_ffmpeg(looping, procs, clip, tmp_path):
    crc = tmp_path / "out.crc"
    player = procs.start("ffmpeg", framecrc_arguments(looping.rtmp("live/a"), crc, frames=ENOUGH))
    assert player.wait(30) == 0, player.tail()
    assert is_run_of(checksums(crc)[0], clip.pictures)
    assert checksums(crc)[1]


def test_player_rtmpdump(looping, procs, clip, tmp_path):
    out = tmp_path / "out.flv"
    player = procs.start("rtmpdump", ["rtmpdump", "-v", "-r", looping.rtmp("live/a"), "-o", out])
    until(lambda: out.exists() and len(Decoded(out).pictures) >= ENOUGH, timeout=30, what="enough pictures in rtmpdump's file")
    player.stop()
    result = Decoded(out)
    assert len(result.pictures) >= ENOUGH and result.audio > 0
    assert is_run_of(result.pictures, clip.pictures)


def test_player_mpv(looping, procs, tmp_path):
    player = procs.start("mpv", ["mpv", "--no-config", "--ao=null", "--vo=image", "--vo-image-format=jpg", f"--vo-image-outdir={tmp_path / 'mpv'}",
                                 f"--frames={ENOUGH}", looping.rtmp("live/a")])
    assert player.wait(40) == 0, player.tail()
    # It counts frames that it dropped to keep up with the clock, too.
    assert len(list((tmp_path / "mpv").glob("*.jpg"))) >= ENOUGH // 2


def test_player_vlc(looping, procs):
    nobody = peers.Nobody()
    try:
        procs.start("vlc", [*nobody.prefix, "cvlc", "-I", "dummy", "--no-lua", "--aout=dummy", "--vout=dummy", "--video-filter=scene", "--scene-format=jpg",
                            "--scene-ratio=5", f"--scene-path={nobody.folder}", "--scene-prefix=shot", "--network-caching=300",
                            looping.rtmp("live/a")], cwd=nobody.folder)
        looping.wait_player("live/a")
        until(lambda: len(list(pathlib.Path(nobody.folder).glob("shot*.jpg"))) >= ENOUGH // 5, timeout=30, what="enough pictures from VLC")
    finally:
        nobody.close()


def test_player_rtmp2src(looping, procs, tmp_path):
    raw = tmp_path / "raw.yuv"
    player = procs.start("rtmp2src", ["gst-launch-1.0", "-q", "rtmp2src", f"location={looping.rtmp('live/a')}", "!", "flvdemux", "name=demux",
                                      "demux.video", "!", "queue", "!", "h264parse", "!", "avdec_h264", "!", "filesink", f"location={raw}"])
    one = SIZE[0] * SIZE[1] * 3 // 2
    until(lambda: raw.exists() and raw.stat().st_size >= ENOUGH * one, timeout=30, what="enough pictures from rtmp2src")
    player.stop()
    with open(raw, "rb") as pictures:
        assert len({pictures.read(one) for _ in range(ENOUGH)}) > ENOUGH // 2, "the picture stands still"


@pytest.mark.parametrize("tool", ["ffmpeg", "gst-launch-1.0", "rtmpdump", "mpv", "cvlc"])
def test_the_peers_are_real(tool):
    """Without them the tests above would prove less than they say."""
    assert shutil.which(tool), f"{tool} is not installed: ./x test installs it"


def test_second_publisher_is_refused_and_the_first_goes_on(looping, procs, clip, tmp_path):
    second = procs.start("ffmpeg", PUBLISHERS["ffmpeg"](looping.rtmp("live/a"), clip))
    assert second.wait(20) != 0
    looping.process.wait_line("publish live/a refused")
    crc = tmp_path / "out.crc"
    player = procs.start("ffmpeg player", framecrc_arguments(looping.rtmp("live/a"), crc, frames=ENOUGH))
    assert player.wait(30) == 0, player.tail()
    assert is_run_of(checksums(crc)[0], clip.pictures)


def test_two_publishers_and_their_viewers_do_not_meet(server, procs, clip, tmp_path):
    for name in ("live/a", "live/b"):
        procs.millrace("push", "--loop", clip.path, server.url("rtmpq", name))
        server.wait_publisher(name)
    players = [procs.start(f"ffmpeg {name}", framecrc_arguments(server.rtmp(name), tmp_path / f"{name[-1]}.crc", frames=ENOUGH)) for name in ("live/a", "live/b")]
    for player in players:
        assert player.wait(30) == 0, player.tail()
    assert all(is_run_of(checksums(tmp_path / f"{n}.crc")[0], clip.pictures) for n in "ab")
    assert len(re.findall(r" plays live/[ab] ", server.process.text)) == 2
