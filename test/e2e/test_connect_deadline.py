"""limits.connect_s counts from accept, whatever came meanwhile, for RTMP and for a first HTTP request; and for who comes after a reload."""
import concurrent.futures
import signal
import socket
import time

LIMIT = 4  # seconds
LATE = 3  # of the first byte
MARGIN = 2  # of a busy machine; a limit that began anew with the first byte would be over LATE after it


def lasts(port, first=None, after=0):
    """Seconds from connect to the end, with `first` sent meanwhile."""
    with socket.create_connection(("127.0.0.1", port)) as peer:
        began = time.monotonic()
        peer.settimeout(60)
        try:
            if first:
                time.sleep(after)
                peer.sendall(first)
            while peer.recv(65536):
                pass
        except ConnectionError:
            pass
        return time.monotonic() - began


def configured(folder, seconds):
    file = folder / "millrace.toml"
    file.write_text(f"[limits]\nconnect_s = {seconds}\n")
    return file


def test_it_counts_from_accept(start_server, tmp_path):
    server = start_server("--config", configured(tmp_path, LIMIT))
    cases = {"rtmp, silent": (server.port,), "rtmp, a late byte": (server.port, b"\x03", LATE), "rtmp, a byte at once": (server.port, b"\x03"),
             "http, silent": (server.http_port,), "http, a late byte": (server.http_port, b"G", LATE), "http, a byte at once": (server.http_port, b"G")}
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
        lasted = {name: each.result() for name, each in [(name, pool.submit(lasts, *case)) for name, case in cases.items()]}
    wrong = {name: seconds for name, seconds in lasted.items() if not LIMIT - 0.5 <= seconds <= LIMIT + MARGIN}
    assert not wrong, lasted


def test_a_reload_changes_it(start_server, tmp_path):
    server = start_server("--config", configured(tmp_path, 60))
    configured(tmp_path, LIMIT)
    mark = server.process.mark()
    server.process.popen.send_signal(signal.SIGHUP)
    assert "limits.connect_s" in server.process.wait_line(r"reloaded: .*|nothing was changed: .*", after=mark).text
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        waits = [pool.submit(lasts, *case) for case in ((server.port,), (server.port, b"\x03"), (server.http_port,), (server.http_port, b"G"))]
        lasted = [each.result() for each in waits]
    assert all(seconds < 30 for seconds in lasted), lasted
