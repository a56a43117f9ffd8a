"""What a key or a token is good for: streams at a time, their bit rate, how long each may last. The same on every transport."""
import json

import pytest

from process import until
from test_http import fetch_json, get
from test_tokens import TRANSPORTS, Signer


@pytest.fixture
def server(start_server, tmp_path):
    config = tmp_path / "keys.toml"
    config.write_text('[publish]\nallow = []\n[publish.keys]\n"one/*" = { secret = "only-one", at_once = 1 }\n"thin/*" = { secret = "only-thin", kbps = 40 }\n'
                      '"short/*" = { secret = "only-short", session_s = 2 }\n')
    return start_server("--config", config)


def reasons(server, stream):
    return [e["reason"] for e in fetch_json(server, f"/api/v1/stream/events?name={stream}")[1]["events"]]


@pytest.mark.parametrize("form", TRANSPORTS)
def test_streams_at_a_time(server, procs, clip, form):
    first = procs.millrace("push", "--loop", clip.path, server.url(form, "one/a?key=only-one"))
    server.wait_publisher("one/a")
    second = procs.millrace("push", "--no-reconnect", clip.path, server.url(form, "one/b?key=only-one"))
    assert second.wait(20) == 6 and 'key of one/* publishes a stream already, which is as many as it allows' in second.text
    assert reasons(server, "one/b") == ["publish_refused"]
    first.stop()
    until(lambda: "unpublishes one/a" in server.process.text, what="the end of the first")
    third = procs.millrace("push", "--no-reconnect", clip.path, server.url(form, "one/b?key=only-one"))
    assert third.wait(60) == 0, third.text


@pytest.mark.parametrize("form", TRANSPORTS)
def test_bit_rate(server, procs, clip, form):
    pushed = procs.millrace("push", "--no-reconnect", "--loop", clip.path, server.url(form, "thin/a?key=only-thin"))
    assert pushed.wait(60) != 0
    assert 'more than 40 kbit/s, which is what key of thin/* allows' in server.process.text
    assert reasons(server, "thin/a")[-1] == "allowance_spent"
    again = procs.millrace("push", "--no-reconnect", clip.path, server.url(form, "thin/a?key=only-thin"))
    assert again.wait(20) == 6 and "has used up what it allows: wait" in again.text


@pytest.mark.parametrize("form", TRANSPORTS)
def test_length(server, procs, clip, form):
    pushed = procs.millrace("push", "--no-reconnect", "--loop", clip.path, server.url(form, "short/a?key=only-short"))
    assert pushed.wait(30) != 0
    assert 'published for 2 s, which is what key of short/* allows' in server.process.text
    assert reasons(server, "short/a")[-1] == "allowance_spent"


def test_made_keys_and_tokens(start_server, procs, clip, tmp_path):
    signer = Signer(tmp_path)
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [signer.jwk]}))
    config = tmp_path / "tokens.toml"
    config.write_text(f'[access]\njwt_keys = "{tmp_path}/jwks.json"\n[publish]\nallow = []\n')
    server = start_server("--config", config)
    status, made = fetch_json(server, "/api/v1/keys?streams=live/*&at_once=1&kbps=8000&session_s=3600", "POST")
    assert status == 200 and (made["at_once"], made["kbps"], made["session_s"]) == (1, 8000, 3600)
    listed, = fetch_json(server, "/api/v1/keys")[1]["keys"]
    assert listed["kbps"] == 8000
    for wrong in ("at_once=-1", "kbps=fast", "session_s=100000001"):
        assert get(server, f"/api/v1/keys?streams=live/*&{wrong}", method="POST")[0] == 400
    token = signer.token(publish="live/*", sub="bob", at_once=1)
    for a, b, who in ((f"live/a?key={made['secret']}", f"live/b?key={made['secret']}", f"key {made['id']}"), (f"live/c?jwt={token}", f"live/d?jwt={token}", "token of bob")):
        procs.millrace("push", "--loop", clip.path, server.rtmp(a))
        server.wait_publisher(a.split("?")[0])
        refused = procs.millrace("push", "--no-reconnect", clip.path, server.rtmp(b))
        assert refused.wait(20) == 6 and f"{who} publishes a stream already" in refused.text
