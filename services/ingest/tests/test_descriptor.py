"""The declaration is light, complete, and plain JSON."""

from __future__ import annotations

import json
import subprocess
import sys

from graftline_ingest.config import IngestConfig
from graftline_ingest.descriptor import STAGE


def test_describing_loads_nothing_heavy():
    code = (
        "import sys, graftline_ingest.descriptor\n"
        "heavy = {'datasets', 'torch', 'pyarrow', 'numpy', 'jsonschema_rs'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_setting_is_described_and_defaults_are_json():
    schema = IngestConfig.model_json_schema()
    models = [schema, *schema["$defs"].values()]
    for model in models:
        for name, field in model["properties"].items():
            assert field.get("description"), name
            assert "default" in field or name in model["required"], name
    assert schema["required"] == ["source"]
    assert schema["properties"]["source"]["x-graftline-source"] is True
    json.dumps(schema, allow_nan=False)


def test_the_descriptor():
    described = STAGE.describe()
    assert [port.name for port in described.outputs] == ["examples", "documents", "rejects"]
    assert not described.inputs
    assert described.conserves_rows
