from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUPPORT = ROOT / "workflows" / "tests" / "support"


@pytest.mark.fault
@pytest.mark.timeout(1200)
def test_kills_at_random_moments_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location(
        "kill_and_resume", Path(__file__).with_name("kill_and_resume.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "kill_and_resume", module)
    spec.loader.exec_module(module)
    options = module.Options(
        recipe=str(SUPPORT / "trial.yaml"),
        arguments=("--set", "seconds=0.5"),
        kills=8,
        command=f"{sys.executable} {SUPPORT / 'graftline_trials.py'}",
    )
    tally = module.torture(options, tmp_path)
    assert sum(tally.kills.values()) >= 8
