"""The clock of the wall is set while the server runs (for the server alone, test/support/wall_clock.c): what runs goes on, what has a time in it keeps its word."""
import json
import pathlib
import re
import struct
import subprocess
from datetime import datetime, timezone

import pytest

from process import MILLRACE
from test_endurance import growing, metric
from test_http import fetch_json, get
from test_tokens import Signer

SHIM = pathlib.Path(__file__).parents[1] / "support" / "wall_clock.c"


class Clock:
    def __init__(self, folder):
        self.file, self.library = folder / "offset", folder / "wall_clock.so"
        self.set(0)
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", SHIM, "-o", self.library], check=True)

    def set(self, seconds):
        """From the true time; at once."""
        with open(self.file, "r+b" if self.file.exists() else "wb") as out:
            out.write(struct.pack("=q", seconds))

    @property
    def prefix(self):
        linked = subprocess.run(["ldd", MILLRACE], capture_output=True, text=True, check=True).stdout
        sanitizers = re.findall(r"=> (\S*/lib[at]san\.so\S*)", linked)  # they have to come first
        return ["env", f"LD_PRELOAD={':'.join([*sanitizers, str(self.library)])}", f"WALL_CLOCK_OFFSET={self.file}"]


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


def server_at(clock, start_server, procs, *options):
    procs.prefix = clock.prefix
    server = start_server(*options)
    procs.prefix = []
    return server


def ahead(server):
    """How far its clock is from ours, in seconds."""
    told = datetime.fromisoformat(fetch_json(server, "/api/v1/server")[1]["now"].replace("Z", "+00:00"))
    return (told - datetime.now(timezone.utc)).total_seconds()


DAYS = 86_400


def test_what_runs_goes_on(start_server, procs, clip, clock, tmp_path):
    config = tmp_path / "record.toml"
    config.write_text(f'[record]\ndirectory = "{tmp_path}/recordings"\n[[record.rules]]\nstreams = "live/*"\n')
    server = server_at(clock, start_server, procs, "--config", config)
    pushed = procs.millrace("push", "--no-reconnect", "--loop", clip.path, server.url("rtmpq", "live/a"))
    server.wait_publisher("live/a")
    out = tmp_path / "viewer.flv"
    pulled = procs.millrace("pull", "--no-reconnect", server.url("rtmps", "live/a"), out)
    growing(out)
    assert get(server, "/live/a/index.m3u8")[0] == 200
    for jump in (40 * DAYS, -700 * DAYS, 0):
        clock.set(jump)
        mark = server.process.mark()
        assert abs(ahead(server) - jump) < 60
        growing(out, 60_000)
        assert pushed.running() and pulled.running()
        # Who comes now is served as before, over every transport.
        for form in ("rtmp", "rtmpq?transport=quic-only"):
            again = tmp_path / "again.flv"
            again.unlink(missing_ok=True)
            one = procs.millrace("pull", "--no-reconnect", server.url(form, "live/a"), again)
            growing(again)
            one.stop()
        playlist = get(server, "/live/a/index.m3u8")
        assert playlist[0] == 200
        assert "closed: timeout" not in "\n".join(server.process.lines[mark:])
    assert metric(server, "millrace_recording_failures_total") == 0
    pushed.stop()
    assert server.process.stop() == 0
    recorded, = (tmp_path / "recordings").rglob("*.mp4")
    probed = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "json", recorded], check=True, capture_output=True, text=True)
    assert 3 < float(json.loads(probed.stdout)["format"]["duration"]) < 600


def test_what_has_an_end_ends_by_the_clock(start_server, procs, clip, clock, tmp_path):
    signer = Signer(tmp_path)
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [signer.jwk]}))
    config = tmp_path / "tokens.toml"
    config.write_text(f'[access]\njwt_keys = "{tmp_path}/jwks.json"\n[publish]\nallow = []\n')
    server = server_at(clock, start_server, procs, "--config", config)
    made = fetch_json(server, "/api/v1/keys?streams=live/*&lasts_s=3600", "POST")[1]
    token = signer.token(publish="live/*", lasts=3600)
    ways = [f"live/a?key={made['secret']}", f"live/a?jwt={token}"]
    for jump, expected in ((0, 0), (2 * 3600, 6), (-2 * 3600, 0)):  # a clock that was wrong and is set right opens again what it had closed
        clock.set(jump)
        for way in ways:
            tried = procs.millrace("push", "--no-reconnect", "--no-realtime", clip.path, server.rtmp(way))
            assert tried.wait(30) == expected, tried.text
