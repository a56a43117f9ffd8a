"""How a row is measured: one function per kind, each returns a Measured. The load generator has a core of its own."""
import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import time

from rows import STREAM_BYTES
from servers import FLOOR_PORT, HTTP_PORT, LOAD_CORE, RTMP_PORT, SERVER_CORE, SYSTEMS, has_shards, millrace, pinned

FULL = 0.9                 # of a core: no more fits
DELAY_HELD_MS = 500        # p99: beyond that a rate is held by a queue
STEPS = 1.25               # from one number of players to the next
FEWER = (1, 0.6, 0.4, 0.2)  # of the wanted players, until the machine carries them
DROPPED = re.compile(r"plays .*?: \d+ frames? not sent: (.*?)\. ")
TOO_SLOW = re.compile(r"(\d+) (?:viewer_too_slow|video_until_key_frame|ring_overrun)")  # the other reasons are a viewer's wish


@dataclasses.dataclass
class Measured:
    players: int
    run: dict                                      # what millrace bench said
    more: dict = dataclasses.field(default_factory=dict)  # figures that are not in it
    note: str = ""
    others: list = dataclasses.field(default_factory=list)  # runs that led there


def start(options, row, system, folder, **how):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return SYSTEMS[system](options, row, folder, **how)


def load(options, row, players, server, *words):
    play = []
    if row.url == "http" and players:
        play = ["--play", f"http://127.0.0.1:{HTTP_PORT}/live/a.flv"]
    elif row.url != "rtmp" and players:
        play = ["--play", f"{row.url}://127.0.0.1:{RTMP_PORT}/live/a" + ("?transport=quic-only" if row.url == "rtmpq" else "")]
    seconds = options.seconds * row.seconds
    argv = [options.millrace, "-q", "bench", f"rtmp://127.0.0.1:{RTMP_PORT}/live/a", "--insecure", "--json", "-n", players, "--streams", row.streams,
            "--seconds", seconds, "--pid", server.process.pid, *play, *row.load, *words]
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, preexec_fn=pinned(LOAD_CORE), timeout=120 + seconds + players / 20)
    if not done.stdout:
        return {"failed": done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}"}
    return json.loads(done.stdout)


def floor_of(options, row, players):
    reader = subprocess.Popen([str(options.floor), "read", str(FLOOR_PORT), str(players)], preexec_fn=pinned(LOAD_CORE))
    words = [options.floor, "push", FLOOR_PORT, players, STREAM_BYTES, row.floor_ms, options.seconds]
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, preexec_fn=pinned(SERVER_CORE))
    reader.wait(20)
    return json.loads(done.stdout)


def held(run):
    """Every player got the whole stream, and in time."""
    if run.get("failed"):
        return False
    players = run["players"]
    return (players["held"] == players["wanted"] and players["frames_lost"] == 0 and
            players["delay_ms"] is not None and players["delay_ms"]["p99"] <= DELAY_HELD_MS)


def limit_of(run):
    """Which side had no more to give: by what a core was busy with in all, the kernel's own threads too."""
    if run.get("failed"):
        return run["failed"]
    full = [name for name, core in (("the server's core", SERVER_CORE), ("the generator's core", LOAD_CORE)) if run["core_busy"][core] > FULL]
    return " and ".join(full) + " full" if full else "neither core full"


def plain(options, row, system, players, folder):
    with start(options, row, system, folder) as server:
        return Measured(players, load(options, row, players, server))


def most(options, row, system, players, folder):
    """The most players that are held, to within an eighth: up or down by steps, then once between."""
    runs = {}

    def holds(count):
        with start(options, row, system, folder / str(count)) as server:
            runs[count] = load(options, row, count, server)
        return held(runs[count])

    best, worst = None, None
    count = players
    while True:
        if holds(count):
            best = count
        else:
            worst = count
        if options.quick or (best and worst) or len(runs) > 5:
            break
        count = round(count * STEPS if best else count / STEPS)
    if best and worst and holds((best + worst) // 2):
        best = (best + worst) // 2
    elif best and worst:
        worst = (best + worst) // 2
    note = f"{worst} were not: {limit_of(runs[worst])}" if worst else "more were not tried"
    return Measured(best or 0, runs[best or worst], {"players": best or 0}, note, list(runs.values()))


@contextlib.contextmanager
def publisher_alone(options):
    """In a process of its own that the players cannot hold up, or their delays would be the generator's: it is what guests keep busy."""
    words = [options.millrace, "-q", "bench", f"rtmp://127.0.0.1:{RTMP_PORT}/live/a", "-n", 0, "--seconds", 3600]
    process = subprocess.Popen([str(word) for word in words], stderr=subprocess.DEVNULL, preexec_fn=pinned(LOAD_CORE))
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, process.pid, -10)
    try:
        time.sleep(3)  # a key frame has to be there
        yield
    finally:
        process.kill()
        process.wait()


def join(options, row, system, players, folder):
    """Guests come in the second half of what is measured."""
    with start(options, row, system, folder) as server, publisher_alone(options):
        measured = Measured(players, load(options, row, players, server, "--no-publish"))
    if not measured.run.get("failed"):
        guests = measured.run["guests"]
        before, since = guests["others_delay_before_ms"]["p99"], guests["others_delay_since_ms"]["p99"]
        measured.more = {"delay_more": since - before, "held": None}  # not known to who does not publish
        measured.note = f"p99 {before:.0f} ms before, {since:.0f} with guests; {guests['came']} came, {guests['failed']} failed"
    return measured


def stalled(options, row, system, players, folder):
    """The same load without and with one that stalls, of as many players as the machine carries."""
    for share in FEWER:
        count = int(players * share)
        with start(options, row, system, folder / f"{count}-none", log_level="info") as server:
            without = load(options, row, count, server)
            peak_without = server.rss_peak()
        if held(without):
            break
    with start(options, row, system, folder / f"{count}-one", log_level="info") as server:
        run = load(options, row, count, server, "--stalled", 1, "--stall", min(10, 0.8 * options.seconds * row.seconds))
        peak = server.rss_peak()
    if run.get("failed") or without.get("failed"):
        return Measured(count, run, note=without.get("failed", ""))
    reasons = [found.group(1) for found in map(DROPPED.search, server.log_path.read_text(errors="replace").splitlines()) if found and TOO_SLOW.search(found.group(1))]
    more = {"delay_more": run["players"]["delay_ms"]["p99"] - without["players"]["delay_ms"]["p99"], "rss_more": peak - peak_without,
            "dropped": sum(int(number) for reason in reasons for number in TOO_SLOW.findall(reason))}
    note = f"peak {peak:.0f} MB, {peak_without:.0f} without; the log: {'; '.join(reasons) or 'no drop'}"
    if count < players:
        note += f"; {players} were too many for this machine"
    return Measured(count, run, more, note, [without])


def shards(options, row, system, players, folder):
    """The same load on one shard and on two. How much further two go until the busier one fills its core is what its time says."""
    if not has_shards(options.millrace):
        return Measured(players, {"failed": "this millrace has no --shards"})
    runs = []
    for count in (1, 2):
        cores = (SERVER_CORE, LOAD_CORE)[:count]
        folder_of_run = folder / str(count)
        folder_of_run.mkdir(parents=True, exist_ok=True)
        with millrace(options, row, folder_of_run, shards=count, cores=cores) as server:
            runs.append(load(options, row, players, server))
    one, two = runs
    if one.get("failed") or two.get("failed"):
        return Measured(players, two if two.get("failed") else one)
    busiest = [max(run["server"]["cpu_seconds_of_threads"]) / run["seconds"] for run in runs]
    costs = [run["server"]["cpu_seconds_per_gigabyte"] for run in runs]
    note = f"CPU s/GB {costs[0]:.2f} on one, {costs[1]:.2f} on two; the busiest thread {busiest[0]:.2f} and {busiest[1]:.2f} of a core"
    return Measured(players, two, {"scale": busiest[0] / busiest[1]}, note, [one])


def beside_rtmp(options, row, system, players, folder):
    """The same load over RTMP first."""
    rtmp = plain(options, dataclasses.replace(row, url="rtmp"), system, players, folder / "rtmp").run
    measured = plain(options, row, system, players, folder / row.url)
    if not rtmp.get("failed") and not measured.run.get("failed"):
        cost = rtmp["server"]["cpu_seconds_per_gigabyte"]
        measured.more = {"of_rtmp": measured.run["server"]["cpu_seconds_per_gigabyte"] / cost}
        measured.note = f"RTMP {cost:.2f} CPU s/GB"
        measured.others = [rtmp]
    return measured


KINDS = {"plain": plain, "beside_rtmp": beside_rtmp, "most": most, "join": join, "stalled": stalled, "shards": shards}
