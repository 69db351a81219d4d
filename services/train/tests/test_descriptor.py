"""The stage's description is light, and its settings are checked."""

import subprocess
import sys

import pytest

from graftline.config import parse_settings
from graftline.errors import ConfigError
from graftline_train.config import TrainConfig, TrainRuntime
from graftline_train.descriptor import STAGE


def test_describing_imports_nothing_heavy():
    code = (
        "import sys, graftline_train.descriptor as d; d.STAGE.describe();"
        "print([m for m in ('torch', 'transformers', 'peft', 'numpy') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_every_setting_is_described_and_named_once():
    config, runtime = TrainConfig.model_fields, TrainRuntime.model_fields
    assert not config.keys() & runtime.keys()
    assert all(field.description for field in (*config.values(), *runtime.values()))


def test_it_runs_on_a_gpu_node():
    descriptor = STAGE.describe()
    assert [port.name for port in descriptor.outputs] == ["adapter", "metrics"]
    assert STAGE.resources == "gpu"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "exactly one of num_epochs and max_steps"),
        ({"num_epochs": 1, "max_steps": 5}, "exactly one of num_epochs and max_steps"),
        ({"max_steps": 5, "warmup_steps": 1, "warmup_ratio": 0.1}, "at most one of warmup"),
        ({"max_steps": 5, "target_modules": "q_proj"}, "'all-linear' or a list"),
        ({"max_steps": 5, "target_modules": []}, "at least one module"),
        ({"max_steps": 5, "learning_rte": 1}, "did you mean 'learning_rate'"),
        ({"max_steps": 5, "lora_r": 0}, "lora_r"),
    ],
)
def test_settings_that_cannot_be_meant(settings, message):
    with pytest.raises(ConfigError, match=message):
        parse_settings(TrainConfig, settings, "train")
