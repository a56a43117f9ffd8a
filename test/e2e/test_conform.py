"""millrace conform as a stranger uses it: against our own server on every transport, and against a server that is not ours, where it has to be
able to fail."""
import json
import re

import pytest

from process import ROOT

ROWS = re.findall(r"^\| ([A-Z]{1,2}\d+) \| (server|client|both|unit|-) \|", (ROOT / "doc/protocol/conformance.md").read_text(), re.M)
SERVER_IDS = {found for found, who in ROWS if who in ("server", "both")}


def run_conform(procs, tmp_path, url, *options, timeout=150):
    out = tmp_path / "conform.json"
    with open(out, "wb") as to:
        process = procs.millrace("conform", "--json", *options, url, stdout=to)
        status = process.wait(timeout)
    text = out.read_text()
    return status, json.loads(text) if text else None, process


@pytest.mark.parametrize("form", ["rtmp", "rtmps", "rtmpq"])
def test_our_server_passes(form, server, procs, tmp_path):
    status, report, process = run_conform(procs, tmp_path, server.url(form, "live"))
    failed = {t["id"]: t["detail"] for t in report["tests"] if t["outcome"] == "fail"}
    assert failed == {}
    assert status == 0, process.tail()
    assert {t["id"] for t in report["tests"]} == SERVER_IDS
    # Every refusal says why in words.
    assert all(t["detail"] for t in report["tests"] if t["outcome"] in ("refused", "skipped"))
    assert report["transport"] == form
    assert report["passed"] > 0.9 * len(SERVER_IDS)


def test_the_suite_can_fail(nginx_rtmp, procs, tmp_path):
    status, report, process = run_conform(procs, tmp_path, nginx_rtmp.url("live"), "--quick", "--timeout", "2")
    outcome = {t["id"]: t["outcome"] for t in report["tests"]}
    assert status == 1, process.tail()
    # Things that any RTMP server does …
    assert outcome["H2"] == outcome["K3"] == "pass"
    # … and some that this one, of before Enhanced RTMP, does not.
    assert report["failed"] >= 5 and report["passed"] >= 20, process.tail()
    assert all(t["detail"] for t in report["tests"] if t["outcome"] == "fail")


def test_list_names_every_line_and_connects_to_nothing(procs, tmp_path):
    out = tmp_path / "list"
    with open(out, "wb") as to:
        assert procs.millrace("conform", "--list", stdout=to).wait(10) == 0
    assert {line.split()[0] for line in out.read_text().splitlines()} == SERVER_IDS


@pytest.mark.parametrize("words, says", [(["--only", "H77", "rtmp://127.0.0.1/live"], "no test has the id 'H77'"), ([], "URL of a server is missing")])
def test_bad_use(words, says, procs):
    process = procs.millrace("conform", *words)
    assert process.wait(10) == 2
    assert says in process.text


def test_nobody_there(procs, free_port=9):
    process = procs.millrace("conform", "--timeout", "2", f"rtmp://127.0.0.1:{free_port}/live")
    assert process.wait(20) == 4
    assert "refused the connection" in process.text
