"""The fast path computes what plain Transformers and PEFT compute."""

import numpy as np
import pytest
import torch
from peft import LoraConfig

from graftline_train.config import TrainConfig
from graftline_train.fast.decoder import why_not
from graftline_train.model import put_lora
from graftline_train.passes import FastPasses, PlainPasses
from graftline_train.rows import Row

CPU = torch.device("cpu")


def adapted(kit, family, dtype=torch.float32, **settings):
    model = kit.random_model(family).to(dtype)
    torch.manual_seed(9)
    settings = {"r": 4, "lora_alpha": 8, "target_modules": "all-linear", **settings}
    model = put_lora(model, LoraConfig(task_type="CAUSAL_LM", **settings))
    for parameter in model.parameters():
        if parameter.requires_grad:
            # B begins at zero, which would hide half of the mathematics.
            parameter.data = parameter.data.float() + 0.05 * torch.randn(parameter.shape)
    return model


def as_rows(rows):
    return [
        Row(np.array(row["input_ids"], np.int32), np.array(row["loss_mask"], np.bool_))
        for row in rows
    ]


def loss_and_gradients(passes, model, rows):
    loss = passes.loss(rows, training=True)
    loss.backward()
    return float(loss.detach()), {
        name: item.grad.clone() for name, item in model.named_parameters() if item.requires_grad
    }


def assert_same(found, expected, tolerance):
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        error = (found[name] - gradient).norm() / gradient.norm()
        assert error < tolerance, f"{name}: relative error {error:.1e}"


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2"])
@pytest.mark.parametrize("shared", [0, 20], ids=["separate", "common beginning"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"target_modules": ["q_proj", "v_proj", "up_proj"]}, {"use_rslora": True}],
    ids=["all-linear", "some", "rslora"],
)
def test_gradients_are_those_of_plain_peft_in_fp32(kit, family, shared, settings):
    rows = as_rows(kit.token_rows(7, shared=shared))
    model = adapted(kit, family, **settings)
    plain = loss_and_gradients(PlainPasses(model, CPU), model, rows)
    model = adapted(kit, family, **settings)
    fast = loss_and_gradients(FastPasses(model, TrainConfig(max_steps=1), CPU), model, rows)
    assert fast[0] == pytest.approx(plain[0], rel=1e-5)
    assert_same(fast[1], plain[1], 1e-5)


def test_two_families_of_beginnings_and_a_lone_row_in_one_pass(kit):
    rows = as_rows(
        kit.token_rows(4) + kit.token_rows(3, seed=8, shared=33) + kit.token_rows(1, shared=0)
    )
    model = adapted(kit, "llama")
    plain = loss_and_gradients(PlainPasses(model, CPU), model, rows)
    model = adapted(kit, "llama")
    fast = loss_and_gradients(FastPasses(model, TrainConfig(max_steps=1), CPU), model, rows)
    assert fast[0] == pytest.approx(plain[0], rel=1e-5)
    assert_same(fast[1], plain[1], 1e-5)


def test_rows_longer_than_plain_attention_takes(kit, monkeypatch):
    monkeypatch.setattr("graftline_train.fast.attention.PLAIN_LENGTH", 24)
    rows = as_rows(kit.token_rows(6, shared=20))
    model = adapted(kit, "llama")
    plain = loss_and_gradients(PlainPasses(model, CPU), model, rows)
    model = adapted(kit, "llama")
    fast = loss_and_gradients(FastPasses(model, TrainConfig(max_steps=1), CPU), model, rows)
    assert_same(fast[1], plain[1], 1e-5)


def test_bf16_stays_near_fp32(kit):
    rows = as_rows(kit.token_rows(7))
    model = adapted(kit, "llama")
    exact = loss_and_gradients(FastPasses(model, TrainConfig(max_steps=1), CPU), model, rows)
    model = adapted(kit, "llama", torch.bfloat16)
    rounded = loss_and_gradients(FastPasses(model, TrainConfig(max_steps=1), CPU), model, rows)
    assert rounded[0] == pytest.approx(exact[0], rel=0.02)
    assert_same(rounded[1], exact[1], 0.25)


def test_refresh_takes_up_changed_factors(kit):
    rows = as_rows(kit.token_rows(3))
    model = adapted(kit, "qwen2")
    passes = FastPasses(model, TrainConfig(max_steps=1), CPU)
    before = float(passes.loss(rows, training=False).detach())
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.mul_(1.5)
    passes.refresh()
    after = float(passes.loss(rows, training=False).detach())
    assert after == pytest.approx(
        float(PlainPasses(model, CPU).loss(rows, training=False).detach()), rel=1e-5
    )
    assert abs(after - before) > 1e-3


def test_taken_over_weights_are_still_the_models_own(kit):
    """The frozen weights become views: same values, nothing held twice."""
    model = adapted(kit, "llama")
    before = {name: item.clone() for name, item in model.named_parameters()}
    FastPasses(model, TrainConfig(max_steps=1), CPU)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]), name
    attention = model.get_base_model().model.layers[0].self_attn
    pointers = {
        layer.base_layer.weight.untyped_storage().data_ptr()
        for layer in (attention.q_proj, attention.k_proj, attention.v_proj)
    }
    assert len(pointers) == 1


def test_the_fast_path_knows_what_it_cannot_do(kit):
    assert not why_not(kit.random_model("llama").config, 100)
    assert "gpt2" in why_not(kit.random_model("gpt2").config, 100)
    config = kit.random_model("mistral").config
    config.sliding_window = 50
    assert "sliding window of 50" in why_not(config, 100)
    assert not why_not(config, 50)
