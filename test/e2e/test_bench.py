"""millrace bench: the load generator, against our server and against one that is not ours."""
import json
import re
import urllib.request

import pytest

FORMS = ["rtmp", "rtmps", "rtmpq?transport=quic-only"]


def bench(procs, tmp_path, *words, seconds=2, settle=0.5, timeout=60):
    out = tmp_path / "bench.json"
    with open(out, "wb") as file:
        process = procs.millrace("-q", "bench", "--json", "--seconds", seconds, "--settle", settle, *words, stdout=file)
        status = process.wait(timeout)
    text = out.read_text()
    return status, json.loads(text) if text else None, process


@pytest.mark.parametrize("form", FORMS)
def test_players_hold_the_rate_and_lose_nothing(procs, server, tmp_path, form):
    status, report, _ = bench(procs, tmp_path, server.url("rtmp", "live/load"), "--video", "0.5", "-n", "12", "--streams", "3", "--play", server.url(form, "live/load"),
                              "--pid", server.process.popen.pid)
    assert status == 0
    players = report["players"]
    assert (players["playing"], players["failed"], players["frames_lost"]) == (12, 0, 0)
    assert players["frames"] > 12 * 2 * 60  # 77 a second
    assert players["bytes"] * 8 / 12 / report["seconds"] > 0.9 * report["stream_bits_per_second"]
    assert 0 < players["delay_ms"]["p50"] < 1000
    assert players["first_key_ms"]["count"] == 12
    assert players["first_video_ms"]["count"] == 12 and players["first_video_ms"]["p50"] <= players["first_key_ms"]["p50"]
    assert report["server"]["rss_bytes"] > 1_000_000
    for name in ("live/load", "live/load-2", "live/load-3"):
        server.wait_publisher(name)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_players_over_http_hold_the_rate_and_lose_nothing(procs, server, tmp_path, scheme):
    status, report, _ = bench(procs, tmp_path, server.url("rtmp", "live/load"), "--insecure", "--video", "0.5", "-n", "12", "--watching", "6", "--streams", "3",
                              "--play", server.http("/live/load.flv", scheme), "--guests-per-second", "10", "--guest-stays", "0.5")
    assert status == 0
    players = report["players"]
    assert (players["playing"], players["failed"], players["frames_lost"]) == (12, 0, 0)
    assert players["bytes"] * 8 / 12 / report["seconds"] > 0.9 * report["stream_bits_per_second"]
    assert players["frames"] > 6 * 2 * 60 and players["first_key_ms"]["count"] == 12
    assert report["guests"]["came"] >= 5 and report["guests"]["failed"] == 0


def test_http_players_of_nothing_say_what_the_server_said(procs, server, tmp_path):
    status, report, _ = bench(procs, tmp_path, server.url("rtmp", "live/load"), "-n", "2", "--play", server.http("/live/other.flv"))
    assert report["players"]["failed"] == 2 and "404" in json.dumps(report), report


def test_players_that_only_count_hold_the_rate_too(procs, server, tmp_path):
    status, report, _ = bench(procs, tmp_path, server.url("rtmp", "live/load"), "--video", "0.5", "-n", "8", "--watching", "2", "--pid", server.process.popen.pid,
                              seconds=4)
    assert status == 0
    players = report["players"]
    assert (players["watching"], players["playing"], players["failed"], players["held"], players["frames_lost"]) == (2, 8, 0, 8, 0)
    frames_of_one = 4 * (30 + 46.875)
    assert 1.7 * frames_of_one < players["frames"] < 2.3 * frames_of_one, "two of eight look at their frames"
    assert players["bytes"] * 8 / 8 / report["seconds"] > 0.9 * report["stream_bits_per_second"]
    assert players["first_key_ms"]["count"] == 8
    used = report["server"]
    assert abs(sum(used["cpu_seconds_of_threads"]) - used["cpu_seconds"]) < 0.1


def test_a_stalled_player_and_guests_leave_the_others_alone(procs, server, tmp_path):
    status, report, _ = bench(procs, tmp_path, server.url("rtmp", "live/load"), "--video", "0.5", "-n", "6", "--stalled", "1", "--stall", "1", "--guests-per-second", "10",
                              "--guest-stays", "0.5", seconds=3)
    assert status == 0
    assert report["players"]["frames_lost"] == 0
    assert report["guests"]["came"] >= 10
    assert report["guests"]["failed"] == 0
    assert report["stalled"]["players"] == 1
    assert report["stalled"]["delay_ms"]["max"] > 900, "it read nothing for a second"
    assert report["guests"]["others_delay_since_ms"]["count"] > 100


def test_a_server_that_is_not_ours(procs, nginx_rtmp, tmp_path):
    status, report, _ = bench(procs, tmp_path, nginx_rtmp.url("live/load"), "--video", "0.5", "-n", "5", "--pid", nginx_rtmp.process.popen.pid,
                              settle=2.5)  # it gives nothing before the next key frame
    assert status == 0
    assert report["players"]["playing"] == 5
    assert report["players"]["frames_lost"] == 0
    assert report["players"]["held"] == 5


def test_who_cannot_play_is_told_why(procs, server, free_port, tmp_path):
    status, report, process = bench(procs, tmp_path, f"rtmp://127.0.0.1:{free_port}/live/load", "-n", "1")
    assert status == 4
    assert report is None
    assert "publisher" in process.tail()
    status, _, process = bench(procs, tmp_path, server.url("rtmp", "live"), "-n", "1")
    assert status == 2
    assert "stream name" in process.tail()
    status, _, process = bench(procs, tmp_path, server.url("rtmp", "live/load"), "-n", "1", "--pid", "999999999")
    assert status == 7
    assert "no such process" in process.tail()


def test_a_busy_server_reads_publishers_in_rounds_and_loses_nothing(procs, tmp_path, start_server):
    """The window opens at once here: a core is busy enough when it does anything."""
    settings = tmp_path / "busy.toml"
    settings.write_text("[play]\nload_per_cent = 1\n")
    server = start_server("--config", settings, "--shards", "1")
    status, report, _ = bench(procs, tmp_path, server.url("rtmp", "live/load"), "--video", "2", "-n", "16", "--streams", "8", seconds=4, settle=4)
    assert status == 0
    players = report["players"]
    assert (players["playing"], players["failed"], players["frames_lost"], players["held"]) == (16, 0, 0, 16)
    with urllib.request.urlopen(server.http("/metrics"), timeout=10) as answer:
        windows = re.findall(r"^millrace_gather_window_seconds\{.*\} (\S+)$", answer.read().decode(), re.M)
    assert float(windows[0]) >= 0.02, "publishers were read in rounds"
