#!/usr/bin/python3
"""Live-like media with the time of its making in every frame, and the receiver that measures how old each frame is when it arrives whole.

    media.py send flv|udp [--to HOST:PORT] [--seconds N]       FLV on standard output, or datagrams
    media.py receive flv|udp [--on PORT] [--quiet-end S]       FLV on standard input, or datagrams; JSON at the end

30 pictures and 46.9 audio frames a second, 2.5 Mb/s and 128 kb/s, a key frame eight times as large as the others every 2 s. Sender and
receiver share CLOCK_MONOTONIC, so they have to run on one machine (in different network namespaces).
"""
import argparse
import json
import os
import select
import signal
import socket
import struct
import sys
import time

FPS, GOP_S, VIDEO_BITS, KEY_FACTOR = 30, 2, 2_500_000, 8
AUDIO_S, AUDIO_BYTES = 1024 / 48000, 341
GOP = FPS * GOP_S
P_BYTES = VIDEO_BITS * GOP_S // 8 // (GOP - 1 + KEY_FACTOR)
MARK = struct.Struct(">4sIQ")  # in every frame: magic, number, monotonic nanoseconds
MAGIC = b"mWAN"
PART = struct.Struct(">BIQHH")  # of a datagram: kind, number, nanoseconds, index, parts
PART_BYTES = 1316 - PART.size   # what SRT carries in one packet
AUDIO, VIDEO = 8, 9


def frame(kind, number, now_ns):
    mark = MARK.pack(MAGIC, number, now_ns)
    if kind == AUDIO:
        return b"\xaf\x01" + mark + bytes(AUDIO_BYTES - 2 - len(mark))
    key = number % GOP == 0
    size = P_BYTES * (KEY_FACTOR if key else 1)
    head = (b"\x17" if key else b"\x27") + b"\x01\0\0\0" + struct.pack(">IB", size - 9, 0x65 if key else 0x41)
    return head + mark + bytes(size - len(head) - len(mark))


def flv_tag(kind, ms, body):
    return struct.pack(">BBHHBBH", kind, len(body) >> 16, len(body) & 0xFFFF, ms >> 8 & 0xFFFF, ms & 0xFF, ms >> 24 & 0x7F, 0) + b"\0" + body + \
        struct.pack(">I", 11 + len(body))


AVC_CONFIG = bytes.fromhex("17000000000142c00dffe1000a6742c00dda0507e84000010004 68ce3c80".replace(" ", ""))
AAC_CONFIG = b"\xaf\x00\x11\x90"


class FlvOut:
    def __init__(self):
        self.out = sys.stdout.buffer
        self.out.write(b"FLV\x01\x05\0\0\0\x09\0\0\0\0" + flv_tag(VIDEO, 0, AVC_CONFIG) + flv_tag(AUDIO, 0, AAC_CONFIG))
        self.out.flush()

    def put(self, kind, number, ms):
        self.out.write(flv_tag(kind, ms, frame(kind, number, time.monotonic_ns())))
        self.out.flush()


class UdpOut:
    def __init__(self, to):
        host, port = to.rsplit(":", 1)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, int(port)))

    def put(self, kind, number, _):
        now = time.monotonic_ns()
        body = frame(kind, number, now)
        parts = [body[i:i + PART_BYTES] for i in range(0, len(body), PART_BYTES)]
        for i, part in enumerate(parts):
            try:
                self.socket.send(PART.pack(kind, number, now, i, len(parts)) + part)
            except ConnectionRefusedError:
                pass  # the relay is not up yet


def send(options):
    out = FlvOut() if options.format == "flv" else UdpOut(options.to)
    start = time.monotonic()
    video = audio = 0
    while True:
        video_at, audio_at = video / FPS, audio * AUDIO_S
        at = min(video_at, audio_at)
        if at >= options.seconds:
            return
        wait = start + at - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        if video_at <= audio_at:
            out.put(VIDEO, video, round(at * 1000))
            video += 1
        else:
            out.put(AUDIO, audio, round(at * 1000))
            audio += 1


class Seen:
    def __init__(self):
        self.frames = {AUDIO: {}, VIDEO: {}}  # number: (made, arrived)

    def add(self, kind, number, made_ns):
        self.frames[kind].setdefault(number, (made_ns, time.monotonic_ns()))

    def report(self):
        arrived = [a for got in self.frames.values() for _, a in got.values()]
        out = {"first_arrival_ns": min(arrived, default=None)}
        for name, kind in (("audio", AUDIO), ("video", VIDEO)):
            got = self.frames[kind]
            if not got:
                out[name] = {"received": 0}
                continue
            first, last = min(got), max(got)
            ages = sorted((arrived - made) / 1e6 for made, arrived in got.values())
            arrivals = sorted(arrived for _, arrived in got.values())
            gaps = [(b - a) / 1e6 for a, b in zip(arrivals, arrivals[1:])]
            at = lambda share: round(ages[min(len(ages) - 1, int(share * len(ages)))], 1)
            # A picture counts as lost too when one that it builds on was lost.
            broken = 0
            if kind == VIDEO:
                whole = False
                for number in range(first, last + 1):
                    whole = number in got and (whole or number % GOP == 0)
                    broken += 0 if whole else 1
            out[name] = {
                "received": len(got), "missing": last - first + 1 - len(got), "first": first, "undecodable": broken,
                "p50_ms": at(0.5), "p95_ms": at(0.95), "p99_ms": at(0.99), "max_ms": round(ages[-1], 1),
                "stalls_over_500_ms": sum(g > 500 for g in gaps), "longest_gap_ms": round(max(gaps, default=0), 1),
                "over_1_s": round(sum(a > 1000 for a in ages) / len(ages), 4),
                "ages_ms": [round(a, 1) for a in ages],
            }
        return out


def mark_of(body, seen, kind):
    at = body.find(MAGIC, 0, 32)
    if at >= 0:
        _, number, made = MARK.unpack_from(body, at)
        seen.add(kind, number, made)


def receive_flv(seen):
    pipe = sys.stdin.fileno()
    data = bytearray()
    need = 13
    began = False
    while True:
        part = os.read(pipe, 1 << 18)
        if not part:
            return
        data += part
        while True:
            if not began:
                if len(data) < 13:
                    break
                del data[:13]
                began = True
            if len(data) < 11:
                break
            size = int.from_bytes(data[1:4], "big")
            need = 11 + size + 4
            if len(data) < need:
                break
            if data[0] in (AUDIO, VIDEO):
                mark_of(bytes(data[11:11 + min(size, 64)]), seen, data[0])
            del data[:need]


def receive_udp(seen, port, quiet_end):
    inlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inlet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    inlet.bind(("127.0.0.1", port))
    open_frames = {}
    while select.select([inlet], [], [], quiet_end if seen.frames[VIDEO] else None)[0]:
        packet = inlet.recv(2048)
        kind, number, made, index, parts = PART.unpack_from(packet)
        got = open_frames.setdefault((kind, number), set())
        got.add(index)
        if len(got) == parts:
            del open_frames[(kind, number)]
            seen.add(kind, number, made)


def receive(options):
    seen = Seen()

    def stop(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        if options.format == "flv":
            receive_flv(seen)
        else:
            receive_udp(seen, options.on, options.quiet_end)
    except KeyboardInterrupt:
        pass
    json.dump(seen.report(), sys.stdout)
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=["send", "receive"])
    parser.add_argument("format", choices=["flv", "udp"])
    parser.add_argument("--to", default="127.0.0.1:9000")
    parser.add_argument("--on", type=int, default=9001)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--quiet-end", type=float, default=5)
    options = parser.parse_args()
    send(options) if options.role == "send" else receive(options)


if __name__ == "__main__":
    main()
