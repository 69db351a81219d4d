"""The declaration is light, complete, and plain JSON."""

from __future__ import annotations

import json
import subprocess
import sys

from graftline_chunk.config import ChunkConfig
from graftline_chunk.descriptor import STAGE


def test_describing_loads_nothing_heavy():
    code = (
        "import sys, graftline_chunk.descriptor\n"
        "heavy = {'torch', 'pyarrow', 'numpy', 'tokenizers'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_setting_is_described_and_defaults_are_json():
    schema = ChunkConfig.model_json_schema()
    for name, field in schema["properties"].items():
        assert field.get("description"), name
        assert "default" in field, name
    json.dumps(schema, allow_nan=False)


def test_the_descriptor():
    described = STAGE.describe()
    assert [(p.name, p.optional, p.repeated) for p in described.inputs] == [
        ("documents", False, True),
        ("model", True, False),
    ]
    assert [port.name for port in described.outputs] == ["chunks", "rejects"]
    assert list(described.inputs[1].files) == ["tokenizer.json", "graftline-model.json"]
    # One document becomes many rows.
    assert not described.conserves_rows
