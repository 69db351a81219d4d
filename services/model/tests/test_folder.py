"""A folder in Hugging Face's layout."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from graftline.errors import ConfigError, DataError
from graftline.testkit.local import run_stage
from graftline_model.chat_template import stored_template
from graftline_model.descriptor import STAGE
from graftline_model.safetensors_file import PlannedTensor, read_table, to_bf16, write_model


def run_folder(folder, work, **config):
    return run_stage(STAGE, work, sources={"uri": folder}, config=config)


def test_weights_and_template_are_kept(folder, tmp_path, tiny):
    run = run_folder(folder, tmp_path / "run", dtype="keep", name="org/tiny")
    out = run.outputs["model"]
    written = load_file(out / "model.safetensors")
    assert all(np.array_equal(written[name], values) for name, values in tiny.tensors().items())
    assert (out / "chat_template.jinja").read_text() == tiny.template
    assert "chat_template" not in json.loads((out / "tokenizer_config.json").read_text())
    assert (out / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    assert run.result.base_model == "org/tiny"
    assert str(tmp_path) not in "".join(path.read_text() for path in out.glob("*.json"))


def test_bf16_is_torchs_rounding(folder, tmp_path, tiny):
    import torch
    from safetensors.torch import load_file as load_torch

    run = run_folder(folder, tmp_path / "run")
    written = load_torch(run.outputs["model"] / "model.safetensors")
    for name, values in tiny.tensors().items():
        assert torch.equal(written[name], torch.from_numpy(values).bfloat16()), name


@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_to_bf16_is_torchs_rounding_for_any_float(values):
    import torch

    array = np.array(values, np.float32)
    ours = torch.from_numpy(to_bf16(array).view(np.int16)).view(torch.bfloat16)
    theirs = torch.from_numpy(array).bfloat16()
    assert torch.equal(ours.isnan(), theirs.isnan())
    assert torch.equal(ours[~ours.isnan()], theirs[~theirs.isnan()])


def test_keep_layers_cuts_weights_and_lists(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    config["layer_types"] = ["full_attention", "full_attention", "full_attention"]
    (folder / "config.json").write_text(json.dumps(config))
    run = run_folder(folder, tmp_path / "run", keep_layers=2)
    written = load_file_names(run.outputs["model"] / "model.safetensors")
    layers = {name.split(".")[2] for name in written if name.startswith("model.layers")}
    assert layers == {"0", "1"}
    cut = json.loads((run.outputs["model"] / "config.json").read_text())
    assert (cut["num_hidden_layers"], len(cut["layer_types"])) == (2, 2)
    with pytest.raises(ConfigError, match="9 layers asked for, the model has 3"):
        run_folder(folder, tmp_path / "more", keep_layers=9)


def load_file_names(path):
    return set(read_table(path))


def test_shards_are_written_and_read(tmp_path, tiny):
    tensors = {name: values for name, values in tiny.tensors().items()}
    planned = [
        PlannedTensor(name, "F32", values.shape, lambda values=values: iter([values]))
        for name, values in tensors.items()
    ]
    steps = []
    paths = write_model(tmp_path, planned, lambda *at: steps.append(at), shard_bytes=60_000)
    assert len(paths) > 2
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == tensors.keys()
    together = {name: array for path in paths for name, array in load_file(path).items()}
    assert all(np.array_equal(together[name], values) for name, values in tensors.items())
    assert steps[-1][0] == steps[-1][1] == index["metadata"]["total_size"]


def test_pickled_weights_are_refused(folder, tmp_path):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"only pickled weights \(pytorch_model.bin\)"):
        run_folder(folder, tmp_path / "run")


def test_empty_folder_is_no_model(tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(DataError, match=r"not a model: no config.json"):
        run_folder(tmp_path / "nothing", tmp_path / "run")


def test_other_file_is_no_model(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"notes.txt: not a model"):
        run_folder(tmp_path / "notes.txt", tmp_path / "run")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_weights_are_named(folder, tmp_path, share):
    path = folder / "model.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=r"model.safetensors: (truncated|not a safetensors)"):
        run_folder(folder, tmp_path / "run")


def test_missing_shard_is_named(folder, tmp_path):
    index = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(DataError, match=r"1 of 2 weight files are missing: model-2"):
        run_folder(folder, tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "t5"}, "the architecture 't5' is not supported"),
        ({"model_type": "own", "auto_map": {"AutoModel": "x"}}, "needs code from its repository"),
        ({"model_type": None}, "no model_type"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, r"quantised \(bitsandbytes\)"),
    ],
)
def test_unsupported_architecture(folder, tmp_path, change, said):
    config = json.loads((folder / "config.json").read_text()) | change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=said):
        run_folder(folder, tmp_path / "run")


def test_without_tokenizer_it_is_no_model(folder, tmp_path):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(DataError, match="its tokenizer cannot be loaded"):
        run_folder(folder, tmp_path / "run")


def test_without_chat_template(folder, tmp_path):
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    del settings["chat_template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    with pytest.raises(ConfigError, match="`chat_template`"):
        run_folder(folder, tmp_path / "run")


def test_a_folder_with_one_gguf_is_that_gguf(tiny, tmp_path):
    tiny.write_gguf(tmp_path / "models" / "tiny.gguf")
    run = run_folder(tmp_path / "models", tmp_path / "run")
    assert run.result.figures["layers"] == tiny.layers
    shutil.copy(tmp_path / "models" / "tiny.gguf", tmp_path / "models" / "other.gguf")
    with pytest.raises(DataError, match=r"several GGUF files \(other.gguf, tiny.gguf\)"):
        run_folder(tmp_path / "models", tmp_path / "again")


@pytest.mark.parametrize("text", ["{torn", "[]"])
def test_a_damaged_file_of_a_template_is_told(folder, tmp_path, text):
    (folder / "chat_template.json").write_text(text)
    with pytest.raises(DataError, match=r"chat_template\.json: not"):
        run_folder(folder, tmp_path / "run")


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        ([{"name": "default", "template": "one"}, {"name": "tool_use"}], "one"),
        (["odd", {"name": "rag", "template": "x"}], ""),
    ],
)
def test_of_several_templates_the_default_is_taken(tmp_path, stored, found):
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": stored}))
    assert stored_template(tmp_path) == found
