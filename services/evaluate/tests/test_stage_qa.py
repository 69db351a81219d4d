"""The stage at its contract with the scorer `qa`, and with the forgetting probe."""

import hashlib
import json
import math

import evaluate_rows
import pyarrow.parquet as pq
import pytest

from graftline.domain.examples import example, message
from graftline.errors import Cancelled, DataError
from graftline.testkit.local import FolderVault, run_stage
from graftline_evaluate.descriptor import STAGE

CONFIG = {
    "scorer": {"kind": "qa"},
    "decoding": {"max_new_tokens": 24, "batch_rows": 5},
    "few_shot": {"rows": 2},
    "bootstrap_samples": 300,
}
PROBE = {"forgetting": {"use": True}}
RUNTIME = {"device": "cpu", "threads": 1}
METRICS = ["token_f1", "rouge_l", "exact_match", "perplexity"]
QUESTIONS = ["timeout", "proxy", "client", "redirect", "cookie", "header"]


def make_row(number, split, gold=None):
    word = QUESTIONS[number % len(QUESTIONS)]
    # What the tiny adapter says, so that some answers are right.
    gold = gold or (evaluate_rows.ANSWER if number % 3 == 0 else f"The {word} has {number} parts.")
    messages = [
        message("system", evaluate_rows.SYSTEM),
        message("user", f"{split}: what is the {word} #{number}?"),
        message("assistant", gold),
    ]
    return example(
        messages=messages,
        split=split,
        group=f"document-{number % 4}",
        task="qa",
        parents=[f"chunk-{number}"],
        source={"document": f"document-{number % 4}", "start": number, "end": number + 9},
        meta={"source_file": "a.md", "chunk_start": number, "source_text": "abc"},
    )


def evaluate(work, inputs, *, config=None, **more):
    settings = {**CONFIG, **(config or {})}
    return run_stage(STAGE, work, config=settings, inputs=inputs, runtime=RUNTIME, **more)


def read(run):
    return json.loads((run.outputs["metrics"] / "metrics.json").read_text(encoding="utf-8"))


def rows_of(run, name="rows.parquet"):
    return pq.read_table(run.outputs["metrics"] / name).to_pylist()


def digests(run):
    folder = run.outputs["metrics"]
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


@pytest.fixture(scope="module")
def base_inputs(tmp_path_factory, model_folder):
    rows = [
        *(make_row(number, "eval") for number in range(12)),
        *(make_row(number, "train") for number in range(6)),
    ]
    folder = evaluate_rows.write_examples(tmp_path_factory.mktemp("qa"), rows)
    return {"model": model_folder, "examples": folder}


@pytest.fixture(scope="module")
def baseline(tmp_path_factory, base_inputs):
    return evaluate(tmp_path_factory.mktemp("baseline"), base_inputs, config=PROBE)


@pytest.fixture(scope="module")
def adapted_inputs(base_inputs, adapter_folder, baseline):
    return {**base_inputs, "adapter": adapter_folder, "baseline": baseline.outputs["metrics"]}


@pytest.fixture(scope="module")
def adapted(tmp_path_factory, adapted_inputs):
    return evaluate(tmp_path_factory.mktemp("adapted"), adapted_inputs, config=PROBE)


def test_both_roles_have_the_metrics(baseline, adapted):
    for run, variants in ((baseline, ["plain", "few_shot"]), (adapted, ["plain"])):
        metrics = read(run)
        assert list(metrics["variants"]) == variants
        assert metrics["rows"] == {"eval": 12}
        for found in metrics["variants"].values():
            assert list(found["eval"]) == METRICS
            for figure in found["eval"].values():
                assert figure["n"] == 12
                assert figure["low"] <= figure["value"] <= figure["high"]
            assert found["eval"]["perplexity"]["lower_is_better"] is True
    assert list(read(adapted)["comparison"]) == ["eval", "forgetting"]
    for found in read(adapted)["comparison"]["eval"].values():
        assert found["difference"] == pytest.approx(found["adapted"] - found["baseline"])
    assert read(adapted)["comparison"]["eval"]["perplexity"]["lower_is_better"] is True


def test_figures_follow_from_the_rows(baseline):
    for variant in ("plain", "few_shot"):
        rows = [row for row in rows_of(baseline) if row["variant"] == variant]
        figures = read(baseline)["variants"][variant]["eval"]
        for name in ("token_f1", "rouge_l", "exact_match"):
            expected = sum(row[name] for row in rows) / len(rows)
            assert figures[name]["value"] == pytest.approx(expected)
        nats = sum(row["gold_nll"] for row in rows) / sum(row["gold_tokens"] for row in rows)
        assert figures["perplexity"]["value"] == pytest.approx(math.exp(nats))


def test_rows_lead_back_to_their_source(adapted):
    for row in rows_of(adapted):
        number = row["source"]["start"]
        made = make_row(number, "eval")
        assert row["id"] == made["id"]
        assert {name: row[name] for name in ("parents", "source", "meta")} == {
            name: made[name] for name in ("parents", "source", "meta")
        }


def test_failures_are_counted(baseline, adapted):
    assert {row["failure"] for row in rows_of(baseline)} >= {"unfinished"}
    rows = rows_of(adapted)
    assert {row["failure"] for row in rows} >= {"", "low-overlap"}
    for row in rows:
        assert bool(row["failure"]) is bool(row["reason"])
    counted = read(adapted)["failures"]["plain"]["eval"]
    assert counted["low-overlap"] == sum(row["failure"] == "low-overlap" for row in rows)


def test_the_adapter_wins_what_it_learned_and_it_is_told_how_sure(adapted):
    exact = read(adapted)["comparison"]["eval"]["exact_match"]
    assert exact["baseline"] == 0
    assert exact["adapted"] == 4 / 12
    results = json.loads((adapted.outputs["metrics"] / "lora_results.json").read_text())
    assert results["summary"] == read(adapted)
    assert [row["output"] for row in results["rows"]] == [row["output"] for row in rows_of(adapted)]


def plain_nats(model, tokenizer, prompt, answer):
    """The answer's negative log probability, one text at a time, by `transformers` alone."""
    import torch

    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    wanted = tokenizer(answer, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([before + wanted])).logits[0].double()
    chosen = logits.log_softmax(-1)[range(len(before) - 1, len(before) + len(wanted) - 1), wanted]
    return -float(chosen.sum()), len(wanted)


def prompt_of(tokenizer, row):
    messages = [{"role": m["role"], "content": m["content"]} for m in row["messages"]]
    return tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


@pytest.mark.parametrize("role", ["baseline", "adapted"])
def test_perplexity_is_that_of_transformers_row_by_row(
    request, role, model_folder, adapter_folder, tiny
):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    tokenizer = tiny.make_tokenizer()
    model = AutoModelForCausalLM.from_pretrained(model_folder).eval()
    if role == "adapted":
        with tiny.peft_warnings():
            model = PeftModel.from_pretrained(model, adapter_folder).eval()
    run = request.getfixturevalue(role)
    rows = [row for row in rows_of(run) if row["variant"] == "plain"]
    total = count = 0
    for row in rows:
        prompt = prompt_of(tokenizer, row)
        nats, tokens = plain_nats(model, tokenizer, prompt, row["gold"] + "<|im_end|>")
        assert row["gold_tokens"] == tokens
        assert row["gold_nll"] == pytest.approx(nats, rel=1e-4)
        total, count = total + nats, count + tokens
    found = read(run)["variants"]["plain"]["eval"]["perplexity"]["value"]
    assert found == pytest.approx(math.exp(total / count), rel=1e-4)


def test_the_base_is_shown_examples_and_no_schema(baseline, base_inputs, model_folder, tiny):
    from transformers import AutoModelForCausalLM

    shown = read(baseline)["few_shot"]
    assert list(shown) == ["examples"]
    assert len(shown["examples"]) == 2
    train = {row["id"]: row for row in (make_row(n, "train") for n in range(6))}
    tokenizer = tiny.make_tokenizer()
    model = AutoModelForCausalLM.from_pretrained(model_folder).eval()
    row = next(row for row in rows_of(baseline) if row["variant"] == "few_shot")
    turns = [train[name]["messages"][1:] for name in shown["examples"]]
    messages = [row["messages"][0], *(m for turn in turns for m in turn), row["messages"][1]]
    prompt = prompt_of(tokenizer, {"messages": messages})
    assert row["input_tokens"] == len(tokenizer(prompt)["input_ids"])
    nats, _ = plain_nats(model, tokenizer, prompt, row["gold"] + "<|im_end|>")
    assert row["gold_nll"] == pytest.approx(nats, rel=1e-4)


def test_same_inputs_same_bytes(tmp_path, adapted_inputs, adapted):
    assert digests(evaluate(tmp_path, adapted_inputs, config=PROBE)) == digests(adapted)


def test_a_stopped_evaluation_goes_on_and_ends_the_same(tmp_path, base_inputs, baseline):
    vault = FolderVault(tmp_path / "vault")
    stops = 0
    while True:
        try:
            run = evaluate(
                tmp_path / f"work-{stops}",
                base_inputs,
                config=PROBE,
                vault=vault,
                before_run=lambda ctx: _stop_after_a_unit(ctx, vault),
            )
            break
        except Cancelled:
            stops += 1
    kinds = {name.rpartition("-")[0] for name in vault.saved}
    assert kinds == {"plain", "few_shot", "gold-plain", "gold-few_shot", "forgetting"}
    assert stops >= 12
    assert len(vault.saved) == len(set(vault.saved)), "a unit was made twice"
    assert digests(run) == digests(baseline)


def _stop_after_a_unit(ctx, vault):
    before = len(vault.saved)
    told = ctx.progress

    def progress(done, total=None, unit="rows"):
        told(done, total, unit)
        if len(vault.saved) > before:
            ctx.request_stop()

    ctx.progress = progress


def test_progress_counts_every_pass(baseline):
    points = baseline.events.progress_points
    assert points[0] == (0, 4 * 12 + 40, "rows")
    assert points[-1] == (4 * 12 + 40, 4 * 12 + 40, "rows")
    assert baseline.result.figures["rows"] == 24
    assert baseline.result.figures["forced_tokens_per_second"] > 0


def test_blank_references_are_refused(tmp_path, base_inputs):
    rows = [make_row(0, "eval"), make_row(1, "eval", " \n")]
    folder = evaluate_rows.write_examples(tmp_path / "examples", rows)
    with pytest.raises(DataError, match=r"1 gold answers cannot be scored: .*is blank") as raised:
        evaluate(tmp_path, {**base_inputs, "examples": folder})
    assert "give them a reference answer" in str(raised.value)


def test_a_threshold_is_part_of_the_scorer(tmp_path, adapted_inputs):
    config = {**PROBE, "scorer": {"kind": "qa", "low_overlap": 0.5}}
    with pytest.raises(DataError, match="its scorer is not the adapted step's"):
        evaluate(tmp_path, adapted_inputs, config=config)
