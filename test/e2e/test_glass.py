"""From a picture that is drawn to the picture in a browser: each carries the time of day in black and white, and the page reads it back."""
import statistics
import subprocess
import threading
import time
import urllib.request

import pytest

import browser as browsers
from process import can_be_interrupted, until

pytestmark = pytest.mark.skipif(not browsers.available(), reason="chromium and chromium-driver are not installed")

WIDTH, HEIGHT, FPS, BITS = 320, 180, 25, 24
# Bounds of what is promised, in ms, times what a sanitized server and a browser without a GPU on two busy cores may add. Figures are printed; they are taken with a release build.
SEGMENT = 2000  # config's default; the stamps have a key frame each second
BOUNDS = {"flv": 500, "hls": 1500, "segments": 3 * SEGMENT}
SLACK = 3

READ = """
const v = document.querySelector('video');
if (!v || v.videoWidth === 0 || v.currentTime === 0) return null;
const c = document.createElement('canvas'); [c.width, c.height] = [%d, %d];
const k = c.getContext('2d', {willReadFrequently: true}); k.drawImage(v, 0, 0, c.width, c.height);
const now = Date.now();
const row = k.getImageData(0, c.height / 2, c.width, 1).data;
let stamp = 0;
for (let i = 0; i < %d; ++i) stamp = stamp * 2 + (row[4 * Math.floor((i + 0.5) * c.width / %d)] > 128 ? 1 : 0);
return [((now %% 2 ** %d) - stamp + 2 ** %d) %% 2 ** %d, v.currentTime];
""" % (WIDTH, HEIGHT, BITS, BITS, BITS, BITS, BITS)


def picture():
    stamp = int(time.time() * 1000) % 2 ** BITS
    row = b"".join((b"\xeb" if stamp >> (BITS - 1 - x * BITS // WIDTH) & 1 else b"\x10") for x in range(WIDTH))
    return row * HEIGHT


class Stamps:
    """A publisher in real time. Colour is gray, sound there is none."""

    def __init__(self, url):
        self.process = subprocess.Popen(["ffmpeg", "-nostdin", "-v", "error", "-fflags", "nobuffer", "-probesize", "32", "-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(FPS),
                                         "-i", "-", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", str(FPS), "-b:v", "800k", "-flush_packets", "1",
                                         "-f", "flv", url], stdin=subprocess.PIPE, preexec_fn=can_be_interrupted)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._draw, daemon=True)
        self.thread.start()

    def _draw(self):
        due = time.monotonic()
        try:
            while not self.ended.wait(max(0, due - time.monotonic())):
                self.process.stdin.write(picture())
                self.process.stdin.flush()
                due += 1 / FPS
        except BrokenPipeError:
            pass

    def close(self):
        self.ended.set()
        self.thread.join(5)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def stamps(server):
    one = Stamps(server.rtmp("live/a"))
    server.wait_publisher("live/a")
    yield one
    one.close()


@pytest.mark.parametrize("kind", ["flv", "hls", "segments"])
def test_glass_to_glass(server, stamps, procs, tmp_path, kind, record_property):
    if kind == "segments":
        # A player that comes to the first segment of all has no choice of its distance.
        def segments():
            with urllib.request.urlopen(server.http("/live/a/index.m3u8"), timeout=20) as playlist:
                return playlist.read().count(b"#EXTINF")
        until(lambda: segments() >= 4, timeout=30, what="enough segments to choose from")
    page = browsers.Browser(procs, tmp_path / "profile")
    try:
        page.open(server.http("/#/stream/live/a"))
        page.wait("const v = document.querySelector('video'); return v && v.videoWidth > 0")
        if kind != "flv":
            page.run("const i = document.querySelector('input[name=player][value=" + kind + "]'); i.checked = true; i.dispatchEvent(new Event('change', {bubbles: true}))")
            server.process.wait_line("packaged as HLS")
        begun = page.wait(f"{READ.replace('return null', 'return false')}", timeout=40)[1]
        # The player settles at its distance from the live edge by playing a little faster.
        page.wait("return document.querySelector('video').currentTime > arguments[0] + 8", begun, timeout=40)
        seen = []
        for _ in range(40):
            seen.append(page.run(READ)[0])
            time.sleep(0.1)
        middle = statistics.median(seen)
        print(f"{kind}: {middle:.0f} ms from glass to glass (least {min(seen)}, most {max(seen)})")
        record_property("glass_ms", middle)
        assert middle <= BOUNDS[kind] * SLACK
        assert page.complaints() == []
    finally:
        page.close()
