"""Frozen matrices with LoRA in one product."""

import pytest
import torch
from peft.tuners.lora import LoraConfig
from peft.tuners.lora.layer import Linear as LoraLinear
from torch import nn

from graftline_train.fast.linear import FusedLinear

DROPOUT = 0.25


def lora_layer(inputs, outputs, rank):
    layer = LoraLinear(
        nn.Linear(inputs, outputs, bias=False),
        "default",
        LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=DROPOUT, init_lora_weights=False),
        r=rank,
        lora_alpha=2 * rank,
    )
    layer.base_layer.weight.requires_grad_(False)
    return layer


def test_dropout_acts_on_the_lora_input_alone_and_its_gradients_are_exact():
    torch.manual_seed(1)
    layers = [lora_layer(6, 5, 2), nn.Linear(6, 4, bias=False).requires_grad_(False)]
    fused = FusedLinear(layers, DROPOUT)
    fused.refresh()
    x = torch.randn(7, 6, requires_grad=True)
    down, up = layers[0].lora_A["default"].weight, layers[0].lora_B["default"].weight
    torch.manual_seed(2)
    y = fused(x, training=True)
    weight = torch.randn_like(y)
    found = torch.autograd.grad((y * weight).sum(), [x, down, up])

    torch.manual_seed(2)
    kept = torch.empty(7, 6).bernoulli_(1 - DROPOUT) / (1 - DROPOUT)
    expected_y = torch.cat(
        [
            x @ layers[0].base_layer.weight.t() + 2 * (x * kept) @ down.t() @ up.t(),
            x @ layers[1].weight.t(),
        ],
        dim=1,
    )
    expected = torch.autograd.grad((expected_y * weight).sum(), [x, down, up])
    assert torch.allclose(y, expected_y, atol=1e-6)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-5)
    assert kept.unique().tolist() == pytest.approx([0.0, 1 / (1 - DROPOUT)])


def test_nothing_is_dropped_outside_training():
    layer = lora_layer(6, 5, 2)
    fused = FusedLinear([layer], DROPOUT)
    fused.refresh()
    x = torch.randn(3, 6)
    assert torch.allclose(fused(x, training=False), layer.eval()(x), atol=1e-6)
    assert not torch.allclose(fused(x, training=True), layer(x), atol=1e-4)


def test_inputs_that_need_no_gradient_get_none():
    layer = lora_layer(6, 5, 2)
    fused = FusedLinear([layer], 0.0)
    fused.refresh()
    x = torch.randn(3, 6)
    fused(x, training=True).sum().backward()
    assert x.grad is None
    assert layer.lora_A["default"].weight.grad is not None
