"""OBS without a screen or a hand: a profile and a scene of its own, a virtual display, and its websocket to stop the stream in order."""
import base64
import json
import os
import shutil
import signal
import socket
import struct

from process import until

GLOBAL = """[General]
FirstRun=true
EnableAutoUpdates=false
InfoIncrement=1000

[Basic]
Profile=millrace
ProfileDir=millrace
SceneCollection=millrace
SceneCollectionFile=millrace

[OBSWebSocket]
FirstLoad=false
ServerEnabled=true
ServerPort={websocket}
AlertsEnabled=false
AuthRequired=false
"""
# Simple output mode, what most people use.
PROFILE = """[General]
Name=millrace

[Output]
Mode=Simple

[SimpleOutput]
VBitrate={kbps}
ABitrate=64
StreamEncoder=x264
Preset=ultrafast
UseAdvanced=true
x264Settings=keyint={fps}

[Video]
BaseCX={width}
BaseCY={height}
OutputCX={width}
OutputCY={height}
FPSType=1
FPSInt={fps}

[Audio]
SampleRate=44100
ChannelSetup=Stereo
"""


def scene(clip):
    """One scene with one source: the clip, round and round, with its sound."""
    source = {"id": "ffmpeg_source", "versioned_id": "ffmpeg_source", "name": "clip", "uuid": "1b3a8f8e-0000-4000-8000-000000000001", "mixers": 255,
              "settings": {"local_file": str(clip), "is_local_file": True, "looping": True, "hw_decode": False}}
    item = {"name": "clip", "source_uuid": source["uuid"], "id": 1, "visible": True, "scale": {"x": 1.0, "y": 1.0}, "pos": {"x": 0.0, "y": 0.0}}
    whole = {"id": "scene", "versioned_id": "scene", "name": "Scene", "uuid": "1b3a8f8e-0000-4000-8000-000000000002",
             "settings": {"id_counter": 1, "items": [item]}}
    return {"name": "millrace", "current_scene": "Scene", "current_program_scene": "Scene", "scene_order": [{"name": "Scene"}], "sources": [source, whole]}


class Obs:
    """A running OBS that streams to `server` (rtmp://HOST:PORT/APP) under `key`."""

    def __init__(self, procs, folder, clip, server, key, size=(160, 120), fps=25, kbps=60):
        self.websocket = free_port()
        folder = folder / f"obs-{self.websocket}"
        basic = folder / "config" / "obs-studio" / "basic"
        profile = basic / "profiles" / "millrace"
        profile.mkdir(parents=True)
        (basic / "scenes").mkdir()
        (folder / "run").mkdir(mode=0o700)
        (basic.parent / "global.ini").write_text(GLOBAL.format(websocket=self.websocket))
        (profile / "basic.ini").write_text(PROFILE.format(kbps=kbps, fps=fps, width=size[0], height=size[1]))
        (profile / "service.json").write_text(json.dumps({"type": "rtmp_custom", "settings": {"server": server, "key": key, "use_auth": False, "bwtest": False}}))
        (basic / "scenes" / "millrace.json").write_text(json.dumps(scene(clip)))
        read, write = os.pipe()
        try:
            self.display = procs.start("Xvfb", ["Xvfb", "-displayfd", write, "-screen", "0", "800x600x24", "-nolisten", "tcp"], pass_fds=(write,))
        finally:
            os.close(write)
        with os.fdopen(read) as pipe:
            number = pipe.readline().strip()  # Xvfb says which display it took, or dies and closes the pipe
        assert number, f"Xvfb does not start:\n{self.display.tail()}"
        environment = {"DISPLAY": f":{number}", "HOME": str(folder), "XDG_CONFIG_HOME": str(folder / "config"), "XDG_RUNTIME_DIR": str(folder / "run"),
                       "LIBGL_ALWAYS_SOFTWARE": "1", "QT_QPA_PLATFORM": "xcb"}
        self.process = procs.start("obs", ["obs", "--multi", "--disable-updater", "--startstreaming", "--profile", "millrace", "--collection", "millrace",
                                           "--scene", "Scene", "--verbose"], env=environment)

    def stop_streaming(self):
        """As the button does it; waits until OBS says that the output is down."""
        mark = self.process.mark()
        ask_websocket(self.websocket, "StopStream")
        self.process.wait_line("Streaming Stop", after=mark, timeout=20)

    def end(self):
        """OBS asks back when it is told to end while it streams: nobody answers here."""
        if self.process.running():
            self.process.stop(signal.SIGKILL)
        if self.display.running():
            self.display.stop(signal.SIGTERM)


def installed():
    return all(shutil.which(program) for program in ("obs", "Xvfb"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask_websocket(port, request):
    """One request of obs-websocket 5 (its op codes: 0 hello, 1 identify, 2 identified, 6 request, 7 response) over RFC 6455."""
    def connected():
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except OSError:
            return None
    with until(connected, timeout=20, what="the websocket of OBS") as sock:
        sock.settimeout(10)
        key = base64.b64encode(os.urandom(16)).decode()
        sock.sendall((f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: obswebsocket.json\r\n\r\n").encode())
        stream = sock.makefile("rb")
        assert b" 101 " in stream.readline()
        while stream.readline() not in (b"\r\n", b""):
            pass
        receive(stream, 0)
        send(sock, {"op": 1, "d": {"rpcVersion": 1, "eventSubscriptions": 0}})
        receive(stream, 2)
        send(sock, {"op": 6, "d": {"requestType": request, "requestId": "1"}})
        answer = receive(stream, 7)
        assert answer["d"]["requestStatus"]["result"], answer


def receive(stream, op):
    """The next message with this op code."""
    while True:
        head = stream.read(2)
        assert len(head) == 2, "OBS closed the websocket"
        size = head[1] & 0x7F
        if size >= 126:
            size = int.from_bytes(stream.read(2 if size == 126 else 8), "big")
        body = stream.read(size)
        if head[0] & 0x0F == 1:
            message = json.loads(body)
            if message["op"] == op:
                return message


def send(sock, message):
    """A text message; what a client sends is masked (RFC 6455 section 5.3), a mask of zeros will do."""
    body = json.dumps(message).encode()
    size = struct.pack("!B", 0x80 | len(body)) if len(body) < 126 else struct.pack("!BH", 0x80 | 126, len(body))
    sock.sendall(b"\x81" + size + b"\0\0\0\0" + body)
