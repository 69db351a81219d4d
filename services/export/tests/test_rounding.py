"""Rounding a merged weight: a law for every value, and what it is for."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graftline_export.rounding import round_unbiased

NORMAL = st.floats(width=32, allow_nan=False, min_value=-(2.0**126), max_value=2.0**126)


@given(st.lists(NORMAL, min_size=1, max_size=20), st.text(max_size=5))
def test_the_result_is_a_neighbour(values: list[float], name: str):
    value = torch.tensor(values, dtype=torch.float32)
    rounded = round_unbiased(value, name)
    assert rounded.dtype == torch.bfloat16
    bits = value.view(torch.int32)
    below = (bits & -(1 << 16)).view(torch.float32)
    above = ((bits & -(1 << 16)) + (1 << 16)).view(torch.float32)
    on_grid = below == value
    found = rounded.float()
    assert torch.equal(found[on_grid], value[on_grid])
    assert ((found == below) | ((found == above) & ~on_grid)).all()
    assert torch.equal(rounded, round_unbiased(value, name))


@pytest.mark.parametrize("part", [0.01, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_mean_is_the_value(part: float, sign: int):
    step = 2.0**-7
    value = torch.full((200_000,), sign * (1 + part * step))
    mean = round_unbiased(value, "w").float().mean().item()
    error = abs(mean - sign * (1 + part * step)) / step
    assert error < 5 * (part * (1 - part) / len(value)) ** 0.5


def test_names_differ():
    value = torch.full((1000,), 1 + 2.0**-8)
    assert not torch.equal(round_unbiased(value, "a"), round_unbiased(value, "b"))


def test_shape_and_strides_do_not_matter():
    value = torch.randn(30, 40, generator=torch.Generator().manual_seed(1))
    assert round_unbiased(value.T.contiguous().T, "w").equal(round_unbiased(value, "w"))
    assert round_unbiased(value, "w").shape == value.shape


def test_a_small_update_survives():
    """An update of a thousandth of the weights, as few training steps make it."""
    draw = torch.Generator().manual_seed(2)
    base = torch.randn(512, 512, generator=draw).bfloat16().float()
    update = torch.randn(512, 8, generator=draw) @ torch.randn(8, 512, generator=draw)
    update *= 1e-3 * base.norm() / update.norm()

    def kept(merged: torch.Tensor) -> float:
        """The share of the update that is left, along itself."""
        return float(((merged.float() - base) * update).sum() / (update * update).sum())

    assert kept(round_unbiased(base + update, "w")) == pytest.approx(1, abs=0.02)
    assert kept((base + update).bfloat16()) < 0.7
