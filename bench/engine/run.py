#!/usr/bin/python3
"""What one core delivers: millrace and nginx-rtmp side by side, and the kernel's floor. One table with goals and ratios, and plots.

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
import signal
import sys

import measure
from report import FIGURES, figures_of, table
from rows import ROWS
from servers import NGINX_MODULE

ROOT = pathlib.Path(__file__).resolve().parents[2]


def say(text):
    print(text, file=sys.stderr, flush=True)


def options_of_user():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", help=f"of {','.join(ROWS)} [all]")
    parser.add_argument("--systems", default="millrace,nginx", help="of millrace,nginx [both]")
    parser.add_argument("--seconds", type=float, help="measured per run, in some rows a multiple of it [10]")
    parser.add_argument("--quick", action="store_true", help="fewer players, 4 s: a look, no proof")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "engine")
    parser.add_argument("--millrace", type=pathlib.Path, default=ROOT / "build" / "bench" / "millrace")
    parser.add_argument("--floor", type=pathlib.Path, default=ROOT / "build" / "bench" / "bench" / "floor")
    options = parser.parse_args()
    options.seconds = options.seconds or (4 if options.quick else 10)
    options.rows = options.rows.split(",") if options.rows else list(ROWS)
    for name in options.rows:
        if name not in ROWS:
            raise SystemExit(f"'{name}' is none of {', '.join(ROWS)}")
    for tool in (options.millrace, options.floor):
        if not tool.exists():
            raise SystemExit(f"{tool} is missing: start this as ./x bench engine, which builds it")
    options.out = options.out.resolve()
    options.millrace, options.floor = options.millrace.resolve(), options.floor.resolve()
    options.systems = [name for name in options.systems.split(",") if name != "nginx" or pathlib.Path(NGINX_MODULE).exists()]
    return options


def measure_row(options, name):
    row = ROWS[name]
    players = row.quick_players if options.quick else row.players
    result = {"players": players, "measured": {}, "figures": {}}
    for system in options.systems:
        if system == "nginx" and not row.nginx:
            continue
        wanted = row.nginx_players[1 if options.quick else 0] if system == "nginx" and row.nginx_players else players
        done = measure.KINDS[row.measure](options, row, system, wanted, options.out / f"{name}-{system}")
        figures = figures_of(done, row)
        result["measured"][system], result["figures"][system] = done, figures
        shown = ", ".join(f"{FIGURES[key][0]} {value:.{FIGURES[key][1]}f}" for key, value in figures.items()
                          if value is not None and key in ("cpu_gb", "load", "held", "lost", "delay_p99", "cpu_in_gb", *done.more))
        say(f"{row.what}, {system}: {shown or done.run.get('failed', 'done')}" + (f" ({done.note})" if done.note else ""))
    if row.floor_ms:
        result["floor"] = measure.floor_of(options, row, players)
    return result


def plot(results, folder):
    try:
        import plots
    except ImportError:
        say("no plots: install python3-matplotlib and run this with /usr/bin/python3")
        return
    plots.plot_all(results, folder)


def main():
    options = options_of_user()
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("server and load need a core each, and this machine lets us use one only")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    results = {name: measure_row(options, name) for name in options.rows}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(json.dumps(results, indent=1, default=dataclasses.asdict))
    text = table(results)
    (options.out / "table.md").write_text(text + "\n")
    plot(results, options.out)
    print(text)


if __name__ == "__main__":
    main()
