"""nginx with its RTMP module, as a server that is not ours: a private process on a free port of loopback, no root needed."""
import pathlib
import shutil
import socket

import pytest

from process import until

MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
CONFIG = """
load_module {module};
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr info;
events {{ worker_connections 256; }}
rtmp {{
  access_log off;
  server {{
    listen 127.0.0.1:{port};
    chunk_size 4096;
    application live {{ live on; {directives} }}
  }}
}}
"""


class NginxRtmp:
    """A running one: `port`, `url("live/a")`, and its `process`, whose lines are nginx's error log."""

    def __init__(self, processes, folder, directives=""):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for _ in range(5):  # somebody else may take the free port before nginx does
            self.port = free_tcp_port()
            config = self.folder / "nginx.conf"
            config.write_text(CONFIG.format(module=MODULE, folder=self.folder, port=self.port, directives=directives))
            self.process = processes.start("nginx", [nginx_program(), "-p", self.folder, "-c", config, "-e", "stderr"])
            until(lambda: not self.process.running() or self._answers(), what="nginx listening")
            if self.process.running():
                return
        raise AssertionError(f"nginx does not start:\n{self.process.tail()}")

    def url(self, path):
        return f"rtmp://127.0.0.1:{self.port}/{path}"

    def _answers(self):
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def nginx_program():
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")  # not on everyone's PATH


def free_tcp_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def start_nginx_rtmp(procs, tmp_path):
    """A function: start_nginx_rtmp("directives of the application;") gives an NginxRtmp. The test's `procs` ends it."""
    assert nginx_program() and MODULE.exists(), "nginx with its RTMP module is not installed: ./x test installs it"
    count = iter(range(100))
    return lambda directives="": NginxRtmp(procs, tmp_path / f"nginx-{next(count)}", directives)


@pytest.fixture
def nginx_rtmp(start_nginx_rtmp):
    return start_nginx_rtmp()
