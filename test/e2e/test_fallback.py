"""What happens when QUIC does not get through, and what never happens."""
import re
import subprocess

import pytest

from test_http import fetch_json

SLACK = 0.15  # seconds: a sanitized program on a busy machine


def test_server_without_quic(start_server, procs, blink):
    """Falls back to TLS, is publishing within a second of the start of the program, and says why."""
    server = start_server("--no-quic")
    push = procs.millrace("push", blink.path, server.url("rtmpq", "live/a"))
    published = server.wait_publisher("live/a")
    assert push.wait(20) == 0, push.tail()
    assert published[1] == "rtmps"
    assert published.at - push.started < 1.0
    assert re.search(r"fell back to (TLS|rtmps)", push.text, re.I), push.text
    # And the operator sees it.
    event, = (e for e in fetch_json(server, "/api/v1/stream/events?name=live/a")[1]["events"] if e["reason"] == "fell_back")
    assert event["detail"].startswith("fell back to TLS: ")


@pytest.mark.parametrize("form, expected", [("rtmps?transport=quic", "rtmps"), ("rtmp?transport=quic", "rtmp"), ("rtmpq?fallback=rtmp", "rtmp")])
def test_falls_back_to_what_the_uri_allows(form, expected, start_server, procs, blink):
    server = start_server("--no-quic")
    push = procs.millrace("push", blink.path, server.url(form, "live/a"))
    assert server.wait_publisher("live/a")[1] == expected
    assert push.wait(20) == 0, push.tail()


@pytest.mark.parametrize("form", ["rtmpq?fallback=none", "rtmp?transport=quic-only"])
def test_no_fallback_where_none_is_allowed(form, start_server, procs, blink, relay_for):
    server = start_server("--no-quic")
    relay = relay_for(server)
    status, push = procs.run_millrace("push", "--no-reconnect", blink.path, server.url(form, "live/a", port=relay.port))
    assert status == 4, push.tail()
    assert relay.tcp_first_bytes == [], "it went to TCP"


def test_udp_swallowed(server, procs, blink, relay_for):
    """A network that answers nothing to UDP costs the head start of 250 ms, not the handshake's deadline."""
    relay = relay_for(server, forward_udp=False)
    push = procs.millrace("push", blink.path, server.url("rtmpq", "live/a", port=relay.port))
    published = server.wait_publisher("live/a")
    assert push.wait(20) == 0, push.tail()
    assert published[1] == "rtmps" and relay.udp_dropped > 0
    assert published.at - push.started < 1.0 + 0.25
    assert re.search(r"fell back to (TLS|rtmps)", push.text, re.I), push.text


SNIFFER = r"""
import socket, struct, sys, time
packets = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
print("sniffing", flush=True)
while True:
    data, (_, protocol, kind, *_) = packets.recvfrom(65536)
    if protocol != 0x0800 or kind == 4 or data[9] not in (6, 17): continue  # 4: our own copy of what leaves
    head = (data[0] & 15) * 4
    source, target = struct.unpack("!HH", data[head:head + 4])
    if data[9] == 17:
        print("udp", source, target, flush=True)
    else:
        payload = data[head + (data[head + 12] >> 4) * 4:]
        print("tcp", source, target, len(payload), payload[:1].hex(), flush=True)
"""


def test_udp_dropped_by_a_firewall(namespace, procs, start_server, blink):
    """In a network namespace of its own with nft: publishing within 250 ms + 4 round trips of the first QUIC packet."""
    rules = "table inet millrace {\n chain input {\n type filter hook input priority 0;\n meta l4proto udp drop\n }\n}\n"
    done = subprocess.run(["ip", "netns", "exec", namespace, "nft", "-f", "-"], input=rules, capture_output=True, text=True, timeout=10)
    if "not permitted" in done.stderr:
        pytest.skip(f"nft is not permitted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    procs.prefix = ["ip", "netns", "exec", namespace]
    server = start_server()
    sniffer = procs.start("sniffer", ["/usr/bin/python3", "-c", SNIFFER])
    sniffer.wait_line("sniffing")
    push = procs.millrace("push", blink.path, server.url("rtmpq", "live/a"))
    first = sniffer.wait_line(rf"^udp \d+ {server.port}$")
    published = server.wait_publisher("live/a")
    assert push.wait(20) == 0, push.tail()
    assert published[1] == "rtmps"
    took = published.at - first.at
    print(f"publishing {took * 1000:.0f} ms after the first QUIC packet")
    assert took < 0.25 + 4 * 0.001 + SLACK


def untrusted(server):
    """Ways to meet a certificate that is not accepted: the wrong pin, none at all (self-signed), another authority."""
    wrong_pin = ("0" if server.pin[0] != "0" else "1") + server.pin[1:]
    return {"wrong pin": f"pin={wrong_pin}", "no pin": ""}


@pytest.mark.parametrize("case", ["wrong pin", "no pin"])
@pytest.mark.parametrize("form", ["rtmpq", "rtmpq?fallback=rtmp", "rtmp?transport=quic", "rtmps"])
@pytest.mark.parametrize("command", ["push", "pull"])
def test_certificate_not_accepted(command, form, case, server, procs, blink, relay_for, tmp_path):
    """Refused with its own status; no RTMP over TCP, whatever fallback the URI allows."""
    relay = relay_for(server)
    scheme, _, parameter = form.partition("?")
    query = "&".join(p for p in (parameter, untrusted(server)[case]) if p)
    url = f"{scheme}://127.0.0.1:{relay.port}/live/a" + (f"?{query}" if query else "")
    arguments = ["push", blink.path, url] if command == "push" else ["pull", url, tmp_path / "out.flv"]
    status, process = procs.run_millrace(*arguments)
    assert status == 5, process.tail()
    assert re.search("certificate|not the pinned one", process.text)
    # What TCP carried, if anything, was the start of a TLS handshake (0x16), never RTMP (0x03).
    assert all(first[:1] in (b"", b"\x16") for first in relay.tcp_first_bytes), relay.tcp_first_bytes
    assert "rtmp connect" not in server.process.text


def test_certificate_not_accepted_over_tls_after_fallback(start_server, procs, blink, relay_for):
    """Where only TLS answers, its certificate counts just as much: plain RTMP is no way out."""
    server = start_server("--no-quic")
    relay = relay_for(server)
    status, process = procs.run_millrace("push", blink.path, f"rtmpq://127.0.0.1:{relay.port}/live/a?pin={'0' * 64}")
    assert status == 5, process.tail()
    assert all(first[:1] in (b"", b"\x16") for first in relay.tcp_first_bytes)
    assert "rtmp connect" not in server.process.text


def test_insecure_is_explicit_and_loud(server, procs, blink):
    status, push = procs.run_millrace("push", "--insecure", blink.path, f"rtmpq://127.0.0.1:{server.port}/live/a")
    assert status == 0, push.tail()
    assert re.search(r"insecure|not (checked|verified)", push.text, re.I), push.text


def test_pin_as_an_option(server, procs, blink):
    status, push = procs.run_millrace("push", "--pin", server.pin, blink.path, f"rtmpq://127.0.0.1:{server.port}/live/a?fallback=none")
    assert status == 0, push.tail()


def test_certificate_of_an_own_authority(procs, start_server, blink, tmp_path):
    """--ca FILE: the chain and the name are checked."""
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=20, cwd=tmp_path)
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", 2,
            "-subj", "/CN=test authority")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=localhost")
    (tmp_path / "names").write_text("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "leaf.pem", "-days", 2, "-extfile", "names")
    server = start_server("--cert", tmp_path / "leaf.pem", "--key", tmp_path / "leaf.key")
    for form in ("rtmpq://localhost:{}/live/a?fallback=none", "rtmps://localhost:{}/live/a"):
        status, push = procs.run_millrace("push", "--ca", tmp_path / "ca.pem", blink.path, form.format(server.port))
        assert status == 0, push.tail()
        # The name counts: the certificate is for localhost, not for the address.
        status, push = procs.run_millrace("push", "--ca", tmp_path / "ca.pem", blink.path, form.format(server.port).replace("localhost", "127.0.0.1"))
        assert status == 5, push.tail()


@pytest.mark.parametrize("command", ["push", "pull"])
def test_rtmp_without_identifier_sends_no_udp(command, server, procs, clip, relay_for, tmp_path):
    """Counted by a relay on the same port number; ?token=quic=1x is no identifier."""
    relay = relay_for(server)
    for path in ("live/a", "live/a?token=quic=1x", "live/a?xtransport=quic"):
        mark = server.process.mark()
        if command == "push":
            process = procs.millrace("push", clip.path, server.url("rtmp", path, port=relay.port))
            assert server.wait_publisher("live/a", after=mark)[1] == "rtmp"
        else:
            process = procs.millrace("pull", server.url("rtmp", path, port=relay.port), tmp_path / "out.flv")
            assert server.wait_player("live/a", after=mark)[1] == "rtmp"
        process.stop()
        server.process.wait_line("unpublishes live/a" if command == "push" else "stops playing live/a", after=mark)
    assert relay.udp_from_client == 0


def test_the_relay_counts_udp(server, procs, blink, relay_for):
    """The counter of the test above is alive."""
    relay = relay_for(server)
    status, push = procs.run_millrace("push", blink.path, server.url("rtmpq", "live/a", port=relay.port))
    assert status == 0, push.tail()
    assert relay.udp_from_client > 3
