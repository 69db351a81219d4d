"""The forgetting probe: an adapter that forgets is seen."""

import json
import math

import evaluate_rows
import pytest
from test_stage_qa import evaluate, plain_nats, read

from graftline.errors import DataError
from graftline_evaluate.config import Forgetting
from graftline_evaluate.forgetting import probe_passages, probe_targets

ONE = {"few_shot": {"use": "never"}, "max_rows": 2, "splits": ["eval"]}
OWN = {"forgetting": {"use": True, "texts": ["A cat sat on a mat.", "Rain falls. Grass grows."]}}
USE = {"forgetting": {"use": True}}


def probe_of(run):
    return json.loads((run.outputs["metrics"] / "forgetting.json").read_text())


@pytest.fixture(scope="module")
def schooled_folder(tmp_path_factory, tiny):
    """A model that has something to forget: it knows how often letters follow each other."""
    import torch
    from transformers import AutoModelForCausalLM

    folder = tiny.save_model(tmp_path_factory.mktemp("schooled"))
    model = AutoModelForCausalLM.from_pretrained(folder)
    texts = [passage["text"] for passage in probe_passages(Forgetting(use=True))[:20]]
    ids = torch.tensor([tiny.make_tokenizer()(text)["input_ids"][:200] for text in texts])
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(40):
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def base_inputs(schooled_folder, examples_folder):
    return {"model": schooled_folder, "examples": examples_folder}


@pytest.fixture(scope="module")
def baseline(tmp_path_factory, base_inputs):
    return evaluate(tmp_path_factory.mktemp("baseline"), base_inputs, config={**ONE, **USE})


def random_adapter(folder, schooled_folder, tiny, size):
    """An adapter that was never trained, its weights drawn at random."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(5)
    base = AutoModelForCausalLM.from_pretrained(schooled_folder)
    config = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    with tiny.peft_warnings():
        model = get_peft_model(base, config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=size)
    model.save_pretrained(folder)
    return folder


def test_the_probe_is_the_same_everywhere_and_plain():
    passages = probe_passages(Forgetting(use=True))
    assert len(passages) == 40
    kinds = {tuple(passage) for passage in passages}
    assert kinds == {("text",), ("question", "answer")}
    assert len({json.dumps(passage) for passage in passages}) == 40
    assert probe_passages(Forgetting()) == []


def test_an_adapter_that_forgets_is_seen(tmp_path, base_inputs, baseline, schooled_folder, tiny):
    """Random weights, the larger the worse; the comparison says so beyond its interval."""
    found = []
    for size in (0.01, 1.0):
        adapter = random_adapter(tmp_path / f"adapter-{size}", schooled_folder, tiny, size)
        inputs = {**base_inputs, "adapter": adapter, "baseline": baseline.outputs["metrics"]}
        run = evaluate(tmp_path / f"work-{size}", inputs, config={**ONE, **USE})
        found.append(read(run)["comparison"]["forgetting"]["forgetting_perplexity"])
    little, much = found
    assert much["lower_is_better"] is True
    assert much["baseline_variant"] == "plain"
    assert much["low"] > 0
    assert much["p_value"] < 0.01
    assert much["adapted"] > 2 * much["baseline"]
    assert abs(little["difference"]) < 0.1 * much["difference"]
    assert little["baseline"] == much["baseline"] < 50


def test_the_figure_is_that_of_transformers(baseline, schooled_folder, tiny):
    from transformers import AutoModelForCausalLM

    tokenizer = tiny.make_tokenizer()
    model = AutoModelForCausalLM.from_pretrained(schooled_folder).eval()
    rows = probe_of(baseline)
    assert len(rows) == 40
    for row in rows:
        if row["question"]:
            prompt = f"<|im_start|>user\n{row['question']}<|im_end|>\n<|im_start|>assistant\n"
            expected = plain_nats(model, tokenizer, prompt, row["text"] + "<|im_end|>")
        else:
            expected = plain_nats(model, tokenizer, row["text"][0], row["text"][1:])
        assert (row["nats"], row["tokens"]) == (pytest.approx(expected[0], rel=1e-4), expected[1])
    figures = read(baseline)["variants"]["plain"]["forgetting"]
    assert list(figures) == ["forgetting_perplexity"]
    figure = figures["forgetting_perplexity"]
    total = sum(row["nats"] for row in rows) / sum(row["tokens"] for row in rows)
    assert figure["value"] == pytest.approx(math.exp(total))
    assert figure["low"] < figure["value"] < figure["high"]
    assert figure["n"] == 40
    assert read(baseline)["rows"] == {"eval": 2}


def test_texts_of_ones_own_and_any_scorer(tmp_path, base_inputs):
    scorer = {"kind": "json_task", "schema": evaluate_rows.SCHEMA}
    run = evaluate(tmp_path, base_inputs, config={**ONE, **OWN, "scorer": scorer})
    texts = OWN["forgetting"]["texts"]
    rows = probe_of(run)
    assert [(row["question"], row["text"]) for row in rows] == [("", text) for text in texts]
    assert [row["tokens"] for row in rows] == [len(text) - 1 for text in texts]
    assert read(run)["forgetting"]["texts"] == 2
    assert "json_validity" in read(run)["variants"]["plain"]["eval"]


def test_a_baseline_with_another_probe_is_refused(
    tmp_path, base_inputs, baseline, schooled_folder, tiny
):
    adapter = random_adapter(tmp_path / "adapter", schooled_folder, tiny, 0.1)
    inputs = {**base_inputs, "adapter": adapter, "baseline": baseline.outputs["metrics"]}
    for probe in (OWN, {}):
        with pytest.raises(DataError, match="baseline: its forgetting is not the adapted step's"):
            evaluate(tmp_path / str(len(probe)), inputs, config={**ONE, **probe})


def test_texts_that_cannot_be_used_are_refused(tiny):
    chat = tiny.make_chat()
    with pytest.raises(DataError, match="text 2 of the forgetting probe has a single token"):
        probe_targets(chat, [{"text": "ab"}, {"text": "a"}], 100)
    texts = [{"text": "a" * 100}, {"text": "a" * 101}]
    with pytest.raises(DataError, match="1 texts of the forgetting probe .* text 2: 101 tok") as e:
        probe_targets(chat, texts, 100)
    assert e.value.hint == (
        "give shorter ones as forgetting.texts, or set forgetting.use to false, in baseline and "
        "adapted alike"
    )
