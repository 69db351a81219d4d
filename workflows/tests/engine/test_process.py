from __future__ import annotations

import sys
from pathlib import Path

import pytest

from graftline.errors import ConfigError
from graftline.v1.stage_pb2 import StageRequest
from graftline_workflows.engine.process import check_stages, last_cause, stage_command


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("$ python\nworking\nerror: no rows are left\n", "no rows are left"),
        ("error: old\n$ python -m again\nworking\n", "working"),
        ("error: old\n$ python -m again\n", ""),
        ("error: 2 problems\n  - a\n  - b\n", "2 problems\n  - a\n  - b"),
        ("Traceback\nerror: first\nmore\nerror: last", "last"),
        ("killed without a word", "killed without a word"),
        ("", ""),
    ],
)
def test_last_cause(tmp_path: Path, text: str, cause: str) -> None:
    log = tmp_path / "step.log"
    log.write_text(text)
    assert last_cause(log) == cause


def test_last_cause_reads_only_the_end_of_a_long_log(tmp_path: Path) -> None:
    log = tmp_path / "step.log"
    log.write_text("error: early\n" + "x" * 200_000 + "\nerror: late\n")
    assert last_cause(log) == "late"


def test_no_log_has_no_cause(tmp_path: Path) -> None:
    assert last_cause(tmp_path / "none") == ""


def test_a_stage_is_its_module_and_a_program_is_wrapped() -> None:
    own = stage_command(StageRequest(stage="my-stage"))
    assert own == [sys.executable, "-m", "graftline_my_stage", "run"]
    program = stage_command(StageRequest(stage="curate", image="exec:./mine --fast"))
    assert program == [
        *(sys.executable, "-m", "graftline.runner.main", "run"),
        *("--exec", "./mine --fast"),
    ]


def test_all_steps_that_cannot_run_are_told_at_once() -> None:
    requests = [
        StageRequest(step="a", stage="no-such-stage"),
        StageRequest(step="b", stage="curate", image="registry/mine:1"),
        StageRequest(step="c", stage="curate", image="exec:./mine"),
    ]
    with pytest.raises(ConfigError) as error:
        check_stages(requests)
    assert [problem.path for problem in error.value.problems] == ["a", "b"]
    assert "pip install graftline-no-such-stage" in str(error.value)
