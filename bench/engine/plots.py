"""The table as pictures: what a gigabyte costs, what that buys in delay, and memory. Debian's python3-matplotlib."""
import matplotlib

matplotlib.use("Agg")  # no screen
from matplotlib import pyplot  # noqa: E402

from rows import ROWS  # noqa: E402

COLOURS = {"millrace": "tab:blue", "nginx": "tab:orange", "floor": "tab:grey"}


def seen(results, figure):
    """Of every row that has it: (row's name, {system: value})."""
    out = []
    for name, result in results.items():
        values = {system: figures[figure] for system, figures in result["figures"].items() if figures.get(figure)}
        if figure == "cpu_gb" and result.get("floor"):
            values["floor"] = result["floor"]["cpu_seconds_per_gigabyte"]
        if values:
            out.append((name, values))
    return out


def save(figure, path):
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def bars(path, rows, title, unit):
    figure, axis = pyplot.subplots(figsize=(11, 1.2 + 0.55 * len(rows)), constrained_layout=True)
    for at, (_, values) in enumerate(rows):
        for number, (system, value) in enumerate(values.items()):
            place = at + (number - (len(values) - 1) / 2) * 0.27
            axis.barh(place, value, 0.25, color=COLOURS[system])
            axis.text(value, place, f" {value:.2f}" if value < 10 else f" {value:.0f}", va="center", fontsize=8)
    axis.set_yticks(range(len(rows)), [ROWS[name].what for name, _ in rows])
    axis.invert_yaxis()
    axis.set_xlabel(unit)
    axis.set_title(title)
    axis.margins(x=0.1)
    axis.grid(axis="x", alpha=0.3)
    present = {system for _, values in rows for system in values}
    axis.legend(handles=[matplotlib.patches.Patch(color=colour, label=system) for system, colour in COLOURS.items() if system in present],
                loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, path)


def delay_and_cost(path, results):
    figure, axis = pyplot.subplots(figsize=(9, 6), constrained_layout=True)
    for name, result in results.items():
        for system, figures in result["figures"].items():
            if figures.get("cpu_gb") and figures.get("delay_p99"):
                axis.scatter(figures["cpu_gb"], figures["delay_p99"], color=COLOURS[system], marker="o" if ROWS[name].url == "rtmp" else "^")
                axis.annotate(name, (figures["cpu_gb"], figures["delay_p99"]), textcoords="offset points", xytext=(5, 4), fontsize=8)
    axis.set_xlabel("server's CPU s per GB delivered")
    axis.set_ylabel("delay p99, ms")
    axis.set_xlim(left=0)
    axis.set_ylim(bottom=0)
    axis.set_title("What the CPU buys: delay from the encoder to the player (triangles: TLS and QUIC)")
    axis.grid(alpha=0.3)
    axis.legend(handles=[matplotlib.patches.Patch(color=COLOURS[system], label=system) for system in ("millrace", "nginx")])
    save(figure, path)


def plot_all(results, folder):
    bars(folder / "cost.png", seen(results, "cpu_gb"), "Server's CPU time for a gigabyte that players got (one core)", "CPU s per GB")
    bars(folder / "memory.png", seen(results, "rss_player"), "Memory that a player costs the server", "kB per player")
    delay_and_cost(folder / "delay-cost.png", results)
