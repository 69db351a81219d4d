"""The estimate of memory."""

import pytest
import torch

from graftline_train.config import TrainConfig
from graftline_train.memory import estimate
from graftline_train.model import open_base


def test_it_counts_weights_and_adapter_exactly(kit, llama):
    base = open_base(llama)
    weights = sum(item.numel() for item in kit.random_model("llama").parameters())
    lora = 3 * 4 * ((32 + 32) + 2 * (32 + 16) + (32 + 32) + 3 * (32 + 56))
    found = estimate(base, TrainConfig(max_steps=1, lora_r=4), "bf16", 50, fast=True)
    assert found.model == 2 * weights
    assert found.adapter == lora * (16 + 2)


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({"per_device_train_batch_size": 4, "max_length": 100}, 200),
        ({"per_device_train_batch_size": 4, "gradient_accumulation_steps": 4}, 800),
        (
            {
                "per_device_train_batch_size": 1,
                "gradient_accumulation_steps": 4,
                "max_length": 60,
                "packing": False,
            },
            50,
        ),
    ],
)
def test_it_knows_the_longest_pass(llama, config, tokens):
    base = open_base(llama)
    found = estimate(base, TrainConfig(max_steps=1, **config), "fp32", 50, fast=True)
    assert found.pass_tokens == tokens


def test_it_grows_with_what_it_should(llama):
    base = open_base(llama)
    config = TrainConfig(max_steps=1, per_device_train_batch_size=512)
    fast = estimate(base, config, "fp32", 100, fast=True)
    assert estimate(base, config, "fp32", 100, fast=False).activations > fast.activations
    assert estimate(base, config, "fp32", 200, fast=True).activations > fast.activations
    nf4 = TrainConfig(max_steps=1, quantization="nf4")
    assert estimate(base, nf4, "fp32", 100, fast=False).model < fast.model
    assert torch.device("meta") == next(base.skeleton.parameters()).device
