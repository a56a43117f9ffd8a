"""The servers under test, each on a core of its own."""
import os
import pathlib
import socket
import subprocess
import time

SERVER_CORE, LOAD_CORE = 0, 1
NGINX, NGINX_MODULE = "/usr/sbin/nginx", "/usr/lib/nginx/modules/ngx_rtmp_module.so"
RTMP_PORT, FLOOR_PORT, HTTP_PORT = 19350, 19352, 19354


def pinned(*cores):
    return lambda: os.sched_setaffinity(0, set(cores))


class Server:
    def __init__(self, name, argv, folder, port, cores=(SERVER_CORE,)):
        self.name = name
        self.log_path = folder / f"{name}.log"
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen([str(word) for word in argv], stdout=self.log, stderr=self.log, preexec_fn=pinned(*cores))
        end = time.monotonic() + 10
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if time.monotonic() > end or self.process.poll() is not None:
                raise SystemExit(f"{name} does not listen on port {port}: see {self.log_path}")
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def rss_peak(self):
        """MB, of its whole life."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) / 1e3 for line in status.splitlines() if line.startswith("VmHWM"))


def help_of(program):
    return subprocess.run([program, "serve", "--help"], capture_output=True, text=True).stdout


def has_shards(program):
    return "--shards" in help_of(program)


def millrace(options, row, folder, shards=1, cores=(SERVER_CORE,), log_level="warning"):
    config = folder / "millrace.toml"
    config.write_text(f"log_level = \"{log_level}\"\n[play]\n{row.config}\n")
    words = [options.millrace, "serve", "--listen", f"127.0.0.1:{RTMP_PORT}", "--state", folder / "state", "--config", config]
    if has_shards(options.millrace):
        words += ["--shards", shards]
    if "--http" in help_of(options.millrace):
        words += ["--http", f"127.0.0.1:{HTTP_PORT}"]
    return Server("millrace", words, folder, RTMP_PORT, cores)


def nginx(_, __, folder):
    config = folder / "nginx.conf"
    config.write_text(f"load_module {NGINX_MODULE};\ndaemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log;\n"
                      "worker_rlimit_nofile 20000; events { worker_connections 16384; }\n"
                      f"rtmp {{ access_log off; server {{ listen 127.0.0.1:{RTMP_PORT}; application live {{ live on; }} }} }}\n")
    return Server("nginx", [NGINX, "-p", folder, "-c", config], folder, RTMP_PORT)


SYSTEMS = {"millrace": millrace, "nginx": nginx}
