"""Two network namespaces, the link between them, and the programs that run in them."""
import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

from links import EVENT_MS, RIVAL_AT_MS, SECOND_LINK

NEAR, NEAR_NEW, FAR = "10.77.0.1", "10.77.0.3", "10.77.0.2"
NEAR_SECOND, FAR_SECOND = "10.77.1.1", "10.77.1.2"
ALLOWED = "10.77.0.0/16"
RIVAL_RISE_S = 2  # a TCP flow's slow start, which is not its share
counter = itertools.count()


class Failed(Exception):
    pass


def reason_against_running():
    """Why there can be no bed on this machine, with what to do; None: there can."""
    if os.geteuid() != 0:
        return "network namespaces and TUN devices need root: run this as root, or as ./x bench wan, which uses sudo"
    if not pathlib.Path("/dev/net/tun").exists():
        return "/dev/net/tun is missing: modprobe tun; a container needs --device /dev/net/tun --cap-add NET_ADMIN --cap-add SYS_ADMIN"
    try:
        remove_leftovers()
        name = f"wan-{os.getpid()}-try"
        subprocess.run(["ip", "netns", "add", name], check=True, capture_output=True, text=True)
        subprocess.run(["ip", "netns", "del", name], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        return "the program ip is missing: apt-get install iproute2"
    except subprocess.CalledProcessError as failed:
        return f"no network namespace can be made ({failed.stderr.strip()}): a container needs --cap-add NET_ADMIN --cap-add SYS_ADMIN"
    return None


def remove_leftovers():
    """Namespaces of a bench that was killed. Their names hold its process id."""
    for line in subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout.splitlines():
        name = line.split()[0]
        if (found := re.match(r"wan-(\d+)-", name)) and not pathlib.Path("/proc", found[1]).exists():
            subprocess.run(["ip", "netns", "del", name], check=False)


CONGESTION = pathlib.Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")


@contextlib.contextmanager
def congestion_allowed(*names):
    """Namespaces may only choose what the machine allows to everyone; while this lasts it allows these too, if the kernel has them."""
    before = CONGESTION.read_text()
    for name in set(names) - set(before.split()):
        if shutil.which("modprobe"):  # for a kernel that has it as a module
            subprocess.run(["modprobe", f"tcp_{name}"], check=False, capture_output=True)
        try:
            CONGESTION.write_text(f"{CONGESTION.read_text().strip()} {name}")
        except OSError:
            pass  # reason_against_congestion() says so where it matters
    try:
        yield
    finally:
        CONGESTION.write_text(before)


def reason_against_congestion(name):
    """Why namespaces cannot use this TCP congestion control, where congestion_allowed() has tried; None: they can."""
    return None if name in CONGESTION.read_text().split() else f"this kernel has no TCP congestion control '{name}' (modprobe tcp_{name} does not help)"


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

    def wait_until_listening(self, protocol, port, seconds=10):
        # What a process sees of the network is its namespace's: no program has to be started to look, which would disturb other runs.
        table = pathlib.Path(f"/proc/{self.children[-1].pid}/net/{protocol}")
        bound = re.compile(rf":{port:04X} 00000000:0000 0[A7] ")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if table.exists() and bound.search(table.read_text()):
                return
            time.sleep(0.02)
        raise Failed(f"nothing listens on {protocol} port {port} after {seconds} s")

    def ip(self, words):
        subprocess.run(["ip", "-n", self.name, *words.split()], check=True, stderr=self.log)

    def set(self, **settings):
        """Settings below /proc/sys/net, with __ for /: they are the namespace's own."""
        self.run("sh", "-ec", "; ".join(f"echo {value} > /proc/sys/net/{name.replace('__', '/')}" for name, value in settings.items()))

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
    """near --link--> far. `event` is one of SCENARIOS or None; it happens while the media goes on, as links.py says."""

    def __init__(self, wan_link, link, seed, folder, event=None, seconds=0):
        self.wan_link, self.link_is, self.seed, self.folder, self.event, self.seconds = wan_link, link, seed, folder, event, seconds
        self.counters = {}
        self.rival = None

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
                if pathlib.Path("/proc/sys/net/ipv6").exists():
                    host.set(ipv6__conf__default__disable_ipv6=1)
                host.set(ipv4__conf__all__promote_secondaries=1, ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0)
                host.ip("link set lo up")
            extra = ["--rebind", str(EVENT_MS)] if self.event == "rebind" else []
            self.join("wan", self.link_is, NEAR, FAR, extra)
            if self.event == "switch":
                self.join("wan2", SECOND_LINK, NEAR_SECOND, FAR_SECOND)
                # As a provider does: what comes from there has to be what would be answered there.
                self.far.set(ipv4__conf__wan2__rp_filter=1)
            if self.event == "shared":
                self.far.start(["iperf3", "-s"], stdout=subprocess.DEVNULL)
        except BaseException:
            self.__exit__()
            raise
        return self

    def media_begins_at(self, monotonic_ns):
        moves, after_ms = {"address": (self.move, EVENT_MS), "switch": (self.move, EVENT_MS),
                           "shared": (self.compete, RIVAL_AT_MS)}.get(self.event, (None, 0))
        if moves:
            self.timer = threading.Timer((monotonic_ns - time.monotonic_ns()) / 1e9 + after_ms / 1000, moves)
            self.timer.start()

    def join(self, device, link, near_address, far_address, extra=()):
        ends = [self.near.name, device, self.far.name, device]
        words = [self.wan_link, *ends, *link.options(), "--seed", str(self.seed), *extra]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=self.log)
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

    def compete(self):
        words = ["iperf3", "-c", FAR, "-C", "cubic", "-O", RIVAL_RISE_S, "-t", self.rival_seconds(), "-J"]
        with open(self.folder / "iperf3.json", "wb") as out:
            self.rival = self.near.start(words, stdout=out)

    def rival_seconds(self):
        return max(3, round(self.seconds - RIVAL_RISE_S))

    def rival_kbit(self):
        """What the TCP flow beside the media got, when its start is over; None: there was none."""
        if self.event != "shared":
            return None
        self.timer.join()  # which may still be about to start it
        self.rival.wait(self.rival_seconds() + 15)
        text = (self.folder / "iperf3.json").read_text()
        try:
            return json.loads(text)["end"]["sum_received"]["bits_per_second"] / 1000
        except (KeyError, ValueError):
            raise Failed(f"iperf3 has no result: {text.strip()[-200:]}")

    def congestion(self, name):
        for host in self.hosts:
            host.set(ipv4__tcp_congestion_control=name)

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
