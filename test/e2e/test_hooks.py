"""HTTP hooks: the back ends of users of SRS (JSON) and nginx-rtmp (form) work as they are, on every transport; no answer is a no."""
import http.client
import os
import re
import signal
import socket
import subprocess
import time

import pytest

from conftest import Server

from hook_back_end import HookBackEnd
from media import Decoded
from nginx_rtmp import MODULE, NginxRtmp, nginx_program
from process import Processes, until
from rtmp_client import RtmpClient, number, text
from test_http import fetch_json, get

TRANSPORTS = ["rtmp", "rtmps", "rtmpq", "rtmpq?transport=quic-only"]


@pytest.fixture
def back_end():
    made = HookBackEnd()
    yield made
    made.close()


@pytest.fixture
def hooked_server(start_server, tmp_path):
    def start(back_end, *hooks, form="json", rules="[publish]\nallow = []\n[play]\nallow = []\n", more=""):
        config = tmp_path / "hooks.toml"
        lines = "".join(f'{name} = "{back_end.url}"\n' for name in hooks)
        config.write_text(f'{rules}{more}[hooks]\nform = "{form}"\ntimeout_s = 1\n{lines}')
        return start_server("--config", config)
    return start


def srs_back_end(fields):
    """What SRS's users write: a token in the stream's parameters, {"code": …} as the answer."""
    if fields["action"] in ("on_publish", "on_play"):
        good = "token=good" in fields["param"]
        return 200, '{"code": 0, "msg": "OK"}' if good else '{"code": 403, "msg": "no such token"}', {}
    return 200, '{"code": 0}', {}


@pytest.mark.parametrize("form", TRANSPORTS)
def test_srs_back_end(hooked_server, back_end, procs, clip, tmp_path, form):
    back_end.decide = srs_back_end
    server = hooked_server(back_end, "on_connect", "on_disconnect", "on_publish", "on_publish_done", "on_play", "on_play_done")
    refused = procs.millrace("push", "--no-reconnect", clip.path, server.url(form, "live/a?token=bad"))
    assert refused.wait(20) == 6 and "not allowed by the rules of this server" in refused.text
    assert "no such token" not in refused.text and "no such token" in server.process.text
    url = server.url(form, "live/a?token=good")
    push = procs.millrace("push", "--loop", clip.path, url)
    asked = back_end.wait(action="on_publish", count=2)
    server.wait_publisher("live/a")
    assert (asked["ip"], asked["app"], asked["stream"], asked["vhost"], asked["stream_url"]) == ("127.0.0.1", "live", "a", "__defaultVhost__", "/live/a")
    assert asked["param"].startswith("?token=good") and asked["client_id"].isdigit()
    assert back_end.wait(action="on_connect", client_id=asked["client_id"])["tcUrl"].endswith("/live")

    refused = procs.millrace("pull", "--no-reconnect", server.url(form, "live/a"), tmp_path / "none.flv")
    assert refused.wait(20) == 6
    out = tmp_path / "got.flv"
    pull = procs.millrace("pull", url, out)
    until(lambda: out.exists() and out.stat().st_size > 100_000, timeout=30, what="media")
    assert pull.stop() == 0
    assert Decoded(out).pictures
    back_end.wait(action="on_play", stream="a", count=2)
    back_end.wait(action="on_stop", stream="a")
    assert back_end.count(action="on_unpublish") == 0
    assert push.stop() == 0
    back_end.wait(action="on_unpublish", client_id=asked["client_id"])
    gone = back_end.wait(action="on_close", client_id=asked["client_id"])
    assert gone["recv_bytes"] > 10_000
    assert back_end.count(action="on_stop") == 1 and back_end.count(action="on_unpublish") == 1  # the refused ones have not begun


def test_connect_refused(hooked_server, back_end, procs, clip):
    back_end.decide = lambda fields: (200, "1" if fields["app"] == "private" else "0", {})
    server = hooked_server(back_end, "on_connect", rules="")
    refused = procs.millrace("push", "--no-reconnect", clip.path, server.rtmp("private/a"))
    assert refused.wait(20) == 6 and "not allowed by the rules of this server" in refused.text
    procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))
    server.wait_publisher("live/a")


def test_over_http(hooked_server, back_end, procs, clip, tmp_path):
    back_end.decide = srs_back_end
    server = hooked_server(back_end, "on_publish", "on_play", "on_play_done")
    procs.millrace("push", "--loop", clip.path, server.rtmp("live/a") + "?token=good")
    server.wait_publisher("live/a")
    for path in ("/live/a.flv", "/live/a.m3u8", "/live/a.m3u8?token=bad", "/live/a/index.m3u8"):
        assert get(server, path)[0] == 403, path
    asked = back_end.count(action="on_play")
    out = tmp_path / "got.flv"
    subprocess.run(["curl", "-s", "-m", "3", "-o", out, server.http("/live/a.flv?token=good")])
    assert out.stat().st_size > 10_000
    back_end.wait(action="on_stop", stream="a")
    assert back_end.count(action="on_play") == asked + 1
    # One question for a viewer, whose media playlists and segments carry no token.
    status, _, playlist = get(server, "/live/a.m3u8?token=good")
    assert status == 200
    media = next(line for line in playlist.decode().splitlines() if line and not line.startswith("#"))
    status, _, playlist = get(server, "/live/" + media)
    assert status == 200, media
    assert back_end.count(action="on_play") == asked + 2
    assert back_end.wait(action="on_play", count=asked + 2)["tcUrl"] == server.http("/live")
    # What is not there has no viewer, whoever may play it: the back end hears so at once, and is asked again.
    for times in (1, 2):
        assert get(server, "/live/nothing.m3u8?token=good")[0] == 404
        assert back_end.wait(action="on_stop", stream="nothing", count=times)
    assert back_end.count(action="on_play", stream="nothing") == 2


def test_the_end_of_a_play_over_http_is_told_where_nobody_is_asked(hooked_server, back_end, procs, clip, tmp_path):
    server = hooked_server(back_end, "on_done", form="form", rules="")
    procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))
    server.wait_publisher("live/a")
    assert get(server, "/live/nothing.flv?user=nobody")[0] == 404
    assert get(server, "/live/a.flv?picture&user=glance")[0] == 200
    out = tmp_path / "got.flv"
    subprocess.run(["curl", "-s", "-m", "2", "-o", out, server.http("/live/a.flv?user=x")])
    assert out.stat().st_size > 10_000
    assert back_end.wait(call="done", user="x")["name"] == "a"
    until(lambda: get(server, "/live/a.m3u8?user=y")[0] == 200, what="a playlist")
    assert get(server, "/live/a.m3u8?user=y")[0] == 200
    server.process.stop()
    back_end.wait(call="done", user="y")
    assert back_end.count(user="y") == 1 and back_end.count(user="nobody") == 0
    assert back_end.count(user="glance") == 0, "a picture for the console is no play"


def test_a_hook_that_does_not_answer_refuses_and_holds_up_nobody(hooked_server, back_end, procs, clip, tmp_path):
    server = hooked_server(back_end, "on_publish", "on_play")
    procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))
    server.wait_publisher("live/a")
    out = tmp_path / "got.flv"
    procs.millrace("pull", server.rtmp("live/a"), out)
    until(lambda: out.exists() and out.stat().st_size > 10_000, timeout=30, what="media")
    back_end.stuck.set()
    refused = procs.millrace("push", "--no-reconnect", clip.path, server.rtmp("live/b"))
    refused_player = procs.millrace("pull", "--no-reconnect", server.rtmp("live/a"), tmp_path / "none.flv")
    assert get(server, "/live/a.flv")[0] == 403
    assert refused.wait(20) == 6 and refused_player.wait(20) == 6
    size = out.stat().st_size
    until(lambda: out.stat().st_size > size + 10_000, what="the stream going on")
    assert "timed out" in server.process.text.lower()
    metrics = get(server, "/metrics")[2].decode()
    assert re.search(r"^millrace_hook_failures_total 3$", metrics, re.M), metrics


def test_a_back_end_that_is_gone(hooked_server, back_end, procs, clip):
    server = hooked_server(back_end, "on_publish")
    back_end.close()
    refused = procs.millrace("push", "--no-reconnect", clip.path, server.rtmp("live/a"))
    assert refused.wait(20) == 6
    assert "hook on_publish of live/a: no answer" in server.process.text


def test_every_refusal_takes_a_second(hooked_server, back_end):
    """Or the names and tokens of others are guessed by the thousand, and the back end is asked about each."""
    back_end.decide = lambda fields: (403, "", {})
    server = hooked_server(back_end, "on_connect", "on_play", form="form", more='[access]\nsign_secrets = ["a secret that nobody guesses"]\n')

    def takes(refused, step):
        began = time.monotonic()
        assert step() == refused
        assert time.monotonic() - began > 0.9

    one = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30)

    def status(path):
        one.request("GET", path)
        answer = one.getresponse()
        answer.read()
        return answer.status
    for path in ("/live/a.flv", "/live/a.m3u8", "/live/a.flv?expires=9999999999&sign=00"):
        takes(403, lambda path=path: status(path))
    takes(False, lambda: RtmpClient(server.port).connected)


def test_a_yes_is_one_for_recordings_too(hooked_server, back_end, procs, clip, tmp_path):
    """Whatever play.allow says, and with the name that the back end gives the stream; play.recordings_allow still counts."""
    back_end.decide = lambda fields: (302, "", {"Location": "alice"}) if fields.get("token") == "good" else (200 if fields["call"] == "publish" else 403, "", {})
    record = f'[record]\ndirectory = "{tmp_path / "recordings"}"\nlinger_s = 0\n[[record.rules]]\nstreams = "*"\n'
    server = hooked_server(back_end, "on_publish", "on_play", form="form", more=record)
    assert procs.millrace("push", clip.path, server.rtmp("live/alice")).wait(30) == 0
    until(lambda: fetch_json(server, "/api/v1/recordings")[1]["recordings"], what="a recording that is complete")
    refused = procs.millrace("pull", "--no-reconnect", server.rtmp("live/alice?recording=newest"), tmp_path / "none.flv")
    assert refused.wait(20) == 6
    out = tmp_path / "got.flv"
    assert procs.millrace("pull", server.rtmp("live/s3cret?recording=newest&token=good"), out).wait(60) == 0
    assert Decoded(out).pictures


def test_a_play_of_a_recording_that_is_not_there_ends_at_once_for_the_back_end(hooked_server, back_end):
    back_end.decide = lambda fields: (200, "", {})
    server = hooked_server(back_end, "on_play", "on_play_done", form="form")
    client = RtmpClient(server.port)
    client.command(1, text("play") + number(0) + b"\x05" + text("a?recording=newest"))
    back_end.wait(call="play_done", name="a")
    assert client.status("StreamNotFound")
    client.close()


def test_hooks_that_come_while_a_connection_is_there(hooked_server, back_end, tmp_path):
    server = hooked_server(back_end, rules="")
    client = RtmpClient(server.port)
    assert client.connected
    (tmp_path / "hooks.toml").write_text(f'[hooks]\non_publish = "{back_end.url}"\n')
    mark = server.process.mark()
    server.process.popen.send_signal(signal.SIGHUP)
    server.process.wait_line("reloaded: .*hooks.on_publish", after=mark)
    assert client.publish("a") == "NetStream.Publish.Start"
    asked = back_end.wait(action="on_publish")
    assert (asked["ip"], asked["app"], asked["stream_url"], asked["tcUrl"]) == ("127.0.0.1", "live", "/live/a", "rtmp://h/live") and asked["client_id"].isdigit()
    client.close()


@pytest.fixture
def silent_resolver(tmp_path):
    """Processes for which no host name leads anywhere: what they ask is not answered for half a minute."""
    config = tmp_path / "resolv.conf"
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("needs root, and a mount namespace for a resolv.conf of its own")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody_reads:
        address = f"127.53.{os.getpid() >> 8 & 0xff}.{os.getpid() & 0xff}"
        nobody_reads.bind((address, 53))
        config.write_text(f"nameserver {address}\noptions timeout:30 attempts:1\n")
        processes = Processes(tmp_path, prefix=["unshare", "--mount", "sh", "-c", f'mount --bind {config} /etc/resolv.conf && exec "$@"', "sh"])
        yield processes
        processes.finish()


def test_a_name_that_is_not_resolved_holds_up_neither_the_others_nor_the_end(silent_resolver, back_end, procs, clip, tmp_path):
    """Bounds are far from what is promised (1 s and 2 s), and as far from the resolver's 30 s."""
    config = tmp_path / "hooks.toml"
    config.write_text(f'[hooks]\ntimeout_s = 1\non_connect = "{back_end.url}"\non_publish = "http://back-end.test:8085/hooks"\n')
    server = Server(silent_resolver, tmp_path / "state", "--config", config)
    refused = procs.millrace("push", "--no-reconnect", clip.path, server.rtmp("live/a"))
    assert refused.wait(15) == 6
    assert "hook on_publish of live/a: no answer" in server.process.text
    procs.millrace("push", "--no-reconnect", clip.path, server.rtmp("live/b"))
    back_end.wait(action="on_connect", count=2)
    assert server.process.stop(signal.SIGTERM, timeout=15) == 0


def test_a_wrong_key_is_not_for_the_hook_to_allow(hooked_server, back_end, procs, clip):
    server = hooked_server(back_end, "on_publish", more='[publish.keys]\n"live/*" = "the right key"\n')
    refused = procs.millrace("push", "--no-reconnect", clip.path, server.rtmp("live/a") + "?key=another")
    assert refused.wait(20) == 6 and "wrong key" in refused.text
    assert not back_end.seen
    procs.millrace("push", "--loop", clip.path, server.rtmp("live/a"))  # without one the hook decides
    server.wait_publisher("live/a")


def test_recordings_are_told(hooked_server, back_end, procs, clip, tmp_path):
    folder = tmp_path / "recordings"
    server = hooked_server(back_end, "on_record_done", rules=f'[record]\ndirectory = "{folder}"\nlinger_s = 0\n[[record.rules]]\nstreams = "*"\n')
    assert procs.millrace("push", clip.path, server.rtmp("live/a")).wait(30) == 0
    told = back_end.wait(action="on_dvr", app="live", stream="a")
    assert told["cwd"] == str(folder) and (folder / told["file"]).stat().st_size > 10_000


def test_another_name(hooked_server, back_end, procs, clip, tmp_path):
    """The secret is the name that is published to, and the back end says who that is: a habit of nginx-rtmp's users."""
    def decide(fields):
        if fields["call"] != "publish":
            return 200, "", {}
        return (302, "", {"Location": "alice"}) if fields["name"] == "s3cret" else (404, "", {})
    back_end.decide = decide
    server = hooked_server(back_end, "on_publish", "on_done", form="form", rules="")
    assert procs.millrace("push", "--no-reconnect", clip.path, server.rtmp("live/alice")).wait(20) == 6
    push = procs.millrace("push", "--loop", clip.path, server.rtmp("live/s3cret"))
    server.wait_publisher("live/alice")
    out = tmp_path / "got.flv"
    procs.millrace("pull", server.rtmp("live/alice"), out)
    until(lambda: out.exists() and out.stat().st_size > 10_000, timeout=30, what="media")
    push.stop()
    back_end.wait(call="done", name="s3cret")
    back_end.stuck.set()  # nor is a secret seen where nobody says that it is none
    assert procs.millrace("push", "--no-reconnect", clip.path, server.rtmp("live/s3cret?token=s3cret-too")).wait(20) == 6
    server.process.wait_line(r"hook on_publish of live/\*\*\*: no answer")
    assert "s3cret" not in server.process.text
    assert [e["reason"] for e in fetch_json(server, "/api/v1/stream/events?name=live/***")[1]["events"]] == ["publish_refused"] * 2


@pytest.mark.skipif(not MODULE.exists() or not nginx_program(), reason="nginx with its RTMP module is not installed")
def test_fields_are_those_of_nginx_rtmp(hooked_server, back_end, procs, clip, tmp_path):
    """The same ffmpeg, the same back end, both servers: what the back end sees is the same but for the port and the client's number."""
    back_end.decide = lambda fields: (200, "", {})
    calls = ("on_connect", "on_publish", "on_play", "on_done", "on_publish_done", "on_play_done")
    nginx = NginxRtmp(procs, tmp_path / "nginx", "".join(f"{call} {back_end.url};" for call in calls if call != "on_connect"))
    ours = hooked_server(back_end, *[call for call in calls if call != "on_connect"], form="form", rules="")

    def session(url, port):
        back_end.seen.clear()
        push = procs.start("ffmpeg", ["ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip.path, "-c", "copy", "-f", "flv", url + "?token=x"])
        back_end.wait(call="publish")
        out = tmp_path / f"{port}.flv"
        pull = procs.start("ffmpeg", ["ffmpeg", "-v", "error", "-y", "-i", url + "?user=y", "-c", "copy", "-f", "flv", out])
        until(lambda: out.exists() and out.stat().st_size > 10_000, timeout=30, what="media")
        pull.stop()
        back_end.wait(call="play_done")
        push.stop()
        back_end.wait(call="publish_done")
        back_end.wait(call="done", count=2)
        return {one["call"] if one["call"] != "done" else "done " + ("y" if "user" in one else "x"):
                {key: value.replace(str(port), "PORT") for key, value in one.items() if key != "clientid"} for one in back_end.seen}

    theirs, mine = session(nginx.url("live/a"), nginx.port), session(ours.rtmp("live/a"), ours.port)
    assert mine.keys() == theirs.keys()
    for call in theirs:
        # nginx-rtmp keeps 31 bytes of flashver.
        missing = {key: value for key, value in theirs[call].items() if mine[call].get(key, "")[:31 if key == "flashver" else None] != value}
        assert not missing, f"{call}: nginx-rtmp says {missing}, ours {mine[call]}"
