"""The stage at its contract: folders in, an adapter out."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from graftline.errors import ConfigError, DataError
from graftline.testkit.local import run_stage
from graftline_train.descriptor import STAGE

CONFIG = {
    "lora_r": 4,
    "max_steps": 6,
    "per_device_train_batch_size": 4,
    "learning_rate": 0.02,
    "max_length": 96,
    "dtype": "fp32",
}
RUNTIME = {"device": "cpu", "threads": 1}


def train(model, rows, work, config=None, **more):
    return run_stage(
        STAGE,
        work,
        config={**CONFIG, **(config or {})},
        inputs={"model": model, "training_set": rows},
        runtime={**RUNTIME, **more.pop("runtime", {})},
        **more,
    )


def log_of(run):
    return [
        json.loads(line) for line in (run.outputs["metrics"] / "log.jsonl").read_text().splitlines()
    ]


def losses_of(run):
    return [line["loss"] for line in log_of(run) if "loss" in line]


def test_it_learns_and_its_adapter_loads_as_peft(kit, llama, training_set, tmp_path):
    run = train(llama, training_set, tmp_path / "work", {"max_steps": 60})
    losses = losses_of(run)
    assert sum(losses[-3:]) < 0.85 * sum(losses[:3])
    folder = run.outputs["adapter"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tests/llama"
    assert config["revision"] == "abc123"
    assert config["target_modules"] == sorted(config["target_modules"])
    assert str(tmp_path) not in json.dumps(config)

    base = AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
    ids = torch.arange(3, 30).unsqueeze(0)
    before = base(ids).logits
    adapted = kit.load_adapter(llama, folder)
    assert not torch.allclose(adapted(ids).logits, before, atol=1e-2)
    saved = load_file(folder / "adapter_model.safetensors")
    assert len(saved) == 3 * 7 * 2
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}


def test_the_last_eval_loss_is_that_of_the_saved_adapter(kit, llama, training_set, tmp_path):
    run = train(llama, training_set, tmp_path / "work", {"eval_steps": 4})
    points = [line for line in log_of(run) if "eval_loss" in line]
    assert [point["step"] for point in points] == [4, 6]
    adapted = kit.load_adapter(llama, run.outputs["adapter"])
    total = count = 0
    for row in kit.token_rows(5, split="eval"):
        ids = torch.tensor([row["input_ids"]])
        learned = torch.tensor(row["loss_mask"])[1:]
        logits = adapted(ids).logits[0, :-1][learned]
        total += torch.nn.functional.cross_entropy(
            logits, ids[0, 1:][learned], reduction="sum"
        ).item()
        count += int(learned.sum())
    assert points[-1]["eval_loss"] == pytest.approx(total / count, rel=1e-4)
    assert run.result.figures["eval_loss"] == points[-1]["eval_loss"]


def test_log_counts_and_figures_add_up(llama, training_set, tmp_path):
    run = train(llama, training_set, tmp_path / "work", {"max_steps": None, "num_epochs": 2})
    lines = [line for line in log_of(run) if "loss" in line]
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert set(lines[0]) == {"step", "loss", "learning_rate", "tokens", "grad_norm"}
    result = run.result
    assert (result.rows_in, result.rows_out, result.rejected) == (24, 24, {})
    assert result.input_tokens == lines[-1]["tokens"] == result.figures["tokens_trained"]
    assert result.base_model == "tests/llama@abc123"
    assert result.figures["trainable_parameters"] == 3 * 4 * (
        (32 + 32) + 2 * (32 + 16) + (32 + 32) + 3 * (32 + 56)
    )
    assert result.figures["tokens_per_second"] > 0
    assert run.events.progress_points[-1] == (12, 12, "steps")
    assert [at for name, _, at in run.events.points if name == "loss"] == list(range(1, 13))
    assert any(text.startswith("memory: about") for _, text in run.events.lines)


def test_the_same_inputs_give_the_same_bytes_and_another_seed_others(llama, training_set, tmp_path):
    def digest(name, seed, config=None):
        run = train(llama, training_set, tmp_path / name, config, seed=seed)
        return [
            path.read_bytes()
            for folder in run.outputs.values()
            for path in sorted(folder.iterdir())
        ]

    assert digest("a", 1) == digest("b", 1)
    assert digest("c", 2) != digest("a2", 1)
    assert digest("d", 1, {"lora_dropout": 0.1}) != digest("a3", 1)


@pytest.mark.parametrize("packing", [True, False])
def test_accumulation_and_packing_change_passes_but_not_what_is_learned(
    llama, training_set, tmp_path, packing
):
    one = train(llama, training_set, tmp_path / "one", {"per_device_train_batch_size": 8})
    other = train(
        llama,
        training_set,
        tmp_path / "other",
        {
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 4,
            "packing": packing,
            "max_length": 64,
        },
    )
    assert losses_of(other) == pytest.approx(losses_of(one), rel=1e-4)


@pytest.mark.parametrize("family", ["mistral", "qwen2", "gpt2"])
def test_other_architectures(kit, training_set, tmp_path, family):
    run = train(kit.save_model(family, tmp_path / family), training_set, tmp_path / "work")
    fast = run.result.figures["fast_path"]
    assert fast == (family != "gpt2")
    warned = [text for level, text in run.events.lines if level == "warning"]
    assert any("the architecture 'gpt2'" in text for text in warned) == (not fast)
    adapted = kit.load_adapter(tmp_path / family, run.outputs["adapter"])
    assert torch.isfinite(adapted(torch.arange(3, 30).unsqueeze(0)).logits).all()


def test_both_paths_learn_alike(llama, training_set, tmp_path, monkeypatch):
    fast = train(llama, training_set, tmp_path / "fast")
    monkeypatch.setattr("graftline_train.stage.slow_reason", lambda *_: "this test")
    plain = train(llama, training_set, tmp_path / "plain")
    assert (fast.result.figures["fast_path"], plain.result.figures["fast_path"]) == (1, 0)
    assert losses_of(fast) == pytest.approx(losses_of(plain), rel=1e-4)


@pytest.mark.parametrize(
    "config",
    [
        {"use_dora": True},
        {"use_rslora": True},
        {"lora_dropout": 0.2},
        {"target_modules": ["q_proj", "down_proj"]},
        {"dtype": "bf16"},
        {"lr_scheduler_type": "linear", "warmup_ratio": 0.5, "max_grad_norm": 0},
    ],
    ids=str,
)
def test_variants_run(llama, training_set, tmp_path, config):
    run = train(llama, training_set, tmp_path / "work", {"max_steps": 3, **config})
    saved = json.loads((run.outputs["adapter"] / "adapter_config.json").read_text())
    for name in ("use_dora", "use_rslora", "lora_dropout", "target_modules"):
        if name in config:
            assert saved[name] == config[name] or sorted(config[name]) == saved[name]


def test_qlora_trains_on_the_cpu(llama, training_set, tmp_path):
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed")
    run = train(llama, training_set, tmp_path / "work", {"quantization": "nf4", "max_steps": 20})
    losses = losses_of(run)
    assert sum(losses[-3:]) < 0.9 * sum(losses[:3])
    assert any("quantization: nf4" in text for _, text in run.events.lines)


def test_a_model_of_another_vocabulary(kit, llama, tmp_path):
    rows = kit.token_rows(3)
    rows[1]["input_ids"][-1] = kit.vocabulary
    folder = kit.save_rows(rows, tmp_path / "set")
    with pytest.raises(DataError, match=r"token id 97, but 'tests/llama' knows only 97 tokens"):
        train(llama, folder, tmp_path / "work")


def test_rows_longer_than_the_models_context(kit, llama, tmp_path):
    rows = [
        {"id": "a", "split": "train", "input_ids": [5] * 300, "loss_mask": [True] * 300},
    ]
    folder = kit.save_rows(rows, tmp_path / "set")
    with pytest.raises(DataError, match="a row has 300 tokens, but .* reads at most 256"):
        train(llama, folder, tmp_path / "work", {"max_length": 400})


def test_targets_that_do_not_exist(llama, training_set, tmp_path):
    with pytest.raises(ConfigError, match="no module of 'tests/llama' is named 'c_attn'.*q_proj"):
        train(llama, training_set, tmp_path / "work", {"target_modules": ["q_proj", "c_attn"]})


def test_a_folder_that_is_no_model(training_set, tmp_path):
    folder = tmp_path / "no-model"
    folder.mkdir()
    with pytest.raises(DataError, match=r"has no graftline-model.json"):
        train(folder, training_set, tmp_path / "work")
    (folder / "graftline-model.json").write_text('{"name": "x/y", "revision": "1"}')
    with pytest.raises(DataError, match="model 'x/y' is no causal language model"):
        train(folder, training_set, tmp_path / "work")


def test_a_model_without_its_weights(llama, training_set, tmp_path):
    (llama / "model.safetensors").unlink()
    with pytest.raises(DataError, match="the weights of 'tests/llama' cannot be loaded"):
        train(llama, training_set, tmp_path / "work")


def test_a_loss_that_is_no_longer_a_number(llama, training_set, tmp_path):
    with pytest.raises(DataError, match="loss is no longer a number.*at step .* of 50"):
        train(
            llama,
            training_set,
            tmp_path / "work",
            {"learning_rate": 1e30, "max_grad_norm": 0, "max_steps": 50},
        )


def test_too_little_memory(llama, training_set, tmp_path, monkeypatch):
    monkeypatch.setattr("graftline_train.machine.free_bytes", lambda device: 10_000_000)
    with pytest.raises(ConfigError, match=r"does not fit. memory: about 0.* GB needed.*nf4"):
        train(llama, training_set, tmp_path / "work")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(llama, training_set, tmp_path):
    with pytest.raises(ConfigError, match="no CUDA device"):
        train(llama, training_set, tmp_path / "work", runtime={"device": "cuda"})


def test_tensorboard_files_go_where_they_are_wanted_and_into_no_output(
    llama, training_set, tmp_path
):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    folder = tmp_path / "curves"
    run = train(llama, training_set, tmp_path / "work", runtime={"tensorboard_dir": str(folder)})
    assert list(folder.rglob("events.out.tfevents.*"))
    assert [path.name for path in run.outputs["metrics"].iterdir()] == ["log.jsonl"]


def test_a_tracker_that_is_not_installed(llama, training_set, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(ConfigError, match=r"runtime.report_to: wandb is not installed"):
        train(llama, training_set, tmp_path / "work", runtime={"report_to": ["wandb"]})
