#!/usr/bin/python3
"""Live media over bad links: one table of how old frames are when they arrive, for millrace and for what people use today.

    bench/wan/run.py [--links L1,L3] [--systems quic,tcp] [--seeds 3] [--seconds 30] [--out DIR]

Needs root (network namespaces, TUN). Every run: a publisher in one namespace, server and viewer in the other, between them wan_link. What a
frame's age is: from its making (before the encoder's output pipe) to the whole frame in the viewer's hands.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NEAR, FAR = "10.77.0.1", "10.77.0.2"
MEDIA = [sys.executable, str(HERE / "media.py")]

# name: (what it is, options of wan_link)
LINKS = {
    "L0": ("clean, RTT 50 ms", ["--delay", "25"]),
    "L1": ("RTT 50 ms, 1 % loss", ["--delay", "25", "--loss", "1"]),
    "L2": ("RTT 100 ms, 3 % loss", ["--delay", "50", "--loss", "3"]),
    "L3": ("RTT 200 ms, 5 % loss in bursts of 4", ["--delay", "100", "--loss", "5", "--burst", "4"]),
    "L4": ("RTT 60 ms, 10 % loss", ["--delay", "30", "--loss", "10"]),
    "L5": ("RTT 100 ms, 3 % loss, 3.5 Mb/s up", ["--delay", "50", "--loss", "3", "--up-rate", "3500"]),
    "L6": ("RTT 80 ms, 1 % loss, two outages of 1 s", ["--delay", "40", "--loss", "1", "--outage", "8000:1000", "--outage", "15000:1000"]),
    "L7": ("RTT 60 ms, 2.2 Mb/s up: less than the media", ["--delay", "30", "--up-rate", "2200"]),
}


class Failed(Exception):
    pass


class Host:
    """A network namespace and what runs in it."""

    def __init__(self, name, log):
        self.name, self.log = name, log
        self.children = []

    def start(self, argv, **pipes):
        child = subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, argv)], stderr=self.log, **pipes)
        self.children.append(child)
        return child

    def run(self, *argv):
        subprocess.run(["ip", "netns", "exec", self.name, *map(str, argv)], check=True, stderr=self.log, stdout=self.log)

    def stop_all(self):
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


class Bed:
    """Two hosts and the link between them."""

    def __init__(self, tools, link, seed, folder):
        self.tools, self.folder = tools, folder
        self.log = open(folder / "log", "wb")
        self.near, self.far = Host(f"wan-near-{os.getpid()}", self.log), Host(f"wan-far-{os.getpid()}", self.log)
        for host in (self.near, self.far):
            subprocess.run(["ip", "netns", "add", host.name], check=True)
        self.link = subprocess.Popen([tools.wan_link, self.near.name, "wan", self.far.name, "wan", *LINKS[link][1], "--seed", str(seed)],
                                     stdout=subprocess.PIPE, stderr=self.log)
        if self.link.stdout.readline() != b"ready\n":
            raise Failed("wan_link does not start: see " + str(folder / "log"))
        for host, address in ((self.near, NEAR), (self.far, FAR)):
            for words in ("link set lo up", f"addr add {address}/24 dev wan", "link set wan up"):
                subprocess.run(["ip", "-n", host.name, *words.split()], check=True)

    def congestion(self, name):
        # A namespace may only choose what the machine allows to everyone.
        allowed = pathlib.Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
        if name not in allowed.read_text().split():
            allowed.write_text(f"{allowed.read_text().strip()} {name}")
        for host in (self.near, self.far):
            host.run("sh", "-c", f"echo {name} > /proc/sys/net/ipv4/tcp_congestion_control")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.near.stop_all()
        self.far.stop_all()
        self.link.send_signal(signal.SIGTERM)
        self.counters = json.loads(self.link.communicate()[0] or b"{}")
        for host in (self.near, self.far):
            subprocess.run(["ip", "netns", "del", host.name], check=False)
        self.log.close()


def wait_for(path, word, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if word in path.read_bytes():
            return
        time.sleep(0.05)
    raise Failed(f"'{word.decode()}' did not show in {path}")


# --- systems under test: each returns the receiver's report ---

def receive(bed, source, seconds):
    """`source` writes FLV; the receiver reads it until the sender is done and the rest has had time to come."""
    return bed.far.start([*MEDIA, "receive", "flv"], stdin=source.stdout, stdout=subprocess.PIPE)


def serve_millrace(bed):
    log = open(bed.folder / "serve.log", "wb")
    child = subprocess.Popen(["ip", "netns", "exec", bed.far.name, bed.tools.millrace, "serve", "--listen", "0.0.0.0:1935", "--state",
                              str(bed.folder / "state"), "--allow-publish", "10.77.0.0/24"], stderr=log)
    bed.far.children.append(child)
    wait_for(bed.folder / "serve.log", b"ready")


def publish_and_view(bed, options, publish_url, play_url, push_options=()):
    viewer = bed.far.start([bed.tools.millrace, "-q", "pull", "--insecure", play_url, "-"], stdout=subprocess.PIPE)
    receiver = receive(bed, viewer, options.seconds)
    time.sleep(0.5)
    sender = bed.near.start([*MEDIA, "send", "flv", "--seconds", options.seconds], stdout=subprocess.PIPE)
    push = bed.near.start([bed.tools.millrace, "-q", "push", "--insecure", *push_options, "-", publish_url], stdin=sender.stdout)
    sender.wait(options.seconds + 30)
    try:
        push.wait(15)
    except subprocess.TimeoutExpired:
        pass
    time.sleep(2)  # what is under way may still come: it counts as late, not as lost
    viewer.terminate()
    return json.loads(receiver.communicate(timeout=15)[0])


def millrace(url, congestion="cubic", push_options=()):
    def system(bed, options):
        bed.congestion(congestion)
        serve_millrace(bed)
        return publish_and_view(bed, options, url.format(host=FAR), "rtmp://127.0.0.1/live/a", push_options)
    return system


def nginx(congestion):
    def system(bed, options):
        bed.congestion(congestion)
        config = bed.folder / "nginx.conf"
        config.write_text("load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\n"
                          f"daemon off; master_process off; pid {bed.folder}/nginx.pid; error_log {bed.folder}/nginx.log;\n"
                          "events { worker_connections 64; }\nrtmp { access_log off; server { listen 1935; application live { live on; } } }\n")
        bed.far.start(["/usr/sbin/nginx", "-p", bed.folder, "-c", config])
        time.sleep(0.5)
        return publish_and_view(bed, options, f"rtmp://{FAR}/live/a", "rtmp://127.0.0.1/live/a")
    return system


def srt(latency_ms):
    def system(bed, options):
        bed.far.start(["srt-live-transmit", "-q", f"srt://:9000?mode=listener&latency={latency_ms}", "udp://127.0.0.1:9001"])
        receiver = bed.far.start([*MEDIA, "receive", "udp", "--on", "9001"], stdout=subprocess.PIPE)
        bed.near.start(["srt-live-transmit", "-q", "udp://127.0.0.1:9000?mode=listener", f"srt://{FAR}:9000?mode=caller&latency={latency_ms}"])
        time.sleep(1.5)  # its handshake; the start is not measured here
        sender = bed.near.start([*MEDIA, "send", "udp", "--to", "127.0.0.1:9000", "--seconds", options.seconds])
        sender.wait(options.seconds + 30)
        time.sleep(latency_ms / 1000 + 2)
        receiver.terminate()
        return json.loads(receiver.communicate(timeout=15)[0])
    return system


SYSTEMS = {
    "tcp-cubic": ("RTMP over TCP, cubic, millrace", millrace("rtmp://{host}/live/a")),
    "tcp-bbr": ("RTMP over TCP, BBR, millrace", millrace("rtmp://{host}/live/a", "bbr")),
    "nginx-cubic": ("RTMP over TCP, cubic, nginx-rtmp", nginx("cubic")),
    "nginx-bbr": ("RTMP over TCP, BBR, nginx-rtmp", nginx("bbr")),
    "quic-bbr": ("RTMP over QUIC, byte stream, BBR", millrace("rtmpq://{host}/live/a?transport=quic-only")),
    "quic-cubic": ("RTMP over QUIC, byte stream, cubic", millrace("rtmpq://{host}/live/a?transport=quic-only", push_options=["--congestion", "cubic"])),
    "srt-120": ("SRT, latency 120 ms", srt(120)),
    "srt-500": ("SRT, latency 500 ms", srt(500)),
    "srt-1000": ("SRT, latency 1000 ms", srt(1000)),
}


def one_run(tools, link, system, seed, options):
    folder = options.out / "runs" / f"{link}-{system}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    bed = Bed(tools, link, seed, folder)
    with bed:
        try:
            got = SYSTEMS[system][1](bed, options)
        except (Failed, subprocess.TimeoutExpired) as failed:
            got = {"failed": str(failed)}
    got.update(link=link, system=system, seed=seed, network=bed.counters)
    (folder / "result.json").write_text(json.dumps(got))
    return got


def middle(runs, kind, figure):
    values = [r[kind][figure] for r in runs if r.get(kind, {}).get(figure) is not None]
    return statistics.median(values) if values else None


def table(results):
    lines = ["| link | system | audio p50 | p95 | p99 | max | video p50 | p95 | p99 | max | undecodable | worst video p95 |", "|---|---|" + "--:|" * 10]
    for link in LINKS:
        for system in SYSTEMS:
            runs = [r for r in results if r["link"] == link and r["system"] == system]
            if not runs:
                continue
            cells = [middle(runs, kind, figure) for kind in ("audio", "video") for figure in ("p50_ms", "p95_ms", "p99_ms", "max_ms")]
            cells.append(middle(runs, "video", "undecodable"))
            worst = [r["video"]["p95_ms"] for r in runs if r.get("video", {}).get("p95_ms") is not None]
            cells.append(max(worst) if worst else None)
            lines.append(f"| {link} | {system} | " + " | ".join("-" if c is None else f"{c:.0f}" for c in cells) + " |")
    return "\n".join(lines)


class Tools:
    def __init__(self, options):
        self.millrace = str(options.millrace)
        self.wan_link = str(options.wan_link)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--links", default=",".join(LINKS))
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=25)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "wan")
    parser.add_argument("--millrace", type=pathlib.Path, default=ROOT / "build" / "release" / "millrace")
    parser.add_argument("--wan-link", type=pathlib.Path, default=ROOT / "build" / "bench" / "bench" / "wan_link")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    tools = Tools(options)
    results = []
    plan = [(link, system, seed) for link in options.links.split(",") for system in options.systems.split(",") for seed in range(1, options.seeds + 1)]
    for count, (link, system, seed) in enumerate(plan, 1):
        got = one_run(tools, link, system, seed, options)
        results.append(got)
        video = got.get("video", {})
        print(f"[{count}/{len(plan)}] {link} {system} seed {seed}: " + (got.get("failed") or
              f"audio p95 {got['audio'].get('p95_ms')} video p95 {video.get('p95_ms')} max {video.get('max_ms')} undecodable {video.get('undecodable')}"),
              file=sys.stderr, flush=True)
        (options.out / "results.json").write_text(json.dumps(results, indent=1))
    print(table(results))


if __name__ == "__main__":
    main()
