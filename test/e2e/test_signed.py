"""Signed addresses: the same on every transport, for one stream and one purpose, until they expire."""
import subprocess
import time

import pytest

from media import Decoded
from process import MILLRACE, until
from test_http import get

SECRET = "a secret of this test, long enough"


@pytest.fixture
def signing_server(start_server, tmp_path):
    config = tmp_path / "millrace.toml"
    config.write_text(f"[access]\nsign_secrets = [\"{SECRET}\"]\n[publish]\nallow = []\n[play]\nallow = []\n")
    return start_server("--config", config)


def signed(action, url, *options, secret=SECRET):
    done = subprocess.run([MILLRACE, "sign", action, url, *options], env={"MILLRACE_SIGN_SECRET": secret}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def path_of(url):
    return "/" + url.split("/", 3)[3]


@pytest.mark.parametrize("form", ["rtmp", "rtmps", "rtmpq", "rtmpq?transport=quic-only"])
def test_publish_and_play(signing_server, procs, clip, tmp_path, form):
    server = signing_server
    url = server.url(form, "live/a")
    refused = procs.millrace("push", "--no-reconnect", clip.path, url)
    assert refused.wait(20) == 6, refused.text
    refused = procs.millrace("push", "--no-reconnect", clip.path, signed("play", url))
    assert refused.wait(20) == 6 and "wrong signature" in refused.text
    procs.millrace("push", "--loop", clip.path, signed("publish", url))
    server.wait_publisher("live/a")
    refused = procs.millrace("pull", "--no-reconnect", url, tmp_path / "none.flv")
    assert refused.wait(20) == 6 and "without a signature" in refused.text
    out = tmp_path / "got.flv"
    pull = procs.millrace("pull", signed("play", url), out)
    until(lambda: out.exists() and out.stat().st_size > 100_000, timeout=30, what="media")
    assert pull.stop() == 0
    assert Decoded(out).pictures
    assert "sign=***" in server.process.text and signed("play", url)[-20:] not in server.process.text


def test_over_http(signing_server, procs, clip, tmp_path):
    server = signing_server
    procs.millrace("push", "--loop", clip.path, signed("publish", server.rtmp("live/a")))
    server.wait_publisher("live/a")
    for path in ("/live/a.flv", "/live/a.m3u8", "/live/a/index.m3u8"):
        assert get(server, path)[0] == 403
        assert get(server, path + "?expires=9999999999&sign=00")[0] == 403
    out = tmp_path / "got.flv"
    subprocess.run(["curl", "-s", "-m", "3", "-o", out, signed("play", server.http("/live/a.flv"))])
    assert out.stat().st_size > 10_000
    assert get(server, path_of(signed("play", server.http("/live/b.flv"))))[0] == 404, "it may, but there is none"
    # By the signature alone: what was fetched from another address is not remembered for this one.
    for number, path in enumerate(("/live/a.m3u8", "/live/a/index.m3u8", "/live/a/ts.m3u8")):
        done = subprocess.run(["curl", "-s", "-m", "20", "--interface", f"127.0.0.{number + 2}", "-o", out, "-w", "%{http_code}", signed("play", server.http(path))],
                              capture_output=True, text=True)
        assert done.stdout == "200", path
    # What the playlist names carries no signature: who showed one may fetch it, from the same address.
    out = tmp_path / "got.ts"
    done = subprocess.run(["ffmpeg", "-v", "error", "-i", signed("play", server.http("/live/a.m3u8")), "-t", "3", "-c", "copy", out], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and Decoded(out).pictures, done.stderr
    assert get(server, "/live/a/index.m3u8")[0] == 200
    assert get(server, "/live/b/index.m3u8")[0] == 403, "of that stream only"
    # What is not there is granted to nobody, or names alone would fill the table.
    assert get(server, path_of(signed("play", server.http("/live/c.m3u8"))))[0] == 404
    procs.millrace("push", "--loop", clip.path, signed("publish", server.rtmp("live/c")))
    server.wait_publisher("live/c")
    assert get(server, "/live/c/index.m3u8")[0] == 403


def test_an_address_expires(signing_server, procs, clip):
    server = signing_server
    soon = signed("publish", server.rtmp("live/a"), "--lasts", "1")
    while time.time() < int(soon.split("expires=")[1].split("&")[0]):
        time.sleep(0.1)  # the clock itself is what is waited for
    refused = procs.millrace("push", "--no-reconnect", clip.path, soon)
    assert refused.wait(20) == 6 and "expired" in refused.text


@pytest.mark.parametrize("arguments, words", [
    (["play", "rtmp://h/live"], "which stream"), (["play", "http://h/a.flv"], "which stream"), (["watch", "rtmp://h/live/a"], "ACTION"), (["play", "rtmp://h/live/a", "--lasts", "0"], "--lasts"),
    (["play", "http://h/live/%41.flv"], "percent"), (["play", "rtmp://h/live/a", "--secret-file", "/nowhere"], "/nowhere: No such file"), (["play", "ftp://h/live/a"], "rtmp"),
    (["play", "rtmp://h/live/a", "--secret-file", "/"], "Is a directory"), (["play", "rtmp://h/live/a", "--secret-file", "/dev/null"], "no secret in its first line"),
    (["play", "http://h/live/a"], ".flv or /APP/NAME.m3u8"), (["play", "http://h/live/.flv"], "which stream"), (["publish", "http://h/live/a.flv"], "nobody publishes over HTTP"),
    (["publish", "https://h/live/a"], "nobody publishes over HTTP")])
def test_what_cannot_be_signed(procs, arguments, words):
    process = procs.millrace("sign", *arguments, env={"MILLRACE_SIGN_SECRET": SECRET})
    assert process.wait(10) in (2, 7) and words in process.text
