from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from graftline.domain.rows import EXAMPLES, read_batches, read_rows
from graftline.errors import ConfigError
from graftline.testkit.local import run_stage
from graftline_generate.descriptor import STAGE

SMALL = {"kind": "support-tickets"}


def small(train: int = 60, held_out: int = 20, **task) -> dict:
    hard = {"messy": 0.6, "order_id": 0.55, "order_id_tech": 0.55, "product": 0.85}
    hard |= {"multi_intent": 0.25, "injected": 0.15}
    return {
        "task": {
            **SMALL,
            "train": {**hard, "rows": train},
            "eval": {**hard, "rows": held_out},
            "ood": {**hard, "rows": held_out},
            **task,
        }
    }


def digests(run) -> list[str]:
    folder = run.outputs["examples"]
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())]


def test_writes_the_rows_that_are_asked_for(tmp_path):
    run = run_stage(STAGE, tmp_path, config=small(), seed=7)
    rows = list(read_rows(run.outputs["examples"]))
    assert run.result.rows_out == run.result.outputs["examples"].rows == len(rows) == 100
    assert [row["split"] for row in rows] == ["train"] * 60 + ["eval"] * 20 + ["ood"] * 20
    assert next(read_batches(run.outputs["examples"])).schema.equals(EXAMPLES)
    assert run.events.progress_points[-1] == (100, 100, "rows")


def test_same_seed_same_bytes_and_another_seed_other_rows(tmp_path):
    first = run_stage(STAGE, tmp_path / "1", config=small(), seed=7)
    again = run_stage(STAGE, tmp_path / "2", config=small(), seed=7)
    other = run_stage(STAGE, tmp_path / "3", config=small(), seed=8)
    assert digests(first) == digests(again) != digests(other)


def test_a_smaller_set_is_the_beginning_of_a_larger_one(tmp_path):
    few = run_stage(STAGE, tmp_path / "1", config=small(train=30), seed=7)
    many = run_stage(STAGE, tmp_path / "2", config=small(train=60), seed=7)
    ids = [row["id"] for row in read_rows(many.outputs["examples"])]
    assert [row["id"] for row in read_rows(few.outputs["examples"])][:30] == ids[:30]


def test_instruction_is_the_system_message_and_may_be_left_out(tmp_path):
    told = run_stage(STAGE, tmp_path / "1", config=small(instruction="Do it."))
    untold = run_stage(STAGE, tmp_path / "2", config=small(instruction=""))
    row = next(read_rows(told.outputs["examples"]))
    assert [item["role"] for item in row["messages"]] == ["system", "user", "assistant"]
    assert row["messages"][0]["content"] == "Do it."
    row = next(read_rows(untold.outputs["examples"]))
    assert [item["role"] for item in row["messages"]] == ["user", "assistant"]


def test_one_setting_of_a_split_can_be_set_alone(tmp_path):
    splits = {"train": {"rows": 40}, "eval": {"rows": 0}, "ood": {"rows": 0}}
    run = run_stage(STAGE, tmp_path, config={"task": {**SMALL, **splits}})
    assert run.result.rows_out == 40


def test_no_rows_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="no rows are asked for"):
        run_stage(STAGE, tmp_path, config=small(train=0, held_out=0))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "task: is required"),
        ({"task": {"kind": "poems"}}, "support-tickets"),
        ({"task": {**SMALL, "instructoin": "x"}}, "did you mean 'instruction'"),
        (
            small(eval={**small()["task"]["eval"], "messy": 1.5}),
            r"task\.eval\.messy: .*less than or equal to 1 \(got 1\.5\)",
        ),
    ],
)
def test_wrong_settings_are_told(tmp_path, config, message):
    with pytest.raises(ConfigError, match=message):
        run_stage(STAGE, tmp_path, config=config)


def test_describing_imports_nothing_heavy():
    code = (
        "import sys, graftline_generate.descriptor as d; d.STAGE.describe();"
        "print([m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
