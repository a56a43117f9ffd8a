"""The hostile suite (doc/hostile.md) against the program: every case has the outcome that it names, a stream beside it goes on, and nothing stays."""
import json
import pathlib

from process import MILLRACE

HOSTILE = pathlib.Path(MILLRACE).with_name("millrace_hostile")


def test_hostile_clients_hurt_nobody(procs, tmp_path):
    out = tmp_path / "hostile.json"
    # It starts the server itself, which ends by SIGTERM: a leak that the sanitizer finds there is a fault of the run.
    process = procs.start("hostile", [HOSTILE, "--program", MILLRACE, "--quiet", "--json", out])
    status = process.wait(300)
    report = json.loads(out.read_text())
    failed = {f"{c['family']}: {c['name']}": c["detail"] for c in report["cases"] if c["outcome"] == "failed"}
    assert failed == {} and report["faults"] == [] and status == 0, process.tail(60)
    # What a sanitizer keeps in quarantine says nothing of what the program holds, so its size is judged in a build without one: ./x hostile.
    assert report["memory_checked"] is False or report["resident_after"] - report["resident_before"] <= 8 << 20
    assert report["descriptors_after"] <= report["descriptors_before"]
    assert report["frames_missing"] == 0
    assert sum(c["outcome"] == "passed" for c in report["cases"]) >= 300
