"""The whole stage, on a tiny random model with a real tokenizer."""

import json
import shutil
import subprocess
import sys

import pytest

from graftline.canonical import canonical_json, sha256_file
from graftline.domain.examples import example, message
from graftline.domain.rows import EXAMPLES, RowWriter
from graftline.errors import Cancelled, DataError
from graftline.testkit.local import input_artifact, run_stage
from graftline.v1 import manifest_pb2
from graftline_export.descriptor import STAGE

PORTS = {port.name: port for port in STAGE.inputs}
SYSTEM = "Answer with the word that was asked for."
PARITY = {"prompts": 3, "max_new_tokens": 12}
RUNTIME = {"threads": 1}


def write_examples(folder):
    folder.mkdir()
    with RowWriter(folder, EXAMPLES) as writer:
        for number in range(9):
            messages = [
                message("system", SYSTEM),
                message("user", f"Ticket {number}: where is ORD-{10000 + number}?  It's late!"),
                message("assistant", "late"),
            ]
            split = "eval" if number % 3 else "train"
            writer.write(example(messages=messages, split=split, group=str(number), task="t"))
    return folder


def write_metrics(folder):
    folder.mkdir()
    row = {"baseline": 0.5, "adapted": 0.91, "difference": 0.41, "low": 0.3, "high": 0.5}
    comparison = {"eval": {"json_validity": {**row, "p_value": 0.0001, "baseline_variant": "x"}}}
    (folder / "metrics.json").write_text(json.dumps({"role": "adapted", "comparison": comparison}))
    return folder


@pytest.fixture(scope="module")
def run(model, adapter, tmp_path_factory):
    work = tmp_path_factory.mktemp("export")
    training = {"learning_rate": 2e-4, "quantization": "nf4", "num_epochs": None, "max_steps": 20}
    trained = manifest_pb2.Manifest(key="k" * 64, step="adapter", config=canonical_json(training))
    return run_stage(
        STAGE,
        work,
        config={"name": "Tiny Tickets", "license": "apache-2.0", "parity": PARITY},
        inputs={
            "model": model,
            "adapter": input_artifact(PORTS["adapter"], adapter, manifest=trained),
            "examples": write_examples(work / "examples"),
            "metrics": [write_metrics(work / "metrics")],
        },
        runtime=RUNTIME,
    )


def test_the_bundle_holds_every_form(run):
    bundle = run.outputs["bundle"]
    files = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}
    assert files >= {
        "README.md",
        "parity.json",
        "peft/README.md",
        "peft/adapter_model.safetensors",
        "peft/adapter_config.json",
        "merged/model.safetensors",
        "merged/config.json",
        "merged/tokenizer.json",
        "merged/chat_template.jinja",
        "gguf/tiny-tickets.f16.gguf",
        "gguf/Modelfile",
    }
    assert run.result.base_model.endswith("@abc")
    assert run.events.progress_points[-1][:2] == (8, 8)


def test_all_forms_agree(run):
    parity = json.loads((run.outputs["bundle"] / "parity.json").read_text())
    assert parity["forms"].keys() == {"merged", "gguf"}
    for form in parity["forms"].values():
        assert form["prompts"] == 3
        assert form["tokens"] > 10
        assert form["disagreements"] == 0
        assert form["same_tokens"] + form["near_ties"] == form["tokens"]
    assert run.result.figures["parity_gguf_disagreements"] == 0


def test_the_modelfile_says_what_was_trained(run):
    modelfile = (run.outputs["bundle"] / "gguf" / "Modelfile").read_text()
    assert modelfile.startswith("FROM ./tiny-tickets.f16.gguf\n")
    assert f'SYSTEM """{SYSTEM}"""' in modelfile
    assert "num_ctx 1024\nPARAMETER temperature 0\nPARAMETER repeat_penalty 1\n" in modelfile
    assert 'PARAMETER stop "<|im_end|>"' in modelfile
    assert modelfile.count("PARAMETER stop") == len(set(modelfile.split("PARAMETER stop")[1:]))


def test_the_card_says_where_it_comes_from(run):
    card = (run.outputs["bundle"] / "README.md").read_text()
    for said in (
        "base_model: HuggingFaceTB/SmolLM2-135M-Instruct",
        'revision="abc"',
        "license: apache-2.0",
        "| learning_rate | 0.0002 |",
        "| r | 4 |",
        "in nf4 (QLoRA)",
        "| train | 3 |",
        "| json_validity | 0.500 | 0.910 | 0.410 [0.300, 0.500] | 0.0001 |",
        "ollama create tiny-tickets -f Modelfile) && ollama run tiny-tickets",
        "The licence of the base model",
    ):
        assert said in card, said
    assert "num_epochs" not in card
    assert "gguf" not in (run.outputs["bundle"] / "peft" / "README.md").read_text()


def test_the_adapter_is_exported_as_it_is(run, adapter):
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert sha256_file(run.outputs["bundle"] / "peft" / name) == sha256_file(adapter / name)


def test_no_local_path_is_in_any_text(run, tmp_path_factory):
    base = str(tmp_path_factory.getbasetemp())
    texts = [path for path in run.outputs["bundle"].rglob("*") if path.suffix in (".json", ".md")]
    assert len(texts) > 5
    assert not [path for path in texts if base in path.read_text()]
    gguf = next((run.outputs["bundle"] / "gguf").glob("*.gguf")).read_bytes()
    assert base.encode() not in gguf


def test_merged_is_pefts_own_merge(run, model, adapter):
    import torch
    from safetensors.torch import load_file

    from graftline_export.rounding import round_unbiased
    from graftline_export.torch_model import add_adapter, load_model

    peft = add_adapter(load_model(model, "fp32"), adapter)
    adapted = {
        f"{name}.weight" for name, module in peft.named_modules() if hasattr(module, "lora_A")
    }
    expected = peft.merge_and_unload().state_dict()
    written = load_file(run.outputs["bundle"] / "merged" / "model.safetensors")
    assert "lm_head.weight" not in written
    changed = [name for name in written if f"base_model.model.{name}" in adapted]
    assert len(changed) == 14
    for name, value in written.items():
        merged = expected[name]
        rounded = round_unbiased(merged, name) if name in changed else merged.bfloat16()
        assert torch.equal(value, rounded), name


def test_same_inputs_same_bytes(model, adapter, tmp_path):
    config = {"formats": ["merged", "gguf", "ollama"], "parity": {"prompts": 1}}
    runs = [
        run_stage(
            STAGE,
            tmp_path / str(number),
            config=config,
            inputs={"model": model, "adapter": adapter},
            runtime=RUNTIME,
        )
        for number in range(2)
    ]
    digests = [
        {
            str(path.relative_to(run.outputs["bundle"])): sha256_file(path)
            for path in run.outputs["bundle"].rglob("*")
            if path.is_file()
        }
        for run in runs
    ]
    assert digests[0] == digests[1]
    assert not (runs[0].outputs["bundle"] / "peft").exists()


def test_a_form_that_lost_the_adapter_is_refused(model, adapter, tmp_path, monkeypatch):
    """Merging is broken on purpose: the base is written instead."""
    from graftline_export import merge

    def forget(peft):
        inner = peft.base_model.model
        return {
            f"{name}.weight": lambda module=module: module.get_base_layer().weight.float()
            for name, module in inner.named_modules()
            if hasattr(module, "get_base_layer")
        }

    monkeypatch.setattr(merge, "merged_parameters", forget)
    with pytest.raises(DataError, match=r"parity: merged differs .* prompt built-in \d, position"):
        run_stage(
            STAGE,
            tmp_path,
            config={"formats": ["merged"], "parity": PARITY},
            inputs={"model": model, "adapter": adapter},
            runtime=RUNTIME,
        )


def test_a_wrong_gguf_is_refused(model, adapter, tmp_path, monkeypatch):
    """The converter is given the base model instead of the merged one."""
    from graftline_export import forms

    monkeypatch.setattr(
        forms, "convert", lambda merged, *rest, convert=forms.convert: convert(model, *rest)
    )
    with pytest.raises(DataError, match=r"parity: gguf differs from base \+ adapter"):
        run_stage(
            STAGE,
            tmp_path,
            config={"formats": ["gguf"], "parity": PARITY},
            inputs={"model": model, "adapter": adapter},
            runtime=RUNTIME,
        )


def change(adapter, tmp_path, **values):
    copy = tmp_path / "changed"
    shutil.copytree(adapter, copy)
    config = json.loads((copy / "adapter_config.json").read_text()) | values
    (copy / "adapter_config.json").write_text(json.dumps(config))
    return copy


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"base_model_name_or_path": "org/other"}, "trained on 'org/other'"),
        ({"base_model_name_or_path": "/home/me/model"}, "the local path '/home/me/model'"),
        ({"revision": "def"}, "revision def"),
        ({"r": 8}, "does not fit the model"),
    ],
)
def test_an_adapter_that_does_not_fit(model, adapter, tmp_path, values, said):
    changed = change(adapter, tmp_path, **values)
    with pytest.raises(DataError, match=said):
        run_stage(STAGE, tmp_path, inputs={"model": model, "adapter": changed}, runtime=RUNTIME)


def test_stopping_leaves_at_once(model, adapter, tmp_path):
    with pytest.raises(Cancelled):
        run_stage(
            STAGE,
            tmp_path,
            inputs={"model": model, "adapter": adapter},
            runtime=RUNTIME,
            before_run=lambda context: context.request_stop(),
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"use_dora": True},
        {"use_rslora": True},
        {"target_modules": ["q_proj", "v_proj"]},
        {"modules_to_save": ["norm"]},
        {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 16}},
    ],
    ids=["dora", "rslora", "few", "saved module", "patterns"],
)
@pytest.mark.parametrize("gguf_type", ["f16", "q8_0"])
def test_kinds_of_adapters(model, makers, tmp_path, settings, gguf_type):
    adapter = makers.adapter(model, tmp_path / "adapter", **settings)
    # What is more than products of two matrices has no GGUF adapter.
    forms = [] if {"use_dora", "modules_to_save"} & settings.keys() else ["gguf-adapter"]
    run = run_stage(
        STAGE,
        tmp_path,
        config={
            "formats": ["gguf", *forms],
            "gguf_type": gguf_type,
            # A random model decides many tokens by little.
            "parity": {**PARITY, "near_tie": 0.5, "max_near_tie_share": 0.3},
        },
        inputs={"model": model, "adapter": adapter},
        runtime=RUNTIME,
    )
    assert run.result.figures["parity_gguf_disagreements"] == 0
    assert run.result.figures.get("parity_gguf_adapter_disagreements", 0) == 0


FRESH = """
import sys, torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
torch.set_num_threads(1)
model, bundle = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(bundle + "/merged")
base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
peft = PeftModel.from_pretrained(base, bundle + "/peft").eval()
ids = tokenizer.apply_chat_template([{"role": "user", "content": "Name a colour."}],
    add_generation_prompt=True, return_tensors="pt", return_dict=False)
out = peft.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
print([ids[0].tolist(), out[0, ids.shape[1]:].tolist()])
"""


@pytest.mark.slow
def test_loads_in_a_fresh_process_and_in_llama_cpp(run, model):
    from graftline_export.llama_cpp import LlamaCpp

    bundle = run.outputs["bundle"]
    shown = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FRESH, str(model), str(bundle)],
        capture_output=True,
        text=True,
        check=True,
    )
    prompt, answer = json.loads(shown.stdout.splitlines()[-1])
    with LlamaCpp(next((bundle / "gguf").glob("*.gguf")), 256, 1) as llama:
        assert llama.go_on(prompt, 8) == answer
