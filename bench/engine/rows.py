"""What is measured: one list of rows with their goals."""
import dataclasses

STREAM_BYTES = 322_500      # per second: 720p30 with 2.45 Mb/s of video and sound
PER_MESSAGE_MS = 1000 / 77  # 30 pictures and 47 sounds
LARGE = ("--video", "25")   # Mb/s


@dataclasses.dataclass(frozen=True)
class Goal:
    figure: str             # one of report.FIGURES
    bound: float
    at_least: bool = False  # else at most

    def reached(self, value):
        return value >= self.bound if self.at_least else value <= self.bound


@dataclasses.dataclass(frozen=True)
class Row:
    what: str
    players: int = 0
    quick_players: int = 0
    url: str = "rtmp"              # of the players
    config: str = ""               # of millrace, TOML, below [play]
    load: tuple = ()               # more words for millrace bench
    seconds: float = 1             # measured, as a multiple of what is usual
    measure: str = "plain"         # how: a function of measure.py
    nginx: bool = True             # it can do this
    nginx_players: tuple = ()      # (full, quick), where it gets a load of its own
    floor_ms: float = 0            # gather so long in the floor; 0: there is none
    goals: tuple = ()
    ratio: str = "cpu_gb"          # the figure that is compared with nginx's
    streams: int = 1


ROQR = ("--mapping", "roqr")
GATHERS = "gather_ms_max = {}\nload_per_cent = 5"  # a window that reaches its bound; the default waits until a quarter of a core is busy

ROWS = {
    "tcp-100": Row("TCP, up to 100 ms gathered", 800, 300, config=GATHERS.format(100), floor_ms=100,
                   goals=(Goal("cpu_gb", 0.48), Goal("delay_p99", 120))),
    "tcp-25": Row("TCP, up to 25 ms gathered", 800, 300, config=GATHERS.format(25), floor_ms=25,
                  goals=(Goal("cpu_gb", 1.3), Goal("delay_p99", 35))),
    "tcp-0": Row("TCP, nothing gathered", 800, 300, config="gather_ms_max = 0", floor_ms=PER_MESSAGE_MS),
    "tcp": Row("TCP, as configured by default", 800, 300),
    "tcp-2000": Row("TCP, 2000 players", 2000, 1000, load=("--watching", "400")),
    "http": Row("HTTP-FLV, up to 100 ms gathered", 800, 300, "http", config=GATHERS.format(100), measure="beside_rtmp", nginx=False,
                goals=(Goal("of_rtmp", 1.15), Goal("delay_p99", 120))),
    "tls": Row("RTMPS", 500, 150, "rtmps", nginx=False, goals=(Goal("cpu_gb", 1.8),)),
    "roqr": Row("RTMP over QUIC, RoQR, live", 500, 100, "rtmpq", load=ROQR, nginx=False, goals=(Goal("cpu_gb", 2.8), Goal("video_p50", 1), Goal("video_p99", 5))),
    "bytes": Row("RTMP over QUIC, byte stream", 500, 100, "rtmpq", load=("--mapping", "bytes"), nginx=False),
    "ingest": Row("400 publishers, no player", streams=400, config=GATHERS.format(100), ratio="cpu_in_gb", goals=(Goal("cpu_in_gb", 2.0), Goal("rss_stream", 0.4))),
    "most": Row("TCP, the most players", 8000, 6000, measure="most", load=("--watching", "400", "--settle", "2.5"), seconds=0.5,
                nginx_players=(3000, 2000), ratio="players", goals=(Goal("players", 6000, True),)),
    "join": Row("TCP, 200 more join a second", 2000, 500, measure="join", load=("--watching", "400", "--guests-per-second", "200"), seconds=2,
                ratio="delay_more", goals=(Goal("delay_more", 20),)),
    # At the same window in both: a quarter of a core is about what this load takes, so that by default the window itself moves by tens of ms between runs.
    "stalled": Row("TCP, 25 Mb/s, one reads nothing for 10 s", 500, 100, measure="stalled", config=GATHERS.format(25), load=(*LARGE, "--watching", "50"), seconds=1.2, nginx=False,
                   goals=(Goal("delay_more", 5), Goal("rss_more", 16), Goal("dropped", 1, True))),
    "roqr-rate": Row("RoQR, 25 Mb/s, the most players", 100, 100, "rtmpq", measure="most", load=(*ROQR, *LARGE), seconds=0.5, nginx=False,
                     goals=(Goal("gbit", 2.4, True),)),
    # At the same window: a shard with half of the load would gather less by itself, and pay more for each frame.
    "shards": Row("TCP, two shards instead of one", 2000, 1000, measure="shards", config=GATHERS.format(50), load=("--watching", "400"), nginx=False,
                  goals=(Goal("scale", 1.8, True),)),
}
