"""Figures out of runs, and the table: goals, whether they are reached, and ratios to nginx and to the floor of the same run."""
from measure import FULL
from rows import ROWS, STREAM_BYTES
from servers import LOAD_CORE, SERVER_CORE

# Name: head of its column, digits. Those below SHOWN are seen where they are a goal.
FIGURES = {
    "cpu_gb": ("CPU s/GB", 2), "load": ("core", 2), "busy": ("busy", 2), "generator": ("generator", 2), "generator_busy": ("busy", 2), "gbit": ("Gb/s", 2), "held": ("held", 0), "lost": ("lost", 0),
    "delay_p50": ("delay p50", 1), "delay_p99": ("p99", 1), "connect_p50": ("to play p50", 1), "connect_p99": ("p99", 1),
    "video_p50": ("video p50", 1), "video_p99": ("p99", 1), "key_p50": ("key p50", 1), "key_p99": ("p99", 1), "rss_player": ("kB/player", 1), "cpu_in_gb": ("in CPU s/GB", 2), "rss_stream": ("MB/stream", 2),
}
SHOWN = tuple(FIGURES)
FIGURES |= {"players": ("players", 0), "delay_more": ("delay p99 more, ms", 1), "rss_more": ("peak MB more", 1), "dropped": ("dropped and logged", 0),
            "scale": ("times one shard", 2), "of_rtmp": ("CPU s/GB of RTMP's", 2)}
NAMES = {"delay_p99": "delay p99", "video_p99": "video p99"}  # where a column's head alone says too little


def figures_of(measured, row):
    """By the names above."""
    run = measured.run
    if run.get("failed"):
        return {}
    players, server = run["players"], run["server"]
    out = {"load": server["cpu_seconds"] / run["seconds"], "busy": run["core_busy"][SERVER_CORE],
           "generator": run["generator"]["load"], "generator_busy": run["core_busy"][LOAD_CORE], "rss": server["rss_bytes"] / 1e6}
    if measured.players or row.players:
        out.update(cpu_gb=server["cpu_seconds_per_gigabyte"], rss_player=server["rss_bytes_per_player"] / 1e3, held=players["held"],
                   lost=players["frames_lost"], gbit=8 * players["bytes"] / run["seconds"] / 1e9)
        for name, short in (("delay_ms", "delay"), ("connect_ms", "connect"), ("first_video_ms", "video"), ("first_key_ms", "key")):
            if players.get(name):
                out[f"{short}_p50"], out[f"{short}_p99"] = players[name]["p50"], players[name]["p99"]
    else:
        gigabytes = row.streams * STREAM_BYTES * run["seconds"] / 1e9
        out.update(cpu_in_gb=server["cpu_seconds"] / gigabytes, rss_stream=server["rss_bytes_per_stream"] / 1e6)
    return out | measured.more


def name_of(figure):
    return NAMES.get(figure, FIGURES[figure][0])


def goal_text(goal):
    return f"{name_of(goal.figure)} {'>=' if goal.at_least else '<='} {goal.bound:g}"


def reached_text(goal, figures):
    """yes, or how far off; with the figure where it has no column."""
    value = figures.get(goal.figure)
    if value is None:
        return "not measured"
    shown = "" if goal.figure in SHOWN else f" ({value:.{FIGURES[goal.figure][1]}f})"
    if goal.reached(value):
        return "yes" + shown
    factor = f": x{value / goal.bound:.2f}" if value > 0 else ""
    return f"no{factor}{shown}"


def notes_of(measured):
    notes = [measured.note] if measured.note else []
    if measured.run.get("failed"):
        notes.append("failed: " + measured.run["failed"])
    elif measured.run["generator"]["too_slow"]:
        generator = measured.run["generator"]
        late = generator["publisher_latest_ms"]
        notes.append("the generator had no time left" if generator["load"] > FULL else f"the generator sent frames up to {late:.0f} ms late")
    return "; ".join(notes)


def ratio_text(mine, theirs):
    return f"{mine / theirs:.2f}" if mine and theirs else ""


def table(results):
    lines = ["| load | players | server | goal | reached | of nginx | of floor | " + " | ".join(FIGURES[key][0] for key in SHOWN) + " | notes |",
             "|---|--:|---|---|---|--:|--:|" + "--:|" * len(SHOWN) + "---|"]
    for name, result in results.items():
        row = ROWS[name]
        theirs = result["figures"].get("nginx", {})
        for system, mine in result["figures"].items():
            measured = result["measured"][system]
            ours = system != "nginx"
            of_nginx = ratio_text(mine.get(row.ratio), theirs.get(row.ratio)) if ours else ""
            of_floor = ratio_text(mine.get("cpu_gb"), (result.get("floor") or {}).get("cpu_seconds_per_gigabyte"))
            cells = [row.what, str(measured.players or "-"), system,
                     ", ".join(map(goal_text, row.goals)) if ours else "", ", ".join(reached_text(goal, mine) for goal in row.goals) if ours else "",
                     of_nginx, of_floor]
            cells += ["-" if mine.get(key) is None else f"{mine[key]:.{FIGURES[key][1]}f}" for key in SHOWN]
            lines.append("| " + " | ".join([*cells, notes_of(measured)]) + " |")
        if result.get("floor"):
            lines.append(f"| {row.what} | {result['players']} | *floor* |" + " |" * 4 + f" {result['floor']['cpu_seconds_per_gigabyte']:.2f} |"
                         f" {result['floor']['load']:.2f} |" + " |" * (len(SHOWN) - 2) + " |")
    return "\n".join(lines)
