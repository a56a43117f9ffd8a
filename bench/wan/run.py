#!/usr/bin/python3
"""Live media over bad links: one table of how old frames are when they arrive, for millrace and for what people use today.

    bench/wan/run.py [--quick] [--links L1,L3,rebind] [--systems bytes-bbr,tcp-bbr] [--seeds 3] [--seconds 20] [--out DIR]

Needs root (network namespaces, TUN). Every run: a publisher in one namespace, server and viewer in the other, between them wan_link.
First the links are measured; then come the runs. The table goes to standard output, progress to standard error, everything else to DIR.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

from bed import Bed, Failed, congestion_allowed, reason_against_running
from check import check_link
from links import LINKS, SCENARIOS
from report import KINDS, tables
from systems import AFTER_S, LEAD_S, SYSTEMS, WARM_S, Tools, reason_against

ROOT = pathlib.Path(__file__).resolve().parents[2]
FULL_SECONDS, FULL_RUNS_PER_CORE = 20, 3
QUICK_SECONDS, QUICK_RUNS_PER_CORE = 5, 4
QUICK_LEAST_SECONDS = 10                 # where something happens some seconds after the beginning
AROUND_S = LEAD_S + WARM_S + AFTER_S + 1  # a run's start and end, beside its measured media
LATE_MS = 20  # an emulator or a source that was this late measured the machine, not the link


def say(text):
    print(text, file=sys.stderr, flush=True)


def link_of(name):
    return SCENARIOS[name][1] if name in SCENARIOS else LINKS[name]


def seconds_of(link, options):
    eventful = link in SCENARIOS or link_of(link).dip or link_of(link).outage
    return max(options.seconds, QUICK_LEAST_SECONDS) if options.quick and eventful else options.seconds


def one_run(tools, link, system, seed, options):
    folder = options.out / "runs" / f"{link}-{system}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seconds = seconds_of(link, options)
    bed = Bed(tools.wan_link, link_of(link), seed, folder, link if link in SCENARIOS else None, seconds)
    got = {}
    try:
        with bed:
            got = SYSTEMS[system].run(bed, tools, seconds)
            got["rival_kbit"] = bed.rival_kbit()
    except (Failed, subprocess.SubprocessError, OSError, ValueError) as failed:
        got["failed"] = f"{failed} (logs: {folder})"
    got.update(link=link, system=system, seed=seed, network=bed.counters)
    if "video" in got and not got["video"]["received"]:
        got["failed"] = f"no picture arrived (logs: {folder})"
    first = bed.counters.get("first_ns")
    if first and got.get("first_arrival_ns"):
        got["start_rtts"] = (got["first_arrival_ns"] - first) / 1e6 / link_of(link).rtt
    (folder / "result.json").write_text(json.dumps(got))
    return got


def in_words(got):
    if got.get("failed"):
        return got["failed"]
    words = [f"{kind} p95 {got[kind]['p95_ms']}, max {got[kind]['max_ms']} ms, {got[kind]['lost']} lost" for kind in KINDS if got.get(kind)]
    if got.get("rival_kbit"):
        words.append(f"TCP flow {got['rival_kbit']:.0f} kb/s")
    network = [got["network"].get(way, {}).get("latest_us", 0) / 1000 for way in ("up", "down")]
    late = max(*network, got.get("made", {}).get("overslept_ms", 0))
    if late > LATE_MS:
        words.append(f"the emulator or the source was once {late:.0f} ms late: the machine is too busy")
    return "; ".join(words)


def check_links(tools, names, options):
    say(f"checking {len(names)} links against what was asked for")
    wanted = {name: link_of(name) for name in names}
    # Scenarios share a link.
    wanted = {name: link for name, link in wanted.items() if next(other for other in wanted if wanted[other] == link) == name}
    with concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        parts = pool.map(lambda one: check_link(tools.wan_link, one[0], one[1], options.out / "check" / one[0]), wanted.items())
        rows = [row for part in parts for row in part]
    say("| link | what | asked | seen | tolerance | |\n|---|---|--:|--:|--:|---|")
    for row in rows:
        say("| " + " | ".join(map(str, row[:5])) + (" | |" if row[5] else " | OFF |"))
    (options.out / "check.json").write_text(json.dumps(rows, indent=1))
    if not all(row[5] for row in rows):
        raise SystemExit("The emulated link is not the one that was asked for, so no figure would mean anything: let the machine do "
                         "nothing else, then try again. A slow machine can leave links out with --links.")


def plot_all(results, options):
    try:
        import plots
    except ImportError:
        say("no plots: install python3-matplotlib and run this with /usr/bin/python3")
        return
    for link, is_ in LINKS.items():
        runs = [r for r in results if r["link"] == link]
        for kind in KINDS:
            if any(r.get(kind, {}).get("received") for r in runs):
                plots.plot_link(options.out / f"{link}-{kind}.png", f"{link} ({is_.what})", list(SYSTEMS), runs, kind)


def plan_of(options, tools):
    links = options.links.split(",") if options.links else [name for name in [*LINKS, *SCENARIOS] if not (options.quick and name == "L0")]
    systems = options.systems.split(",") if options.systems else list(SYSTEMS)
    for name, known in [(n, {**LINKS, **SCENARIOS}) for n in links] + [(n, SYSTEMS) for n in systems]:
        if name not in known:
            raise SystemExit(f"'{name}' is none of {', '.join(known)}")
    reasons = {(link, system): reason_against(SYSTEMS[system], link, tools) for link in links for system in systems
               if link in LINKS or options.systems or SYSTEMS[system].in_scenarios}
    notes = dict.fromkeys(f"Not measured: {system} ({SYSTEMS[system].what}): {reason}." for (_, system), reason in reasons.items()
                          if reason and not SYSTEMS[system].only_in)
    # Seeds outside: after the first round there is a table of everything.
    cells = [cell for cell, reason in reasons.items() if not reason]
    return links, [(*cell, seed) for seed in range(1, options.seeds + 1) for cell in cells], list(notes)


def run_all(tools, plan, options):
    results, started = [], time.monotonic()
    work = sum(seconds_of(link, options) + AROUND_S for link, _, _ in plan) / options.jobs
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        todo = [pool.submit(one_run, tools, *what, options) for what in plan]
        try:
            for count, done in enumerate(concurrent.futures.as_completed(todo), 1):
                got = done.result()
                results.append(got)
                took = time.monotonic() - started
                left = took / count * (len(plan) - count) if count >= 2 * options.jobs else max(0, work - took)  # not before it is known
                say(f"[{count}/{len(plan)}, {left / 60:.1f} min left] {got['link']} {got['system']} seed {got['seed']}: {in_words(got)}")
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            say("stopping; what runs now ends first")
            raise SystemExit(130)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--links", help=f"of {','.join([*LINKS, *SCENARIOS])} [all]")
    parser.add_argument("--systems", help=f"of {','.join(SYSTEMS)} [all; in scenarios those that differ]")
    parser.add_argument("--seeds", type=int, help="runs of each cell, which shows their median [3]")
    parser.add_argument("--seconds", type=float,
                        help=f"measured media per run; with 25 or more what happens on L5 and L6 happens twice [{FULL_SECONDS}]")
    parser.add_argument("--jobs", type=int, help=f"runs side by side [{FULL_RUNS_PER_CORE} per core]")
    parser.add_argument("--quick", action="store_true", help=f"everything but L0 once in under 5 minutes: one seed, {QUICK_SECONDS} s ("
                        f"{QUICK_LEAST_SECONDS} where something happens), {QUICK_RUNS_PER_CORE} runs per core; a look, no proof")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "wan")
    parser.add_argument("--no-check", action="store_true", help="do not measure the links first")
    parser.add_argument("--millrace", type=pathlib.Path, default=ROOT / "build" / "bench" / "millrace")
    parser.add_argument("--wan-link", type=pathlib.Path, default=ROOT / "build" / "bench" / "bench" / "wan_link")
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    options.seeds = options.seeds or (1 if options.quick else 3)
    options.seconds = options.seconds or (QUICK_SECONDS if options.quick else FULL_SECONDS)
    options.jobs = options.jobs or cores * (QUICK_RUNS_PER_CORE if options.quick else FULL_RUNS_PER_CORE)
    if reason := reason_against_running():
        raise SystemExit(reason)
    for tool in (options.millrace, options.wan_link):
        if not tool.exists():
            raise SystemExit(f"{tool} is missing: start this as ./x bench wan, which builds it")
    for number in (signal.SIGINT, signal.SIGTERM):  # also where the shell has told a job in the background to ignore them
        signal.signal(number, signal.default_int_handler)
    os.nice(-10)  # whatever else the machine does, its delay would look like the network's
    options.out = options.out.resolve()  # programs run in folders of their own
    options.out.mkdir(parents=True, exist_ok=True)
    millrace = str(options.millrace.resolve())
    push_help = subprocess.run([millrace, "push", "--help"], capture_output=True, text=True).stdout
    tools = Tools(millrace, str(options.wan_link.resolve()), push_help)
    with congestion_allowed("cubic", "bbr"):
        measure(tools, options)


def measure(tools, options):
    links, plan, notes = plan_of(options, tools)
    for note in notes:
        say(note)
    if not options.no_check:
        check_links(tools, links, options)
    minutes = sum(seconds_of(link, options) + AROUND_S for link, _, _ in plan) / options.jobs / 60
    say(f"{len(plan)} runs, {options.jobs} side by side: about {minutes:.0f} min")
    results = run_all(tools, plan, options)
    (options.out / "results.json").write_text(json.dumps(results))
    table = tables(results, notes)
    (options.out / "table.md").write_text(table + "\n")
    print(table)
    plot_all(results, options)
    say(f"tables, plots and the JSON of every run: {options.out}")


if __name__ == "__main__":
    main()
