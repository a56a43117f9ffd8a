"""HLS and Low-Latency HLS: the playlists as a client reads them, what they lead to, and players that are not ours."""
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from media import ffmpeg
from peers import PLAYERS, Want
from process import until

READ_FOR = float(os.environ.get("MILLRACE_HLS_SECONDS", 20))  # of media


def fetch(server, path):
    with urllib.request.urlopen(server.http(path), timeout=20) as answer:
        return answer.headers, answer.read()


def attributes(text):
    return {name: value.strip('"') for name, value in re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)', text)}


class Playlist:
    """RFC 8216 and its second edition, as much as is needed."""

    def __init__(self, text):
        self.text = text
        lines = text.splitlines()
        assert lines[0] == "#EXTM3U"
        self.segments, self.hint, self.maps, self.ended = [], None, set(), False
        self.discontinuity_sequence = 0
        parts, discontinuity, duration, current_map = [], False, None, None
        for line in lines[1:]:
            tag, _, value = line.partition(":")
            if tag == "#EXT-X-TARGETDURATION":
                self.target = int(value)
            elif tag == "#EXT-X-MEDIA-SEQUENCE":
                self.first = int(value)
            elif tag == "#EXT-X-DISCONTINUITY-SEQUENCE":
                self.discontinuity_sequence = int(value)
            elif tag == "#EXT-X-PART-INF":
                self.part_target = float(attributes(value)["PART-TARGET"])
            elif tag == "#EXT-X-SERVER-CONTROL":
                self.control = attributes(value)
            elif tag == "#EXT-X-MAP":
                current_map = attributes(value)["URI"]
                self.maps.add(current_map)
            elif tag == "#EXT-X-DISCONTINUITY":
                discontinuity = True
            elif tag == "#EXT-X-PART":
                parts.append(attributes(value))
            elif tag == "#EXT-X-PRELOAD-HINT":
                self.hint = attributes(value)["URI"]
            elif tag == "#EXT-X-ENDLIST":
                self.ended = True
            elif tag == "#EXTINF":
                duration = float(value.split(",")[0])
            elif line and not line.startswith("#"):
                self.segments.append({"uri": line, "duration": duration, "parts": parts, "discontinuity": discontinuity, "map": current_map})
                parts, discontinuity = [], False
        self.open_parts = parts
        self.next = self.first + len(self.segments)


def read(server, base, query=""):
    headers, body = fetch(server, f"{base}/index.m3u8{query}")
    assert headers["Content-Type"] == "application/vnd.apple.mpegurl"
    return Playlist(body.decode())


def check(playlist, before):
    """What holds for each playlist, and from one to the next."""
    assert float(playlist.control["PART-HOLD-BACK"]) >= 3 * playlist.part_target - 1e-6
    for one in playlist.segments:
        assert round(one["duration"]) <= playlist.target, playlist.text
        lengths = [float(p["DURATION"]) for p in one["parts"]]
        assert all(0 < length <= playlist.part_target + 1e-6 for length in lengths), playlist.text
        assert all(length >= 0.85 * playlist.part_target - 1e-6 for length in lengths[:-1]), playlist.text
        if lengths:
            assert abs(sum(lengths) - one["duration"]) < 0.002 * len(lengths), playlist.text
            assert one["parts"][0].get("INDEPENDENT") == "YES"
    if before:
        assert playlist.target == before.target and playlist.part_target == before.part_target
        assert playlist.first >= before.first and playlist.next >= before.next
        gone = sum(one["discontinuity"] for one in before.segments[:playlist.first - before.first])
        assert playlist.discontinuity_sequence == before.discontinuity_sequence + gone
        for old, new in zip(before.segments[playlist.first - before.first:], playlist.segments):
            assert (old["uri"], old["duration"], old["discontinuity"]) == (new["uri"], new["duration"], new["discontinuity"])


@pytest.fixture
def live(server, procs, clip):
    push = procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))
    server.wait_publisher("live/a")
    return server, push


def test_a_client_that_follows_the_playlist_gets_everything_once(live, tmp_path):
    server, _ = live
    headers, body = fetch(server, "/live/a.m3u8")
    master = body.decode()
    assert 'CODECS="avc1.' in master and "mp4a.40.2" in master and "RESOLUTION=320x180" in master and "a/index.m3u8" in master
    playlist, before = read(server, "/live/a"), None
    check(playlist, None)
    media, seconds, parts_of = [fetch(server, f"/live/a/{next(iter(playlist.maps))}")[1]], 0, {}
    wanted_msn, wanted_part = playlist.next, len(playlist.open_parts)
    began = time.monotonic()
    while seconds < READ_FOR:
        before, playlist = playlist, read(server, "/live/a", f"?_HLS_msn={wanted_msn}&_HLS_part={wanted_part}")
        check(playlist, before)
        # It was held back until there was what was asked for.
        assert playlist.next > wanted_msn or len(playlist.open_parts) > wanted_part
        for number, one in enumerate(playlist.segments, playlist.first):
            if number < wanted_msn or number in parts_of:
                continue
            whole = fetch(server, f"/live/a/{one['uri']}")[1]
            assert whole == b"".join(fetch(server, f"/live/a/{p['URI']}")[1] for p in one["parts"])
            parts_of[number] = len(one["parts"])
            media.append(whole)
            seconds += one["duration"]
        wanted_msn, wanted_part = playlist.next, len(playlist.open_parts)
        # The hinted part is answered when it is whole.
        assert fetch(server, f"/live/a/{playlist.hint}")[1]
    assert sorted(parts_of) == list(range(min(parts_of), max(parts_of) + 1))
    assert time.monotonic() - began < READ_FOR + 20
    out = tmp_path / "all.mp4"
    out.write_bytes(b"".join(media))
    done = ffmpeg("-i", out, "-map", "0:v", "-map", "0:a", "-f", "null", "-")
    assert done.returncode == 0 and done.stderr == ""
    probed = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=dts_time", "-of", "csv=p=0", out], capture_output=True, text=True)
    times = [float(t) for t in re.findall(r"[\d.]+", probed.stdout)]
    assert all(0 < b - a < 0.1 for a, b in zip(times, times[1:])), "no gap and no picture twice"
    assert abs((times[-1] - times[0]) - seconds) < 0.2
    # With so few segments nothing is old enough to be left out of a delta update: it is a playlist like any other.
    check(Playlist(fetch(server, "/live/a/index.m3u8?_HLS_skip=YES")[1].decode()), playlist)


def test_who_takes_media_is_a_viewer(live):
    server, _ = live

    def seen(path="/api/v1/stream?name=live/a"):
        return json.loads(fetch(server, path)[1])

    playlist = read(server, "/live/a")
    assert seen()["viewers"] == 0, "neither the packager nor who reads a playlist is one"
    for _ in range(2):
        media = fetch(server, f"/live/a/{playlist.segments[0]['uri']}")[1]
    stream = seen()
    assert stream["viewers"] == 1
    viewer, = stream["viewer_connections"]
    assert (viewer["id"], viewer["protocol"], viewer["plays"][0]["frames"]["delivered"]) == (0, "hls", 2)
    assert viewer["agent"].startswith("Python-urllib") and viewer["transport"]["bytes_sent"] == 2 * len(media)
    request = urllib.request.Request(server.http(f"/live/a/{playlist.segments[0]['uri']}"), headers={"User-Agent": "another"})
    urllib.request.urlopen(request).read()
    assert seen()["viewers"] == 2 and seen("/api/v1/server")["protocols"]["hls"]["viewers"] == 2
    assert 'millrace_viewers{protocol="hls"} 2' in fetch(server, "/metrics")[1].decode()
    until(lambda: seen("/api/v1/stream/history?name=live/a&seconds=1")["seconds"][0]["viewers"] == 2, what="them in a second of the history")


def test_wrong_questions_are_refused(live):
    server, _ = live
    playlist = read(server, "/live/a")
    for path, status in ((f"/live/a/index.m3u8?_HLS_msn={playlist.next + 100}", 400), ("/live/a/index.m3u8?_HLS_msn=x", 400), ("/live/a/index.m3u8?_HLS_part=1", 400),
                         ("/live/a/seg-1.m4s", 404), ("/live/nobody.m3u8", 404), ("/live/..%2fa.m3u8", 400)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            fetch(server, path)
        assert refused.value.code == status and refused.value.read().strip(), path


def test_two_publishers_in_a_row_keep_the_playlist_going(server, procs, clip, tmp_path):
    first = procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))
    server.wait_publisher("live/a")
    before = read(server, "/live/a")
    player = procs.start("ffmpeg player", ["ffmpeg", "-nostdin", "-v", "error", "-i", server.http("/live/a.m3u8"), "-map", "0:v", "-f", "framecrc", "-flush_packets", "1",
                                           "-y", tmp_path / "out.crc"])
    crc = tmp_path / "out.crc"
    until(lambda: crc.exists() and crc.read_text().count("\n") > 30, what="pictures of the first publisher")
    first.stop()
    between = read(server, "/live/a")
    check(between, before)
    assert not between.ended
    procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))
    seen = between

    def goes_on():
        nonlocal seen
        now = read(server, "/live/a")
        check(now, seen)
        seen = now
        return any(one["discontinuity"] for one in now.segments) and now.next >= between.next + 3
    until(goes_on, timeout=30, what="segments of the second publisher behind a discontinuity")
    count = crc.read_text().count("\n")
    until(lambda: crc.read_text().count("\n") > count + 25, timeout=30, what="more pictures in the same player")
    player.stop()


@pytest.mark.parametrize("player", ["ffmpeg", "mpv", "vlc", "hlsdemux"])
@pytest.mark.parametrize("path", ["/live/a.m3u8", "/live/a/ts.m3u8"])
def test_players_that_are_not_ours_play_hls(live, procs, clip, tmp_path, player, path):
    server, _ = live
    played = PLAYERS[player](procs, server.http(path), tmp_path, Want(pictures=50, samples=44_100, timeout=60))
    assert played.pictures >= 50
    assert not played.checksums or set(played.checksums[:-1]) <= set(clip.pictures) or player == "mpv"  # which counts its own way
