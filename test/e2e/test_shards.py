"""A server of several threads: who is on which does not matter to anybody. Connections are numbered so that the number tells the shard."""
import re

import pytest

from media import Decoded
from process import until
from test_bench import bench

SHARDS = 2
VIEWERS_MOST = 24  # all of them on one shard: once in ten million


@pytest.fixture
def server(start_server):
    return start_server("--shards", SHARDS)


def shard_of(line):
    return (int(re.search(r"#(\d+) ", line)[1]) - 1) % SHARDS


def test_viewers_of_every_shard_get_every_picture_through_a_rebinding(server, procs, clip, relay_for, tmp_path):
    relay = relay_for(server)
    pulls, shards = [], {"rtmp": set(), "rtmps": set(), "rtmpq": set()}
    while any(len(seen) < SHARDS for seen in shards.values()):
        for form, seen in shards.items():
            if len(seen) == SHARDS:
                continue
            assert len(pulls) < VIEWERS_MOST, f"all viewers are on one shard: {shards}"
            out = tmp_path / f"out-{len(pulls)}.flv"
            mark = server.process.mark()
            url = server.url("rtmpq?fallback=none", "live/a", port=relay.port) if form == "rtmpq" else server.url(form, "live/a")
            pulls.append((procs.millrace("pull", url, out), out))
            seen.add(shard_of(server.process.wait_line(r"plays live/a over", after=mark).text))
    push = procs.millrace("push", clip.path, server.url("rtmpq?fallback=none", "live/a"))
    server.wait_publisher("live/a")
    # Each time every QUIC viewer gets another port, and with it another shard half of the time, if datagrams went by the addresses.
    for count in range(1, 5):
        until(lambda: all(out.exists() and out.stat().st_size > count * 60_000 for _, out in pulls), what="some more media everywhere")
        mark = server.process.mark()
        relay.rebind()
        server.process.wait_line(r"path changed", after=mark)
    assert push.wait(60) == 0, push.tail()
    for pull, out in pulls:
        assert pull.wait(20) == 0, pull.tail()
        result = Decoded(out)
        assert result.errors == [] and result.pictures == clip.pictures, out.name


@pytest.mark.parametrize("form", ["rtmp", "rtmpq?transport=quic-only"])
def test_many_players_of_many_streams_lose_nothing(procs, server, tmp_path, form):
    status, report, _ = bench(procs, tmp_path, server.url("rtmp", "live/load"), "--video", "0.3", "-n", "24", "--streams", "4", "--play", server.url(form, "live/load"))
    assert status == 0
    players = report["players"]
    assert (players["playing"], players["failed"], players["frames_lost"]) == (24, 0, 0)
    shards = {shard_of(line) for line in server.process.lines if " plays live/load" in line}
    assert shards == set(range(SHARDS))
