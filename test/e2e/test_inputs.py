"""What push reads, also from a pipe where the container changes on the way, arrives to its end."""
import os
import re

import pytest

from media import ffmpeg


def written(path, *arguments):
    done = ffmpeg(*arguments, "-f", "mpegts", "-y", path)
    assert done.returncode == 0, done.stderr
    return path


def push_through_a_fifo(procs, server, tmp_path, *parts):
    """(seconds of media, process), at its end."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = procs.millrace("push", fifo, server.rtmp("live/a"), "--no-realtime")
    procs.start("cat", ["sh", "-c", 'fifo=$1; shift; exec cat "$@" > "$fifo"', "sh", fifo, *parts])
    assert process.wait(60) == 0, process.text
    return float(re.search(r"done: \d+ frames, ([\d.]+) s", process.text)[1]), process


def test_an_encoder_that_starts_anew(server, procs, clip, tmp_path):
    part = written(tmp_path / "part.ts", "-i", clip.path, "-c", "copy")
    seconds, process = push_through_a_fifo(procs, server, tmp_path, part, part, part)
    assert seconds == pytest.approx(3 * clip.seconds, abs=0.3)
    assert " 0 dropped" in process.text


def test_a_track_that_comes_later_is_left_out(server, procs, clip, tmp_path):
    """Longer without it than libavformat looks for tracks."""
    pictures = written(tmp_path / "pictures.ts", "-stream_loop", 4, "-i", clip.path, "-an", "-c", "copy")
    both = written(tmp_path / "both.ts", "-i", clip.path, "-c", "copy", "-output_ts_offset", 5 * clip.seconds)
    seconds, process = push_through_a_fifo(procs, server, tmp_path, pictures, both)
    assert seconds == pytest.approx(6 * clip.seconds, abs=0.3)
    assert "left out" in process.text


def test_the_end_of_a_file_on_a_slow_way(server, procs, clip, relay_for, tmp_path):
    """Without pacing 2 MB are under way when the file ends; here they take longer than the 10 s for which nothing at all may get through."""
    path = tmp_path / "long.flv"
    assert ffmpeg("-stream_loop", 9, "-i", clip.path, "-c", "copy", path).returncode == 0
    assert path.stat().st_size > 2_000_000
    relay = relay_for(server, udp_bytes_per_second=120_000)
    process = procs.millrace("push", path, server.url("rtmpq", "live/a", port=relay.port), "--no-realtime", "--fallback", "none")
    assert process.wait(120) == 0, process.text
    assert " 0 dropped" in process.text
