"""What is compared: one list. A system is a text and a function that runs it on a bed and returns the receiver's report."""
import dataclasses
import json
import pathlib
import shutil
import subprocess
import sys
import time
import typing

from bed import ALLOWED, FAR, reason_against_congestion

MEDIA = [sys.executable, "-S", str(pathlib.Path(__file__).resolve().parent / "media.py")]
LEAD_S = 1   # for programs to start, before the first frame
WARM_S = 2   # of media before the measured part: connecting has a figure of its own
DRAIN_S = 5  # for the publisher to get rid of what it has, after the last frame; what comes later counts as lost
AFTER_S = 1


@dataclasses.dataclass(frozen=True)
class Tools:
    millrace: str
    wan_link: str
    push_help: str


class Show:
    """The media of one run: everything is ready when it begins, and it is measured when connections are made."""

    def __init__(self, bed, seconds, receiver, **pipes):
        self.bed, self.seconds = bed, WARM_S + seconds
        self.record = bed.folder / "made.json"
        self.start_ns = time.monotonic_ns() + LEAD_S * 1_000_000_000
        bed.media_begins_at(self.start_ns)
        self.receiver = bed.far.start([*MEDIA, "receive", *receiver, "--record", self.record, "--skip", WARM_S],
                                      stdout=subprocess.PIPE, **pipes)

    def send(self, words, **pipes):
        when = ["--seconds", self.seconds, "--start-at", self.start_ns]
        self.sender = self.bed.near.start([*MEDIA, "send", *words, "--record", self.record, *when], **pipes)
        return self.sender

    def await_start(self):
        time.sleep(max(0, self.start_ns - time.monotonic_ns()) / 1e9)

    def await_end(self):
        self.sender.wait(self.seconds + 30)

    def report(self):
        return json.loads(self.receiver.communicate(timeout=15)[0])


def publish_and_view(bed, tools, seconds, publish_url, push_options=(), pull_options=()):
    """The viewer sits beside the server, so that the link is crossed once."""
    bed.far.wait_until_listening("tcp", 1935)
    pull = [tools.millrace, "-q", "pull", "--insecure", "--stay", *pull_options, "rtmp://127.0.0.1/live/a", "-"]
    viewer = bed.far.start(pull, stdout=subprocess.PIPE)
    show = Show(bed, seconds, ["flv"], stdin=viewer.stdout)
    viewer.stdout.close()
    sender = show.send(["flv"], stdout=subprocess.PIPE)
    show.await_start()
    push = bed.near.start([tools.millrace, "-q", "push", "--insecure", *push_options, "-", publish_url], stdin=sender.stdout)
    sender.stdout.close()
    show.await_end()
    try:
        push.wait(DRAIN_S)
    except subprocess.TimeoutExpired:
        pass
    time.sleep(AFTER_S)
    viewer.terminate()
    return show.report()


def millrace(url, congestion="cubic", push=(), serve=(), pull=()):
    """`push`, `serve`, `pull`: options of these commands. Whatever else millrace learns to do is one more row of SYSTEMS."""
    def run(bed, tools, seconds):
        bed.congestion(congestion)
        with open(bed.folder / "serve.log", "wb") as log:
            where = ["--listen", "0.0.0.0:1935", "--state", bed.folder / "state"]
            bed.far.start([tools.millrace, "serve", *where, "--allow-publish", ALLOWED, *serve], stderr=log)
        return publish_and_view(bed, tools, seconds, url.format(host=FAR), push, pull)
    return run


BRIDGE = "127.0.0.1:1936"


def bridge(*options):
    """As an encoder of today goes: RTMP to the bridge beside it, which sends it on."""
    def run(bed, tools, seconds):
        bed.congestion("cubic")
        with open(bed.folder / "serve.log", "wb") as log:
            bed.far.start([tools.millrace, "serve", "--listen", "0.0.0.0:1935", "--state", bed.folder / "state", "--allow-publish", ALLOWED], stderr=log)
        bed.far.wait_until_listening("tcp", 1935)
        bed.near.start([tools.millrace, "-q", "bridge", "--insecure", "--listen", BRIDGE, *options, f"rtmpq://{FAR}?transport=quic-only"])
        bed.near.wait_until_listening("tcp", 1936)
        return publish_and_view(bed, tools, seconds, f"rtmp://{BRIDGE}/live/a")
    return run


NGINX_MODULE = "/usr/lib/nginx/modules/ngx_rtmp_module.so"
NGINX = ("/usr/sbin/nginx", NGINX_MODULE)


def nginx(congestion):
    def run(bed, tools, seconds):
        bed.congestion(congestion)
        config = bed.folder / "nginx.conf"
        config.write_text(f"load_module {NGINX_MODULE};\n"
                          f"daemon off; master_process off; pid {bed.folder}/nginx.pid; error_log {bed.folder}/nginx.log;\n"
                          "events { worker_connections 64; }\n"
                          "rtmp { access_log off; server { listen 1935; application live { live on; } } }\n")
        bed.far.start([NGINX[0], "-p", bed.folder, "-c", config])
        return publish_and_view(bed, tools, seconds, f"rtmp://{FAR}/live/a")
    return run


def srt(latency_ms):
    def run(bed, _, seconds):
        bed.far.start(["srt-live-transmit", "-q", f"srt://:9000?mode=listener&latency={latency_ms}", "udp://127.0.0.1:9001"])
        bed.far.wait_until_listening("udp", 9000)
        show = Show(bed, seconds, ["udp", "--on", 9001])
        bed.far.wait_until_listening("udp", 9001)
        show.send(["udp", "--to", "127.0.0.1:9000"])
        show.await_start()
        caller = f"srt://{FAR}:9000?mode=caller&latency={latency_ms}"
        bed.near.start(["srt-live-transmit", "-q", "udp://127.0.0.1:9000?mode=listener", caller])
        show.await_end()
        time.sleep(latency_ms / 1000 + AFTER_S)
        show.receiver.terminate()
        return show.report()
    return run


def nothing(bed, _, seconds):
    bed.media_begins_at(time.monotonic_ns())
    time.sleep(WARM_S + seconds)
    return {}


@dataclasses.dataclass(frozen=True)
class System:
    what: str
    run: typing.Callable
    in_scenarios: bool = False  # takes part where the publisher's network changes, unless --systems names others
    congestion: str = ""        # of TCP
    programs: tuple = ()
    options: tuple = ()         # of `millrace push` that not every build has
    only_in: tuple = ()         # scenarios; empty: everywhere


def over_tcp(what, url, congestion, **more):
    return System(what, millrace(url, congestion), congestion=congestion, **more)


# What a build without the option does anyway.
PLAIN = {"--mapping": "bytes", "--redundancy": "off", "--congestion": "bbr"}


def over_quic(what, *flags, in_scenarios=False, **values):
    wanted = {f"--{name}": value for name, value in values.items()}
    special = {name for name, value in wanted.items() if PLAIN[name] != value}

    def run(bed, tools, seconds):
        push = [*flags, *(word for name, value in wanted.items() if name in special or name in tools.push_help for word in (name, value))]
        return millrace("rtmpq://{host}/live/a?transport=quic-only", push=push)(bed, tools, seconds)
    return System(what, run, in_scenarios, options=(*flags, *sorted(special)))


def over_srt(latency_ms, **more):
    return System(f"SRT, latency {latency_ms} ms", srt(latency_ms), programs=("srt-live-transmit",), **more)


TCP = "rtmp://{host}/live/a"
SYSTEMS = {
    "alone": System("nothing, so that the TCP flow has the link to itself", nothing, True, only_in=("shared",)),
    "tcp-cubic": over_tcp("RTMP over TCP, cubic, millrace", TCP, "cubic"),
    "tcp-bbr": over_tcp("RTMP over TCP, BBR, millrace", TCP, "bbr", in_scenarios=True),
    "nginx-cubic": System("RTMP over TCP, cubic, nginx-rtmp", nginx("cubic"), congestion="cubic", programs=NGINX),
    "nginx-bbr": System("RTMP over TCP, BBR, nginx-rtmp", nginx("bbr"), congestion="bbr", programs=NGINX),
    "srt-200": over_srt(200),
    "srt-500": over_srt(500, in_scenarios=True),
    "srt-1000": over_srt(1000),
    "bytes-cubic": over_quic("RTMP over QUIC, byte stream, cubic", mapping="bytes", congestion="cubic"),
    "bytes-bbr": over_quic("RTMP over QUIC, byte stream, BBR", mapping="bytes", in_scenarios=True),
    "roqr-live": over_quic("RTMP over QUIC, several streams, live, BBR", mapping="roqr", redundancy="off", in_scenarios=True),
    "roqr-live-red": over_quic("the same with redundancy", mapping="roqr", redundancy="auto", in_scenarios=True),
    "bridge-live": System("RTMP to a millrace bridge beside the encoder, which does the same", bridge(), options=("--mapping",)),
    "roqr-live-cubic": over_quic("RTMP over QUIC, several streams, live, cubic", mapping="roqr", redundancy="off", congestion="cubic", in_scenarios=True),
    "roqr-reliable": over_quic("RTMP over QUIC, several streams, reliable, BBR", "--reliable", mapping="roqr", redundancy="off"),
    "roqr-reliable-red": over_quic("the same with redundancy", "--reliable", mapping="roqr", redundancy="auto"),
}


def reason_against(system, link, tools):
    """Why this row cannot be measured here; None: it can."""
    if system.only_in and link not in system.only_in:
        return "only in " + ", ".join(system.only_in)
    for program in system.programs:
        if not shutil.which(program) and not pathlib.Path(program).exists():
            return f"{program} is not installed"
    for option in system.options:
        if option not in tools.push_help:
            return f"this millrace has no {option}"
    return reason_against_congestion(system.congestion) if system.congestion else None
