#!/usr/bin/env python3
"""Records what real clients send: one file of bytes, client to server, for each program that is installed here.

    test/e2e/record_sessions.py [NAME…]        MILLRACE=build/release/millrace by default

Writes test/data/sessions/NAME.rtmp and README.md beside them. The server behind the recorder is millrace itself; what it answers
is not kept. src/rtmp/recorded_sessions_test.cpp replays the files."""
import datetime
import os
import pathlib
import re
import shlex
import socket
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("MILLRACE", str(ROOT / "build" / "release" / "millrace"))

import obs  # noqa: E402
import peers  # noqa: E402
from process import Processes, until  # noqa: E402

SESSIONS = ROOT / "test" / "data" / "sessions"
SECONDS = 4


class Recorder:
    """Relays connections to 127.0.0.1:`upstream`; `sent[i]` is what the client of connection i sent."""

    def __init__(self, upstream):
        self.upstream = upstream
        self.sent, self.ended = [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.upstream))
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sent.append(bytearray())
            self.ended.append(threading.Event())
            threading.Thread(target=self._pump, args=(client, server, self.sent[-1], self.ended[-1]), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, None, None), daemon=True).start()

    @staticmethod
    def _pump(source, sink, kept, ended):
        try:
            while data := source.recv(65536):
                if kept is not None:
                    kept += data
                sink.sendall(data)
        except OSError:
            pass
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if ended:
            ended.set()

    def close(self):
        self.listener.close()


class Stage:
    """A server, a recorder in front of it, and clips."""

    def __init__(self, procs, folder):
        self.procs, self.folder = procs, folder
        self.clips = peers.Clips(folder, SECONDS)
        self.server = procs.millrace("serve", "--listen", "127.0.0.1:0", "--state", folder / "state", "--log-level", "debug")
        self.port = int(self.server.wait_line(r"ready.*?://[^ ]*:(\d+)")[1])
        self.recorder = Recorder(self.port)
        self.url = f"rtmp://127.0.0.1:{self.recorder.port}/live/a"
        self.argv = None

    def run(self, name, argv, **options):
        """The client under observation."""
        self.argv = [str(a) for a in argv]
        return self.procs.start(name, argv, **options)

    def finish(self, process, timeout=30):
        process.wait(timeout)
        until(lambda: self.recorder.ended and self.recorder.ended[0].is_set(), what=f"the end of {process.name}'s connection")

    def publisher(self):
        """Something for players to play: a clip straight to the server, not recorded."""
        clip = peers.Clips(self.folder, 20).path("av")
        self.procs.start("ffmpeg source", peers.ffmpeg_publisher(clip, f"rtmp://127.0.0.1:{self.port}/live/a"))
        self.server.wait_line("publishes live/a")


def publish_ffmpeg(kind, **options):
    def record(stage):
        stage.finish(stage.run("ffmpeg", peers.ffmpeg_publisher(stage.clips.path(kind), stage.url, **options)))
    return record


def publish_gst(sink):
    def record(stage):
        stage.finish(stage.run("gst", peers.gst_publisher(sink(stage.url), frames=SECONDS * peers.FPS)))
    return record


def publish_late_flv(stage):
    """A file whose clock begins past 24 bits, pushed as it is: the step from the configuration at 0 takes an extended timestamp.
    (GStreamer's muxer starts every clock at 0, so rtmp2sink, which takes whole tags only, gets there after 4 h 40 min and no sooner.)"""
    clip = peers.make_clip(stage.folder / "past.flv", 2, start_ms=0x1001000)
    stage.finish(stage.run("gst", ["gst-launch-1.0", "-q", "filesrc", f"location={clip}", f"blocksize={clip.stat().st_size}", "!", *peers.rtmpsink(stage.url)]))


def publish_vlc(stage):
    nobody = peers.Nobody()
    try:
        clip = f"{nobody.folder}/clip.flv"
        pathlib.Path(clip).write_bytes(stage.clips.path("av").read_bytes())
        stage.finish(stage.run("vlc", [*nobody.prefix, *peers.vlc_publisher(clip, stage.url)], cwd=nobody.folder))
    finally:
        nobody.close()


def publish_obs(stage):
    program = obs.Obs(stage.procs, stage.folder, stage.clips.path("av"), stage.url.rsplit("/", 1)[0], "a")
    stage.argv = program.process.argv
    try:
        stage.server.wait_line("publishes live/a", timeout=40)
        until(lambda: len(stage.recorder.sent[0]) > 60_000, timeout=40, what="60 kB from OBS")
        program.stop_streaming()
        until(stage.recorder.ended[0].is_set, what="the end of OBS's connection")
    finally:
        program.end()


def play(name, argv):
    """A player that is told to stop after it has played for a while."""
    def record(stage):
        stage.publisher()
        nobody = peers.Nobody() if name == "vlc" else None
        try:
            out = nobody.folder if nobody else stage.folder
            player = stage.run(name, [*(nobody.prefix if nobody else []), *argv(stage.url, out)], cwd=out)
            stage.server.wait_line(r"(?<!\w)plays live/a")
            mark = len(stage.recorder.sent[0])
            # Acknowledgements, pings and buffer lengths come while it plays; not every player sends any.
            try:
                until(lambda: not player.running() or len(stage.recorder.sent[0]) > mark + 64, timeout=6, what="more from the player")
            except AssertionError:
                pass  # a silent one
            if player.running():
                player.stop()
            stage.finish(player)
        finally:
            if nobody:
                nobody.close()
    return record


CLIENTS = {
    "P13_ffmpeg_publish": ("ffmpeg", publish_ffmpeg("av")),
    "P13_ffmpeg_publish_audio": ("ffmpeg", publish_ffmpeg("audio")),
    "P13_ffmpeg_publish_b_frames": ("ffmpeg", publish_ffmpeg("b_frames")),
    "T3_ffmpeg_publish_past_24_bits": ("ffmpeg", publish_ffmpeg("av", start_ms=0xFFFFFF - 2000)),
    "P12_obs": ("obs", publish_obs),
    "P14_rtmpsink": ("gst-launch-1.0", publish_gst(peers.rtmpsink)),
    "P14_rtmp2sink": ("gst-launch-1.0", publish_gst(peers.rtmp2sink)),
    "T4_rtmpsink_past_24_bits": ("librtmp", publish_late_flv),
    "P15_vlc_publish": ("cvlc", publish_vlc),
    "L1_ffmpeg_play": ("ffmpeg", play("ffmpeg", lambda url, out: ["ffmpeg", "-nostdin", "-v", "error", "-t", 3, "-i", url, "-f", "null", "-"])),
    "L1_rtmpdump": ("rtmpdump", play("rtmpdump", lambda url, out: ["rtmpdump", "-q", "-v", "-r", url, "-o", f"{out}/out.flv"])),
    "L1_rtmpsrc": ("librtmp", play("gst", lambda url, out: ["gst-launch-1.0", "-q", "rtmpsrc", f"location={url} live=1", "num-buffers=20", "!", "fakesink"])),
    "L1_rtmp2src": ("gst-launch-1.0", play("gst", lambda url, out: ["gst-launch-1.0", "-q", "rtmp2src", f"location={url}", "num-buffers=100", "!", "fakesink"])),
    "L1_vlc_play": ("cvlc", play("vlc", lambda url, out: ["cvlc", "-I", "dummy", "--no-lua", "--aout=dummy", "--vout=dummy", "--run-time=3", url, "vlc://quit"])),
    "L1_mpv": ("mpv", play("mpv", lambda url, out: ["mpv", "--no-config", "--ao=null", "--vo=null", "--frames=60", url])),
}


def command_for_people(argv):
    text = " ".join(shlex.quote(word) for word in argv)
    text = re.sub(r".*?(?=\bcvlc )", "", text)
    text = re.sub(r"/tmp/\S*?/([\w-]+\.\w+)", r"\1", text)
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1935", text)


def record(name):
    program, run = CLIENTS[name]
    with tempfile.TemporaryDirectory(prefix="millrace-record-") as folder:
        folder = pathlib.Path(folder)
        procs = Processes(folder)
        stage = Stage(procs, folder)
        try:
            run(stage)
        except AssertionError:
            for process in procs.all:
                print(f"--- {process.name}\n{process.tail(30)}", file=sys.stderr)
            raise
        finally:
            stage.recorder.close()
            procs.finish()
        assert len(stage.recorder.sent) == 1, f"{name} made {len(stage.recorder.sent)} connections"
        (SESSIONS / f"{name}.rtmp").write_bytes(stage.recorder.sent[0])
        return len(stage.recorder.sent[0]), stage.argv


HEAD = """# Recorded sessions

What real clients sent to a server, byte for byte from C0 to the end of the connection, client to server only.
`src/rtmp/recorded_sessions_test.cpp` replays each of them; `test/e2e/record_sessions.py` makes them anew. The part of a name before the
first `_` says what it stands for: P12 to P15 are dialects of publishers, L1 of players, T3 and T4 extended timestamps.

"""


def main(names):
    path = SESSIONS / "README.md"
    lines = {m[1]: m[0] for m in re.finditer(r"^\* `(\w+)\.rtmp`.*\n  .*$", path.read_text() if path.exists() else "", re.M)}
    for name in names or CLIENTS:
        size, argv = record(name)
        lines[name] = f"* `{name}.rtmp`, {size} bytes, {datetime.date.today()}, {peers.version(CLIENTS[name][0])}:\n  `{command_for_people(argv)}`"
        print(f"{name}: {size} bytes")
        path.write_text(HEAD + "\n".join(lines[name] for name in CLIENTS if name in lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
