"""What the machine offers."""

import os

import pytest
import torch

from graftline_train import machine
from graftline_train.config import TrainConfig

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", None), ("100000 100000", 1), ("50000 100000", 1), ("nonsense", None)],
)
def test_a_containers_quota_limits_the_threads(tmp_path, quota, cores):
    (tmp_path / "cpu.max").write_text(quota)
    expected = cores or len(os.sched_getaffinity(0))
    assert machine.usable_cores(tmp_path / "cpu.max") == expected


@pytest.mark.parametrize("native", [True, False])
def test_auto_is_what_the_cpu_multiplies_natively(monkeypatch, native):
    monkeypatch.setattr(machine, "_multiplies_bf16", lambda device: native)
    assert machine.choose_dtype(TrainConfig(max_steps=1), CPU) == ("bf16" if native else "fp32")
    assert machine.choose_dtype(TrainConfig(max_steps=1, dtype="fp32"), CPU) == "fp32"


def test_there_is_memory():
    assert 0 < machine.free_bytes(CPU) < 1 << 50
    assert 0 < machine.peak_bytes(CPU) < 1 << 50
