"""Mistakes of people: one clear line that says what to do, and an exit status per kind."""
import os
import socket

import pytest

from media import ffmpeg
from process import MILLRACE

OK, INTERNAL, USAGE, INPUT, NETWORK, CERTIFICATE, REFUSED, LOCAL = range(8)


def one_clear_line(process, *words):
    lines = [line for line in process.lines if line.strip()]
    assert len(lines) == 1, process.text
    assert len(lines[0]) < 400
    for word in words:
        assert word.lower() in lines[0].lower(), lines[0]


@pytest.mark.parametrize("arguments, words", [
    (["serve", "--lisen", "1"], ["--lisen"]),
    (["serve", "--listen", "nonsense:port"], ["--listen"]),
    (["serve", "--log-level", "loud"], ["log-level"]),
    (["push"], []),
    (["push", "FILE"], []),
    (["push", "--frob", "FILE", "rtmp://127.0.0.1/live/a"], ["--frob"]),
    (["push", "FILE", "http://127.0.0.1/live/a"], ["rtmp"]),
    (["push", "FILE", "rtmp://127.0.0.1:99999/live/a"], ["port"]),
    (["push", "FILE", "rtmp://user:word@127.0.0.1/live/a"], ["user"]),
    (["push", "FILE", "rtmpq://127.0.0.1/live/a?pin=12"], ["pin"]),
    (["frobnicate"], []),
    ([], ["serve", "check-config", "sign", " or bench"]),
])
def test_usage(arguments, words, procs, blink):
    status, process = procs.run_millrace(*[str(blink.path) if a == "FILE" else a for a in arguments]) if arguments else run_bare(procs)
    assert status == USAGE, process.text
    text = process.text.lower()
    assert text and all(word in text for word in words), process.text
    assert len(process.lines) <= 3 or not arguments, process.text


def run_bare(procs):
    from process import MILLRACE
    process = procs.start("millrace", [MILLRACE])
    return process.wait(10), process


def test_help_is_no_mistake(procs):
    for command in ("serve", "push", "pull", "bridge", "probe"):
        status, process = procs.run_millrace(command, "--help")
        assert status == OK and len(process.lines) > 3


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_port_taken(kind, procs, tmp_path):
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        status, process = procs.run_millrace("serve", "--listen", f"127.0.0.1:{port}", "--state", tmp_path / "state")
    assert status == LOCAL, process.text
    one_clear_line(process, str(port), "--listen")


def test_second_server_on_one_port(server, procs, tmp_path):
    status, process = procs.run_millrace("serve", "--listen", f"127.0.0.1:{server.port}", "--state", tmp_path / "other")
    assert status == LOCAL, process.text
    one_clear_line(process, str(server.port), "--listen")


def test_more_threads_than_descriptors(procs, tmp_path):
    # The sanitizer's own need some, and the hard limit cannot be raised.
    argv = ["/usr/bin/prlimit", "--nofile=40:40", MILLRACE, "serve", "--listen", "127.0.0.1:0", "--state", tmp_path / "state", "--shards", 32]
    process = procs.start("serve", argv)
    assert process.wait(10) == LOCAL, process.text
    one_clear_line(process, "--shards", "ulimit -n")


@pytest.mark.parametrize("content", [None, "", "no certificate\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_certificate_missing_or_no_certificate(content, procs, tmp_path):
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    for path in (certificate, key):
        if content is not None:
            path.touch(mode=0o600)
            path.write_text(content)
    status, process = procs.run_millrace("serve", "--listen", "127.0.0.1:0", "--cert", certificate, "--key", key, "--state", tmp_path / "state")
    assert status == LOCAL, process.text
    one_clear_line(process, "server.")


def test_certificate_without_its_key(procs, tmp_path):
    status, process = procs.run_millrace("serve", "--cert", tmp_path / "server.crt")
    assert status == USAGE
    one_clear_line(process, "--key")


def test_state_directory_unusable(procs, tmp_path):
    (tmp_path / "file").write_text("")
    status, process = procs.run_millrace("serve", "--listen", "127.0.0.1:0", "--state", tmp_path / "file" / "state")
    assert status == LOCAL, process.text
    one_clear_line(process, "state")


@pytest.mark.parametrize("text, words", [
    ("lisen = [':1935']\n", ["lisen", "listen"]),
    ("listen = \n", ["conf.toml", "1"]),
    ("[publish]\nallow = 'no range'\n", ["conf.toml:2", "publish.allow"]),
])
def test_configuration_file(text, words, procs, tmp_path):
    (tmp_path / "conf.toml").write_text(text)
    status, process = procs.run_millrace("serve", "-c", tmp_path / "conf.toml")
    assert status == USAGE, process.text
    one_clear_line(process, *words)


def test_configuration_file_missing(procs, tmp_path):
    status, process = procs.run_millrace("serve", "-c", tmp_path / "none.toml")
    assert status in (USAGE, LOCAL), process.text
    one_clear_line(process, "none.toml")


@pytest.mark.parametrize("scheme", ["rtmp", "rtmpq"])
@pytest.mark.parametrize("command", ["push", "pull"])
def test_unknown_host(command, scheme, procs, blink, tmp_path):
    url = f"{scheme}://no-such-host.invalid/live/a"
    status, process = procs.run_millrace(*(["push", blink.path, url] if command == "push" else ["pull", url, tmp_path / "out.flv"]))
    assert status == NETWORK, process.text
    assert "no-such-host.invalid" in process.lines[-1], process.text


def test_nobody_listens(procs, blink, free_port):
    status, process = procs.run_millrace("push", "--no-reconnect", blink.path, f"rtmp://127.0.0.1:{free_port}/live/a")
    assert status == NETWORK, process.text
    assert str(free_port) in process.lines[-1], process.text


@pytest.mark.parametrize("what", ["notes", "clip", "folder"])
def test_a_file_that_is_not_of_resume_stays(what, server, procs, blink, tmp_path):
    path = tmp_path / "notes.txt"
    content = b"my notes\n" if what == "notes" else blink.path.read_bytes() if what == "clip" else None
    path.mkdir() if what == "folder" else path.write_bytes(content)
    mark = server.process.mark()
    status, process = procs.run_millrace("push", blink.path, server.url("rtmp", "live/a"), "--resume", path)
    assert status == LOCAL, process.text
    one_clear_line(process, "notes.txt is no file of --resume: choose another")
    assert path.is_dir() if what == "folder" else path.read_bytes() == content
    assert not [line for line in server.process.lines[mark:] if "publish" in line]


@pytest.mark.parametrize("command", ["push", "pull", "bridge", "probe"])
def test_a_misspelt_wish_in_the_address(command, free_port, procs, blink, tmp_path):
    """It goes on as ever, here to nowhere, but not without a word."""
    url = f"rtmp://127.0.0.1:{free_port}/live/a?key=hunter2&transport=qick&fallback=off"
    rest = {"push": [blink.path, url], "pull": [url, tmp_path / "out.flv"], "bridge": [url, "--listen", "127.0.0.1:0"], "probe": [url]}[command]
    process = procs.millrace(command, *rest)
    process.wait_line("transport=qick is none of quic, quic-only")
    process.wait_line("fallback=off is none of none, rtmps, rtmp")
    if command == "bridge":
        process.wait_line("ready")
        assert process.stop() == OK, process.text
    else:
        assert process.wait(20) == NETWORK, process.text
    assert process.text.count("is none of") == 2 and "hunter2" not in process.text


@pytest.mark.parametrize("content", [None, b"", b"These are words, not pictures.\n" * 200, b"FLV\x01\x05\0\0\0\x09" + b"\xff" * 500])
def test_input_that_is_no_media(content, server, procs, tmp_path):
    path = tmp_path / "input.bin"
    if content is not None:
        path.write_bytes(content)
    status, process = procs.run_millrace("push", path, server.url("rtmpq", "live/a"))
    assert status == INPUT, process.text
    assert "input.bin" in process.lines[-1], process.text


def test_input_that_is_no_media_on_stdin(server, procs, tmp_path):
    (tmp_path / "words").write_bytes(b"These are words, not pictures.\n" * 200)
    with open(tmp_path / "words", "rb") as source:
        status, process = procs.run_millrace("push", "-", server.url("rtmpq", "live/a"), stdin=source)
    assert status == INPUT, process.text


def test_output_that_cannot_be_written(server, procs, tmp_path):
    status, process = procs.run_millrace("pull", server.url("rtmpq", "live/a"), tmp_path / "no" / "such" / "out.flv")
    assert status == LOCAL, process.text
    assert "out.flv" in process.lines[-1], process.text


def test_output_that_fails_with_its_last_bytes(server, procs, blink, tmp_path):
    """Pictures without sound wait for it for a second, so all of them are written at the end."""
    assert ffmpeg("-i", blink.path, "-an", "-c", "copy", tmp_path / "pictures.flv").returncode == 0
    pull = procs.millrace("pull", server.rtmp("live/a"), "/dev/full")
    server.process.wait_line("rtmp play ")
    assert procs.run_millrace("push", tmp_path / "pictures.flv", server.rtmp("live/a"))[0] == OK
    assert pull.wait(20) == LOCAL, pull.text
    assert "/dev/full" in pull.lines[-1], pull.text


def test_publishing_denied(start_server, procs, blink):
    server = start_server("--allow-publish", "192.0.2.0/24")
    status, process = procs.run_millrace("push", blink.path, server.url("rtmpq", "live/a"))
    assert status == REFUSED, process.text
    assert "Denied" in process.text or "denied" in process.text or "refused" in process.text, process.text


def test_name_taken(server, procs, clip, blink):
    procs.millrace("push", "--loop", clip.path, server.url("rtmpq", "live/a"))
    server.wait_publisher("live/a")
    status, process = procs.run_millrace("push", "--no-reconnect", blink.path, server.url("rtmpq", "live/a"))
    assert status == REFUSED, process.text
    assert "publishes already" in process.text, process.text


def test_bridge_port_taken(server, procs):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, process = procs.run_millrace("bridge", "--listen", f"127.0.0.1:{taken.getsockname()[1]}", f"rtmpq://127.0.0.1:{server.port}?pin={server.pin}")
    assert status == LOCAL, process.text
    one_clear_line(process, "--listen")


def test_keys_stay_out_of_the_logs(server, procs, blink):
    """The value of key= is a secret: on neither side, at no level, is it printed."""
    status, push = procs.run_millrace("push", blink.path, server.url("rtmpq", "live/a?key=hunter2&x=1"))
    assert status == OK, push.text
    server.process.wait_line(r'rtmp publish app="live" name="a" query="key=\*\*\*&x=\*\*\*"')
    assert "hunter2" not in server.process.text and "hunter2" not in push.text


@pytest.mark.parametrize("arguments, status, words", [
    (["push", "rtsp://admin:hunter2@127.0.0.1:1/cam/one", "rtmp://127.0.0.1/live/a"], INPUT, "rtsp://127.0.0.1:1/cam/"),
    (["push", "http://127.0.0.1:1/cam?token=hunter2", "rtmp://127.0.0.1/live/a"], INPUT, "http://127.0.0.1:1/cam"),
    (["push", "-", "a.flv", "rtmp://127.0.0.1/live/a b?key=hunter2"], USAGE, "rtmp://127.0.0.1/live"),
    (["pull", "--timeout", "rtmp://127.0.0.1/live/a b?key=hunter2", "-"], USAGE, "rtmp://127.0.0.1/live"),
    (["pull", "--timeout=rtmp://127.0.0.1/live/hunter2", "-"], USAGE, "rtmp://127.0.0.1/live"),
    (["push", "a.flv", "rtmp://127.0.0.1/live/a", "rtmp://127.0.0.1/live/a?key=hunter2"], USAGE, "rtmp://127.0.0.1/live"),
])
def test_keys_stay_out_of_complaints(arguments, status, words, procs):
    got, process = procs.run_millrace(*arguments)
    assert got == status, process.text
    assert words in process.text and "hunter2" not in process.text


def test_state_directory_is_private(server):
    assert os.stat(server.state).st_mode & 0o077 == 0
    assert all(os.stat(os.path.join(server.state, name)).st_mode & 0o077 == 0 for name in os.listdir(server.state) if not name.endswith(".crt"))
