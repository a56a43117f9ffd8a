"""Clips, and the question whether the same pictures came out at the other end."""
import pathlib
import subprocess

FPS = 25
SIZE = (320, 180)


def ffmpeg(*arguments, timeout=60):
    return subprocess.run(["ffmpeg", "-nostdin", "-hide_banner", "-v", "error", *map(str, arguments)], capture_output=True, text=True, timeout=timeout)


class Clip:
    """H.264 and AAC in FLV, a key frame every second, no B-frames; `pictures` are the checksums of its decoded frames."""

    def __init__(self, path, seconds):
        self.path = path
        self.seconds = seconds
        done = ffmpeg(
            "-f", "lavfi", "-i", f"testsrc2=size={SIZE[0]}x{SIZE[1]}:rate={FPS}:duration={seconds}",
            "-f", "lavfi", "-i", f"sine=frequency=440:duration={seconds}",
            "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", FPS, "-keyint_min", FPS, "-sc_threshold", 0,
            "-b:v", "400k", "-c:a", "aac", "-b:a", "64k", "-ar", "44100", "-f", "flv", "-y", path)
        assert done.returncode == 0, done.stderr
        self.pictures = Decoded(path).pictures
        assert len(set(self.pictures)) > len(self.pictures) // 2, "the pictures of the clip have to differ"


def checksums(path):
    """{stream index: [checksum of each decoded frame]} of a framecrc file."""
    out = {}
    text = pathlib.Path(path).read_text() if pathlib.Path(path).exists() else ""
    for line in text.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if line[:1].isdigit() and len(fields) >= 6:
            out.setdefault(int(fields[0]), []).append(fields[5])
    return out


class Decoded:
    """A file decoded to its end: checksums of the pictures, count of audio frames, what the decoder complained about."""

    def __init__(self, path):
        done = ffmpeg("-i", path, "-map", "0:v?", "-map", "0:a?", "-fps_mode", "passthrough", "-f", "framecrc", "-")
        frames = {}
        for line in done.stdout.splitlines():
            fields = [field.strip() for field in line.split(",")]
            if line[:1].isdigit():
                frames.setdefault(int(fields[0]), []).append((int(fields[1]), fields[5]))
        self.pictures = [crc for _, crc in frames.get(0, [])]
        self.times = [dts for dts, _ in frames.get(0, [])]
        self.audio = len(frames.get(1, []))
        self.errors = [line for line in done.stderr.splitlines() if line.strip()]
        self.status = done.returncode


def picture_times(path):
    """In ms, as the file has them."""
    done = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=dts", "-of", "csv=p=0", str(path)],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [int(line.split(",")[0]) for line in done.stdout.splitlines() if line.strip()]


def framecrc_arguments(url, out, *before, frames=None):
    """ffmpeg as a player: decodes video and audio of `url` into checksums."""
    limit = ["-frames:v", str(frames)] if frames else []
    return ["ffmpeg", "-nostdin", "-hide_banner", "-v", "warning", *before, "-i", url, "-map", "0:v", "-map", "0:a", "-fps_mode", "passthrough",
            *limit, "-f", "framecrc", "-y", str(out)]


def is_run_of(pictures, clip_pictures):
    """Whether `pictures` is a gapless run of the endlessly repeated clip."""
    if not pictures:
        return False
    starts = [i for i, p in enumerate(clip_pictures) if p == pictures[0]]
    count = len(clip_pictures)
    return any(all(p == clip_pictures[(start + i) % count] for i, p in enumerate(pictures)) for start in starts)
