#!/usr/bin/python3
"""Live media over bad links: one table of how old frames are when they arrive, for millrace and for what people use today.

    bench/wan/run.py [--quick] [--links L1,L3,rebind] [--systems quic-bbr,tcp-bbr] [--seeds 3] [--seconds 40] [--out DIR]

Needs root (network namespaces, TUN). Every run: a publisher in one namespace, server and viewer in the other, between them wan_link. First the
links are measured; then come the runs. The table goes to standard output, progress to standard error, everything else to DIR.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

from bed import Bed, Failed
from check import check_link
from links import LINKS, SCENARIOS
from systems import SYSTEMS, Tools

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUICK_SECONDS, QUICK_RUNS_PER_CORE = 14, 4
AROUND_S = 6        # a run's start and end, beside its media
LATE_US = 20_000    # an emulator that was this late measured the machine, not the link
KINDS = ("audio", "video")


def say(text):
    print(text, file=sys.stderr, flush=True)


def one_run(tools, link, system, seed, options):
    folder = options.out / "runs" / f"{link}-{system}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    event = link if link in SCENARIOS else None
    link_is = SCENARIOS[link][1] if event else LINKS[link]
    bed = Bed(tools.wan_link, link_is, seed, folder, event)
    try:
        with bed:
            got = SYSTEMS[system].run(bed, tools, options.seconds)
    except (Failed, subprocess.SubprocessError, OSError, ValueError) as failed:
        got = {"failed": f"{failed} (logs: {folder})"}
    got.update(link=link, system=system, seed=seed, network=bed.counters)
    if not got.get("failed") and not got.get("video", {}).get("received"):
        got["failed"] = f"no picture arrived (logs: {folder})"
    first = bed.counters.get("up", {}).get("first_ns")
    if first and got.get("first_arrival_ns"):
        got["start_rtts"] = (got["first_arrival_ns"] - first) / 1e6 / link_is.rtt
    (folder / "result.json").write_text(json.dumps(got))
    return got


def middle(runs, *path):
    values = []
    for run in runs:
        for key in path:
            run = (run or {}).get(key)
        if run is not None:
            values.append(run)
    return statistics.median(values) if values else None


def cell(value, digits=0):
    return "-" if value is None else f"{value:.{digits}f}"


def of(results, link, system):
    return [r for r in results if r["link"] == link and r["system"] == system]


def tables(results):
    lines = ["| link | system | audio p50 | p95 | p99 | max | video p50 | p95 | p99 | max | lost audio | lost video | undecodable | longest gap | start |",
             "|---|---|" + "--:|" * 13]
    events = ["| scenario | system | gap audio | gap video | lost audio | lost video | undecodable |", "|---|---|" + "--:|" * 5]
    for link in [*LINKS, *SCENARIOS]:
        for system in SYSTEMS:
            runs = of(results, link, system)
            if not runs:
                continue
            failed = sum("failed" in r for r in runs)
            name = f"| {link} | {system}" + (f" ({failed} of {len(runs)} failed)" if failed else "") + " | "
            lost = [cell(middle(runs, kind, "missing")) for kind in KINDS] + [cell(middle(runs, "video", "undecodable"))]
            if link in SCENARIOS:
                events.append(name + " | ".join([cell(middle(runs, kind, "longest_gap_ms")) for kind in KINDS] + lost) + " |")
            else:
                ages = [cell(middle(runs, kind, f"{figure}_ms")) for kind in KINDS for figure in ("p50", "p95", "p99", "max")]
                lines.append(name + " | ".join(ages + lost + [cell(middle(runs, "video", "longest_gap_ms")), cell(middle(runs, "start_rtts"), 1)]) + " |")
    return "\n\n".join("\n".join(part) for part in (lines, events) if len(part) > 2)


def check_links(tools, names, options):
    say(f"checking {len(names)} links against what was asked for")
    wanted = {name: SCENARIOS[name][1] if name in SCENARIOS else LINKS[name] for name in names}
    wanted = {name: link for i, (name, link) in enumerate(wanted.items()) if link not in list(wanted.values())[:i]}  # scenarios share a link
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = pool.map(lambda one: check_link(tools.wan_link, one[0], one[1], options.out / "check" / one[0]), wanted.items())
        rows = [row for part in parts for row in part]
    say("| link | what | asked | seen | tolerance | |\n|---|---|--:|--:|--:|---|")
    for row in rows:
        say("| " + " | ".join(map(str, row[:5])) + (" | |" if row[5] else " | OFF |"))
    (options.out / "check.json").write_text(json.dumps(rows, indent=1))
    if not all(row[5] for row in rows):
        raise SystemExit("The emulated link is not the one that was asked for, so no figure would mean anything: let the machine do nothing else, "
                         "then try again. A slow machine can leave links out with --links.")


def plot_all(results, options):
    try:
        import plots
    except ImportError:
        say("no plots: install python3-matplotlib and run this with /usr/bin/python3")
        return
    for link, is_ in LINKS.items():
        runs = [r for r in results if r["link"] == link]
        for kind in KINDS:
            if any(r.get(kind, {}).get("ages_ms") for r in runs):
                plots.plot_link(options.out / f"{link}-{kind}.png", f"{link} ({is_.what})", list(SYSTEMS), runs, kind)


def plan_of(options):
    links = options.links.split(",") if options.links else [*LINKS, *SCENARIOS]
    systems = options.systems.split(",") if options.systems else list(SYSTEMS)
    for name, known in [(n, {**LINKS, **SCENARIOS}) for n in links] + [(n, SYSTEMS) for n in systems]:
        if name not in known:
            raise SystemExit(f"'{name}' is none of {', '.join(known)}")
    # Seeds outside: after the first round there is a table of everything.
    return links, [(link, system, seed) for seed in range(1, options.seeds + 1) for link in links for system in systems
                   if link in LINKS or options.systems or SYSTEMS[system].in_scenarios]


def run_all(tools, plan, options):
    results, started = [], time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        todo = [pool.submit(one_run, tools, *what, options) for what in plan]
        for count, done in enumerate(concurrent.futures.as_completed(todo), 1):
            got = done.result()
            results.append(got)
            left = (time.monotonic() - started) / count * (len(plan) - count)
            if count < options.jobs * 2:  # too early to extrapolate
                left = (options.seconds + AROUND_S) * (len(plan) - count) / options.jobs
            late = max((got["network"].get(way, {}).get("latest_us", 0) for way in ("up", "down")), default=0)
            say(f"[{count}/{len(plan)}, {left / 60:.1f} min left] {got['link']} {got['system']} seed {got['seed']}: " + (got.get("failed") or
                f"audio p95 {got['audio'].get('p95_ms')} video p95 {got['video'].get('p95_ms')} max {got['video'].get('max_ms')} ms, "
                f"undecodable {got['video'].get('undecodable')}") +
                (f"; the emulator was once {late / 1000:.0f} ms late, the machine is too busy" if late > LATE_US else ""))
            (options.out / "results.json").write_text(json.dumps(results))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--links", help=f"of {','.join([*LINKS, *SCENARIOS])} [all]")
    parser.add_argument("--systems", help=f"of {','.join(SYSTEMS)} [all; in scenarios those that differ]")
    parser.add_argument("--seeds", type=int, help="runs of each cell, which shows their median [3]")
    parser.add_argument("--seconds", type=float, help="media per run; 25 or more has a whole period of L5 and L6 [40]")
    parser.add_argument("--jobs", type=int, help="runs side by side [one per core]")
    parser.add_argument("--quick", action="store_true", help=f"everything once in under 5 minutes: one seed, {QUICK_SECONDS} s, "
                        f"{QUICK_RUNS_PER_CORE} runs per core; a look, no proof")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "wan")
    parser.add_argument("--no-check", action="store_true", help="do not measure the links first")
    parser.add_argument("--millrace", type=pathlib.Path, default=ROOT / "build" / "bench" / "millrace")
    parser.add_argument("--wan-link", type=pathlib.Path, default=ROOT / "build" / "bench" / "bench" / "wan_link")
    options = parser.parse_args()
    cores = os.cpu_count() or 1
    options.seeds = options.seeds or (1 if options.quick else 3)
    options.seconds = options.seconds or (QUICK_SECONDS if options.quick else 40)
    options.jobs = options.jobs or (cores * QUICK_RUNS_PER_CORE if options.quick else cores)
    if os.geteuid() != 0:
        raise SystemExit("network namespaces need root: run this with sudo")
    for tool in (options.millrace, options.wan_link):
        if not tool.exists():
            raise SystemExit(f"{tool} is missing: start this as ./x bench wan, which builds it")
    options.out = options.out.resolve()  # programs run in folders of their own
    options.out.mkdir(parents=True, exist_ok=True)
    tools = Tools(str(options.millrace.resolve()), str(options.wan_link.resolve()))
    links, plan = plan_of(options)
    if not options.no_check:
        check_links(tools, links, options)
    say(f"{len(plan)} runs of {options.seconds:.0f} s, {options.jobs} side by side: about "
        f"{len(plan) * (options.seconds + AROUND_S) / options.jobs / 60:.0f} min")
    results = run_all(tools, plan, options)
    table = tables(results)
    (options.out / "table.md").write_text(table + "\n")
    print(table)
    plot_all(results, options)
    say(f"tables, plots and the JSON of every run: {options.out}")


if __name__ == "__main__":
    main()
