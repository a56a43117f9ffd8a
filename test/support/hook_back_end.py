"""An HTTP back end as operators write them: answers hooks, and remembers what it was asked."""
import http.server
import json
import threading
import urllib.parse


class HookBackEnd:
    """`decide(fields)` gives (status, body, headers); fields are the JSON object or the form's fields. `seen`: all of them, in order."""

    def __init__(self, decide=lambda fields: (200, "0", {})):
        self.seen, self.decide, self._came = [], decide, threading.Condition()
        self.stuck = threading.Event()  # while set, nobody is answered
        self._let_go = threading.Event()
        back_end = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                kind = self.headers["Content-Type"]
                fields = json.loads(body) if kind == "application/json" else dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
                with back_end._came:
                    back_end.seen.append(fields)
                    back_end._came.notify_all()
                if back_end.stuck.is_set():
                    back_end._let_go.wait(60)
                    return
                status, text, headers = back_end.decide(fields)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def wait(self, count=1, timeout=15, **wanted):
        """The `count`-th message with these fields."""
        def found():
            return [one for one in self.seen if all(one.get(key) == value for key, value in wanted.items())]
        with self._came:
            assert self._came.wait_for(lambda: len(found()) >= count, timeout), f"no {wanted}; seen: {self.seen}"
            return found()[count - 1]

    def count(self, **wanted):
        return len([one for one in self.seen if all(one.get(key) == value for key, value in wanted.items())])

    def close(self):
        self._let_go.set()
        self._server.shutdown()
        self._server.server_close()
