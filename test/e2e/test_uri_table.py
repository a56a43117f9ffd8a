"""app, tcUrl and stream key are the same bytes on the server whatever carries them: as its hooks say, since logs hide keys."""
import pytest

from hook_back_end import HookBackEnd

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


def records(seen):
    return [(one["action"], one["app"], one["tcUrl"], one.get("stream"), one.get("param")) for one in seen]


@pytest.fixture(scope="module")
def table_server(tmp_path_factory):
    from conftest import Server
    from process import Processes
    folder = tmp_path_factory.mktemp("table")
    processes, back_end = Processes(folder), HookBackEnd()
    config = folder / "millrace.toml"
    config.write_text("[hooks]\n" + "".join(f'{hook} = "{back_end.url}"\n' for hook in ("on_connect", "on_publish", "on_play")))
    server = Server(processes, folder / "state", "--config", config)
    server.back_end = back_end
    yield server
    processes.finish()
    back_end.close()


@pytest.mark.parametrize("path", PATHS)
def test_same_on_every_transport(path, table_server, procs, blink):
    seen = {}
    for form in FORMS:
        mark, asked = table_server.process.mark(), len(table_server.back_end.seen)
        push = procs.millrace("push", blink.path, table_server.url(form, path))
        assert push.wait(20) == 0, push.tail()
        table_server.process.wait_line("unpublishes", after=mark)
        seen[form] = records(table_server.back_end.seen[asked:])
    plain = seen["rtmp"]
    app, _, name = path.partition("?")[0].rpartition("/")
    where, query = (app, f"rtmp://127.0.0.1:{table_server.port}/{app}"), path.partition("?")[2]
    assert plain == [("on_connect", *where, None, None), ("on_publish", *where, name, query and "?" + query)]
    for form, what in seen.items():
        assert what == plain, form


@pytest.mark.parametrize("path", PATHS[1:3])
def test_same_for_players(path, table_server, procs, tmp_path):
    seen = {}
    for form in FORMS:
        mark, asked = table_server.process.mark(), len(table_server.back_end.seen)
        pull = procs.millrace("pull", table_server.url(form, path), tmp_path / "out.flv")
        table_server.process.wait_line(r"(?<!\w)plays ", after=mark)
        pull.stop()
        table_server.process.wait_line("stops playing", after=mark)
        seen[form] = records(table_server.back_end.seen[asked:])
    assert [one[0] for one in seen["rtmp"]] == ["on_connect", "on_play"]
    for form, what in seen.items():
        assert what == seen["rtmp"], form


def test_ffmpeg_sends_what_we_send(table_server, procs, blink):
    """The plain form is ffmpeg's form."""
    seen = []
    url = table_server.rtmp("live/a?token=a%2Fb%3D&x=1")
    for argv in (["ffmpeg", "-nostdin", "-v", "error", "-re", "-i", blink.path, "-c", "copy", "-f", "flv", url], None):
        mark, asked = table_server.process.mark(), len(table_server.back_end.seen)
        process = procs.start("ffmpeg", argv) if argv else procs.millrace("push", blink.path, url)
        process.wait(20)
        table_server.process.wait_line("unpublishes", after=mark)
        seen.append(records(table_server.back_end.seen[asked:]))
    assert seen[0] == seen[1]
