"""SIGHUP: rules, keys, limits and certificates change under running streams, and what is wrong changes nothing."""
import contextlib
import signal
import socket
import subprocess

import pytest

from process import until
from test_http import fetch_json, get
from test_signed import path_of, signed

SELF = "allow = [\"loopback\"]"


def certificate(folder, name):
    """A certificate of its own key, and its pin."""
    cert, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-days", "9", "-subj", f"/CN={name}"],
                   check=True, capture_output=True)
    der = subprocess.run(f"openssl x509 -in '{cert}' -pubkey -noout | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r", shell=True, check=True, capture_output=True, text=True)
    return cert, key, der.stdout.split()[0]


class Reloaded:
    def __init__(self, start_server, folder, text):
        self.file = folder / "millrace.toml"
        self.file.write_text(text)
        self.server = start_server("--config", self.file)

    def now(self, text):
        """The line that says what became of it."""
        self.file.write_text(text)
        mark = self.server.process.mark()
        self.server.process.popen.send_signal(signal.SIGHUP)
        return self.server.process.wait_line(r"reloaded: .*|nothing was changed: .*", after=mark).text


def test_rules_change_under_a_running_stream(start_server, procs, clip, tmp_path):
    conf = Reloaded(start_server, tmp_path, f"[publish]\n{SELF}\n")
    server = conf.server
    running = procs.millrace("push", "--no-reconnect", "--loop", clip.path, server.rtmp("live/a"))
    server.wait_publisher("live/a")
    said = conf.now("[publish]\nallow = [\"192.0.2.1\"]\n[publish.keys]\n\"live/*\" = \"let-me-in\"\n")
    assert "publish.allow" in said and "publish.keys" in said
    refused = procs.millrace("push", "--no-reconnect", clip.path, server.rtmp("live/b"))
    assert refused.wait(20) != 0 and "needs its key" in refused.text
    procs.millrace("push", "--no-reconnect", "--loop", clip.path, server.rtmp("live/b?key=let-me-in"))
    server.wait_publisher("live/b")
    assert fetch_json(server, "/api/v1/keys")[1]["configured"] == ["live/*"]
    assert running.running()
    assert "no setting" in conf.now("[publish]\nallow = [\"192.0.2.1\"]\n[publish.keys]\n\"live/*\" = \"let-me-in\"\n")


def test_a_secret_that_is_withdrawn_ends_what_hls_viewers_fetch_by_it(start_server, procs, clip, tmp_path):
    old, new = "the secret of last week, long enough", "the secret of this week, long enough"
    text = "[access]\nsign_secrets = [{}]\n[publish]\n" + SELF + "\n[play]\nallow = []\n"
    conf = Reloaded(start_server, tmp_path, text.format(f'"{new}", "{old}"'))
    server = conf.server
    for name in ("a", "b"):
        procs.millrace("push", "--no-reconnect", "--loop", clip.path, server.rtmp(f"live/{name}"))
        server.wait_publisher(f"live/{name}")
    by_old, by_new = path_of(signed("play", server.http("/live/a.m3u8"), secret=old)), path_of(signed("play", server.http("/live/b.m3u8"), secret=new))
    for path in (by_old, by_new):
        assert get(server, path)[0] == 200
    for name in ("a", "b"):
        assert get(server, f"/live/{name}/index.m3u8")[0] == 200
    assert "access.sign_secrets" in conf.now(text.format(f'"{new}"'))
    assert get(server, by_old)[0] == 403
    assert get(server, "/live/a/index.m3u8")[0] == 403
    assert get(server, "/live/b/index.m3u8")[0] == 200, "the other secret goes on"


def test_what_is_wrong_changes_nothing(start_server, procs, clip, tmp_path):
    conf = Reloaded(start_server, tmp_path, f"[publish]\n{SELF}\n")
    for text, words in (("[publish]\nalow = []\n", "millrace.toml:2: publish.alow is no setting; did you mean publish.allow?"), ("[publish\n", "millrace.toml:1"),
                        ("[publish]\nallow = []\n[tls]\ncertificate = \"/nowhere.pem\"\nkey = \"/nowhere.pem\"\n", "/nowhere.pem")):
        said = conf.now(text)
        assert "nothing was changed" in said and words in said
    procs.millrace("push", "--no-reconnect", "--loop", clip.path, conf.server.rtmp("live/a"))
    conf.server.wait_publisher("live/a")
    # What cannot change while it runs is said, each time, and the rest is taken over.
    for _ in range(2):
        mark = conf.server.process.mark()
        conf.now(f"listen = \"127.0.0.1:1\"\nlog_level = \"debug\"\n[publish]\n{SELF}\n")
        conf.server.process.wait_line("takes a restart: listen", after=mark)


@pytest.mark.parametrize("form", ["rtmps", "rtmpq?transport=quic-only"])
def test_a_new_certificate_for_who_comes_from_now_on(start_server, procs, clip, tmp_path, form):
    (cert, key, old_pin), (new_cert, new_key, new_pin) = certificate(tmp_path, "old"), certificate(tmp_path, "new")
    text = f"[tls]\ncertificate = \"{cert}\"\nkey = \"{key}\"\n"
    conf = Reloaded(start_server, tmp_path, text)
    server = conf.server
    assert server.pin == old_pin
    running = procs.millrace("push", "--no-reconnect", "--loop", clip.path, server.url(form, "live/a"))
    server.wait_publisher("live/a")
    # As certbot does it: the files have the same names.
    cert.write_bytes(new_cert.read_bytes())
    key.write_bytes(new_key.read_bytes())
    conf.now(text)
    server.process.wait_line(f"the certificate was replaced: pin={new_pin}")
    assert fetch_json(server, "/api/v1/server")[1]["pin"] == new_pin
    refused = procs.millrace("push", "--no-reconnect", clip.path, server.url(form, "live/b"))
    assert refused.wait(20) == 5, refused.text
    server.pin = new_pin
    procs.millrace("push", "--no-reconnect", "--loop", clip.path, server.url(form, "live/b"))
    server.wait_publisher("live/b")
    assert running.running()


def test_settings_from_the_environment(procs, tmp_path):
    start = procs.millrace("serve", "--listen", "127.0.0.1:0", "--no-http", "--state", tmp_path / "state", env={"MILLRACE_SERVE_PUBLISH_ALLOW": "nonsense"})
    assert start.wait(10) == 2 and "MILLRACE_SERVE_PUBLISH_ALLOW" in start.text and "no address range" in start.text
    start = procs.millrace("serve", "--listen", "127.0.0.1:0", "--no-http", "--state", tmp_path / "state", env={"MILLRACE_SERVE_LISTEN_AT": "1"})
    assert start.wait(10) == 2 and "did you mean MILLRACE_SERVE_LISTEN" in start.text


def test_how_much_is_said(procs, tmp_path, free_port):
    """-v and -q, unless the file, the environment or --log-level says."""
    def said(*options, **env):
        server = procs.millrace("serve", "--listen", f"127.0.0.1:{free_port}", "--no-http", "--state", tmp_path / "state", *options, env=env)

        def answers():
            assert server.running(), server.text
            with contextlib.suppress(ConnectionRefusedError):
                return socket.create_connection(("127.0.0.1", free_port), timeout=5)
        with until(answers, what="a server") as peer:
            peer.sendall(b"no RTMP" * 500)
            peer.recv(1)  # the answer, or the end
        assert server.stop() == 0
        return {word for word in ("debug", "info") if f" {word} " in server.text}
    (tmp_path / "file.toml").write_text('log_level = "info"\n')
    assert said() == {"info"}
    assert said("-v") == {"debug", "info"}
    assert said("-q") == set()
    assert said("-v", "--config", tmp_path / "file.toml") == {"info"}
    assert said("-q", MILLRACE_SERVE_LOG_LEVEL="debug") == {"debug", "info"}
    assert said("-v", "--log-level", "error") == set()


def test_check_config_and_a_directory_of_recordings_that_serve_would_make(procs, tmp_path):
    config = tmp_path / "millrace.toml"
    for directory, wanted in [("new/recordings", 0), (".", 0), ("file/below", 7), ("file", 7)]:
        (tmp_path / "file").touch()
        config.write_text(f'[record]\ndirectory = "{tmp_path / directory}"\n')
        status, process = procs.run_millrace("check-config", config)
        assert status == wanted, f"{directory}: {process.text}"
        assert (wanted == 0) == ("record.directory" not in process.text)
    assert not (tmp_path / "new").exists(), "asking makes nothing"


def test_what_does_not_do_what_it_was_written_for_is_said(start_server, procs, tmp_path):
    doubtful = '[publish.keys]\n"live/*" = "let me in"\n[[record.rules]]\nstreams = "live/*"\n'
    said = ['publish.keys: the secret of "live/\\*" has characters', "record.rules does nothing without record.directory"]
    conf = Reloaded(start_server, tmp_path, doubtful)
    for line in said:
        conf.server.process.wait_line(f"warning {line}")
    mark = conf.server.process.mark()
    conf.now(doubtful)
    for line in said:
        conf.server.process.wait_line(f"warning {line}", after=mark)
    status, process = procs.run_millrace("check-config", conf.file)
    assert status == 0 and "good, 2 settings" in process.text, process.text
    for line in said:
        process.wait_line(f"check-config: .*millrace.toml: warning: {line}")
    assert "let me in" not in process.text + conf.server.process.text


def test_a_file_that_became_a_directory_changes_nothing(start_server, procs, tmp_path):
    conf = Reloaded(start_server, tmp_path, "[play]\nallow = []\n")
    conf.file.unlink()
    conf.file.mkdir()
    conf.server.process.popen.send_signal(signal.SIGHUP)
    conf.server.process.wait_line("nothing was changed: configuration file .*: Is a directory")
    for command in (["check-config", conf.file], ["sign", "publish", "rtmp://127.0.0.1/live/a", "-c", conf.file], ["serve", "-c", conf.file]):
        status, process = procs.run_millrace(*command)
        assert status == 7 and "Is a directory" in process.text, process.text


def test_a_certificate_that_is_taken_out_stays_until_a_restart(start_server, procs, blink, tmp_path):
    cert, key, pin = certificate(tmp_path, "one")
    conf = Reloaded(start_server, tmp_path, f"[tls]\ncertificate = \"{cert}\"\nkey = \"{key}\"\n")
    mark = conf.server.process.mark()
    assert "no setting that can be taken over differs" in conf.now("")
    conf.server.process.wait_line("takes a restart: tls.certificate, tls.key", after=mark)
    assert procs.millrace("push", "--no-reconnect", blink.path, f"rtmps://127.0.0.1:{conf.server.port}/live/a?pin={pin}").wait(20) == 0
