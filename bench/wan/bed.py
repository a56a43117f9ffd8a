"""Two network namespaces, the link between them, and the programs that run in them."""
import itertools
import json
import os
import pathlib
import signal
import subprocess
import threading
import time

from links import EVENT_MS, SECOND_LINK

NEAR, NEAR_NEW, FAR = "10.77.0.1", "10.77.0.3", "10.77.0.2"
NEAR_SECOND, FAR_SECOND = "10.77.1.1", "10.77.1.2"
ALLOWED = "10.77.0.0/16"
counter = itertools.count()


class Failed(Exception):
    pass


class Host:
    """A network namespace and what runs in it."""

    def __init__(self, name, log):
        self.name, self.log = name, log
        self.children = []
        subprocess.run(["ip", "netns", "add", name], check=True)

    def start(self, argv, **pipes):
        pipes.setdefault("stderr", self.log)
        child = subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, argv)], **pipes)
        self.children.append(child)
        return child

    def run(self, *argv):
        subprocess.run(["ip", "netns", "exec", self.name, *map(str, argv)], check=True, stderr=self.log, stdout=self.log)

    def ip(self, words):
        subprocess.run(["ip", "-n", self.name, *words.split()], check=True, stderr=self.log)

    def set(self, **settings):
        """Settings below /proc/sys/net/ipv4, with _ for /: they are the namespace's own."""
        for name, value in settings.items():
            self.run("sh", "-c", f"echo {value} > /proc/sys/net/ipv4/{name.replace('__', '/')}")

    def close(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Bed:
    """near --link--> far. `event` is one of SCENARIOS or None; it happens EVENT_MS after the link is up."""

    def __init__(self, wan_link, link, seed, folder, event=None):
        self.wan_link, self.link_is, self.seed, self.folder, self.event = wan_link, link, seed, folder, event
        self.counters = {}

    def __enter__(self):
        name = f"wan-{os.getpid()}-{next(counter)}"
        self.log = open(self.folder / "log", "wb")
        self.hosts, self.links, self.timer = [], [], None
        try:
            for side in ("near", "far"):
                self.hosts.append(Host(f"{name}-{side}", self.log))
            self.near, self.far = self.hosts
            for host in self.hosts:
                # No IPv6, so that nothing but the publisher speaks; both links may be used for either address.
                host.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 || true")
                host.set(conf__all__promote_secondaries=1, conf__all__rp_filter=0, conf__default__rp_filter=0)
                host.ip("link set lo up")
            extra = ["--rebind", str(EVENT_MS)] if self.event == "rebind" else []
            self.join("wan", self.link_is, NEAR, FAR, extra)
            self.up_at = time.monotonic()
            if self.event == "switch":
                self.join("wan2", SECOND_LINK, NEAR_SECOND, FAR_SECOND)
            if self.event in ("address", "switch"):
                self.timer = threading.Timer(EVENT_MS / 1000, self.move)
                self.timer.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def join(self, device, link, near_address, far_address, extra=()):
        process = subprocess.Popen([self.wan_link, self.near.name, device, self.far.name, device, *link.options(), "--seed", str(self.seed), *extra],
                                   stdout=subprocess.PIPE, stderr=self.log)
        self.links.append(process)
        if process.stdout.readline() != b"ready\n":
            raise Failed(f"wan_link does not start: what it says is in {self.folder / 'log'}")
        for host, address in ((self.near, near_address), (self.far, far_address)):
            host.ip(f"addr add {address}/24 dev {device}")
            host.ip(f"link set {device} up")

    def move(self):
        if self.event == "address":
            self.near.ip(f"addr add {NEAR_NEW}/24 dev wan")
            self.near.ip(f"addr del {NEAR}/24 dev wan")
        else:
            self.near.ip(f"route replace {FAR}/32 dev wan2 src {NEAR_SECOND}")

    def congestion(self, name):
        # A namespace may only choose what the machine allows to everyone.
        allowed = pathlib.Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
        if name not in allowed.read_text().split():
            try:
                allowed.write_text(f"{allowed.read_text().strip()} {name}")
            except OSError:
                raise Failed(f"this kernel has no TCP congestion control '{name}': load it (modprobe tcp_{name}) or leave it out with --systems")
        for host in self.hosts:
            host.set(tcp_congestion_control=name)

    def __exit__(self, *_):
        if self.timer:
            self.timer.cancel()
            self.timer.join()
        for host in self.hosts:
            for child in host.children:
                if child.poll() is None:
                    child.terminate()
        for process in self.links:
            process.send_signal(signal.SIGTERM)
            text = process.communicate()[0]
            if not self.counters and text:
                self.counters = json.loads(text)
        for host in self.hosts:
            host.close()
        self.log.close()
