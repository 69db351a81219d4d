"""The declaration is light, complete, and plain JSON."""

from __future__ import annotations

import json
import subprocess
import sys

from graftline_curate.config import CurateConfig
from graftline_curate.descriptor import STAGE


def test_describing_loads_nothing_heavy():
    code = (
        "import sys, graftline_curate.descriptor\n"
        "heavy = {'datasets', 'torch', 'pyarrow', 'numpy', 'jsonschema_rs'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_setting_is_described_and_defaults_are_json():
    schema = CurateConfig.model_json_schema()
    for model in [schema, *schema["$defs"].values()]:
        for name, field in model["properties"].items():
            assert field.get("description"), name
            assert "default" in field or name in model["required"], name
    assert "required" not in schema
    json.dumps(schema, allow_nan=False)


def test_the_descriptor():
    described = STAGE.describe()
    assert [(port.name, port.repeated) for port in described.inputs] == [("examples", True)]
    assert [port.name for port in described.outputs] == ["examples", "rejects"]
    assert described.conserves_rows
