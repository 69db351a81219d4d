"""Settings, their mistakes, and that describing the stage stays light."""

import subprocess
import sys

import evaluate_rows
import pytest

from graftline.config import parse_settings
from graftline.errors import ConfigError
from graftline.schema import fill_defaults
from graftline_evaluate.config import EvaluateConfig, EvaluateRuntime
from graftline_evaluate.descriptor import STAGE

SCORER = {"kind": "json_task", "schema": evaluate_rows.SCHEMA}


@pytest.mark.parametrize("scorer", [SCORER, {"kind": "qa"}, {"kind": "qa", "low_overlap": 1}])
def test_the_planner_fills_in_what_the_model_does(scorer):
    values = {"scorer": scorer, "max_rows": 3, "few_shot": {"rows": 2}}
    filled = fill_defaults(EvaluateConfig.model_json_schema(), values)
    parsed = parse_settings(EvaluateConfig, values, "evaluate")
    assert filled == parsed.model_dump(mode="json", by_alias=True)
    assert filled["splits"] == ["eval", "ood"]


def test_config_and_runtime_share_no_name():
    assert not set(EvaluateConfig.model_fields) & set(EvaluateRuntime.model_fields)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "scorer: is required"),
        ({"scorer": {"schema": {}}}, "scorer.kind: is required"),
        ({"scorer": {**SCORER, "kind": "bleu"}}, "scorer.kind: must be one of 'json_task', 'qa'"),
        ({"scorer": {**SCORER, "kind": "qa"}}, "scorer.schema: unknown setting"),
        ({"scorer": {"kind": "qa", "low_overlap": 2}}, "scorer.low_overlap: Input should be less"),
        ({"scorer": {"kind": "json_task"}}, "scorer.schema: is required"),
        (
            {"scorer": {"kind": "json_task", "schema": {"type": "objekt"}}},
            "scorer.schema: no valid JSON Schema at type: 'objekt' is not",
        ),
        ({"scorer": {**SCORER, "entity_fields": ["a..b"]}}, "'a..b' is no path"),
        ({"scorer": {**SCORER, "intent_field": "a.*"}}, "'*' is for entity_fields only"),
        ({"scorer": SCORER, "splits": []}, "splits: List should have at least 1 item"),
        ({"scorer": SCORER, "split": ["eval"]}, "did you mean 'splits'?"),
        ({"scorer": SCORER, "decoding": {"dtype": "fp8"}}, "decoding.dtype: Input should be"),
        ({"scorer": SCORER, "forgetting": {"texts": ["a b"]}}, "texts are given, but use is false"),
        (
            {"scorer": SCORER, "forgetting": {"use": True, "texts": ["  "]}},
            "forgetting.texts.0: String should match",
        ),
        (
            {"scorer": SCORER, "forgetting": {"use": True}, "splits": ["forgetting"]},
            "'forgetting' is what the forgetting probe's figures are called",
        ),
    ],
)
def test_mistakes_are_told(values, message):
    with pytest.raises(ConfigError) as raised:
        parse_settings(EvaluateConfig, values, "step 'baseline'")
    assert message in str(raised.value)


def test_devices():
    for device in ("auto", "cpu", "cuda", "cuda:3"):
        assert parse_settings(EvaluateRuntime, {"device": device}, "x").device == device
    with pytest.raises(ConfigError, match="device"):
        parse_settings(EvaluateRuntime, {"device": "tpu"}, "x")


def test_describing_loads_nothing_heavy():
    script = (
        "import sys; from graftline_evaluate.descriptor import STAGE; STAGE.describe();"
        "print(sorted({'torch', 'transformers', 'peft', 'numpy', 'jsonschema'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_descriptor():
    described = STAGE.describe()
    assert [port.name for port in described.inputs] == ["model", "examples", "adapter", "baseline"]
    assert [port.optional for port in described.inputs] == [False, False, True, True]
    assert STAGE.load_run() is not None
