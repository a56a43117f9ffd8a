"""Recordings as an operator has them: by rule and on demand, listed, fetched, erased, and found again after a crash."""
import os
import pathlib
import subprocess
import time

import pytest

from media import Decoded, ffmpeg
from process import until
from test_http import fetch_json, get

RULES = """[record]
directory = "{directory}"
free_bytes_min = 0
linger_s = 0.5
[[record.rules]]
streams = "live/*"
format = "{format}"
{more}
"""


@pytest.fixture
def recording_server(start_server, tmp_path):
    def start(format="mp4", more="", directory=None):
        config = tmp_path / "millrace.toml"
        config.write_text(RULES.format(directory=directory or tmp_path / "recordings", format=format, more=more))
        return start_server("--config", config)
    return start


def listed(server):
    return fetch_json(server, "/api/v1/recordings")[1]["recordings"]


def one_complete(server):
    def look():
        found = [r for r in listed(server) if r["state"] == "complete"]
        return found[0] if found else None
    return until(look, what="a recording that is complete")


@pytest.mark.parametrize("format", ["mp4", "flv"])
def test_what_is_published_is_in_the_file_and_can_be_fetched(recording_server, procs, clip, tmp_path, format):
    server = recording_server(format)
    push = procs.millrace("push", clip.path, server.rtmp("live/a"))
    assert push.wait(30) == 0
    found = one_complete(server)
    assert (found["stream"], found["format"]) == ("live/a", format) and abs(found["duration_ms"] - clip.seconds * 1000) < 300
    path = tmp_path / "recordings" / found["file"]
    result = Decoded(path)
    assert result.errors == [] and result.pictures == clip.pictures
    whole = path.read_bytes()
    status, headers, body = get(server, found["url"])
    assert status == 200 and body == whole and headers["Accept-Ranges"] == "bytes" and headers["Content-Type"] == {"mp4": "video/mp4", "flv": "video/x-flv"}[format]
    for wish, part in (("bytes=0-99", whole[:100]), ("bytes=1000-", whole[1000:]), ("bytes=-500", whole[-500:])):
        status, headers, body = get(server, found["url"], Range=wish)
        assert status == 206 and body == part and headers["Content-Range"].endswith(f"/{len(whole)}")
    assert get(server, found["url"], Range=f"bytes={len(whole)}-")[0] == 416
    played = ffmpeg("-ss", "2", "-i", server.http(found["url"]), "-f", "null", "-")  # seeks, which takes ranges
    assert played.returncode == 0 and played.stderr == ""
    assert fetch_json(server, f"/api/v1/recordings?id={found['id']}", "DELETE")[0] == 200
    assert not path.exists() and listed(server) == []
    assert get(server, found["url"])[0] == 404


def test_an_application_may_be_called_recordings(recording_server, procs, clip):
    server = recording_server()
    procs.millrace("push", "--loop", clip.path, server.rtmp("recordings/a"))
    server.wait_publisher("recordings/a")
    status, _, body = get(server, "/recordings/a.m3u8")
    assert status == 200 and body.startswith(b"#EXTM3U")
    assert get(server, "/recordings/a.flv?picture")[0] == 200
    assert get(server, "/recordings/0123456789abcdef")[0] == 404


def test_on_demand(recording_server, procs, clip):
    server = recording_server(more='start = "demand"')
    procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))
    server.wait_publisher("live/a")
    assert listed(server) == []
    assert fetch_json(server, "/api/v1/recordings/start?name=live/a", "POST") == (200, {"started": "live/a"})
    until(lambda: any(a["bytes"] > 100_000 for a in fetch_json(server, "/api/v1/recordings")[1]["active"]), what="a file that grows")
    assert fetch_json(server, "/api/v1/recordings/stop?name=live/a", "POST") == (200, {"stopped": "live/a"})
    assert one_complete(server)["bytes"] > 100_000
    assert fetch_json(server, "/api/v1/recordings/stop?name=live/a", "POST")[0] == 404
    assert fetch_json(server, "/api/v1/recordings/start?name=", "POST")[0] == 400
    # The list knows of the end of a file before the recording itself is gone.
    until(lambda: "\nmillrace_recordings_active 0\n" in get(server, "/metrics")[2].decode(), what="the end of the recording in the metrics")
    assert "\nmillrace_recorded_files_total 1\n" in get(server, "/metrics")[2].decode()


def test_without_a_directory_nothing_is_recorded(server):
    status, said = fetch_json(server, "/api/v1/recordings/start?name=live/a", "POST")
    assert status == 501 and "record" in said["error"]
    assert fetch_json(server, "/api/v1/recordings")[1]["enabled"] is False


def test_a_directory_that_cannot_be_used_is_said_at_the_start(recording_server, tmp_path, procs):
    (tmp_path / "file").write_text("")
    config = tmp_path / "other.toml"
    config.write_text(RULES.format(directory=tmp_path / "file" / "below", format="mp4", more=""))
    failed = procs.millrace("serve", "--listen", "127.0.0.1:0", "--state", tmp_path / "other", "--no-http", "--config", config)
    assert failed.wait(10) == 7
    assert "file/below" in failed.text


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "..%2f..%2fx", "a%00b", "späß 🎥", "x" * 256, ".hidden"])
def test_odd_names_stay_in_their_folder(recording_server, procs, clip, tmp_path, name):
    server = recording_server()
    push = procs.start("push", ["ffmpeg", "-nostdin", "-v", "error", "-re", "-i", clip.path, "-c", "copy", "-rtmp_app", "live", "-rtmp_playpath", name, "-t", "2",
                                "-f", "flv", f"rtmp://127.0.0.1:{server.port}/"])
    push.wait(30)
    found = one_complete(server)
    assert found["stream"] == f"live/{name}"
    path = (tmp_path / "recordings" / found["file"]).resolve()
    assert path.is_relative_to((tmp_path / "recordings").resolve()) and path.stat().st_size == found["bytes"]
    strangers = {p for p in tmp_path.iterdir()} - {tmp_path / "recordings", tmp_path / "state", tmp_path / "millrace.toml"}
    assert not [p for p in strangers if "x" == p.name or p.suffix in (".mp4", ".flv")]


def test_a_crash_loses_no_more_than_the_last_fragment(recording_server, procs, clip, tmp_path):
    server = recording_server()
    push = procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))
    server.wait_publisher("live/a")
    active = lambda: next(iter(fetch_json(server, "/api/v1/recordings")[1]["active"]), None)  # noqa: E731
    published = time.monotonic()
    until(lambda: (a := active()) and a["duration_ms"] > 3500, what="some seconds of recording")
    published = time.monotonic() - published
    server.process.kill()
    push.stop()
    server._start(0)
    found = until(lambda: next((r for r in listed(server) if r["state"] == "recovered"), None), what="the recording of before")
    result = Decoded(tmp_path / "recordings" / found["file"])
    assert result.errors == []
    # On a clock that runs with the publisher's; starting took a part of that time.
    assert len(result.pictures) / 25 > 3.5 - 2 and abs(found["duration_ms"] / 1000 - len(result.pictures) / 25) < 0.3


def test_a_full_disk_costs_the_recording_and_nobody_else(recording_server, procs, clip, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", small], capture_output=True).returncode != 0:
        pytest.skip("mounting a tmpfs is not permitted here")
    try:
        server = recording_server(directory=small / "recordings")
        out = tmp_path / "viewer.flv"
        pull = procs.millrace("pull", server.rtmp("live/a"), out)
        server.wait_player("live/a")
        push = procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))
        server.process.wait_line(r"(?i)record.*(no space|full)", timeout=40)
        mark = out.stat().st_size
        until(lambda: out.stat().st_size > mark + 200_000, what="media at the viewer")
        push.stop()
        assert pull.wait(20) == 0
        pictures = Decoded(out)
        assert pictures.errors == [] and len(pictures.pictures) > 100
        files = [p for p in pathlib.Path(small).rglob("*.mp4")]
        assert files and Decoded(files[0]).errors == []
        said = [line for line in server.process.lines if "error" in line.split()[1:2] or "warning" in line.split()[1:2]]
        assert len([line for line in said if "no space" in line.lower() or "full" in line.lower()]) == 1, said
    finally:
        procs.finish()
        subprocess.run(["umount", "-l", small])


# ---- over RTMP ----------------------------------------------------------------------------------------------------

def pictures_of(url, *options):
    """Times and number of pictures that ffmpeg gets, at the pace at which they come."""
    done = subprocess.run(["ffmpeg", "-v", "error", *options, "-i", url, "-map", "0:v", "-c", "copy", "-f", "framecrc", "-"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return [int(line.split(",")[1]) for line in done.stdout.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("format", ["mp4", "flv"])
def test_a_recording_plays_over_rtmp_and_can_be_sought(recording_server, procs, clip, format):
    server = recording_server(format)
    assert procs.millrace("push", clip.path, server.rtmp("live/a")).wait(30) == 0
    found = one_complete(server)
    whole = pictures_of(server.rtmp("live/a"), "-rtmp_live", "recorded")
    assert len(whole) == len(clip.pictures), "start 0 of a name that nobody publishes is its newest recording"
    assert len(pictures_of(server.rtmp("live/a?recording=" + found["id"]))) == len(clip.pictures)
    half = clip.seconds / 2
    later = pictures_of(server.rtmp("live/a"), "-rtmp_live", "recorded", "-ss", str(half))
    assert 0 < len(later) <= len(clip.pictures) * 0.75, "from the key frame before that on"
    length = subprocess.run(["ffprobe", "-v", "error", "-rtmp_live", "recorded", "-show_entries", "format=duration", "-of", "csv=p=0", server.rtmp("live/a")],
                            capture_output=True, text=True, timeout=30).stdout
    assert abs(float(length) - found["duration_ms"] / 1000) < 0.01
    codes = [e["reason"] for e in fetch_json(server, "/api/v1/stream/events?name=live/a")[1]["events"]]
    assert codes.count("play_began") >= 3 and codes.count("play_ended") >= 3


@pytest.mark.parametrize("form", ["rtmps", "rtmpq", "rtmpq?transport=quic-only"])
def test_a_recording_plays_over_tls_and_quic_too(recording_server, procs, clip, tmp_path, form):
    server = recording_server("mp4")
    assert procs.millrace("push", clip.path, server.rtmp("live/a")).wait(30) == 0
    one_complete(server)
    out = tmp_path / "got.flv"
    pull = procs.millrace("pull", server.url(form, "live/a?recording=newest"), out)
    assert pull.wait(60) == 0, pull.text
    result = Decoded(out)
    assert result.errors == [] and result.pictures == clip.pictures


def test_who_plays_a_recording_is_in_the_api(recording_server, procs, clip):
    server = recording_server("mp4")
    assert procs.millrace("push", clip.path, server.rtmp("live/a")).wait(30) == 0
    found = one_complete(server)
    pull = procs.millrace("pull", server.rtmp("live/a?recording=newest"), "/dev/null")

    def players():
        return [c for c in fetch_json(server, "/api/v1/connections")[1]["connections"] if c.get("recordings")]

    until(lambda: players() and players()[0]["recordings"][0]["position_ms"] > 0, what="a player of the recording")
    assert fetch_json(server, "/api/v1/server")[1]["protocols"]["rtmp"] == {"publishers": 0, "viewers": 0, "recordings": 1}
    one, = players()
    assert (one["recordings"][0]["id"], one["recordings"][0]["stream"], one["plays"]) == (found["id"], "live/a", [])
    fetch_json(server, f"/api/v1/connections?id={one['id']}", "DELETE")
    pull.wait_line("closed by an operator")
    until(lambda: not players(), what="it to be gone")


def test_rtmpdump_gets_a_recording_and_its_end(recording_server, procs, clip, tmp_path):
    server = recording_server("flv")
    assert procs.millrace("push", clip.path, server.rtmp("live/a")).wait(30) == 0
    one_complete(server)
    out = tmp_path / "got.flv"
    done = subprocess.run(["rtmpdump", "-q", "-r", server.rtmp("live/a"), "-o", out], timeout=60)
    # 2: the last frame begins before 99.9 % of the length that the metadata say, which rtmpdump takes for incomplete.
    assert done.returncode in (0, 2) and Decoded(out).pictures == clip.pictures


@pytest.mark.parametrize("who", ["127.0.0.1", "192.0.2.1"])
def test_recordings_that_are_not_there_or_not_for_you(start_server, procs, clip, tmp_path, who):
    """Who may not play recordings is not told which there are."""
    config = tmp_path / "millrace.toml"
    config.write_text(RULES.format(directory=tmp_path / "recordings", format="mp4", more="") + f"[play]\nrecordings_allow = [\"{who}\"]\n")
    server = start_server("--config", config)
    assert procs.millrace("push", clip.path, server.rtmp("live/a")).wait(30) == 0
    one_complete(server)
    names = ["live/b?recording=newest", "live/a?recording=0123456789abcdef"]
    why = "no recording"
    if who != "127.0.0.1":
        names.append("live/a?recording=newest")
        why = "play.recordings_allow"
    for name in names:
        pull = procs.millrace("pull", "--no-reconnect", server.rtmp(name), tmp_path / "none.flv")
        assert pull.wait(30) != 0 and why in pull.text, pull.text

