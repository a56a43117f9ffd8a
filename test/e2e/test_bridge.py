"""bridge: programs that speak RTMP only, over QUIC."""
from media import FPS, checksums, framecrc_arguments, is_run_of


def start_bridge(procs, url):
    """Its local port."""
    bridge = procs.millrace("bridge", "--listen", "127.0.0.1:0", url)
    return int(bridge.wait_line(r"rtmp://127\.0\.0\.1:(\d+)")[1]), bridge


def test_ffmpeg_through_the_bridge_for_30_seconds(server, procs, clip, tmp_path):
    """ffmpeg -> bridge -> QUIC -> server -> ffmpeg: every picture, sound, and not one complaint from the decoder."""
    seconds = 30
    port, bridge = start_bridge(procs, server.url("rtmpq", "").replace("/?", "?").rstrip("/"))
    crc = tmp_path / "out.crc"
    player = procs.start("ffmpeg player", framecrc_arguments(server.rtmp("live/a"), crc))
    server.wait_player("live/a")
    encoder = procs.start("ffmpeg encoder", ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip.path, "-t", str(seconds), "-c", "copy",
                                             "-f", "flv", f"rtmp://127.0.0.1:{port}/live/a"])
    assert server.wait_publisher("live/a")[1] == "rtmpq"
    assert encoder.wait(seconds + 20) == 0, encoder.tail()
    # The end of the publication reaches the player, which ends by itself.
    assert player.wait(15) == 0, player.tail()
    assert player.lines == [], "the decoder complained"
    frames = checksums(crc)
    assert len(frames[0]) >= seconds * FPS * 0.99
    assert is_run_of(frames[0], clip.pictures), "a picture is missing or wrong"
    assert len(frames[1]) >= seconds * 44100 / 1024 * 0.99
    assert bridge.running()


def test_play_through_the_bridge(server, procs, clip, tmp_path):
    port, _ = start_bridge(procs, server.url("rtmpq", "").replace("/?", "?").rstrip("/"))
    procs.millrace("push", "--loop", clip.path, server.url("rtmpq", "live/a"))
    server.wait_publisher("live/a")
    crc = tmp_path / "out.crc"
    player = procs.start("ffmpeg player", framecrc_arguments(f"rtmp://127.0.0.1:{port}/live/a", crc, frames=2 * FPS))
    assert server.wait_player("live/a")[1] == "rtmpq"
    assert player.wait(30) == 0, player.tail()
    assert is_run_of(checksums(crc)[0], clip.pictures)


def test_the_encoder_is_told_when_the_server_refuses(start_server, procs, clip):
    server = start_server("--allow-publish", "192.0.2.0/24")
    port, bridge = start_bridge(procs, server.url("rtmpq", "").replace("/?", "?").rstrip("/"))
    encoder = procs.start("ffmpeg encoder", ["ffmpeg", "-nostdin", "-v", "error", "-re", "-i", clip.path, "-c", "copy", "-f", "flv", f"rtmp://127.0.0.1:{port}/live/a"])
    assert encoder.wait(20) != 0
    server.process.wait_line("publish live/a refused")
    assert bridge.running()


def test_stream_key_goes_through_the_bridge_unchanged(server, procs, blink):
    port, _ = start_bridge(procs, server.url("rtmpq", "").replace("/?", "?").rstrip("/"))
    encoder = procs.start("ffmpeg encoder", ["ffmpeg", "-nostdin", "-v", "error", "-re", "-i", blink.path, "-c", "copy", "-f", "flv",
                                             f"rtmp://127.0.0.1:{port}/live/a?expires=a%2Fb+c==&recording=1"])
    server.process.wait_line(r'rtmp publish app="live" name="a" query="expires=a%2Fb\+c==&recording=1"')
    encoder.wait(20)
