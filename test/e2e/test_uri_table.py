"""app, tcUrl and stream key are the same bytes on the server whatever carries them."""
import re

import pytest

PATHS = [
    "live/a",
    "live/a?token=abc",
    "live/a?token=a%2Fb%3D&x=%20y",
    "live/a?k=quic=1x",
    "app/instance/a?x=1&&y=",
    "live/a%20b%c3%bc",
    "live/a?token=a+b/c==&expires=1700000000",
    "live/a?x=1?y=2",
    "live/a?Transport=QUIC&empty&=v",
]
FORMS = ["rtmp", "rtmps", "rtmpq", "rtmp?transport=quic", "rtmps?quic=1"]
RECORD = re.compile(r'rtmp (connect|publish|play) (app="[^"]*"(?: tcUrl="[^"]*"| name="[^"]*" query="[^"]*"))')


def records(lines):
    return [(m[1], m[2]) for m in map(RECORD.search, lines) if m]


@pytest.fixture(scope="module")
def table_server(tmp_path_factory):
    from conftest import Server
    from process import Processes
    folder = tmp_path_factory.mktemp("table")
    processes = Processes(folder)
    yield Server(processes, folder / "state")
    processes.finish()


@pytest.mark.parametrize("path", PATHS)
def test_same_on_every_transport(path, table_server, procs, blink):
    seen = {}
    for form in FORMS:
        mark = table_server.process.mark()
        push = procs.millrace("push", blink.path, table_server.url(form, path))
        assert push.wait(20) == 0, push.tail()
        table_server.process.wait_line("unpublishes", after=mark)
        seen[form] = records(table_server.process.lines[mark:])
    plain = seen["rtmp"]
    app, _, name = path.partition("?")[0].rpartition("/")
    assert [kind for kind, _ in plain] == ["connect", "publish"]
    assert f'app="{app}"' in plain[0][1] and f'tcUrl="rtmp://127.0.0.1:{table_server.port}/{app}"' in plain[0][1]
    assert f'name="{name}"' in plain[1][1] and f'query="{path.partition("?")[2]}"' in plain[1][1]
    for form, what in seen.items():
        assert what == plain, form


@pytest.mark.parametrize("path", PATHS[1:3])
def test_same_for_players(path, table_server, procs, tmp_path):
    seen = {}
    for form in FORMS:
        mark = table_server.process.mark()
        pull = procs.millrace("pull", table_server.url(form, path), tmp_path / "out.flv")
        table_server.process.wait_line(r"(?<!\w)plays ", after=mark)
        pull.stop()
        table_server.process.wait_line("stops playing", after=mark)
        seen[form] = records(table_server.process.lines[mark:])
    assert [kind for kind, _ in seen["rtmp"]] == ["connect", "play"]
    for form, what in seen.items():
        assert what == seen["rtmp"], form


def test_ffmpeg_sends_what_we_send(table_server, procs, blink):
    """The plain form is ffmpeg's form."""
    seen = []
    url = table_server.rtmp("live/a?token=a%2Fb%3D&x=1")
    for argv in (["ffmpeg", "-nostdin", "-v", "error", "-re", "-i", blink.path, "-c", "copy", "-f", "flv", url], None):
        mark = table_server.process.mark()
        process = procs.start("ffmpeg", argv) if argv else procs.millrace("push", blink.path, url)
        process.wait(20)
        table_server.process.wait_line("unpublishes", after=mark)
        seen.append(records(table_server.process.lines[mark:]))
    assert seen[0] == seen[1]
