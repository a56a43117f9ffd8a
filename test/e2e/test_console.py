"""The console in a real browser: it plays, its figures come, and peers' text stays text."""
import json
import re
import urllib.error
import urllib.parse
import urllib.request

import pytest

import browser as browsers
from process import until

pytestmark = pytest.mark.skipif(not browsers.available(), reason="chromium and chromium-driver are not installed")


@pytest.fixture
def web(start_server):
    server = start_server("--http", "127.0.0.1:0")
    server.web = f"http://127.0.0.1:{re.search(r' http://[^ ]*:([0-9]+)', server.ready)[1]}"
    return server


@pytest.fixture
def browser(procs, tmp_path):
    one = browsers.Browser(procs, tmp_path / "profile")
    yield one
    one.close()


def publish(server, procs, clip, name):
    procs.millrace("push", "--loop", clip.path, server.url("rtmpq", name))
    server.wait_publisher(name)


def api(server, path):
    with urllib.request.urlopen(server.web + path, timeout=10) as answer:
        return json.load(answer)


def fetch(server, path, **headers):
    request = urllib.request.Request(server.web + path, headers={key.replace("_", "-"): value for key, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def test_empty_state_teaches_and_the_first_stream_appears(web, browser, procs, clip):
    browser.open(web.web)
    browser.wait("return document.body.innerText.includes('No stream yet')")
    example = browser.run("return document.querySelector('.example').textContent")
    assert "ffmpeg" in example and f":{web.port}/live/test" in example
    publish(web, procs, clip, "live/a")
    browser.wait("return document.querySelectorAll('.card').length === 1 && !document.body.innerText.includes('No stream yet')")
    # The preview is drawn: a key frame was fetched, decoded and put on the canvas.
    browser.wait("""const c = document.createElement('canvas'); [c.width, c.height] = [320, 180];
                    const k = c.getContext('2d', {willReadFrequently: true}); k.drawImage(document.querySelector('.card canvas'), 0, 0);
                    const d = k.getImageData(0, 0, 320, 180).data;
                    let lit = 0; for (let i = 0; i < d.length; i += 4) if (d[i + 3] === 255 && d[i] + d[i + 1] + d[i + 2] > 60) ++lit; return lit > 5000;""", what="a preview")
    browser.wait("return /kbit|Mbit/.test(document.querySelector('.card').innerText) && document.querySelector('.card').innerText.includes('25 fps')")
    # Looking at a picture is no event of the stream, and nobody counts as a viewer.
    assert [e["reason"] for e in api(web, "/api/v1/stream/events?name=live/a")["events"]] == ["publish_began"]
    assert browser.complaints() == []


def test_stream_page_plays_and_closes_a_viewer(web, browser, procs, clip, tmp_path):
    publish(web, procs, clip, "live/a")
    player = procs.millrace("pull", "--no-reconnect", web.rtmp("live/a"), tmp_path / "out.flv")
    web.wait_player("live/a")
    browser.open(web.web + "/#/stream/live/a")
    browser.wait("const v = document.querySelector('video'); return v && v.videoWidth > 0 && v.currentTime > 0")
    begun = browser.run("return document.querySelector('video').currentTime")
    browser.wait("return document.querySelector('video').currentTime > arguments[0] + 1", begun, what="the picture moves on")
    assert browser.run("const v = document.querySelector('video'); return [v.videoWidth, v.videoHeight]") == [320, 180]
    browser.wait("return document.querySelectorAll('[aria-label=Viewers] tbody tr').length === 2")
    text = browser.text()
    for words in ("Delay per hop", "Publisher to server", "Newest group of pictures", "A viewer began to play the stream.", "http-flv", "H.264", "AAC"):
        assert words in text, text
    assert browser.run("return document.querySelector('canvas.chart').getAttribute('aria-label')").startswith("Bit rate of the last")

    # It asks before it closes, and closes only what it named.
    row = "[...document.querySelectorAll('[aria-label=Viewers] tbody tr')].find((r) => r.children[1].textContent === 'rtmp')"
    browser.run(f"{row}.querySelector('button').click()")
    browser.wait("return document.querySelector('dialog').open && document.querySelector('dialog').innerText.includes('over rtmp')")
    assert player.running()
    browser.run("document.querySelector('dialog .quiet').click()")
    assert not browser.run("return document.querySelector('dialog').open") and player.running()
    browser.run(f"{row}.querySelector('button').click(); document.querySelector('dialog .danger').click()")
    player.wait(15)
    browser.wait(f"return !{row}")
    browser.wait("return document.body.innerText.includes('An operator closed the connection through the API.')")
    assert browser.run("const v = document.querySelector('video'); return v.videoWidth > 0 && !v.paused"), "the page's own player goes on"
    assert browser.complaints() == []


def test_a_key_is_made_copied_and_withdrawn(web, browser, procs, clip):
    browser.open(web.web + "/#/publish/live/van")
    browser.wait("return document.querySelectorAll('.method').length > 0")
    browser.run("document.querySelector('#key-note').value = 'the van'; document.querySelector('#key-kbps').value = '4.5'; document.querySelector('#key-session_s').value = '1.5'; document.querySelector('#keys form button').click()")
    browser.wait("return !document.querySelector('#key-shown').hidden && document.querySelectorAll('#keys tbody tr').length === 1", what="the key")
    server, stream_key = browser.run("const rows = [...document.querySelector('.method').querySelectorAll('.line code')]; return rows.map((r) => r.textContent)")
    assert server.startswith("rtmp://") and server.endswith("/live") and stream_key.startswith("van?key=")
    # Typed into an encoder as OBS has it: server and stream key.
    procs.start("ffmpeg", ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip.path, "-c", "copy", "-f", "flv", f"{server}/{stream_key}"])
    web.wait_publisher("live/van")
    browser.wait("return document.querySelector('#keys tbody tr td:nth-child(6)').textContent !== '–'", timeout=10, what="that it was used")
    row = browser.run("return document.querySelector('#keys tbody tr').innerText")
    assert "live/van" in row and "the van" in row and "Never" in row and "4.5 Mbit/s, 1.5 h each" in row
    key, = api(web, "/api/v1/keys")["keys"]
    assert (key["kbps"], key["session_s"]) == (4500, 5400) and "at_once" not in key
    secret = stream_key.split("=")[1]
    assert secret not in browser.run("return document.querySelector('#keys').innerText")
    browser.run("document.querySelector('#keys tbody button').click()")
    browser.wait("return document.querySelector('#keys dialog').open && document.querySelector('#keys dialog').innerText.includes('live/van')")
    browser.run("document.querySelector('#keys dialog .danger').click()")
    browser.wait("return document.querySelectorAll('#keys tbody tr').length === 0")
    assert secret not in browser.text() and api(web, "/api/v1/keys")["keys"] == []
    browser.run("document.querySelector('#key-streams').value = 'nothing'; document.querySelector('#keys form button').click()")
    browser.wait("return document.querySelector('#keys .fault').innerText.includes('APP/NAME')")
    complaints = [c for c in browser.complaints() if "400" not in str(c)]
    assert complaints == []


def test_leaving_the_page_ends_its_player(web, browser, procs, clip):
    publish(web, procs, clip, "live/a")
    browser.open(web.web + "/#/stream/live/a")
    browser.wait("const v = document.querySelector('video'); return v && v.currentTime > 0")
    assert len(api(web, "/api/v1/stream?name=live/a")["viewer_connections"]) == 1
    browser.open("about:blank")
    web.process.wait_line(r"stops playing live/a", timeout=5)
    until(lambda: not api(web, "/api/v1/stream?name=live/a")["viewer_connections"], timeout=5, what="the viewer is gone")


HOSTILE = ["live/<img src=x onerror=alert(1)>", "live/%00", "live/\u202egnp.exe", "live/\u05e9\u05d9\u05d3\u05d5\u05e8", "live/" + "\u00e9" * 120]


def test_hostile_names_stay_text(web, browser, procs, clip):
    for name in HOSTILE:
        app, playpath = name.split("/", 1)
        procs.start("ffmpeg", ["ffmpeg", "-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", clip.path, "-c", "copy", "-f", "flv",
                               "-rtmp_app", app, "-rtmp_playpath", playpath, web.rtmp("live/x")])
    until(lambda: {s["name"] for s in api(web, "/api/v1/streams")["streams"] if s["published"]} == set(HOSTILE), what="all names are published", timeout=40)
    browser.open(web.web)
    browser.wait("return document.querySelectorAll('.card').length === arguments[0]", len(HOSTILE))
    shown = set(browser.run("return [...document.querySelectorAll('.card h3 bdi')].map((n) => n.textContent)"))
    assert shown == {name.replace("\u202e", "\u27e8U+202E\u27e9") for name in HOSTILE}
    links = browser.run("return [...document.querySelectorAll('.card h3 a')].map((n) => n.getAttribute('href'))")
    for link in links:
        name = urllib.parse.unquote(link.removeprefix("#/stream/"))
        assert name in HOSTILE
        browser.run("location.hash = arguments[0]", link)
        browser.wait("return document.querySelector('h1 bdi')?.textContent === arguments[0]", name.replace("\u202e", "\u27e8U+202E\u27e9"))
        browser.wait("return document.querySelector('.badge').textContent !== '' && document.querySelector('video').videoWidth > 0", what=f"{name!r} plays")
    for lost in ("../../x", "%2e%2e/%2e%2e/x", "<script>alert(1)</script>"):
        browser.run("location.hash = '#/stream/' + arguments[0].split('/').map(encodeURIComponent).join('/')", lost)
        browser.wait("return document.querySelector('h1 bdi')?.textContent === arguments[0] && document.body.innerText.includes('This stream is not here')", lost)
    browser.run("location.hash = '#/publish/live/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E'")
    browser.wait("return [...document.querySelectorAll('.copied')].some((n) => n.textContent === '<img src=x onerror=alert(1)>')")
    assert browser.run("return [document.images.length, window.__alerts, document.querySelectorAll('main script, main style, main [style*=url]').length]") == [0, 0, 0]
    assert browser.complaints() == []


def test_server_that_goes_away_is_told_and_comes_back(web, browser):
    browser.open(web.web)
    browser.wait("return document.body.innerText.includes('No stream yet')")
    port = web.web.rsplit(":", 1)[1]
    web.process.kill()
    browser.wait("return document.querySelector('.banner').innerText.includes('does not answer')")
    web.options = ("--http", f"127.0.0.1:{port}")
    web._start(web.port)
    browser.wait("return document.querySelector('.banner').hidden")


def test_narrow_and_by_keyboard(web, browser, procs, clip):
    publish(web, procs, clip, "live/a")
    browser.resize(360, 740)
    for page in ("/", "/#/stream/live/a", "/#/publish"):
        browser.open("about:blank")
        browser.open(web.web + page)
        browser.wait("return document.body.innerText.length > 400")
        assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth"), f"{page} scrolls sideways at 360 px"
    # Every control has a name that is read out, and can be reached.
    assert browser.run("return [...document.querySelectorAll('button, a, input')].filter((n) => !n.innerText && !n.labels?.length && !n.ariaLabel).length") == 0


def test_files_as_a_browser_wants_them(web):
    status, headers, page = fetch(web, "/")
    assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    parts = re.findall(rb'(?:src|href)="(/console/[^"]+)"', page)
    assert len(parts) == 3
    for part in parts:
        status, headers, body = fetch(web, part.decode(), Accept_Encoding="gzip")
        assert status == 200 and "immutable" in headers["Cache-Control"] and headers["Content-Security-Policy"] == policy
        assert headers["Content-Encoding"] == "gzip" and body[:2] == b"\x1f\x8b"
        assert fetch(web, part.decode(), Accept_Encoding="gzip", If_None_Match=headers["ETag"])[0] == 304
    assert fetch(web, "/console/nothing.js")[0] == 404


def test_only_for_addresses_that_may_use_the_api(start_server, tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text('[http]\nadmin_allow = ["192.0.2.1"]\n')
    server = start_server("--config", settings, "--http", "127.0.0.1:0")
    server.web = f"http://127.0.0.1:{re.search(r' http://[^ ]*:([0-9]+)', server.ready)[1]}"
    for path in ("/", "/console", "/api/v1/server"):
        assert fetch(server, path)[0] == 403, path


def test_not_by_a_name_that_points_here(web):
    """DNS rebinding: a page of another site under its own name."""
    for path in ("/", "/api/v1/server"):
        assert fetch(web, path, Host="evil.example")[0] == 403, path
