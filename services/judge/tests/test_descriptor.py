"""The declaration is light, complete, and plain JSON."""

from __future__ import annotations

import json
import subprocess
import sys

from graftline_judge.config import JudgeConfig, JudgeRuntime
from graftline_judge.descriptor import STAGE


def test_describing_loads_nothing_heavy():
    code = (
        "import sys, graftline_judge.descriptor as d; d.STAGE.describe()\n"
        "heavy = {'pyarrow', 'numpy', 'openai', 'anthropic', 'py3langid'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_setting_is_described_and_defaults_are_json():
    for schema in (JudgeConfig.model_json_schema(), JudgeRuntime.model_json_schema()):
        for model in [schema, *schema["$defs"].values()]:
            for name, field in model["properties"].items():
                assert field.get("description"), name
        json.dumps(schema, allow_nan=False)


def test_the_descriptor():
    described = STAGE.describe()
    ports = [(port.name, port.optional, port.repeated) for port in described.inputs]
    assert ports == [
        *(("examples", True, True), ("chunks", True, False), ("answers", True, True)),
    ]
    outputs = [(port.name, port.optional) for port in described.outputs]
    assert outputs == [("examples", True), ("metrics", False)]
    assert described.ranks
    assert described.conserves_rows
