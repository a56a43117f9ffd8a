"""The way to the server changes: a client over QUIC moves where that leads somewhere, and stays where it does not."""
import os
import re
import shutil
import subprocess

import pytest

from process import until

SERVER = "10.9.0.1"
WAYS = ("wifi", "cable", "mobile")


class Networks:
    """A client with three interfaces, each with a way to the server, in namespaces of their own."""

    def __init__(self):
        self.client, self.server = (f"millrace-{end}-{os.getpid()}" for end in ("client", "server"))

    def build(self):
        for name in (self.client, self.server):
            self.ip(name, "link", "set", "lo", "up")
        self.ip(self.server, "address", "add", f"{SERVER}/32", "dev", "lo")
        for number, way in enumerate(WAYS, 1):
            self.ip(self.client, "link", "add", "name", way, "type", "veth", "peer", "name", way, "netns", self.server)
            for name, host in ((self.server, 1), (self.client, 2)):
                self.ip(name, "address", "add", f"10.{number}.0.{host}/24", "dev", way)
                self.ip(name, "link", "set", way, "up")
        self.lead_over("wifi", metric=600)

    @staticmethod
    def ip(name, *words):
        subprocess.run(["ip", "-n", name, *words], check=True, timeout=10)

    def lead_over(self, way, metric=100):
        self.ip(self.client, "route", "replace", f"{SERVER}/32", "via", f"10.{WAYS.index(way) + 1}.0.1", "metric", str(metric))

    def swallow(self, way):
        """From now on this network takes everything and delivers nothing."""
        gateway = f"10.{WAYS.index(way) + 1}.0.1"
        self.ip(self.client, "neighbour", "replace", gateway, "lladdr", "02:00:00:00:00:01", "dev", way, "nud", "permanent")

    @staticmethod
    def inside(name):
        return ["ip", "netns", "exec", name]


@pytest.fixture
def networks():
    if not shutil.which("ip"):
        pytest.skip("iproute2 is not installed")
    both = Networks()
    try:
        for name in (both.client, both.server):
            made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, timeout=10)
            if made.returncode != 0:
                pytest.skip(f"network namespaces are not permitted here: {made.stderr.strip()}")
        both.build()
        yield both
    finally:
        for name in (both.client, both.server):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, timeout=10)


def test_networks_that_swallow_everything_do_not_take_the_stream_along(networks, procs, start_server, clip, tmp_path):
    """One after the other, as changes of routes come in bursts: the stream stays where it gets through, and moves to what leads somewhere in the end."""
    procs.prefix = networks.inside(networks.server)
    server = start_server("--allow-publish", "all", listen=SERVER)
    url = server.url("rtmpq?fallback=none", "live/a").replace("127.0.0.1", SERVER)
    out = tmp_path / "out.flv"
    pull = procs.millrace("pull", url, out)
    server.wait_player("live/a")
    procs.prefix = networks.inside(networks.client)
    push = procs.millrace("push", "--loop", clip.path, url)
    server.wait_publisher("live/a")

    def flows(what):
        more = (out.stat().st_size if out.exists() else 0) + 100_000
        until(lambda: out.exists() and out.stat().st_size > more, what=f"media {what}")

    flows("at first")
    networks.swallow("cable")
    networks.lead_over("cable")
    flows("past a network that swallows it")
    networks.swallow("mobile")
    networks.lead_over("mobile")
    flows("past a second one")
    networks.lead_over("cable")
    flows("past the first one, again")
    mark = server.process.mark()
    networks.ip(networks.client, "neighbour", "del", "10.3.0.1", "dev", "mobile")
    networks.lead_over("mobile")
    server.process.wait_line(r"path changed: 10\.1\.0\.2:\d+ is now 10\.3\.0\.2:\d+", after=mark)
    flows("over the new network")
    assert push.stop() == 0, push.tail()
    assert pull.wait(20) == 0, "it ends with its publisher: " + pull.tail()
    assert len(re.findall(r'rtmp connect app="live"', server.process.text)) == 2, "somebody had to connect again"
