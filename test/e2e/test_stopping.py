"""A signal ends push in order, also while it waits for somebody who says nothing."""
import fcntl
import json
import os
import signal

import pytest

from process import until

PATIENCE = 20  # seconds; what is tested here takes a moment or for ever
NOBODY = "rtmp://127.0.0.1:1/live/a"


def push_that_waits(procs, tmp_path, source, **options):
    """Once it has read what there is, if anything."""
    stats = tmp_path / "stats.json"
    process = procs.millrace("push", source, NOBODY, "--stats", stats, **options)
    until(lambda: stats.exists() and len(stats.read_text().splitlines()) > 1, what="two reports")
    assert json.loads(stats.read_text().splitlines()[-1])["state"] == "waiting for input"
    return process


@pytest.mark.parametrize("head", [b"", b"FL", b"FLV\x01\x05\0\0\0\x09\0\0\0\0"], ids=["nothing", "half a signature", "a header"])
def test_a_pipe_that_says_no_more(head, procs, tmp_path):
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb", buffering=0) as pipe, os.fdopen(reader, "rb") as other_end:
        pipe.write(head)
        assert push_that_waits(procs, tmp_path, "-", stdin=other_end).stop(signal.SIGTERM, PATIENCE) == 0


def test_a_fifo_without_a_writer(procs, tmp_path):
    fifo = tmp_path / "in.flv"
    os.mkfifo(fifo)
    assert push_that_waits(procs, tmp_path, fifo).stop(signal.SIGTERM, PATIENCE) == 0


@pytest.mark.parametrize("head", [b"FL", b"G" + 187 * b"\xff"], ids=["half a signature", "no FLV"])
def test_a_fifo_that_says_no_more(head, procs, tmp_path):
    fifo = tmp_path / "in"
    os.mkfifo(fifo)
    with os.fdopen(os.open(fifo, os.O_RDWR), "wb", buffering=0) as pipe:
        pipe.write(head)
        assert push_that_waits(procs, tmp_path, fifo).stop(signal.SIGTERM, PATIENCE) == 0


def test_statistics_that_nobody_reads(procs, server, clip):
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb"), os.fdopen(writer, "wb", buffering=0) as pipe:
        size = fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 4096)
        pipe.write(size * b".")
        process = procs.millrace("push", clip.path, server.rtmp("live/a"), "--loop", "--stats", "-", stdout=pipe)
        server.wait_publisher("live/a")
        assert process.stop(signal.SIGTERM, PATIENCE) == 0


def test_a_fifo_brings_any_container(procs, server, clip, tmp_path):
    fifo = tmp_path / "in.mkv"
    os.mkfifo(fifo)
    process = procs.millrace("push", fifo, server.rtmp("live/a"))
    procs.start("ffmpeg", ["ffmpeg", "-v", "error", "-y", "-i", clip.path, "-c", "copy", "-f", "matroska", fifo])
    server.wait_publisher("live/a")
    assert process.wait(60) == 0, process.text
    assert " 0 dropped" in process.text
