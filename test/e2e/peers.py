"""Encoders and players as anyone starts them: one table each, for the tests, the matrix and the recorded sessions."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from media import Decoded, ffmpeg
from process import until

SIZE = (160, 120)
FPS = 25
LATE_MS = 0xFFFFFF - 15_000  # where the clock starts that crosses the 24 bits after 15 s


def make_clip(path, seconds, audio=True, video=True, b_frames=0, size=SIZE, start_ms=0, bit_rate="60k"):
    """A small FLV: moving picture, a key frame every second; a tone."""
    inputs, codecs = [], []
    if video:
        inputs += ["-f", "lavfi", "-i", f"testsrc2=size={size[0]}x{size[1]}:rate={FPS}:duration={seconds}"]
        codecs += ["-c:v", "libx264", "-preset", "veryfast" if b_frames else "ultrafast", "-pix_fmt", "yuv420p", "-g", FPS, "-keyint_min", FPS,
                   "-sc_threshold", 0, "-b:v", bit_rate, "-bf", b_frames, *(["-b_strategy", 0] if b_frames else ["-tune", "zerolatency"])]
    if audio:
        inputs += ["-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}"]
        codecs += ["-c:a", "aac", "-b:a", "32k", "-ar", 44100]
    done = ffmpeg(*inputs, *codecs, "-output_ts_offset", start_ms / 1000, "-f", "flv", "-y", path, timeout=120)
    assert done.returncode == 0, done.stderr
    return path


class Clips:
    """Clips by name, made when first asked for."""

    KINDS = {
        "av": {},
        "audio": {"video": False},
        "video": {"audio": False},
        "b_frames": {"b_frames": 3},
        "late": {"start_ms": LATE_MS},
    }

    def __init__(self, folder, seconds):
        self.folder, self.seconds, self.pictures_of = folder, seconds, {}

    def path(self, kind):
        path = self.folder / f"{kind}-{self.seconds}.flv"
        if not path.exists():
            make_clip(path, self.seconds, **self.KINDS[kind])
        return path

    def pictures(self, kind):
        """Checksums of the decoded pictures."""
        if kind not in self.pictures_of:
            self.pictures_of[kind] = Decoded(self.path(kind)).pictures
        return self.pictures_of[kind]


# --- programs that refuse to run as root ---------------------------------------------------------------------------------
class Nobody:
    """VLC refuses to run as root: then it runs as nobody, in a directory that is nobody's."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="millrace-nobody-")
        self.prefix = ["env", f"HOME={self.folder}", f"XDG_RUNTIME_DIR={self.folder}"]
        if os.geteuid() == 0:
            os.chown(self.folder, 65534, 65534)
            self.prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *self.prefix]

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


# --- publishers ------------------------------------------------------------------------------------------------------------
def ffmpeg_publisher(clip, url, *options, start_ms=0):
    late = ["-output_ts_offset", start_ms / 1000] if start_ms else []
    return ["ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-re", "-i", clip, "-c", "copy", *options, *late, "-f", "flv", url]


def gst_publisher(sink, size=SIZE, frames=-1, bit_rate=60):
    """`sink`: element and properties."""
    return ["gst-launch-1.0", "-q", "flvmux", "name=mux", "streamable=true", "!", *sink,
            "videotestsrc", "is-live=true", "pattern=ball", f"num-buffers={frames}", "!",
            f"video/x-raw,format=I420,width={size[0]},height={size[1]},framerate={FPS}/1", "!",
            "x264enc", "tune=zerolatency", "speed-preset=ultrafast", f"key-int-max={FPS}", f"bitrate={bit_rate}", "!", "h264parse", "!", "queue", "!", "mux.",
            # 1024 samples a buffer, as AAC wants them: 44100 / 1024 buffers a second.
            "audiotestsrc", "is-live=true", f"num-buffers={frames * 44100 // (1024 * FPS) if frames > 0 else -1}", "!", "audio/x-raw,rate=44100,channels=1", "!",
            "audioconvert", "!", "avenc_aac", "bitrate=32000", "!", "aacparse", "!", "queue", "!", "mux."]


def rtmpsink(url):
    return ["rtmpsink", f"location={url} live=1"]  # librtmp, which OBS is built on too


def rtmp2sink(url):
    return ["rtmp2sink", f"location={url}"]


def vlc_publisher(clip, url):
    return ["cvlc", "-I", "dummy", "--no-lua", clip, "--sout", f"#std{{access=rtmp,mux=ffmpeg{{mux=flv}},dst={url}}}", "vlc://quit"]


# --- players ---------------------------------------------------------------------------------------------------------------
class Played:
    """What a player made of a stream. `checksums`: of its pictures, where the tool can tell."""

    def __init__(self, pictures=0, samples=0, errors=(), checksums=None):
        self.pictures, self.samples, self.errors, self.checksums = pictures, samples, list(errors), checksums


class Want:
    """When a player has seen enough. 0 pictures: there is no video; 0 samples: no audio."""

    def __init__(self, pictures, samples, timeout):
        self.pictures, self.samples, self.timeout = pictures, samples, timeout

    def met(self, played):
        return played.pictures >= self.pictures and played.samples >= self.samples


def framecrc(path):
    """Checksums and samples of a framecrc file that may still grow. Which of its tracks is the picture its head says: mpv begins with the one that is ready first."""
    pictures, samples, video_stream = [], 0, None
    for line in (path.read_text().splitlines() if path.exists() else []):
        if media := re.match(r"#media_type (\d+): video", line):
            video_stream = int(media[1])
        fields = [field.strip() for field in line.split(",")]
        if not line[:1].isdigit() or len(fields) < 6:
            continue
        if int(fields[0]) == video_stream:
            pictures.append(fields[5])
        else:
            samples += int(fields[3])
    return pictures, samples


def watch(process, look, want, end=lambda process: process.kill()):
    """Looks until `want` is met, then ends the player. What it says after that is about being ended."""
    until(lambda: want.met(look()) or not process.running(), timeout=want.timeout, what=f"{want.pictures} pictures and {want.samples} samples in {process.name}")
    said = process.lines
    end(process)
    played = look()
    played.errors = errors_of(process.name, said)
    return played


# What the tools call an error. Everything that ffmpeg prints at -v error is one.
ERROR = {
    "ffmpeg": re.compile(r"."),
    "rtmpdump": re.compile(r"^ERROR:"),
    "gst": re.compile(r"\b(ERROR|WARN)\b|^ERROR"),
    # Of its input's errors those about its own clock are left out: they say that this machine was busy.
    "vlc": re.compile(r"(decoder|demux|access|packetizer|stream) error|input error: (?!ES_OUT)|^\[(h264|aac|flv|rtmp) @"),
    "mpv": re.compile(r"."),
}


def errors_of(name, lines):
    pattern = ERROR[re.split(r"[ -]", name)[0]]
    return [line for line in lines if pattern.search(line)]


def play_ffmpeg(procs, url, out, want):
    crc = out / "ffmpeg.crc"
    maps = (["-map", "0:v"] if want.pictures else []) + (["-map", "0:a"] if want.samples else [])
    player = procs.start("ffmpeg player", ["ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-i", url, *maps, "-fps_mode", "passthrough",
                                           "-flush_packets", "1", "-f", "framecrc", "-y", crc])

    def look():
        pictures, samples = framecrc(crc)
        return Played(len(pictures), samples, checksums=pictures)
    return watch(player, look, want)


def play_rtmpdump(procs, url, out, want):
    flv = out / "rtmpdump.flv"
    player = procs.start("rtmpdump", ["rtmpdump", "-v", "-r", url, "-o", flv])

    def look():
        video, audio = flv_counts(flv)
        # Less the configuration, and the pictures that a decoder does not give out at a sudden end.
        return Played(max(0, video - 5), max(0, audio - 5) * 1024)
    # On SIGINT it writes out what it has and leaves; the rest of a tag that it was about to write would be an error of ours.
    played = watch(player, look, want, end=lambda process: process.stop())
    decoded = Decoded(flv)
    pictures, audio = (decoded.pictures, decoded.audio) if want.pictures else ([], len(decoded.pictures))  # its first stream is the sound then
    return Played(len(pictures), audio * 1024, played.errors + decoded.errors, pictures)


def flv_counts(path):
    """Video and audio messages in an FLV file that may still grow: only its tag headers are read."""
    counts = {8: 0, 9: 0}
    if path.exists():
        with open(path, "rb") as file:
            file.seek(13)
            while len(head := file.read(11)) == 11:
                if head[0] in counts:
                    counts[head[0]] += 1
                file.seek(int.from_bytes(head[1:4], "big") + 4, os.SEEK_CUR)
    return counts[9], counts[8]


def gst_player(source):
    def play(procs, url, out, want):
        pcm = out / f"{source}.pcm"
        location = f"location={url} live=1" if source == "rtmpsrc" else f"location={url}"
        video = ["demux.video", "!", "queue", "!", "h264parse", "!", "avdec_h264", "!", "checksumsink", "sync=false"] if want.pictures else []
        audio = ["demux.audio", "!", "queue", "!", "aacparse", "!", "avdec_aac", "!", "audioconvert", "!", "audio/x-raw,format=S16LE,channels=1", "!",
                 "filesink", "buffer-mode=unbuffered", f"location={pcm}"] if want.samples else []
        player = procs.start(f"gst-{source}", ["gst-launch-1.0", source, location, "!", "flvdemux", "name=demux", *video, *audio],
                             env={"GST_DEBUG": "*:1,libav:2,rtmp*:2,flvdemux:2,h264parse:2", "GST_DEBUG_NO_COLOR": "1"})
        # A line of checksumsink is a time and a SHA-1.
        checksum = re.compile(r"^\d+:\d\d:\d\d\.\d+ ([0-9a-f]{40})$")

        def look():
            sums = [m[1] for m in map(checksum.match, player.lines) if m]
            return Played(len(sums), pcm.stat().st_size // 2 if pcm.exists() else 0, checksums=None)
        return watch(player, look, want)
    return play


def play_hlsdemux(procs, url, out, want):
    player = procs.start("gst hlsdemux", ["gst-launch-1.0", "-q", "uridecodebin", f"uri={url}", "!", "video/x-raw", "!", "checksumsink", "sync=false"],
                         env={"GST_DEBUG": "*:1", "GST_DEBUG_NO_COLOR": "1"})
    checksum = re.compile(r"^\d+:\d\d:\d\d\.\d+ ([0-9a-f]{40})$")
    return watch(player, lambda: Played(len([m for m in map(checksum.match, player.lines) if m]), want.samples), want)


def play_vlc(procs, url, out, want):
    nobody = Nobody()
    try:
        pcm = pathlib.Path(nobody.folder, "vlc.pcm")
        # Every picture that is shown becomes a file; late ones are shown all the same, since nobody looks.
        player = procs.start("vlc player", [*nobody.prefix, "cvlc", "-I", "dummy", "--no-lua", "--verbose=1", "--vout=dummy", "--video-filter=scene",
                                            "--scene-format=jpg", "--scene-ratio=1", f"--scene-path={nobody.folder}", "--scene-prefix=shot", "--aout=afile",
                                            f"--audiofile-file={pcm}", "--no-audiofile-wav", "--audiofile-format=s16", "--audiofile-channels=1", "--no-drop-late-frames",
                                            "--no-skip-frames", "--network-caching=300", url], cwd=nobody.folder)

        def look():
            return Played(len(list(pcm.parent.glob("shot*.jpg"))), pcm.stat().st_size // 2 if pcm.exists() else 0)
        return watch(player, look, want)
    finally:
        nobody.close()


def play_mpv(procs, url, out, want):
    crc = out / "mpv.crc"
    player = procs.start("mpv", ["mpv", "--no-config", "--msg-level=all=error", f"--o={crc}", "--of=framecrc", "--ovc=rawvideo", "--oac=pcm_s16le",
                                 "--ofopts=flush_packets=1", url])

    def look():
        pictures, samples = framecrc(crc)
        return Played(len(pictures), samples, checksums=pictures)
    return watch(player, look, want)


PLAYERS = {
    "ffmpeg": play_ffmpeg,
    "rtmpdump": play_rtmpdump,
    "rtmpsrc": gst_player("rtmpsrc"),
    "rtmp2src": gst_player("rtmp2src"),
    "souphttpsrc": gst_player("souphttpsrc"),
    "hlsdemux": play_hlsdemux,
    "vlc": play_vlc,
    "mpv": play_mpv,
}


def version(program):
    """One line that says which version is installed."""
    ask = {"ffmpeg": ["ffmpeg", "-version"], "gst-launch-1.0": ["gst-launch-1.0", "--version"], "mpv": ["mpv", "--version"], "obs": ["obs", "--version"]}
    if program in ask:
        done = subprocess.run(ask[program], capture_output=True, text=True, timeout=20)
        return done.stdout.splitlines()[0]
    package = {"rtmpdump": "rtmpdump", "librtmp": "librtmp1", "cvlc": "vlc-bin"}[program]
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}", package], capture_output=True, text=True, timeout=20)
    return done.stdout
