"""The same pictures over every transport, the transport that the URI asked for, and what `probe` says about them."""
import json

import pytest

from media import Decoded
from process import until

FORMS = {
    "rtmp": "rtmp",
    "rtmps": "rtmps",
    "rtmpq": "rtmpq",
    "rtmp?transport=quic": "rtmpq",
    "rtmps?transport=quic": "rtmpq",
    "rtmp?quic=1": "rtmpq",
    "rtmpq?fallback=none": "rtmpq",
}


@pytest.mark.parametrize("form", FORMS)
def test_every_picture_arrives(form, server, procs, clip, tmp_path):
    """A viewer that waits for the publisher gets all of it, picture for picture."""
    out = tmp_path / "out.flv"
    pull = procs.millrace("pull", server.url(form, "live/a"), out)
    assert server.wait_player("live/a")[1] == FORMS[form]
    push = procs.millrace("push", clip.path, server.url(form, "live/a"))
    assert server.wait_publisher("live/a")[1] == FORMS[form]
    assert push.wait(30) == 0, push.tail()
    assert pull.wait(10) == 0, pull.tail()  # the publisher left: the player has all of it and ends
    result = Decoded(out)
    assert result.errors == []
    assert result.pictures == clip.pictures
    assert result.audio > clip.seconds * 44100 / 1024 * 0.95
    assert result.times == sorted(result.times)


def test_viewer_that_comes_late_starts_at_a_key_frame(server, procs, clip, tmp_path):
    push = procs.millrace("push", "--loop", clip.path, server.url("rtmpq", "live/a"))
    server.wait_publisher("live/a")
    out = tmp_path / "out.flv"
    pull = procs.millrace("pull", server.url("rtmpq", "live/a"), out)
    server.wait_player("live/a")
    until(lambda: out.exists() and out.stat().st_size > 100_000, what="2 s of media")
    assert pull.stop() == 0
    assert push.stop() == 0
    result = Decoded(out)
    assert result.errors == []
    assert clip.pictures.index(result.pictures[0]) % 25 == 0


def test_flv_on_standard_input_and_output(server, procs, clip, tmp_path):
    out = tmp_path / "out.flv"
    with open(out, "wb") as sink, open(clip.path, "rb") as source:
        pull = procs.millrace("pull", server.url("rtmpq", "live/a"), "-", stdout=sink)
        server.wait_player("live/a")
        push = procs.millrace("push", "-", server.url("rtmpq", "live/a"), stdin=source)
        assert push.wait(30) == 0, push.tail()
        assert pull.wait(10) == 0, pull.tail()
    result = Decoded(out)
    assert result.errors == []
    assert result.pictures == clip.pictures


def test_push_stats_are_json_lines(server, procs, clip, tmp_path):
    stats = tmp_path / "stats"
    push = procs.millrace("push", "--stats", stats, clip.path, server.url("rtmpq", "live/a"))
    assert push.wait(30) == 0, push.tail()
    records = [json.loads(line) for line in stats.read_text().splitlines()]
    live = [r for r in records if r["state"] == "live"]
    assert live and live[-1]["transport"] == "quic"
    assert live[-1]["rtt_ms"] >= 0 and live[-1]["queue_age_ms"] >= 0 and live[-1]["why"]
    assert max(r["bits_per_second"] for r in live) > 100_000
    assert records[-1]["position_ms"] >= clip.seconds * 1000 * 0.95


def test_publisher_leaves_and_returns_while_the_viewer_stays(server, procs, clip, tmp_path):
    out = tmp_path / "out.flv"
    pull = procs.millrace("pull", "--stay", server.url("rtmpq", "live/a"), out)
    server.wait_player("live/a")
    for _ in range(2):
        push = procs.millrace("push", clip.path, server.url("rtmpq", "live/a"))
        assert push.wait(30) == 0, push.tail()
    until(lambda: Decoded(out).pictures == clip.pictures * 2, what="the clip twice in the file")
    assert pull.stop() == 0
    result = Decoded(out)
    assert result.errors == []
    assert result.times == sorted(set(result.times)), "time went backwards"
    assert len([line for line in server.process.lines if " plays live/a" in line]) == 1, "the viewer had to come back"


def test_probe_as_json(server, procs):
    status, probe = procs.run_millrace("probe", server.url("rtmpq", "live/a"), "--json")
    assert status == 0, probe.tail()
    report = json.loads(probe.text[probe.text.index("{"):])
    text = json.dumps(report)
    assert server.pin in text
    assert "quic" in text and "tls" in text and "tcp" in text


def test_probe_for_people(server, procs):
    status, probe = procs.run_millrace("probe", server.url("rtmpq", "live/a"))
    assert status == 0, probe.tail()
    assert "quic" in probe.text.lower() and server.pin in probe.text and " ms" in probe.text


def test_probe_of_a_server_without_quic(start_server, procs):
    server = start_server("--no-quic")
    status, probe = procs.run_millrace("probe", server.url("rtmpq", "live/a"), "--json")
    assert status == 0, probe.tail()
    assert "tls" in probe.text
