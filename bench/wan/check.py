#!/usr/bin/python3
"""Is the emulated link the one that was asked for? Own UDP packets through it, before any figure is believed.

    check.py echo PORT                                far end: answers every packet that wants it, counts the others
    check.py ask HOST PORT loss COUNT                 near end: JSON with RTT and losses
    check.py ask HOST PORT rate KBIT SECONDS          near end: JSON with the rate at which packets came out
"""
import json
import math
import pathlib
import select
import socket
import statistics
import struct
import subprocess
import sys
import time

from bed import FAR, Bed

HEAD = struct.Struct(">BIQ")  # what it wants, number, nanoseconds
ECHO, COUNT, REPORT, RESET = range(4)
PORT = 7007
PROBES, PROBE_BYTES, PROBE_GAP_S = 2000, 100, 0.002  # denser ones measure a slow machine
PROBES_IN_A_HURRY = 800  # before something happens to the link
BLAST_BYTES = 1200


def echo(port):
    inlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inlet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    inlet.bind(("0.0.0.0", port))
    seen = dict(packets=0, bytes=0, first=0, last=0)
    while True:
        packet, peer = inlet.recvfrom(2048)
        want = packet[0]
        if want in (ECHO, COUNT):
            now = time.monotonic_ns()
            seen["packets"] += 1
            seen["bytes"] += len(packet) + 28
            seen["first"] = seen["first"] or now
            seen["last"] = now
        if want == ECHO:
            inlet.sendto(packet, peer)
        elif want == REPORT:
            inlet.sendto(bytes([REPORT]) + json.dumps(seen).encode(), peer)
        elif want == RESET:
            seen = dict(packets=0, bytes=0, first=0, last=0)
            inlet.sendto(bytes([RESET]), peer)


def asked_again(out, want):
    """A question whose way is lossy, until it is answered."""
    for _ in range(60):
        out.send(HEAD.pack(want, 0, 0))
        end = time.monotonic() + 0.3
        while (left := end - time.monotonic()) > 0 and select.select([out], [], [], left)[0]:
            packet = out.recv(2048)
            if packet[0] == want:
                return packet[1:]
    raise SystemExit("check.py: the far end does not answer")


def ask(host, port, what, *numbers):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    out.connect((host, int(port)))
    began = time.monotonic()
    asked_again(out, RESET)
    rtts = []

    def hear(wait):
        if select.select([out], [], [], max(0, wait))[0]:
            packet = out.recv(2048)
            if packet[0] == ECHO:
                rtts.append((time.monotonic_ns() - HEAD.unpack_from(packet)[2]) / 1e6)
            return True
        return False

    start = time.monotonic()
    if what == "loss":
        count = int(numbers[0])
        for number in range(count):
            while (left := start + number * PROBE_GAP_S - time.monotonic()) > 0:
                hear(left)
            out.send(HEAD.pack(ECHO, number, time.monotonic_ns()).ljust(PROBE_BYTES, b"\0"))
        while hear(0.6):
            pass
        seen = json.loads(asked_again(out, REPORT))
        answer = {"rtt_ms": statistics.median(rtts),
                  "lost_up": 100 * (1 - seen["packets"] / count), "lost_both": 100 * (1 - len(rtts) / count)}
    else:
        kbit, seconds = float(numbers[0]), float(numbers[1])
        gap = (BLAST_BYTES + 28) * 8 / (kbit * 1000)
        number = 0
        while (now := time.monotonic()) < start + seconds:
            if now < start + number * gap:
                time.sleep(start + number * gap - now)
            try:
                out.send(HEAD.pack(COUNT, number, 0).ljust(BLAST_BYTES, b"\0"))
            except OSError:
                pass  # its device queue is full, which is a loss like another
            number += 1
        time.sleep(0.8)
        seen = json.loads(asked_again(out, REPORT))
        took = (seen["last"] - seen["first"]) / 1e9
        answer = {"kbit": seen["bytes"] * 8 / 1000 / took if took > 0 else 0, "packets": seen["packets"], "sent": number}
    print(json.dumps({**answer, "began": began}))


# --- what run.py calls ---

RTT_OFF_MS, RATE_OFF = 3, 0.05


def probes_of(link):
    return PROBES_IN_A_HURRY if link.dip or link.outage else PROBES


def loss_off(link, share):
    """Four standard deviations of a count of losses of this share, in per cent; losses in runs vary more."""
    return 400 * math.sqrt(share * (1 - share) / probes_of(link) * (2 * link.burst - 1)) + 0.1


def check_link(wan_link, name, link, folder):
    """Rows of (link, what, asked, seen, tolerance, whether it is within)."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []

    def row(what, asked, seen, off):
        rows.append((name, what, asked, round(seen, 2), round(off, 2), abs(seen - asked) <= off))

    with Bed(wan_link, link, 1, folder) as bed:
        me = [sys.executable, str(pathlib.Path(__file__).resolve())]
        bed.far.start([*me, "echo", PORT])
        bed.far.wait_until_listening("udp", PORT)

        def question(*words):
            process = bed.near.start([*me, "ask", FAR, PORT, *words], stdout=subprocess.PIPE)
            return json.loads(process.communicate(timeout=60)[0] or b"{}")

        got = question("loss", probes_of(link))
        began = got["began"]  # the link's time begins with its first packet

        def at(ms):
            time.sleep(max(0, began + ms / 1000 - time.monotonic()))

        share = link.loss / 100
        row("RTT, ms", link.rtt + link.jitter, got["rtt_ms"], RTT_OFF_MS + link.jitter)
        row("loss up, %", link.loss, got["lost_up"], loss_off(link, share))
        both = 1 - (1 - share) ** 2
        row("loss there and back, %", round(100 * both, 2), got["lost_both"], loss_off(link, both))
        if link.dip:
            at(link.dip[1] + 600)
            got = question("rate", link.dip[0] * 1.3, 2)
            row("rate in the dip, kb/s", link.dip[0], got["kbit"], RATE_OFF * link.dip[0])
            at(sum(link.dip[1:3]) + 600)
        if link.outage:
            at(link.outage[0] - 500)
            got = question("rate", 1000, 2)
            due = round(got["sent"] * link.outage[1] / 2000)
            row("lost around the outage, packets of 2 s", due, got["sent"] - got["packets"], 0.05 * got["sent"])
        got = question("rate", link.rate * 1.3, 2)
        row("rate, kb/s", link.rate * (1 - share), got["kbit"], (RATE_OFF + loss_off(link, share) / 100) * link.rate)
    return rows


if __name__ == "__main__":
    if sys.argv[1:2] == ["echo"]:
        echo(int(sys.argv[2]))
    elif sys.argv[1:2] == ["ask"]:
        ask(*sys.argv[2:])
    else:
        sys.exit(__doc__)
