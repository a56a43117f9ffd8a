"""Per link one PNG: how late frames are (cumulative), and p50, p95, p99 as bars. Debian's python3-matplotlib."""
import statistics

import matplotlib

matplotlib.use("Agg")  # no screen
from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import FuncFormatter  # noqa: E402

TICKS = [20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000]


def in_ms(axis):
    axis.set_major_locator(matplotlib.ticker.FixedLocator(TICKS))
    axis.set_minor_locator(matplotlib.ticker.NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))


def plot_link(path, title, systems, runs, kind):
    """`systems`: names in the order of the table; `runs`: results of this link."""
    figure, (curves, bars) = pyplot.subplots(1, 2, figsize=(15, 6), constrained_layout=True)
    figure.suptitle(f"{title}: age of {kind} frames from making to the viewer")
    colours = pyplot.get_cmap("tab20").colors
    shown = []
    for number, system in enumerate(systems):
        mine = [run[kind] for run in runs if run["system"] == system and run.get(kind, {}).get("received")]
        if not mine:
            continue
        shown.append(system)
        ages = sorted(age for one in mine for age in one["age_by_number"] if age is not None)
        # What never came is a share that the curve never reaches.
        made = sum(one["made"] for one in mine)
        colour = colours[number % len(colours)]
        curves.plot(ages, [100 * (i + 1) / made for i in range(len(ages))], label=system, color=colour)
        for offset, (figure_name, alpha) in enumerate((("p50_ms", 1), ("p95_ms", 0.65), ("p99_ms", 0.35))):
            value = statistics.median(one[figure_name] for one in mine)
            at = len(shown) - 1 + (offset - 1) * 0.27
            bars.barh(at, value, 0.25, color=colour, alpha=alpha)
            bars.text(value * 1.03, at, f"{figure_name[:3]} {value:.0f}", va="center", fontsize=7)
    curves.set_xscale("log")
    in_ms(curves.xaxis)
    curves.set_xlabel("age in ms (logarithmic)")
    curves.set_ylabel("frames that are at most this old, % of those made")
    curves.set_ylim(0, 100.5)
    curves.grid(alpha=0.3)
    curves.legend(loc="lower right")
    bars.set_xscale("log")
    in_ms(bars.xaxis)
    bars.set_xlim(left=10)
    bars.margins(x=0.15)
    bars.set_xlabel("age in ms (logarithmic), median over the seeds")
    bars.set_yticks(range(len(shown)), shown)
    bars.invert_yaxis()
    bars.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
