#!/usr/bin/env python3
"""Soak: publishers and viewers come and go over every transport, some of them rude, and the server must look afterwards as it did before.

    bench/soak/soak.py [--millrace build/release/millrace] [--minutes 60] [--publishers 200] [--viewers 800]

In rounds of six minutes: at the end of each everybody leaves, and what stays is measured. Ends with a verdict and status 0 or 1: what stays does not
grow after the first third, no descriptor and no name is left over, nobody ended the server. One JSON object with every sample goes to --json FILE. Loopback only; about half a core for the server and one for the load.
"""
import argparse
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

GROUP = 20           # publishers of one generator of load; it lives for some seconds, and another one takes its place
RUDE_EVERY = 33      # one in so many connections is one of those below: 3 %
ROUND = 360          # seconds; between two of them everybody is away
SLOPE_MAX = 2.0      # MB an hour that the memory may seem to grow: the noise of the allocator, measured over an hour


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--millrace", default="build/release/millrace")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--publishers", type=int, default=200)
    parser.add_argument("--viewers", type=int, default=800)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


class Server:
    def __init__(self, millrace, folder):
        self.log = open(folder / "server.log", "w+")
        config = folder / "millrace.toml"
        config.write_text("log_level = \"warning\"\n[publish]\nresume_s = 2\n[hls]\nlinger_s = 5\n")
        self.process = subprocess.Popen([millrace, "serve", "--config", config, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--state", folder / "state",
                                         "--log-level", "info"], stdout=self.log, stderr=subprocess.STDOUT)
        ready = None
        deadline = time.monotonic() + 20
        while ready is None:
            self.log.seek(0)
            ready = re.search(r"ready:.*", self.log.read())
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("the server does not start")
            time.sleep(0.05)
        line = ready[0]
        self.port = int(re.search(r" rtmp://[^ ]*:(\d+)", line)[1])
        self.http = int(re.search(r" http://[^ ]*:(\d+)", line)[1])
        self.pin = re.search(r"pin=([0-9a-f]+)", line)[1]

    def metrics(self):
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics", timeout=30).read().decode()
        values = {}
        for line in text.splitlines():
            if line.startswith("#") or not line:
                continue
            name, value = line.rsplit(" ", 1)
            name = name.split("{")[0]
            values[name] = values.get(name, 0) + float(value)
        return values

    def url(self, scheme, name):
        extra = f"?pin={self.pin}" if scheme != "rtmp" else ""
        return f"{scheme}://127.0.0.1:{self.port}/live/{name}{extra}"


# ---- who comes and goes ---------------------------------------------------------------------------------------------

def polite(server, millrace, args, number, dice, stop):
    """One generator after the other: each publishes a group of names over one transport, its viewers come over another."""
    viewers = max(1, GROUP * args.viewers // args.publishers)
    while not stop.is_set():
        scheme = dice.choice(["rtmp", "rtmps", "rtmpq", "rtmpq"])
        name = f"s{number}-{dice.randrange(4)}"
        command = [millrace, "bench", "--streams", str(GROUP), "-n", str(viewers), "--video", "0.1", "--joins-per-second", "20",
                   "--settle", "1", "--seconds", str(dice.randrange(5, 40)), "--stalled", str(dice.choice([0, 0, 2])), "--stall", "5"]
        play = dice.choice([None, "rtmp", "rtmpq", "http"])
        if play == "http":
            command += ["--play", f"http://127.0.0.1:{server.http}/live/{name}.flv"]
        elif play:
            command += ["--play", server.url(play, name)]
        if dice.random() < 0.3:
            command += ["--mapping", "bytes"]
        load = subprocess.Popen([*command, server.url(scheme, name)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + dice.randrange(10, 90)
        while load.poll() is None and not stop.is_set() and time.monotonic() < end:
            time.sleep(0.2)
        if load.poll() is None:  # some are ended in order, some are not
            load.send_signal(dice.choice([signal.SIGINT, signal.SIGKILL]))
        load.wait()


def rude(server, dice):
    """One connection that behaves badly."""
    what = dice.randrange(7)
    if what == 6:  # datagrams that are no QUIC, and the beginning of some that is
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for _ in range(20):
                head = bytes([0xC0 | dice.randrange(64)]) + struct.pack("!I", dice.choice([1, 0x6b3343cf, 0xdeadbeef])) if dice.random() < 0.5 else b""
                s.sendto(head + dice.randbytes(dice.choice([10, 1200])), ("127.0.0.1", server.port))
        return
    port = server.http if what == 5 else server.port
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.settimeout(2)
        with contextlib.suppress(OSError):
            if what == 0:    # says nothing, then resets
                time.sleep(dice.random())
            elif what == 1:  # garbage
                s.sendall(dice.randbytes(5000))
            elif what == 2:  # dribbles a handshake
                for byte in b"\x03" + bytes(20):
                    s.sendall(bytes([byte]))
                    time.sleep(0.05)
            elif what == 3:  # a handshake, then garbage
                s.sendall(b"\x03" + bytes(1536))
                s.recv(4096)
                s.sendall(bytes(1536) + dice.randbytes(3000))
                s.recv(4096)
            elif what == 4:  # a TLS record that never ends
                s.sendall(b"\x16\x03\x01\x3f\xff" + dice.randbytes(2000))
            elif what == 5:  # half a request
                s.sendall(b"GET /live/s0-0.flv HTTP/1.1\r\nHost: x\r\n" + dice.randbytes(dice.randrange(200)))
        if dice.random() < 0.5:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def viewers_over_hls(server, dice, stop):
    while not stop.is_set():
        try:
            base = f"http://127.0.0.1:{server.http}/live/s{dice.randrange(10)}-{dice.randrange(4)}"
            urllib.request.urlopen(base + ".m3u8", timeout=5).read()
            playlist = urllib.request.urlopen(base + "/index.m3u8", timeout=10).read().decode()
            for line in playlist.splitlines()[-6:]:
                if line and not line.startswith("#"):
                    urllib.request.urlopen(f"{base}/{line.split('/')[-1]}", timeout=10).read()
        except OSError:
            pass
        time.sleep(1)


# ---- what comes of it -----------------------------------------------------------------------------------------------

def slope(samples):
    """Least squares, MB an hour."""
    n = len(samples)
    if n < 3:
        return 0.0
    mt, mm = sum(t for t, _ in samples) / n, sum(m for _, m in samples) / n
    below = sum((t - mt) ** 2 for t, _ in samples)
    return sum((t - mt) * (m - mm) for t, m in samples) / below * 3600 / 1e6 if below else 0.0


class Load:
    """Everybody who comes and goes, from start() to away()."""
    def __init__(self, server, millrace, args, seed):
        self.stop = threading.Event()
        self.rude = 0
        dice = [random.Random(f"{seed} {n}") for n in range(args.publishers // GROUP + 5)]
        self.threads = [threading.Thread(target=polite, args=(server, millrace, args, n, dice.pop(), self.stop)) for n in range(max(1, args.publishers // GROUP))]
        self.threads += [threading.Thread(target=viewers_over_hls, args=(server, dice.pop(), self.stop)) for _ in range(4)]
        self.threads.append(threading.Thread(target=self.all_rude, args=(server, random.Random(f"{seed} rude"))))
        for thread in self.threads:
            thread.start()

    def all_rude(self, server, dice):
        met = server.metrics()["millrace_connections_accepted_total"]
        while not self.stop.is_set():
            with contextlib.suppress(OSError):
                now = server.metrics()["millrace_connections_accepted_total"]
                while met < now and not self.stop.is_set():
                    met += RUDE_EVERY
                    self.rude += 1
                    with contextlib.suppress(OSError):
                        rude(server, dice)
            self.stop.wait(1)

    def away(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def empty(server, before):
    """When everybody has gone: what is left over then."""
    deadline = time.monotonic() + 75  # connections that say nothing have 30 s, HLS lingers
    while True:
        left = server.metrics()
        gone = left["millrace_streams"] == left["millrace_publishers"] == left["millrace_viewers"] == 0
        if gone and left["millrace_open_descriptors"] <= before["millrace_open_descriptors"] + 1 or time.monotonic() > deadline:
            break
        time.sleep(1)
    # The server looks every five seconds for memory that can go back, and rests after it has.
    calm, at = 0, left
    while calm < 3 and time.monotonic() < deadline + 30:
        time.sleep(5)
        before_that, at = at, server.metrics()
        calm = calm + 1 if abs(at["millrace_resident_memory_bytes"] - before_that["millrace_resident_memory_bytes"]) < 250_000 else 0
    return at


def main():
    args = arguments()
    millrace = os.path.abspath(args.millrace)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-soak-"))
    server = Server(millrace, folder)
    before = server.metrics()
    enough = threading.Event()  # at the end of the time, or on SIGINT: what there is by then is judged
    signal.signal(signal.SIGINT, lambda *_: enough.set())
    begun, samples, floors, rudes, faults, stopping = time.monotonic(), [], [], 0, [], None
    rounds = max(1, round(args.minutes * 60 / ROUND))

    def sample(now):
        return {"t": round(time.monotonic() - begun, 1), "rss": now["millrace_resident_memory_bytes"], "descriptors": now["millrace_open_descriptors"],
                "publishers": now["millrace_publishers"], "viewers": now["millrace_viewers"], "streams": now["millrace_streams"],
                "accepted": now["millrace_connections_accepted_total"]}

    def alive():
        return server.process.poll() is None
    for number in range(rounds):
        load = Load(server, millrace, args, f"{args.seed} {number}")
        end = time.monotonic() + args.minutes * 60 / rounds
        while time.monotonic() < end and alive() and not enough.wait(5):
            try:
                samples.append(sample(server.metrics()))
            except OSError as gone:
                print(f"no metrics: {gone}", file=sys.stderr)
        load.away()
        rudes += load.rude
        if not alive():
            break
        floors.append(sample(empty(server, before)))
        s, f = samples[-1], floors[-1]
        print(f"round {number + 1} of {rounds}: {s['publishers']:.0f} publishers, {s['viewers']:.0f} viewers, {s['accepted']:.0f} connections so far, "
              f"{s['rss'] / 1e6:.1f} MB; when all had gone {f['rss'] / 1e6:.1f} MB, {f['descriptors']:.0f} descriptors", flush=True)
        if f["descriptors"] > before["millrace_open_descriptors"] + 1:
            faults.append(f"descriptors are left over after round {number + 1}")
        if f["streams"] or f["publishers"] or f["viewers"]:
            faults.append(f"names or viewers are left over after round {number + 1}")
        if enough.is_set():
            break
    if alive():
        server.process.send_signal(signal.SIGTERM)
        stopping = time.monotonic()
        server.process.wait(30)
        stopping = round(time.monotonic() - stopping, 2)
        if server.process.returncode != 0:
            faults.append(f"status {server.process.returncode} at the end")
    else:
        faults.append(f"the server ended with status {server.process.returncode}: {folder}/server.log")

    # The first third fills what is kept of the past.
    end = time.monotonic() - begun
    growth, under_load = (slope([(s["t"], s["rss"]) for s in of if s["t"] > end / 3]) for of in (floors, samples))
    if growth > SLOPE_MAX:
        faults.append(f"memory that stays when all have gone grows by {growth:.2f} MB an hour")
    verdict = {
        "minutes": round(end / 60, 1), "connections": samples[-1]["accepted"], "rude": rudes,
        "publishers_most": max(s["publishers"] for s in samples), "viewers_most": max(s["viewers"] for s in samples),
        "rss_mb_most": round(max(s["rss"] for s in samples) / 1e6, 1), "rss_mb_per_hour_under_load": round(under_load, 2),
        "rss_mb_when_all_had_gone": [round(f["rss"] / 1e6, 1) for f in floors], "rss_mb_per_hour": round(growth, 2),
        "descriptors_before": before["millrace_open_descriptors"], "descriptors_after": floors[-1]["descriptors"] if floors else None,
        "status": server.process.returncode, "stop_s": stopping,
    }
    print(json.dumps(verdict, indent=1))
    if args.json:
        args.json.write_text(json.dumps({"verdict": verdict, "samples": samples, "floors": floors}))
    print("soak: " + ("; ".join(faults) if faults else "nothing left over"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
