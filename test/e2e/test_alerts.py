"""The alert rules that the package brings, on series made up here (promtool test rules)."""
import shutil
import subprocess

import pytest

from process import ROOT

RULES = ROOT / "packaging" / "prometheus" / "millrace-alerts.yml"
CASE = """rule_files: [{rules}]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - {{series: 'millrace_stream_viewers{{stream="live/a"}}', values: '3x60'}}
      - {{series: 'millrace_stream_pictures_per_second{{stream="live/a"}}', values: '{pictures}'}}
    alert_rule_test:
      - {{eval_time: 9m, alertname: MillraceNoPictures, exp_alerts: [{alerts}]}}
"""
FIRES = """{exp_labels: {severity: warning, stream: live/a}, exp_annotations: {summary: "live/a has viewers and brings no pictures"}}"""


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
@pytest.mark.parametrize("pictures, alerts", [("25x20 0x40", FIRES), ("0x60", ""), ("25x60", "")], ids=["they stop", "sound only", "they come"])
def test_a_stream_without_pictures(tmp_path, pictures, alerts):
    case = tmp_path / "case.yml"
    case.write_text(CASE.format(rules=RULES, pictures=pictures, alerts=alerts))
    done = subprocess.run(["promtool", "test", "rules", case], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
