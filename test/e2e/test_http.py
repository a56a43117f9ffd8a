"""HTTP beside RTMP: players that are not ours, the API against its own description, metrics, and what is refused."""
import base64
import json
import os
import pathlib
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import jsonschema
import pytest

from media import Decoded, picture_times
from peers import PLAYERS, Want
from process import until

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPENAPI = json.loads((ROOT / "doc/api/openapi.json").read_text())


def get(server, path, method="GET", **headers):
    """Status, headers, body."""
    request = urllib.request.Request(server.http(path), method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read()


def fetch_json(server, path, method="GET"):
    """Held against the description that the server itself gives."""
    status, headers, body = get(server, path, method)
    assert headers["Content-Type"] == "application/json"
    value = json.loads(body)
    answer = OPENAPI["paths"][path.split("?")[0]][method.lower()]["responses"][str(status)]
    schema = {**answer["content"]["application/json"]["schema"], "components": OPENAPI["components"]}
    jsonschema.validate(value, schema)
    return status, value


def quoted(name):
    return urllib.parse.quote(name, safe="")


@pytest.fixture
def live(server, procs, clip):
    """A server with live/a on it, again and again."""
    push = procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))
    server.wait_publisher("live/a")
    return server, push


@pytest.mark.parametrize("player", ["ffmpeg", "mpv", "vlc", "souphttpsrc"])
def test_players_that_are_not_ours_play_flv(live, procs, clip, tmp_path, player):
    server, _ = live
    played = PLAYERS[player](procs, server.http("/live/a.flv?catch_up=no"), tmp_path, Want(pictures=50, samples=44_100, timeout=40))
    assert played.errors == []
    assert not played.checksums or set(played.checksums[:-1]) <= set(clip.pictures) or player == "mpv"  # which counts its own way


def test_what_curl_wrote_is_a_whole_flv_file(live, procs, clip, tmp_path):
    server, _ = live
    out = tmp_path / "out.flv"
    curl = procs.start("curl", ["curl", "-sS", "-N", "-o", out, server.http("/live/a.flv?catch_up=no")])
    until(lambda: out.exists() and out.stat().st_size > 300_000, what="media from curl")
    curl.stop()
    result = Decoded(out)
    # What was being written when it was stopped is cut off.
    assert len(result.pictures) > 50 and set(result.pictures[:-1]) <= set(clip.pictures)
    # Who joins by now gets metadata amid the stream's time, of which FFmpeg is to make no track.
    for address in (server.http("/live/a.flv"), server.rtmp("live/a")):
        tracks = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_type", "-of", "csv=p=0", address],
                                capture_output=True, text=True, timeout=30).stdout.split()
        assert sorted(each for each in tracks if each != "data") == ["audio", "video"], address


def test_flv_is_byte_for_byte_what_any_other_viewer_gets(live):
    server, _ = live
    read = []
    for scheme in ("http", "https"):
        out = subprocess.run(["curl", "-sSk", "-m", "3", server.http("/live/a.flv?catch_up=no", scheme)], capture_output=True)
        assert out.returncode == 28, out.stderr  # it would go on
        read.append(out.stdout)
    assert read[0][:13] == b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00"
    assert all(len(one) > 100_000 for one in read)


def test_flv_over_a_websocket(live):
    server, _ = live
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=10) as peer:
        key = base64.b64encode(os.urandom(16)).decode()
        peer.sendall(f"GET /live/a.flv HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        stream = peer.makefile("rb")
        assert stream.readline().startswith(b"HTTP/1.1 101 ")
        while stream.readline() != b"\r\n":
            pass

        def message():
            first, second = stream.read(2)
            size = second
            if second >= 126:
                size = int.from_bytes(stream.read(2 if second == 126 else 8), "big")
            return first, stream.read(size)

        first, header = message()
        assert first == 0x82 and header[:4] == b"FLV\x01"
        for _ in range(50):
            first, tag = message()
            assert first == 0x82
            assert int.from_bytes(tag[-4:], "big") == len(tag) - 4 == 11 + int.from_bytes(tag[1:4], "big")
        peer.sendall(bytes([0x89, 0x84, 1, 2, 3, 4]) + bytes(a ^ b for a, b in zip(b"ping", bytes([1, 2, 3, 4]))))
        while (got := message())[0] != 0x8A:
            pass
        assert got[1] == b"ping"
        peer.sendall(bytes([0x88, 0x82, 0, 0, 0, 0, 3, 0xE8]))
        while (got := message())[0] != 0x88:
            pass
        assert got[1] == b"\x03\xe8" and stream.read() == b""


def test_what_is_asked_for_wrongly_is_explained(live):
    server, _ = live
    for path, status in (("/live/nobody.flv", 404), ("/nothing", 404), ("/live/..%2f..%2fetc.flv", 400), ("/live/%ff.flv", 400), ("/live/" + "x" * 400 + ".flv", 400)):
        code, _, body = get(server, path)
        assert (code, bool(body.strip())) == (status, True), path
    assert get(server, "/live/a.flv", "POST")[0] == 405
    code, headers, _ = get(server, "/live/a.flv", "OPTIONS", Origin="https://example.com")
    assert code == 204 and headers["Access-Control-Allow-Origin"] == "*"
    assert "Authorization" in headers["Access-Control-Allow-Headers"], "tokens may be shown in it, and '*' would not name it"
    code, headers, _ = get(server, "/live/a.flv", "HEAD")
    assert code == 200 and headers["Content-Type"] == "video/x-flv"
    assert get(server, "/healthz")[2] == b"ok\n" and get(server, "/readyz")[0] == 200


def test_the_api_says_what_its_description_says(live, procs):
    server, push = live
    pull = procs.millrace("pull", server.rtmp("live/a"), "/dev/null")
    server.wait_player("live/a")
    until(lambda: fetch_json(server, "/api/v1/stream?name=live/a")[1].get("now", {}).get("fps", 0) > 0, what="a second of the stream")
    asked = set()

    def ask(path, method="GET", status=200):
        asked.add((path.split("?")[0], method.lower()))
        code, value = fetch_json(server, path, method)
        assert code == status, value
        return value

    ask("/api/v1")
    about = ask("/api/v1/server")
    assert about["protocols"]["rtmp"] == {"publishers": 1, "viewers": 1, "recordings": 0} and about["capacity"]["viewers_left"] > 0
    stream, = ask("/api/v1/streams")["streams"]
    assert (stream["name"], stream["published"], stream["viewers"]) == ("live/a", True, 1)
    one = ask("/api/v1/stream?name=live/a")
    assert one["publisher"]["publishes"] == ["live/a"] and len(one["viewer_connections"]) == 1
    # Our publishers say once a second what their network has not taken; others do not.
    until(lambda: "publisher_queue_ms" in ask("/api/v1/stream?name=live/a")["publisher"], what="the publisher's report")
    assert ask("/api/v1/stream/history?name=live/a&seconds=5")["seconds"][-1]["viewers"] == 1
    assert [e["reason"] for e in ask("/api/v1/stream/events?name=live/a")["events"]] == ["publish_began", "play_began"]
    frames = ask("/api/v1/stream/group?name=live/a")["frames"]
    assert frames and frames[0]["key"]
    assert {r["reason"] for r in ask("/api/v1/reasons")["reasons"]} >= {"publish_began", "viewer_too_slow"}
    viewer, = (c for c in ask("/api/v1/connections")["connections"] if c["plays"])
    assert ask(f"/api/v1/connections?id={viewer['id']}", "DELETE") == {"closed": viewer["id"]}
    pull.wait_line("closed by an operator")
    assert "kicked" in [e["reason"] for e in ask("/api/v1/stream/events?name=live/a")["events"]]
    # What is wrong.
    ask("/api/v1/stream", status=400)
    ask("/api/v1/stream?name=live/never", status=404)
    ask("/api/v1/stream/history?name=live/a&seconds=601", status=400)
    ask("/api/v1/connections?id=999999", "DELETE", status=404)
    ask("/api/v1/connections?id=x", "DELETE", status=400)
    assert ask("/api/v1/keys") == {"keys": [], "configured": []}
    made = ask("/api/v1/keys?streams=live/*&note=the%20van&lasts_s=60", "POST")
    kept, = ask("/api/v1/keys")["keys"]
    assert kept == {name: value for name, value in made.items() if name != "secret"} and len(made["secret"]) == 32
    assert ask(f"/api/v1/keys?id={made['id']}", "DELETE") == {"withdrawn": made["id"]}
    for wrong in ("", "?streams=nothing", "?streams=live/a&lasts_s=x", "?streams=live/a&lasts_s=0", "?streams=live/a&note=%0A",
                  "?streams=live/a&lasts=60", "?streams=live/a&bit_rate=1"):
        ask("/api/v1/keys" + wrong, "POST", status=400)
    ask("/api/v1/keys", "DELETE", status=400)
    ask("/api/v1/keys?id=00000000", "DELETE", status=404)
    assert get(server, "/api/v1/nothing")[0] == 404
    assert get(server, "/api/v1/server", "POST")[0] == 405
    assert json.loads(get(server, "/api/v1/openapi.json")[2]) == OPENAPI
    # What is said of recordings is asked for in test_record.py.
    described = {(path, method) for path, methods in OPENAPI["paths"].items() for method in methods if not path.startswith("/api/v1/recordings")}
    assert described - asked == {("/api/v1/openapi.json", "get")}


def test_the_api_is_not_for_pages_of_other_sites(live):
    server, _ = live
    assert get(server, "/api/v1/server", Host="attacker.example")[0] == 403
    assert get(server, "/metrics", Host="attacker.example:80")[0] == 403
    assert get(server, "/api/v1/server", Host=f"localhost:{server.http_port}")[0] == 200
    assert get(server, "/api/v1/connections?id=1", "DELETE", Origin="https://attacker.example")[0] == 403
    assert get(server, "/api/v1/connections?id=999", "DELETE", Origin=server.http(""))[0] == 404
    assert "Access-Control-Allow-Origin" not in get(server, "/api/v1/server")[1]


def test_a_key_lets_others_publish_until_it_is_withdrawn(start_server, procs, clip, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("[publish]\nallow = [\"192.0.2.1\"]\n[publish.keys]\n\"other/*\" = \"set by hand\"\n")
    server = start_server("--config", config)

    def push(name):
        return procs.millrace("push", "--no-reconnect", "--loop", clip.path, server.rtmp(name))

    refused = push("live/a")
    assert refused.wait(20) != 0 and "not allowed" in refused.text
    made = fetch_json(server, "/api/v1/keys?streams=live/*", "POST")[1]
    wrong = push("live/a?key=guessed")
    assert wrong.wait(20) != 0 and "wrong key" in wrong.text
    without = push("live/a")
    assert without.wait(20) != 0 and "needs its key" in without.text
    right = push(f"live/a?key={made['secret']}")
    server.wait_publisher("live/a")
    assert fetch_json(server, "/api/v1/keys")[1]["keys"][0]["used"] and fetch_json(server, "/api/v1/keys")[1]["configured"] == ["other/*"]
    assert fetch_json(server, f"/api/v1/keys?id={made['id']}", "DELETE")[0] == 200
    assert right.running(), "who publishes with it goes on"
    late = push(f"live/b?key={made['secret']}")
    assert late.wait(20) != 0 and "not allowed" in late.text
    assert made["secret"] not in server.process.text + right.text
    # It is still so after a restart.
    kept = fetch_json(server, "/api/v1/keys?streams=live/a&note=kept", "POST")[1]
    right.stop()
    server.kill_and_restart()
    assert [k["note"] for k in fetch_json(server, "/api/v1/keys")[1]["keys"]] == ["kept"]
    again = push(f"live/a?key={kept['secret']}")
    server.wait_publisher("live/a")
    again.stop()


def test_an_address_that_may_not_is_told_which_setting_it_is(start_server, tmp_path):
    config = tmp_path / "millrace.toml"
    config.write_text('[http]\nlisten = ["127.0.0.1:0"]\nadmin_allow = ["192.0.2.0/24"]\ncors = ""\n')
    server = start_server("--config", config, "--http", "127.0.0.1:0")
    code, _, body = get(server, "/api/v1/server")
    assert code == 403 and b"http.admin_allow" in body
    assert get(server, "/metrics")[0] == 403
    assert get(server, "/healthz")[0] == 200


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "a%00b", "%2e%2e", "späß 🎥", "x" * 256, '"quoted\\"'])
def test_odd_names_stay_what_they_are(server, procs, clip, name):
    push = procs.start("push", ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip.path, "-c", "copy", "-rtmp_app", "live",
                                "-rtmp_playpath", name, "-f", "flv", f"rtmp://127.0.0.1:{server.port}/"])
    server.process.wait_line(r"publishes live/")
    stream, = fetch_json(server, "/api/v1/streams")[1]["streams"]
    assert stream["name"] == f"live/{name}"
    assert fetch_json(server, f"/api/v1/stream?name={quoted('live/' + name)}")[1]["published"]
    assert subprocess.run(["promtool", "check", "metrics"], input=get(server, "/metrics")[2], timeout=20).returncode == 0
    out = subprocess.run(["curl", "-sS", "-m", "2", server.http("/" + quoted("live/" + name) + ".flv")], capture_output=True)
    assert out.stdout[:3] == b"FLV", out.stdout[:100]
    push.stop()


def test_prometheus_scrapes(live, procs, tmp_path, free_port):
    server, _ = live
    assert subprocess.run(["promtool", "check", "metrics"], input=get(server, "/metrics")[2], capture_output=True, timeout=20).stderr == b""
    config = tmp_path / "prometheus.yml"
    config.write_text(f'global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: m, static_configs: [{{targets: ["127.0.0.1:{server.http_port}"]}}]}}]\n')
    procs.start("prometheus", ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/tsdb", f"--web.listen-address=127.0.0.1:{free_port}"])

    def publishers():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/api/v1/query?query=sum(millrace_publishers)", timeout=5) as answer:
                found = json.load(answer)["data"]["result"]
                return found and found[0]["value"][1]
        except OSError:
            return None
    until(lambda: publishers() == "1", timeout=30, what="Prometheus to know of the publisher")


def test_a_taken_port_is_no_reason_not_to_start_unless_it_was_asked_for(start_server, procs, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        failed = procs.millrace("serve", "--listen", "127.0.0.1:0", "--state", tmp_path / "other", "--http", f"127.0.0.1:{port}")
        assert failed.wait(10) == 7
        assert any(f"127.0.0.1:{port}" in line and "in use" in line for line in failed.lines), failed.tail()


def test_viewers_over_http_go_on_while_the_publisher_comes_back(server, procs, clip, tmp_path):
    out = tmp_path / "out.flv"
    first = procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))
    server.wait_publisher("live/a")
    player = procs.start("curl", ["curl", "-sS", "-N", "-o", out, server.http("/live/a.flv?catch_up=no")])
    until(lambda: out.exists() and out.stat().st_size > 200_000, what="media of the first publisher")
    first.stop()
    size = out.stat().st_size
    procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))
    until(lambda: out.stat().st_size > size + 200_000, what="media of the second publisher")
    player.stop()
    times = picture_times(out)
    assert len(times) > 60 and times == sorted(times)
