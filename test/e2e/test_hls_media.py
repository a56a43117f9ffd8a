"""Real media through muxer and packager, without a server: what ffmpeg makes of the pieces is what it makes of the source, picture by picture
and without a word of complaint."""
import pathlib
import re
import subprocess

import pytest

from media import checksums, ffmpeg
from process import MILLRACE

BUILD = pathlib.Path(MILLRACE).parent
SECONDS = 5
PICTURES = ["-f", "lavfi", "-i", f"testsrc2=size=320x180:rate=25:duration={SECONDS}"]
SOUND = ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=44100:duration={SECONDS}"]
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "50", "-pix_fmt", "yuv420p"]

SOURCES = {
    "h264_aac": ("mp4", [*PICTURES, *SOUND, *H264, "-c:a", "aac"]),
    "hevc_aac": ("mp4", [*PICTURES, *SOUND, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=50:log-level=none", "-tag:v", "hvc1",
                         "-pix_fmt", "yuv420p", "-c:a", "aac"]),
    "av1_opus": ("mkv", [*PICTURES, *SOUND, "-c:v", "libsvtav1", "-preset", "12", "-g", "50", "-pix_fmt", "yuv420p", "-c:a", "libopus"]),
    "h264_mp3": ("mp4", [*PICTURES, *SOUND, *H264, "-c:a", "libmp3lame"]),
    "h264": ("mp4", [*PICTURES, *H264]),
    "aac": ("mp4", [*SOUND, "-c:a", "aac"]),
}
CODECS = {
    "h264_aac": r"avc1\.[0-9a-f]{6},mp4a\.40\.2", "hevc_aac": r"hvc1\.1\.6\.L\d+\.[0-9A-F]+,mp4a\.40\.2", "av1_opus": r"av01\.0\.\d\dM\.08,opus",
    "h264_mp3": r"avc1\.[0-9a-f]{6},mp4a\.40\.34", "h264": r"avc1\.[0-9a-f]{6}", "aac": r"mp4a\.40\.2",
}


@pytest.fixture(scope="module", params=SOURCES)
def source(request, tmp_path_factory):
    ending, arguments = SOURCES[request.param]
    path = tmp_path_factory.mktemp("source") / f"{request.param}.{ending}"
    done = ffmpeg(*arguments, "-y", path)
    assert path.exists(), done.stderr
    return request.param, path


def dump(program, *arguments):
    return subprocess.run([BUILD / program, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def decoded(path, kind):
    """Checksums of what is decoded; nothing may be complained of."""
    out = path.parent / f"{path.name}.{kind}.crc"
    done = subprocess.run(["ffmpeg", "-nostdin", "-v", "warning", "-i", path, "-map", f"0:{kind}:0", "-fps_mode", "passthrough", "-f", "framecrc", "-y", out],
                          capture_output=True, text=True, timeout=60)
    words = [line for line in done.stderr.splitlines() if line.strip() and "libdav1d" not in line]
    assert done.returncode == 0 and not words, words
    return checksums(out)[0]


def packets(path, kind):
    """Presentation times in seconds."""
    out = subprocess.run(["ffprobe", "-v", "error", "-select_streams", f"{kind}:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0", path],
                         capture_output=True, text=True, timeout=60).stdout
    return sorted(float(line.split(",")[0]) for line in out.split() if line[:1] in "-0123456789")


def kinds_of(name):
    return [k for k, there in (("v", name != "aac"), ("a", name != "h264")) if there]


def same_media(name, path, origin):
    for kind in kinds_of(name):
        if kind == "v":
            assert decoded(path, "v") == decoded(origin, "v")
        else:
            decoded(path, "a")
    times = {kind: packets(path, kind) for kind in kinds_of(name)}
    for kind, of_kind in times.items():
        longest = max(b - a for a, b in zip(of_kind, of_kind[1:]))
        assert longest < (0.041 if kind == "v" else 0.027), f"a hole in {kind}"
    if len(times) == 2:
        origin_times = {kind: packets(origin, kind) for kind in times}
        before, after = (t["v"][0] - t["a"][0] for t in (origin_times, times))
        assert abs(before - after) < 0.004, "sound and pictures have moved against each other"


@pytest.mark.parametrize("container", ["fmp4", "mpegts"])
def test_segments_are_the_source(source, container, tmp_path):
    name, origin = source
    if container == "mpegts" and name == "av1_opus":
        pytest.skip("MPEG-TS carries no AV1: the next test")
    done = dump("hls_dump", origin, tmp_path / "out", container)
    assert done.returncode == 0, done.stderr
    playlist = tmp_path / "out" / ("index.m3u8" if container == "fmp4" else "ts.m3u8")
    text = playlist.read_text()
    assert text.count("#EXTINF") >= 2 or name == "h264" and text.count("#EXTINF") >= 1
    assert text.count("#EXT-X-DISCONTINUITY\n") == 0
    same_media(name, playlist, origin)
    if container == "fmp4":
        assert re.search(f'CODECS="{CODECS[name]}"', done.stdout), done.stdout
        if name != "aac":
            assert "RESOLUTION=320x180,FRAME-RATE=25.000" in done.stdout
        for msn in re.findall(r"^seg-(\d+)\.m4s$", text, re.M):
            parts = sorted(tmp_path.glob(f"out/part-{msn}-*.m4s"), key=lambda p: int(p.stem.split("-")[2]))
            if parts:
                assert b"".join(p.read_bytes() for p in parts) == (tmp_path / "out" / f"seg-{msn}.m4s").read_bytes()


@pytest.mark.parametrize("container", ["fmp4", "mpegts"])
def test_files_are_the_source(source, container, tmp_path):
    name, origin = source
    path = tmp_path / ("out.mp4" if container == "fmp4" else "out.ts")
    done = dump("mux_dump", origin, path, container, "zero")
    if container == "mpegts" and name == "av1_opus":
        assert "MPEG-TS cannot carry AV1" in done.stderr
        assert decoded(path, "a"), "the sound goes on"
        return
    assert done.returncode == 0 and "cannot" not in done.stderr, done.stderr
    same_media(name, path, origin)
