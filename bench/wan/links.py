"""The links that are compared, what happens to the publisher's network in the scenarios, and the goals."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Link:
    """Both directions are alike. Rates in kbit/s of IP packets, times in ms from its first packet."""
    what: str
    rtt: float
    rate: int
    loss: float = 0       # per cent, each way
    burst: float = 1      # mean length of a run of losses
    queue: int = 200      # what the buffer before the bottleneck holds, as time at the present rate
    dip: tuple = ()       # (rate, start, length, every)
    outage: tuple = ()    # (start, length, every)
    jitter: float = 0     # ms, each way, from 0 to this on top of the delay; packets stay in order

    def options(self):
        out = ["--delay", self.rtt / 2, "--rate", self.rate, "--loss", self.loss, "--burst", self.burst, "--queue", self.queue,
               "--jitter", self.jitter]
        for name, numbers in (("--dip", self.dip), ("--outage", self.outage)):
            if numbers:
                out += [name, ":".join(map(str, numbers))]
        return [str(word) for word in out]


LINKS = {
    "L0": Link("RTT 50 ms, 10 Mb/s, clean", 50, 10_000),
    "L1": Link("RTT 50 ms, 10 Mb/s, 1 % loss", 50, 10_000, loss=1),
    "L2": Link("RTT 100 ms, 8 Mb/s, 3 % loss", 100, 8_000, loss=3),
    "L3": Link("RTT 200 ms, 8 Mb/s, 5 % loss in bursts of 4", 200, 8_000, loss=5, burst=4),
    "L4": Link("RTT 60 ms, 10 Mb/s, 10 % loss", 60, 10_000, loss=10),
    "L5": Link("RTT 40 ms, 6 Mb/s, for 5 s of every 20 s 1.5 Mb/s, queue 300 ms", 40, 6_000, queue=300, dip=(1_500, 6_000, 5_000, 20_000)),
    "L6": Link("RTT 50 ms, 10 Mb/s, 1 s of every 15 s nothing passes", 50, 10_000, outage=(7_000, 1_000, 15_000)),
    "L7": Link("RTT 50 ms and up to 30 ms of jitter each way, 10 Mb/s, 1 % loss", 50, 10_000, loss=1, jitter=30),
}

# name: (what happens EVENT_MS after the media begins, "shared": RIVAL_AT_MS; the link on which it happens)
EVENT_MS, RIVAL_AT_MS = 6_000, 2_000
SCENARIOS = {
    "address": ("the publisher gets another address and loses the old one", LINKS["L0"]),
    "rebind": ("a NAT before the publisher changes the port of every flow", LINKS["L0"]),
    "switch": ("the publisher's route moves to a second link (RTT 80 ms) that carries only its own addresses; the first one stays up",
               LINKS["L0"]),
    "shared": ("a TCP flow (cubic) goes the same way: a good neighbour leaves it about a half",
               Link("RTT 50 ms, 6 Mb/s, clean", 50, 6_000)),
}
SECOND_LINK = Link("RTT 80 ms, 10 Mb/s, clean", 80, 10_000)

# What millrace wants to reach: link -> (kind, figure of media.py) -> at most; "in_time", a share, at least.
GOALS = {
    "L1": {("video", "p50_ms"): 35, ("video", "p95_ms"): 90, ("video", "p99_ms"): 120, ("audio", "p99_ms"): 60},
    "L2": {("video", "p50_ms"): 70, ("video", "p95_ms"): 175, ("video", "p99_ms"): 250, ("audio", "p99_ms"): 160},
    "L3": {("video", "p50_ms"): 130, ("video", "p95_ms"): 330, ("video", "p99_ms"): 520, ("audio", "p99_ms"): 320},
    "L4": {("video", "p50_ms"): 95, ("video", "p95_ms"): 170, ("video", "p99_ms"): 260, ("audio", "p99_ms"): 160},
    "L5": {("audio", "p99_ms"): 60, ("audio", "lost"): 0, ("video", "in_time"): 0.75},
    "L6": {("video", "p95_ms"): 450, ("video", "longest_gap_ms"): 1_100, ("audio", "longest_gap_ms"): 1_100},
}
START_GOAL_RTTS = 2.5
