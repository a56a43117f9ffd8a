"""The results as tables: medians over the seeds, beside the goals."""
import statistics

from links import GOALS, LINKS, SCENARIOS, START_GOAL_RTTS
from systems import SYSTEMS

KINDS = ("audio", "video")
SHORT = {"p50_ms": "p50", "p95_ms": "p95", "p99_ms": "p99", "longest_gap_ms": "gap", "lost": "lost", "in_time": "in time"}


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


def share(runs, kind, figure):
    """Of the frames made, in per cent. 0 is none at all."""
    count, made = middle(runs, kind, figure), middle(runs, kind, "made")
    if count is None or not made:
        return "-"
    return "0" if count == 0 else f"{max(0.1, 100 * count / made):.1f}"


def wire(runs, way="up"):
    """Bytes of IP packets for a hundred bytes of media."""
    ratios = [100 * run["network"][way]["bytes"] / run["made"]["bytes"] for run in runs if run.get("made") and run["network"].get(way)]
    return cell(statistics.median(ratios) if ratios else None)


HEADS = " | ".join(f"{kind} p50 | p95 | p99 | max | lost %" for kind in KINDS)


def media(runs):
    """What is below HEADS, and what of the pictures cannot be shown."""
    cells = []
    for kind in KINDS:
        cells += [cell(middle(runs, kind, f"{name}_ms")) for name in ("p50", "p95", "p99", "max")] + [share(runs, kind, "lost")]
    return [*cells, share(runs, "video", "undecodable")]


def in_time(runs):
    value = middle(runs, "video", "in_time")
    return cell(None if value is None else 100 * value)


def gap(runs):
    gaps = [middle(runs, kind, "longest_gap_ms") for kind in KINDS]
    return cell(None if None in gaps else max(gaps))


def missed(link, runs):
    """The goals that this row does not reach, in words."""
    out = []
    for (kind, figure), goal in GOALS.get(link, {}).items():
        seen = middle(runs, kind, figure)
        if seen is None or (seen < goal if figure == "in_time" else seen > goal):
            out.append(f"{kind} {SHORT[figure]}")
    start = middle(runs, "start_rtts")
    if start is None or start > START_GOAL_RTTS:
        out.append("start")
    return ", ".join(out) if out else "none"


def goal_row(link):
    goals = GOALS.get(link, {})

    def goal(kind, figure, text="{}"):
        return text.format(goals[kind, figure]) if (kind, figure) in goals else ""

    cells = []
    for kind in KINDS:
        cells += [goal(kind, f"{name}_ms") for name in ("p50", "p95", "p99", "max")] + [goal(kind, "lost")]
    late = goals.get(("video", "in_time"))
    cells += ["", f"{100 * late:.0f}" if late else "", goal("video", "longest_gap_ms"), "", "", str(START_GOAL_RTTS), ""]
    return f"| {link} | *goal* | " + " | ".join(cells) + " |"


def name_of(link, system, runs):
    failed = sum("failed" in run for run in runs)
    return f"| {link} | {system}" + (f" ({failed} of {len(runs)} failed)" if failed else "") + " | "


def link_table(by_cell):
    lines = [f"| link | system | {HEADS} | broken % | in 500 ms % | gap | stalls | wire % | start | goals missed |",
             "|---|---|" + "--:|" * 16 + "---|"]
    for link in LINKS:
        rows = {system: by_cell[link, system] for system in SYSTEMS if (link, system) in by_cell}
        if rows and link in GOALS:
            lines.append(goal_row(link))
        for system, runs in rows.items():
            cells = [*media(runs), in_time(runs), gap(runs), cell(middle(runs, "video", "stalls")), wire(runs),
                     cell(middle(runs, "start_rtts"), 1), missed(link, runs) if link in GOALS else ""]
            lines.append(name_of(link, system, runs) + " | ".join(cells) + " |")
    return lines


def event_table(by_cell):
    lines = [f"| scenario | system | gap audio | video | stalls | {HEADS} | broken % |", "|---|---|" + "--:|" * 14]
    for link in SCENARIOS:
        for system in SYSTEMS:
            runs = by_cell.get((link, system))
            if runs and link != "shared":
                gaps = [cell(middle(runs, kind, "longest_gap_ms")) for kind in KINDS]
                cells = [*gaps, cell(middle(runs, "video", "stalls")), *media(runs)]
                lines.append(name_of(link, system, runs) + " | ".join(cells) + " |")
    return lines


def shared_table(by_cell):
    lines = [f"| scenario | system | TCP flow, kb/s | {HEADS} | broken % |", "|---|---|" + "--:|" * 12]
    for system in SYSTEMS:
        runs = by_cell.get(("shared", system))
        if runs:
            lines.append(name_of("shared", system, runs) + " | ".join([cell(middle(runs, "rival_kbit")), *media(runs)]) + " |")
    return lines


def tables(results, notes):
    by_cell = {}
    for run in results:
        by_cell.setdefault((run["link"], run["system"]), []).append(run)
    parts = [part for part in (link_table(by_cell), event_table(by_cell), shared_table(by_cell)) if len(part) > 2]
    return "\n\n".join("\n".join(part) for part in [*parts, *([notes] if notes else [])])
