"""The stage's face: light to import, documented."""

import subprocess
import sys

from graftline_model.config import ModelConfig, ModelRuntime
from graftline_model.descriptor import STAGE


def test_describing_loads_nothing_heavy():
    code = (
        "import sys; from graftline_model.descriptor import STAGE; STAGE.describe(); "
        "print([m for m in ('torch', 'transformers', 'numpy', 'gguf') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() in ("[]", "['numpy']")  # pyarrow may bring numpy


def test_every_setting_is_documented_and_names_are_disjoint():
    fields = {**ModelConfig.model_fields, **ModelRuntime.model_fields}
    assert len(fields) == len(ModelConfig.model_fields) + len(ModelRuntime.model_fields)
    assert all(field.description for field in fields.values())
    assert STAGE.describe().name == "model"
