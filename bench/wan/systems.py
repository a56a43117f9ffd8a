"""What is compared: one list. A system is a name, a text, and a function that runs it on a bed and returns the receiver's report."""
import dataclasses
import json
import pathlib
import subprocess
import sys
import time
import typing

from bed import ALLOWED, FAR, Failed

MEDIA = [sys.executable, str(pathlib.Path(__file__).resolve().parent / "media.py")]


@dataclasses.dataclass(frozen=True)
class Tools:
    millrace: str
    wan_link: str


def wait_for(path, word, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if word in path.read_bytes():
            return
        time.sleep(0.05)
    raise Failed(f"'{word.decode()}' did not show in {path}: read it")


def serve_millrace(bed, tools, serve_options):
    path = bed.folder / "serve.log"
    with open(path, "wb") as log:
        bed.far.start([tools.millrace, "serve", "--listen", "0.0.0.0:1935", "--state", bed.folder / "state", "--allow-publish", ALLOWED,
                       *serve_options], stderr=log)
    wait_for(path, b"ready")


def publish_and_view(bed, tools, seconds, publish_url, push_options=(), pull_options=()):
    """The viewer sits beside the server, so that the link is crossed once."""
    viewer = bed.far.start([tools.millrace, "-q", "pull", "--insecure", *pull_options, "rtmp://127.0.0.1/live/a", "-"], stdout=subprocess.PIPE)
    receiver = bed.far.start([*MEDIA, "receive", "flv"], stdin=viewer.stdout, stdout=subprocess.PIPE)
    viewer.stdout.close()
    time.sleep(0.5)
    sender = bed.near.start([*MEDIA, "send", "flv", "--seconds", seconds], stdout=subprocess.PIPE)
    push = bed.near.start([tools.millrace, "-q", "push", "--insecure", *push_options, "-", publish_url], stdin=sender.stdout)
    sender.stdout.close()
    sender.wait(seconds + 30)
    try:
        push.wait(15)
    except subprocess.TimeoutExpired:
        pass
    time.sleep(2)  # what is under way may still come: it counts as late, not as lost
    viewer.terminate()
    return json.loads(receiver.communicate(timeout=15)[0])


def millrace(url, congestion="cubic", push=(), serve=(), pull=()):
    """`push`, `serve`, `pull`: options of these commands. Whatever else millrace learns to do is one more row of SYSTEMS."""
    def system(bed, tools, seconds):
        bed.congestion(congestion)
        serve_millrace(bed, tools, serve)
        return publish_and_view(bed, tools, seconds, url.format(host=FAR), push, pull)
    return system


def nginx(congestion):
    def system(bed, tools, seconds):
        bed.congestion(congestion)
        config = bed.folder / "nginx.conf"
        config.write_text("load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\n"
                          f"daemon off; master_process off; pid {bed.folder}/nginx.pid; error_log {bed.folder}/nginx.log;\n"
                          "events { worker_connections 64; }\nrtmp { access_log off; server { listen 1935; application live { live on; } } }\n")
        bed.far.start(["/usr/sbin/nginx", "-p", bed.folder, "-c", config])
        time.sleep(0.5)
        return publish_and_view(bed, tools, seconds, f"rtmp://{FAR}/live/a")
    return system


def srt(latency_ms):
    def system(bed, tools, seconds):
        bed.far.start(["srt-live-transmit", "-q", f"srt://:9000?mode=listener&latency={latency_ms}", "udp://127.0.0.1:9001"])
        receiver = bed.far.start([*MEDIA, "receive", "udp", "--on", "9001"], stdout=subprocess.PIPE)
        time.sleep(0.3)
        bed.near.start(["srt-live-transmit", "-q", "udp://127.0.0.1:9000?mode=listener", f"srt://{FAR}:9000?mode=caller&latency={latency_ms}"])
        sender = bed.near.start([*MEDIA, "send", "udp", "--to", "127.0.0.1:9000", "--seconds", seconds])
        sender.wait(seconds + 30)
        time.sleep(latency_ms / 1000 + 2)
        receiver.terminate()
        return json.loads(receiver.communicate(timeout=15)[0])
    return system


class System(typing.NamedTuple):
    what: str
    run: typing.Callable
    in_scenarios: bool = False  # these take part where the publisher's network changes, unless --systems names others


QUIC = "rtmpq://{host}/live/a?transport=quic-only"
TCP = "rtmp://{host}/live/a"

SYSTEMS = {
    "tcp-cubic": System("RTMP over TCP, cubic, millrace", millrace(TCP)),
    "tcp-bbr": System("RTMP over TCP, BBR, millrace", millrace(TCP, "bbr"), True),
    "nginx-cubic": System("RTMP over TCP, cubic, nginx-rtmp", nginx("cubic")),
    "nginx-bbr": System("RTMP over TCP, BBR, nginx-rtmp", nginx("bbr"), True),
    "srt-200": System("SRT, latency 200 ms", srt(200)),
    "srt-500": System("SRT, latency 500 ms", srt(500), True),
    "srt-1000": System("SRT, latency 1000 ms", srt(1000)),
    "quic-cubic": System("RTMP over QUIC, byte stream, cubic", millrace(QUIC, push=["--congestion", "cubic"])),
    "quic-bbr": System("RTMP over QUIC, byte stream, BBR", millrace(QUIC), True),
}
