import json
import re
from pathlib import Path

import pyarrow as pa
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from graftline.domain.rows import RowWriter
from graftline.errors import DataError
from graftline.ports import Input, Port
from graftline.testkit.local import input_artifact, run_stage
from graftline.v1 import manifest_pb2
from graftline_report.descriptor import STAGE

METRICS = Port("metrics", ("metrics",))
FOUR = ("json_validity", "schema_compliance", "intent_accuracy", "entity_f1")
ROWS = pa.schema(
    [
        (name, pa.string())
        for name in ("id", "split", "variant", "prompt", "gold", "output", "reason")
    ]
    + [("exact_match", pa.bool_())]
)
CHECKS = [{"metric": name, "at_least": 0.9, "better_than_baseline": True} for name in FOUR]


def manifest(step, parents=(), seconds=1.0, **more):
    return manifest_pb2.Manifest(
        key=f"{step}-key".ljust(64, "0"),
        step=step,
        stage=step,
        config="{}",
        inputs=[
            manifest_pb2.InputRef(step=name, key=f"{name}-key".ljust(64, "0")) for name in parents
        ],
        cost=manifest_pb2.Cost(wall_seconds=seconds),
        started_at=Timestamp(seconds=len(parents)),
        **more,
    )


def figure(value, spread=0.03):
    return {
        "value": value,
        "low": max(0.0, value - spread),
        "high": min(1.0, value + spread),
        "n": 300,
    }


def evaluation(folder: Path, role, value, right, **more):
    folder.mkdir()
    variants = ("plain", "few_shot") if role == "baseline" else ("plain",)
    found = {
        "role": role,
        "variants": {v: {"eval": {name: figure(value) for name in FOUR}} for v in variants},
        "decoding": {"method": "greedy"},
        **more,
    }
    (folder / "metrics.json").write_text(json.dumps(found))
    with RowWriter(folder, ROWS) as writer:
        for variant in variants:
            for number in range(10):
                writer.write(
                    {
                        "id": f"row{number}",
                        "split": "eval",
                        "variant": variant,
                        "prompt": f"<b>order</b> {number} & more",
                        "gold": '{"intent": "refund"}',
                        "output": f"{role} says {number}",
                        "reason": None if number in right else "intent: 'other'",
                        "exact_match": number in right,
                    }
                )
    return input_artifact(METRICS, folder, manifest=manifest(role, parents=("model",)))


@pytest.fixture
def inputs(tmp_path):
    difference = {
        "difference": 0.5,
        "low": 0.4,
        "high": 0.6,
        "p_value": 0.0,
        "baseline_variant": "few_shot",
        "baseline": 0.45,
        "adapted": 0.95,
    }
    training = tmp_path / "training"
    training.mkdir()
    lines = [{"step": n, "loss": 2.0 / (n + 1), "learning_rate": 1e-4} for n in range(50)]
    (training / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = tmp_path / "data"
    data.mkdir()
    (data / "statistics.json").write_text(
        json.dumps(
            {
                "tokens": {"mean": 90.5, "max": 200},
                "histogram": [
                    {"from": 0, "to": 100, "rows": 7},
                    {"from": 100, "to": 200, "rows": 3},
                ],
            }
        )
    )
    rejects = [manifest_pb2.RejectCount(reason="duplicate", rows=12)]
    return {
        "metrics": [
            evaluation(tmp_path / "b", "baseline", 0.45, right={0, 1}),
            evaluation(
                tmp_path / "a",
                "adapted",
                0.95,
                right={1, 2, 3, 4},
                comparison={"eval": dict.fromkeys(FOUR, difference)},
                adapter_active={"max_abs_logit_difference": 3.5},
            ),
        ],
        "training": training,
        "data": data,
        "steps": [
            Input(
                tmp_path,
                "examples",
                88,
                "curate",
                "k",
                manifest("curate", rows_in=100, rows_out=88, rejected=rejects),
            ),
            Input(tmp_path, "model", None, "model", "m", manifest("model")),
        ],
    }


def page_of(tmp_path, inputs, **config):
    done = run_stage(STAGE, tmp_path / "work", config=config, inputs=inputs)
    return (done.outputs["report"] / "index.html").read_text(), done


def test_the_page_says_the_verdict_first_and_holds_everything(tmp_path, inputs):
    page, done = page_of(tmp_path, inputs, title="My adapter", checks=CHECKS)
    assert page.index("Gate met") < page.index("JSON validity") < page.index("Training</h2>")
    assert "in 4 of 4 metrics" in page
    for words in ("duplicate", "curate-key", "<polyline", "Out of" if False else "Lineage", "Cost"):
        assert words in page
    facts = json.loads((done.outputs["report"] / "report.json").read_text())
    assert facts["verdict"]["passed"] is True
    assert facts["splits"]["eval"][0]["difference"]["value"] == 0.5


def test_it_is_self_contained_and_nothing_in_it_is_markup_of_the_rows(tmp_path, inputs):
    page, _ = page_of(tmp_path, inputs)
    assert not re.findall(r'(?:src|href)="(?!#)', page)
    assert "@import" not in page
    assert "url(" not in page
    assert "<b>order</b>" not in page
    assert "&lt;b&gt;order&lt;/b&gt;" in page


def test_won_lost_and_still_wrong_are_counted(tmp_path, inputs):
    page, _ = page_of(tmp_path, inputs, examples=2)
    assert "Won (3)" in page
    assert "Lost (1)" in page
    assert "Still wrong (5)" in page
    assert page.count("<summary>&lt;b&gt;order") == 2 + 1 + 2


def test_an_unmet_gate_says_what_is_not_met(tmp_path, inputs):
    page, _ = page_of(tmp_path, inputs, checks=[{"metric": "entity_f1", "at_least": 0.99}])
    assert "Gate not met" in page
    assert "0.95 is not ≥ 0.99" in page


def test_without_metrics_there_is_still_a_page(tmp_path, inputs):
    page, _ = page_of(tmp_path, {"steps": inputs["steps"]})
    assert "No adapter was compared" in page
    assert "duplicate" in page


def test_the_same_inputs_give_the_same_bytes(tmp_path, inputs):
    one, _ = page_of(tmp_path / "1", inputs)
    two, _ = page_of(tmp_path / "2", inputs)
    assert one == two


def test_broken_metrics_are_told(tmp_path, inputs):
    (inputs["metrics"][0].path / "metrics.json").write_text("{")
    with pytest.raises(DataError, match=r"metrics.json"):
        page_of(tmp_path, inputs)
