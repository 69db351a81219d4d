"""Cross-entropy without the logits."""

import pytest
import torch
from torch.nn import functional

from graftline_train.fast import loss as module
from graftline_train.fast.loss import head_loss


@pytest.mark.parametrize("rows_at_once", [1, 3, 100])
def test_loss_and_gradient_are_those_of_cross_entropy(monkeypatch, rows_at_once):
    monkeypatch.setattr(module, "CHUNK_LOGITS", 50 * rows_at_once)
    torch.manual_seed(0)
    hidden, weight = torch.randn(10, 8, requires_grad=True), torch.randn(50, 8) * 4
    targets = torch.randint(0, 50, (10,))
    found = head_loss(hidden, weight, targets)
    expected = functional.cross_entropy(hidden @ weight.t(), targets, reduction="sum")
    assert float(found.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    assert torch.allclose(
        torch.autograd.grad(found * 0.5, hidden)[0],
        torch.autograd.grad(expected * 0.5, hidden)[0],
        atol=1e-5,
    )


def test_huge_logits_do_not_overflow():
    hidden, weight = torch.full((1, 4), 1e4), torch.eye(4) * 1e3
    assert float(head_loss(hidden, weight, torch.tensor([2]))) == pytest.approx(1.386294, rel=1e-5)
