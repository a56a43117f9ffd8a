#!/usr/bin/python3
"""Live-like media with the time of its making in every frame, and the receiver that measures how old each frame is when it arrives whole.

    media.py send flv|udp --record FILE [--to HOST:PORT] [--seconds N] [--start-at NS]    FLV on standard output, or datagrams
    media.py receive flv|udp --record FILE [--on PORT] [--skip N]                 FLV on standard input, or datagrams; JSON at the end

30 pictures and 46.9 audio frames a second, 2.5 Mb/s and 128 kb/s, a key frame eight times as large as the others every 2 s. Sender and
receiver share CLOCK_MONOTONIC, so they have to run on one machine (in different network namespaces).

A frame bears the time at which it was due, not the one at which it was written: a program that stops reading makes frames old, not late.
The sender leaves in FILE how many frames it made, the receiver counts as lost what it never saw of them. Frames of the first --skip seconds
are not measured: by then the connection is made.
"""
import argparse
import json
import math
import os
import pathlib
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
STALL_MS = 500    # a gap between two frames of a kind that people notice
IN_TIME_MS = 500  # what is older does not help a conversation


def frame(kind, number, now_ns):
    mark = MARK.pack(MAGIC, number, now_ns)
    if kind == AUDIO:
        return b"\xaf\x01" + mark + bytes(AUDIO_BYTES - 2 - len(mark))
    key = number % GOP == 0
    size = P_BYTES * (KEY_FACTOR if key else 1)
    head = (b"\x17" if key else b"\x27") + b"\x01\0\0\0" + struct.pack(">IB", size - 9, 0x65 if key else 0x41)
    return head + mark + bytes(size - len(head) - len(mark))


def flv_tag(kind, ms, body):
    head = struct.pack(">BBHHBBHB", kind, len(body) >> 16, len(body) & 0xFFFF, ms >> 8 & 0xFFFF, ms & 0xFF, ms >> 24 & 0x7F, 0, 0)
    return head + body + struct.pack(">I", len(head) + len(body))


AVC_CONFIG = bytes.fromhex("17000000000142c00dffe1000a6742c00dda0507e84000010004 68ce3c80".replace(" ", ""))
AAC_CONFIG = b"\xaf\x00\x11\x90"


class FlvOut:
    def __init__(self):
        self.out = sys.stdout.buffer
        self.out.write(b"FLV\x01\x05\0\0\0\x09\0\0\0\0" + flv_tag(VIDEO, 0, AVC_CONFIG) + flv_tag(AUDIO, 0, AAC_CONFIG))
        self.out.flush()

    def put(self, kind, _, ms, body, __):
        self.out.write(flv_tag(kind, ms, body))
        self.out.flush()


class UdpOut:
    def __init__(self, to):
        host, port = to.rsplit(":", 1)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect((host, int(port)))

    def put(self, kind, number, _, body, made_ns):
        parts = [body[i:i + PART_BYTES] for i in range(0, len(body), PART_BYTES)]
        for i, part in enumerate(parts):
            try:
                self.socket.send(PART.pack(kind, number, made_ns, i, len(parts)) + part)
            except ConnectionRefusedError:
                pass  # the relay is not up yet


def send(options):
    start_ns = options.start_at or time.monotonic_ns()
    time.sleep(max(0, start_ns - time.monotonic_ns()) / 1e9)
    out = FlvOut() if options.format == "flv" else UdpOut(options.to)
    made = {VIDEO: 0, AUDIO: 0}
    size, overslept_ns, due_ns = 0, 0, start_ns
    try:
        while True:
            video_at, audio_at = made[VIDEO] / FPS, made[AUDIO] * AUDIO_S
            kind, at = (VIDEO, video_at) if video_at <= audio_at else (AUDIO, audio_at)
            if at >= options.seconds:
                return
            due_ns = start_ns + round(at * 1e9)
            wait = due_ns - time.monotonic_ns()
            if wait > 0:
                time.sleep(wait / 1e9)
                overslept_ns = max(overslept_ns, time.monotonic_ns() - due_ns)
            body = frame(kind, made[kind], due_ns)
            size += len(body)
            made[kind] += 1
            out.put(kind, made[kind] - 1, round(at * 1000), body, due_ns)
    except BrokenPipeError:
        pass  # who reads has given up, which the record shows
    finally:
        record = {"audio": made[AUDIO], "video": made[VIDEO], "bytes": size, "start_ns": start_ns, "end_ns": due_ns,
                  "overslept_ms": overslept_ns / 1e6}
        part = options.record.with_suffix(".part")
        part.write_text(json.dumps(record))
        part.rename(options.record)
        sys.stdout = None  # nothing more to flush into a pipe that may be closed


def age_at(sorted_ages, share):
    return round(sorted_ages[min(len(sorted_ages) - 1, int(share * len(sorted_ages)))], 1)


class Seen:
    def __init__(self):
        self.frames = {AUDIO: {}, VIDEO: {}}  # number: (made, arrived)

    def add(self, kind, number, made_ns):
        self.frames[kind].setdefault(number, (made_ns, time.monotonic_ns()))

    def report(self, record, skip_s):
        arrived = [at for got in self.frames.values() for _, at in got.values()]
        return {"first_arrival_ns": min(arrived, default=None), "made": record,
                "audio": self.report_of(AUDIO, AUDIO_S, math.ceil(skip_s / AUDIO_S), record),
                "video": self.report_of(VIDEO, 1 / FPS, math.ceil(skip_s * FPS / GOP) * GOP, record)}

    def report_of(self, kind, every_s, first, record):
        """Of the frames from number `first` on."""
        end = record["audio" if kind == AUDIO else "video"]
        got = {number: times for number, times in self.frames[kind].items() if first <= number < end}
        # A picture counts as broken too when one that it builds on was lost.
        broken, whole = 0, kind == AUDIO
        for number in range(first, end):
            whole = number in got and (whole or kind == AUDIO or number % GOP == 0)
            broken += not whole
        by_number = [round((got[n][1] - got[n][0]) / 1e6, 1) if n in got else None for n in range(first, end)]
        out = {"made": end - first, "received": len(got), "lost": end - first - len(got), "undecodable": broken, "age_by_number": by_number}
        if got:
            ages = sorted(age for age in by_number if age is not None)
            # One that dies is a gap to the end; one that begins late, from what came before or from when its first frame was due.
            moments = sorted(at for _, at in got.values())
            before = [at for number, (_, at) in self.frames[kind].items() if number < first and at <= moments[0]]
            moments.insert(0, max(before, default=min(moments[0], record["start_ns"] + first * every_s * 1e9)))
            moments.append(max(moments[-1], record["end_ns"]))
            gaps = [(b - a) / 1e6 for a, b in zip(moments, moments[1:])]
            out.update(p50_ms=age_at(ages, 0.5), p95_ms=age_at(ages, 0.95), p99_ms=age_at(ages, 0.99), max_ms=ages[-1],
                       longest_gap_ms=round(max(gaps), 1), stalls=sum(gap > STALL_MS for gap in gaps),
                       in_time=sum(age <= IN_TIME_MS for age in ages) / out["made"])
        return out


def mark_of(body, seen, kind):
    at = body.find(MAGIC, 0, 32)
    if at >= 0:
        _, number, made = MARK.unpack_from(body, at)
        seen.add(kind, number, made)


def receive_flv(seen):
    pipe = sys.stdin.fileno()
    data = bytearray()
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


def receive_udp(seen, port):
    inlet = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    inlet.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    inlet.bind(("127.0.0.1", port))
    open_frames = {}
    while True:
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
            receive_udp(seen, options.on)
    except KeyboardInterrupt:
        pass
    while not options.record.exists():  # the viewer ended before the source, which is a result too
        time.sleep(0.1)
    json.dump(seen.report(json.loads(options.record.read_text()), options.skip), sys.stdout)
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("role", choices=["send", "receive"])
    parser.add_argument("format", choices=["flv", "udp"])
    parser.add_argument("--to", default="127.0.0.1:9000")
    parser.add_argument("--on", type=int, default=9001)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--record", type=pathlib.Path, required=True)
    parser.add_argument("--skip", type=float, default=0)
    parser.add_argument("--start-at", type=int, help="CLOCK_MONOTONIC, nanoseconds [at once]")
    options = parser.parse_args()
    send(options) if options.role == "send" else receive(options)


if __name__ == "__main__":
    main()
