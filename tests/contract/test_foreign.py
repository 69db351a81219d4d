"""A stage in another language keeps the contract: a small Perl program in place of `report`."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from graftline_workflows.conformance.verdict import judge_stage

PROGRAM = Path(__file__).parent / "foreign" / "report.pl"

needs_perl = pytest.mark.skipif(shutil.which("perl") is None, reason="perl is not installed")


@pytest.fixture
def metrics(tmp_path):
    folder = tmp_path / "metrics"
    folder.mkdir()
    found = {
        "role": "baseline",
        "variants": {"plain": {"eval": {"json_validity": {"value": 0.5, "low": 0.4, "high": 0.6}}}},
    }
    (folder / "metrics.json").write_text(json.dumps(found))
    return folder


@needs_perl
def test_a_perl_program_passes(metrics):
    verdict = judge_stage(
        f"exec:{PROGRAM}", config={"title": "Perl"}, inputs={"metrics": metrics}, sources={}
    )
    assert verdict.passed, [check for check in verdict.checks if check.state != "kept"]
    assert verdict.stage == "report"
    assert len(verdict.checks) >= 9


def test_our_own_curate_passes():
    verdict = judge_stage(
        f"{sys.executable} -m graftline_curate", config={"operations": []}, inputs={}, sources={}
    )
    assert verdict.passed, [check for check in verdict.checks if check.state != "kept"]


CLOCK = """#!/bin/sh
if [ "$1" = describe ]; then
  cat <<'END'
@DESCRIPTOR@
END
  exit 0
fi
date +%s%N > "$2/outputs/report/now"
echo '{"outputs":[{"port":"report","kind":"ARTIFACT_KIND_REPORT"}]}' > "$2/result.json"
"""
DESCRIPTOR = {
    "contractVersion": "1",
    "name": "clock",
    "version": "1",
    "summary": "Writes the time, which no stage may",
    "configSchema": '{"type":"object","additionalProperties":false}',
    "outputs": [{"name": "report", "kinds": ["ARTIFACT_KIND_REPORT"]}],
}


def test_a_stage_that_writes_the_time_is_found_out(tmp_path):
    program = tmp_path / "clock"
    program.write_text(CLOCK.replace("@DESCRIPTOR@", json.dumps(DESCRIPTOR)))
    program.chmod(0o755)
    verdict = judge_stage(f"exec:{program}", config={}, inputs={}, sources={})
    assert not verdict.passed
    states = {check.name: check.state for check in verdict.checks}
    assert states["is-deterministic"] == "not kept"
    assert states["runs"] == "kept"
