#!/usr/bin/python3
"""What one core delivers: millrace and nginx-rtmp side by side, and the kernel's floor. One table with goals and ratios.

    bench/engine/run.py [--quick] [--rows tcp-100,tls] [--seconds 10] [--out DIR]

Every server has one core for itself, the load generator (millrace bench) the other. The same load goes to each server in turn.
The table goes to standard output, progress to standard error, everything else to DIR.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVER_CORE, LOAD_CORE = 0, 1
NGINX, NGINX_MODULE = "/usr/sbin/nginx", "/usr/lib/nginx/modules/ngx_rtmp_module.so"
RTMP_PORT, FLOOR_PORT = 19350, 19352
STREAM_BYTES = 322_500  # per second: 720p30 with 2.45 Mb/s of video and sound


def say(text):
    print(text, file=sys.stderr, flush=True)


@dataclasses.dataclass(frozen=True)
class Row:
    what: str
    players: int = 0
    url: str = "rtmp"              # of the players
    config: str = ""               # of millrace, TOML
    load: tuple = ()               # more words for millrace bench
    nginx: bool = True             # it can do this
    floor_ms: float = 0            # gather so long in the floor; 0: there is none
    goal: tuple = ()               # (figure, at most, unit)
    quick_players: int = 0
    streams: int = 1


PER_MESSAGE_MS = 1000 / 77  # 30 pictures and 47 sounds


ROWS = {
    "tcp-100": Row("TCP, up to 100 ms gathered", 800, config="gather_ms_max = 100\nload_per_cent = 5", floor_ms=100, quick_players=300,
                   goal=(("cpu_gb", 0.48), ("delay_p99", 120))),
    "tcp-25": Row("TCP, up to 25 ms gathered", 800, config="gather_ms_max = 25\nload_per_cent = 5", floor_ms=25, quick_players=300,
                  goal=(("cpu_gb", 1.3), ("delay_p99", 35))),
    "tcp-0": Row("TCP, nothing gathered", 800, config="gather_ms_max = 0", floor_ms=PER_MESSAGE_MS, quick_players=300),
    "tcp": Row("TCP, as configured by default", 800, quick_players=300),
    "tcp-2000": Row("TCP, 2000 players", 2000, quick_players=1000),
    "tls": Row("RTMPS", 500, "rtmps", nginx=False, quick_players=150, goal=(("cpu_gb", 1.8),)),
    "roqr": Row("RTMP over QUIC, RoQR, live", 500, "rtmpq", load=("--mapping", "roqr"), nginx=False, quick_players=100,
                goal=(("cpu_gb", 2.8),)),
    "bytes": Row("RTMP over QUIC, byte stream", 500, "rtmpq", load=("--mapping", "bytes"), nginx=False, quick_players=100),
    "ingest": Row("400 publishers, no player", 0, streams=400, quick_players=0, goal=(("cpu_in_gb", 2.0), ("rss_stream", 0.4))),
}


def pinned(core):
    return lambda: os.sched_setaffinity(0, {core})


class Server:
    """One server under test, on its core."""

    def __init__(self, name, argv, folder, port):
        self.name = name
        self.log = open(folder / f"{name}.log", "wb")
        self.process = subprocess.Popen([str(word) for word in argv], stdout=self.log, stderr=self.log, preexec_fn=pinned(SERVER_CORE))
        end = time.monotonic() + 10
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if time.monotonic() > end or self.process.poll() is not None:
                raise SystemExit(f"{name} does not listen on port {port}: see {folder / (name + '.log')}")
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


def millrace(options, row, folder):
    config = folder / "millrace.toml"
    config.write_text(f"log_level = \"warning\"\n[play]\n{row.config}\n")
    return Server("millrace", [options.millrace, "serve", "--listen", f"127.0.0.1:{RTMP_PORT}", "--state", folder / "state", "--config", config],
                  folder, RTMP_PORT)


def nginx(_, __, folder):
    config = folder / "nginx.conf"
    config.write_text(f"load_module {NGINX_MODULE};\ndaemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;\n"
                      "worker_rlimit_nofile 20000; events { worker_connections 16384; }\n"
                      f"rtmp {{ access_log off; server {{ listen 127.0.0.1:{RTMP_PORT}; application live {{ live on; }} }} }}\n")
    return Server("nginx", [NGINX, "-p", folder, "-c", config], folder, RTMP_PORT)


SYSTEMS = {"millrace": millrace, "nginx": nginx}


def load(options, row, players, server):
    play = [] if row.url == "rtmp" or players == 0 else ["--play", f"{row.url}://127.0.0.1:{RTMP_PORT}/live/a" + ("?transport=quic-only" if row.url == "rtmpq" else "")]
    words = [options.millrace, "-q", "bench", f"rtmp://127.0.0.1:{RTMP_PORT}/live/a", "--insecure", "--json", "-n", players, "--streams", row.streams,
             "--seconds", options.seconds, "--pid", server.process.pid, *play, *row.load]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, preexec_fn=pinned(LOAD_CORE),
                          timeout=120 + options.seconds + players / 20)
    if not done.stdout:
        return {"failed": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}"}
    return json.loads(done.stdout)


def floor_of(options, row, players):
    reader = subprocess.Popen([str(options.floor), "read", str(FLOOR_PORT), str(players)], preexec_fn=pinned(LOAD_CORE))
    words = [options.floor, "push", FLOOR_PORT, players, STREAM_BYTES, row.floor_ms, options.seconds]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, preexec_fn=pinned(SERVER_CORE))
    reader.wait(20)
    return json.loads(done.stdout)


def figures(got, row):
    """Of one run, by the names that goals use."""
    if got.get("failed"):
        return {}
    players, server = got["players"], got["server"]
    out = {"load": server["cpu_seconds"] / got["seconds"], "rss": server["rss_bytes"] / 1e6}
    if row.players:
        out.update(cpu_gb=server["cpu_seconds_per_gigabyte"], rss_player=server["rss_bytes_per_player"] / 1e3, held=players["held"],
                   lost=players["frames_lost"])
        for name, short in (("delay_ms", "delay"), ("connect_ms", "connect"), ("first_key_ms", "key")):
            if players[name]:
                out[f"{short}_p50"], out[f"{short}_p99"] = players[name]["p50"], players[name]["p99"]
    else:
        gigabytes = row.streams * STREAM_BYTES * got["seconds"] / 1e9
        out.update(cpu_in_gb=server["cpu_seconds"] / gigabytes, rss_stream=server["rss_bytes"] / row.streams / 1e6)
    return out


COLUMNS = (("cpu_gb", "CPU s/GB", 2), ("load", "core", 2), ("held", "held", 0), ("lost", "lost", 0), ("delay_p50", "delay p50", 1), ("delay_p99", "p99", 1),
           ("connect_p50", "to play p50", 1), ("connect_p99", "p99", 1), ("key_p50", "key p50", 1), ("key_p99", "p99", 1),
           ("rss_player", "kB/player", 1), ("cpu_in_gb", "in CPU s/GB", 2), ("rss_stream", "MB/stream", 2))


def table(results):
    lines = ["| load | players | server | " + " | ".join(head for _, head, _ in COLUMNS) + " | of nginx | floor | goals missed |",
             "|---|--:|---|" + "--:|" * (len(COLUMNS) + 2) + "---|"]
    for name, result in results.items():
        row = ROWS[name]
        theirs = result["figures"].get("nginx", {})
        for system, mine in result["figures"].items():
            cells = ["-" if mine.get(key) is None else f"{mine[key]:.{digits}f}" for key, _, digits in COLUMNS]
            cost = "cpu_gb" if row.players else "cpu_in_gb"
            ratio = f"{mine[cost] / theirs[cost]:.2f}" if system != "nginx" and mine.get(cost) and theirs.get(cost) else ""
            floor = f"{result['floor']['cpu_seconds_per_gigabyte']:.2f}" if result.get("floor") else ""
            missed = ", ".join(f"{key} {mine[key]:.2f} > {most}" for key, most in row.goal if key in mine and mine[key] > most) if system == "millrace" else ""
            notes = [missed] if missed else []
            if result["runs"][system].get("failed"):
                notes.append("failed: " + result["runs"][system]["failed"])
            elif result["runs"][system]["generator"]["too_slow"]:
                notes.append("the generator was too slow")
            lines.append(f"| {row.what} | {result['players'] or '-'} | {system} | " + " | ".join(cells) + f" | {ratio} | {floor} | {'; '.join(notes)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", help=f"of {','.join(ROWS)} [all]")
    parser.add_argument("--systems", default="millrace,nginx", help="of millrace,nginx [both]")
    parser.add_argument("--seconds", type=float, help="measured per run [10]")
    parser.add_argument("--quick", action="store_true", help="fewer players, 4 s: a look, no proof")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "engine")
    parser.add_argument("--millrace", type=pathlib.Path, default=ROOT / "build" / "bench" / "millrace")
    parser.add_argument("--floor", type=pathlib.Path, default=ROOT / "build" / "bench" / "bench" / "floor")
    options = parser.parse_args()
    options.seconds = options.seconds or (4 if options.quick else 10)
    rows = options.rows.split(",") if options.rows else list(ROWS)
    for name in rows:
        if name not in ROWS:
            raise SystemExit(f"'{name}' is none of {', '.join(ROWS)}")
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("server and load need a core each, and this machine lets us use one only")
    for tool in (options.millrace, options.floor):
        if not tool.exists():
            raise SystemExit(f"{tool} is missing: start this as ./x bench engine, which builds it")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    options.out = options.out.resolve()
    options.millrace, options.floor = options.millrace.resolve(), options.floor.resolve()
    systems = [name for name in options.systems.split(",") if name != "nginx" or pathlib.Path(NGINX_MODULE).exists()]
    results = {}
    for name in rows:
        row = ROWS[name]
        players = row.quick_players if options.quick else row.players
        result = {"players": players, "runs": {}, "figures": {}}
        for system in systems:
            if system == "nginx" and not row.nginx:
                continue
            folder = options.out / f"{name}-{system}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            with SYSTEMS[system](options, row, folder) as server:
                result["runs"][system] = load(options, row, players, server)
            result["figures"][system] = figures(result["runs"][system], row)
            shown = ", ".join(f"{head} {result['figures'][system][key]:.{digits}f}" for key, head, digits in COLUMNS[:6] if key in result["figures"][system])
            say(f"{row.what}, {system}: {shown or result['runs'][system].get('failed', 'done')}")
        if row.floor_ms:
            result["floor"] = floor_of(options, row, players)
        results[name] = result
    (options.out / "results.json").write_text(json.dumps(results, indent=1))
    text = table(results)
    (options.out / "table.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
