"""./x run, after the build: the script that people start first must not rot."""
import os

import pytest

from process import MILLRACE, ROOT


def run(procs, folder, *arguments):
    return procs.start("x run", ["bash", str(ROOT / "tools" / "run.sh"), *arguments], env={"MILLRACE": MILLRACE, "MILLRACE_RUN_DIR": str(folder)}, cwd=ROOT)


def test_run_for_some_seconds(procs, tmp_path, free_port):
    script = run(procs, tmp_path / "run", "--seconds", "6", "--listen", f"127.0.0.1:{free_port}")
    assert script.wait(60) == 0, script.text
    for way in ("rtmpq", "rtmp"):
        assert (tmp_path / "run" / f"picture-{way}.png").stat().st_size > 1000
    assert "over QUIC" in script.text and "over TCP" in script.text


def test_run_until_it_is_stopped(procs, tmp_path, free_port):
    script = run(procs, tmp_path / "run", "--listen", f"127.0.0.1:{free_port}")
    script.wait_line("running until Ctrl-C", timeout=60)
    assert f"rtmp://127.0.0.1:{free_port}/live" in script.text
    assert script.stop(timeout=30) == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(script.popen.pid, 0)


def test_run_says_that_the_port_is_taken(server, procs, tmp_path):
    script = run(procs, tmp_path / "run", "--seconds", "1", "--listen", f"127.0.0.1:{server.port}")
    assert script.wait(60) == 7, script.text
    assert "--listen" in script.text


def test_run_usage(procs, tmp_path):
    assert run(procs, tmp_path / "run", "--seconds", "soon").wait(10) == 2
