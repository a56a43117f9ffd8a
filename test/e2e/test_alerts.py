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
      - {{series: 'millrace_stream_viewers{{stream="live/a"}}', values: '3x240'}}
      - {{series: 'millrace_stream_pictures_per_second{{stream="live/a"}}', values: '{pictures}'}}
      - {{series: 'millrace_stream_has_video{{stream="live/a"}}', values: '{video}'}}
    alert_rule_test:
      - {{eval_time: 9m, alertname: MillraceNoPictures, exp_alerts: [{alerts}]}}
      - {{eval_time: 50m, alertname: MillraceNoPictures, exp_alerts: [{alerts}]}}
"""
FIRES = """{exp_labels: {severity: warning, stream: live/a}, exp_annotations: {summary: "live/a has viewers and brings no pictures"}}"""


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
@pytest.mark.parametrize("pictures, video, alerts", [("25x20 0x220", "1x240", FIRES), ("0x240", "0x240", ""), ("25x240", "1x240", ""), ("25x10 0x230", "1x10 0x230", "")],
                         ids=["they stop", "sound only", "they come", "the next publication is sound only"])
def test_a_stream_without_pictures(tmp_path, pictures, video, alerts):
    case = tmp_path / "case.yml"
    case.write_text(CASE.format(rules=RULES, pictures=pictures, video=video, alerts=alerts))
    done = subprocess.run(["promtool", "test", "rules", case], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
