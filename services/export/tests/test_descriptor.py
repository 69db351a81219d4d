"""The stage's face: light to import, documented, strict."""

import subprocess
import sys

import pytest

from graftline.config import parse_settings
from graftline.errors import ConfigError
from graftline_export.config import ExportConfig, ExportRuntime, ParitySettings
from graftline_export.descriptor import STAGE


def test_describing_loads_nothing_heavy():
    code = (
        "import sys; from graftline_export.descriptor import STAGE; STAGE.describe(); "
        "print([m for m in ('torch', 'transformers', 'peft', 'xllamacpp') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_every_setting_is_documented_and_names_are_disjoint():
    assert not ExportConfig.model_fields.keys() & ExportRuntime.model_fields.keys()
    for settings in (ExportConfig, ExportRuntime, ParitySettings):
        assert all(field.description for field in settings.model_fields.values())
    assert STAGE.describe().name == "export"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"formats": ["ollama"]}, "'ollama' needs 'gguf' or 'gguf-adapter'"),
        ({"formats": ["gguf"], "parity": {"ollama": "always"}}, "nothing to ask without 'ollama'"),
        ({"adapter_from": "smollm2"}, "needs 'gguf-adapter' in `formats`"),
        (
            {
                "formats": ["gguf-adapter", "ollama"],
                "adapter_from": "smollm2",
                "parity": {"ollama": "always"},
            },
            "nothing to ask: Modelfile.adapter is made from what `adapter_from` names",
        ),
        ({"formats": ["peft", "peft"]}, "named once"),
        ({"gguf_type": "q4_k_m"}, "gguf_type"),
        ({"parity": {"prompt": 3}}, "did you mean 'prompts'"),
    ],
)
def test_mistakes_are_told(values, said):
    with pytest.raises(ConfigError, match=said):
        parse_settings(ExportConfig, values, "export")
