"""The stage at its contract: a tiny real model, a tiny real adapter."""

import hashlib
import json
import shutil

import evaluate_rows
import pyarrow.parquet as pq
import pytest

from graftline.errors import Cancelled, ConfigError, DataError
from graftline.testkit.local import FolderVault, run_stage
from graftline_evaluate.descriptor import STAGE

CONFIG = {
    "scorer": {"kind": "json_task", "schema": evaluate_rows.SCHEMA},
    "decoding": {"max_new_tokens": 24, "batch_rows": 5},
    "bootstrap_samples": 300,
}
RUNTIME = {"device": "cpu", "threads": 1}


def digests(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def evaluate(work, inputs, *, config=None, **more):
    settings = {**CONFIG, **(config or {})}
    return run_stage(STAGE, work, config=settings, inputs=inputs, runtime=RUNTIME, **more)


@pytest.fixture(scope="module")
def base_inputs(model_folder, examples_folder):
    return {"model": model_folder, "examples": examples_folder}


@pytest.fixture(scope="module")
def baseline(tmp_path_factory, base_inputs):
    return evaluate(tmp_path_factory.mktemp("baseline"), base_inputs)


@pytest.fixture(scope="module")
def adapted_inputs(base_inputs, adapter_folder, baseline):
    return {**base_inputs, "adapter": adapter_folder, "baseline": baseline.outputs["metrics"]}


@pytest.fixture(scope="module")
def adapted(tmp_path_factory, adapted_inputs):
    return evaluate(tmp_path_factory.mktemp("adapted"), adapted_inputs)


def read(run):
    return json.loads((run.outputs["metrics"] / "metrics.json").read_text(encoding="utf-8"))


def rows_of(run):
    return pq.read_table(run.outputs["metrics"] / "rows.parquet").to_pylist()


def test_the_baseline_has_both_variants(baseline):
    metrics = read(baseline)
    assert metrics["role"] == "baseline"
    assert metrics["model"] == "tiny/random@r1"
    assert set(metrics["variants"]) == {"plain", "few_shot"}
    assert metrics["rows"] == {"eval": 12, "ood": 5}
    for splits in metrics["variants"].values():
        assert set(splits) == {"eval", "ood"}
        for split, figures in splits.items():
            assert list(figures)[:6] == [
                "json_validity",
                "schema_compliance",
                "intent_accuracy",
                "entity_precision",
                "entity_recall",
                "entity_f1",
            ]
            assert {"exact_match", "urgent_accuracy"} < set(figures)
            for figure in figures.values():
                assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1
                assert figure["n"] == metrics["rows"][split]
    assert len(metrics["few_shot"]["examples"]) == 3
    assert "comparison" not in metrics
    assert baseline.result.base_model == "tiny/random@r1"
    assert baseline.result.rows_in == 17
    assert sorted(p.name for p in baseline.outputs["metrics"].iterdir()) == [
        "baseline_results.json",
        "metrics.json",
        "rows.parquet",
    ]


def test_the_adapter_is_better_and_it_is_told_how_sure(adapted):
    metrics = read(adapted)
    assert metrics["role"] == "adapted"
    assert set(metrics["variants"]) == {"plain"}
    assert metrics["adapter_active"]["max_abs_logit_difference"] > 0.1
    validity = metrics["comparison"]["eval"]["json_validity"]
    assert validity["baseline"] == 0.0
    assert validity["adapted"] == metrics["variants"]["plain"]["eval"]["json_validity"]["value"]
    assert validity["adapted"] > 0.8
    assert 0 < validity["low"] <= validity["difference"] <= validity["high"] <= 1
    assert validity["p_value"] < 0.01
    assert validity["baseline_variant"] == "plain"
    f1 = metrics["comparison"]["eval"]["entity_f1"]
    assert f1["adapted"] == metrics["variants"]["plain"]["eval"]["entity_f1"]["value"] > 0
    assert set(metrics["comparison"]) == {"eval", "ood"}
    assert "lora_results.json" in {p.name for p in adapted.outputs["metrics"].iterdir()}


def test_decoding_is_recorded_and_the_same(baseline, adapted):
    assert read(baseline)["decoding"] == read(adapted)["decoding"]
    assert read(baseline)["decoding"]["repetition_penalty"] == 1.0
    assert read(baseline)["scorer"] == read(adapted)["scorer"]


def test_every_row_is_kept_with_its_reason(baseline, adapted):
    for run, variants in ((baseline, ["plain", "few_shot"]), (adapted, ["plain"])):
        rows = rows_of(run)
        assert len(rows) == 17 * len(variants)
        assert [row["variant"] for row in rows] == [v for v in variants for _ in range(17)]
        for row in rows:
            assert bool(row["failure"]) is bool(row["reason"]) is not row["exact_match"]
            assert row["prompt"] == row["messages"][-1]["content"]
            assert row["output_tokens"] <= 24 + row["finished"]
        failures = read(run)["failures"]
        counted = sum(n for v in variants for s in ("eval", "ood") for n in failures[v][s].values())
        assert counted == sum(row["failure"] != "" for row in rows)
        assert run.result.output_tokens == sum(row["output_tokens"] for row in rows)
        assert run.result.input_tokens == sum(row["input_tokens"] for row in rows)
    assert {row["failure"] for row in rows_of(adapted)} > {"", "wrong-intent", "wrong-entities"}


def test_figures_follow_from_the_rows(adapted):
    rows = [row for row in rows_of(adapted) if row["split"] == "eval"]
    figures = read(adapted)["variants"]["plain"]["eval"]
    share = sum(row["intent_correct"] for row in rows) / len(rows)
    assert figures["intent_accuracy"]["value"] == share
    tp, fp, fn = (sum(row[f"entity_{name}"] for row in rows) for name in ("tp", "fp", "fn"))
    assert figures["entity_f1"]["value"] == pytest.approx(2 * tp / (2 * tp + fp + fn))
    assert figures["entity_precision"]["value"] == pytest.approx(tp / (tp + fp))
    assert figures["entity_recall"]["value"] == pytest.approx(tp / (tp + fn))


def test_the_results_file_holds_every_raw_output(adapted):
    path = adapted.outputs["metrics"] / "lora_results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    assert results["summary"] == read(adapted)
    assert [row["output"] for row in results["rows"]] == [row["output"] for row in rows_of(adapted)]


def test_the_adapter_behaves_as_peft_has_it(adapted, model_folder, adapter_folder, tiny):
    """The outputs are those of the unmerged PEFT model, row by row, by its own `generate`."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    tokenizer = tiny.make_tokenizer()
    base = AutoModelForCausalLM.from_pretrained(model_folder)
    with tiny.peft_warnings():
        model = PeftModel.from_pretrained(base, adapter_folder).eval()
    for row in rows_of(adapted)[:6]:
        messages = [{"role": m["role"], "content": m["content"]} for m in row["messages"]]
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        assert ids.shape[1] == row["input_tokens"]
        out = model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False
        )
        tokens = [token for token in out[0, ids.shape[1] :].tolist() if token != 2]
        assert tokenizer.decode(tokens) == row["output"]


def test_same_inputs_same_bytes(tmp_path, adapted_inputs, adapted):
    again = evaluate(tmp_path, adapted_inputs)
    assert digests(again.outputs["metrics"]) == digests(adapted.outputs["metrics"])


def test_a_stopped_evaluation_goes_on_and_ends_the_same(tmp_path, base_inputs, baseline):
    vault = FolderVault(tmp_path / "vault")
    stops = 0
    kept = -1
    while True:
        try:
            run = evaluate(
                tmp_path / f"work-{stops}",
                base_inputs,
                vault=vault,
                before_run=lambda ctx: _stop_after_a_unit(ctx, vault),
            )
            break
        except Cancelled:
            assert len(vault.saved) > kept
            kept = len(vault.saved)
            stops += 1
    assert stops >= 6
    assert len(vault.saved) == len(set(vault.saved)), "a unit was made twice"
    assert digests(run.outputs["metrics"]) == digests(baseline.outputs["metrics"])


def _stop_after_a_unit(ctx, vault):
    before = len(vault.saved)
    told = ctx.progress

    def progress(done, total=None, unit="rows"):
        told(done, total, unit)
        if len(vault.saved) > before:
            ctx.request_stop()

    ctx.progress = progress


def test_answers_to_other_prompts_are_not_taken(tmp_path, base_inputs, tiny, model_folder):
    vault = FolderVault(tmp_path / "vault")
    evaluate(tmp_path / "a", base_inputs, vault=vault)
    config = {"scorer": {**CONFIG["scorer"]}, "few_shot": {"use": "baseline", "rows": 2}}
    run = evaluate(tmp_path / "b", base_inputs, config=config, vault=vault)
    assert any("answers other prompts" in text for _, text in run.events.lines)
    fresh = evaluate(tmp_path / "c", base_inputs, config=config)
    assert digests(run.outputs["metrics"]) == digests(fresh.outputs["metrics"])


def test_progress_ends_with_all_rows(baseline):
    points = baseline.events.progress_points
    assert points[0] == (0, 34, "rows")
    assert points[-1] == (34, 34, "rows")
    assert [done for done, _, _ in points] == sorted(done for done, _, _ in points)
    assert baseline.result.figures["decoded_tokens_per_second"] > 0


def test_few_shot_can_be_left_out_or_always_used(tmp_path, base_inputs, adapted_inputs):
    config = {"few_shot": {"use": "never"}, "max_rows": 4, "splits": ["eval"]}
    run = evaluate(tmp_path / "never", base_inputs, config=config)
    assert set(read(run)["variants"]) == {"plain"}
    config["few_shot"] = {"use": "always"}
    inputs = {name: value for name, value in adapted_inputs.items() if name != "baseline"}
    run = evaluate(tmp_path / "always", inputs, config=config)
    assert set(read(run)["variants"]) == {"plain", "few_shot"}
    assert read(run)["comparison"] == {}


def test_an_adapter_that_changes_nothing_is_refused(tmp_path, adapted_inputs, tiny, model_folder):
    idle = tiny.save_adapter(tmp_path / "idle", model_folder, steps=0)
    with pytest.raises(DataError, match="adapter is not active: on 4 prompts"):
        evaluate(tmp_path / "work", {**adapted_inputs, "adapter": idle})


def test_an_adapter_of_another_model_is_refused(tmp_path, adapted_inputs, adapter_folder):
    from safetensors.torch import load_file, save_file

    for change in ("shape", "missing"):
        wrong = tmp_path / change
        shutil.copytree(adapter_folder, wrong)
        path = wrong / "adapter_model.safetensors"
        tensors = load_file(path)
        name = next(name for name in tensors if "lora_A" in name)
        if change == "shape":
            tensors[name] = tensors[name][:, :-1].contiguous()
        else:
            del tensors[name]
        save_file(tensors, path)
        with pytest.raises(DataError, match=r"^adapter: it (does not fit|lacks weights)"):
            evaluate(tmp_path / f"work-{change}", {**adapted_inputs, "adapter": wrong})
    with pytest.raises(DataError, match="^adapter: it does not fit"):
        evaluate(tmp_path / "work", {**adapted_inputs, "adapter": tmp_path})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"max_rows": 5}, "baseline: its variant 'plain' has other rows: "),
        ({"decoding": {"max_new_tokens": 9, "batch_rows": 5}}, "baseline: its decoding is not"),
        (
            {"scorer": {**CONFIG["scorer"], "entity_fields": []}},
            "baseline: its scorer is not the adapted step's",
        ),
    ],
)
def test_a_baseline_of_other_settings_is_refused(tmp_path, adapted_inputs, config, message):
    with pytest.raises(DataError, match=message):
        evaluate(tmp_path, adapted_inputs, config=config)


def test_what_is_no_baseline_is_refused(tmp_path, adapted_inputs, adapted):
    with pytest.raises(DataError, match="baseline: its role is 'adapted'"):
        evaluate(tmp_path / "a", {**adapted_inputs, "baseline": adapted.outputs["metrics"]})
    with pytest.raises(DataError, match="baseline: it is no metrics of an evaluate step"):
        evaluate(tmp_path / "b", {**adapted_inputs, "baseline": tmp_path})


def test_a_baseline_without_an_adapter_is_refused(tmp_path, base_inputs, baseline):
    with pytest.raises(ConfigError, match="'baseline' is connected, but 'adapter' is not"):
        evaluate(tmp_path, {**base_inputs, "baseline": baseline.outputs["metrics"]})


def test_gold_answers_against_the_schema_are_refused(tmp_path, base_inputs):
    rows = [*evaluate_rows.make_rows(3), evaluate_rows.row("odd", '{"intent": "greeting"}')]
    folder = evaluate_rows.write_examples(tmp_path / "examples", rows)
    with pytest.raises(
        DataError, match=rf"1 gold answers cannot be scored: {rows[3]['id']} \(eval"
    ):
        evaluate(tmp_path, {**base_inputs, "examples": folder})


def test_prompts_beyond_the_context_are_refused(tmp_path, base_inputs):
    rows = [evaluate_rows.row("x" * 1200, evaluate_rows.gold("cancel", None, True))]
    folder = evaluate_rows.write_examples(tmp_path / "examples", rows)
    config = {"few_shot": {"use": "never"}}
    with pytest.raises(DataError, match=rf"1 prompts are longer than the 1000 .*{rows[0]['id']}"):
        evaluate(tmp_path, {**base_inputs, "examples": folder}, config=config)
    config = {"decoding": {"max_new_tokens": 700}, "splits": ["ood"]}
    with pytest.raises(DataError, match=r"5 few_shot prompts are longer .*lower few_shot\.rows"):
        evaluate(tmp_path, base_inputs, config=config)


def test_models_that_cannot_be_used_are_refused(tmp_path, base_inputs, model_folder):
    without = tmp_path / "without"
    shutil.copytree(model_folder, without)
    (without / "chat_template.jinja").unlink()
    with pytest.raises(ConfigError, match="has no chat template"):
        evaluate(tmp_path / "a", {**base_inputs, "model": without})
    (model := tmp_path / "strict").mkdir()
    shutil.copytree(model_folder, model, dirs_exist_ok=True)
    (model / "chat_template.jinja").write_text("{{ raise_exception('no system role') }}")
    with pytest.raises(DataError, match="chat template refuses its messages: no system role"):
        evaluate(tmp_path / "b", {**base_inputs, "model": model})
    (model / "config.json").write_text('{"model_type": "nonsense"}')
    with pytest.raises(DataError, match="^model: "):
        evaluate(tmp_path / "c", {**base_inputs, "model": model})


def test_a_device_that_is_not_there(tmp_path, base_inputs):
    with pytest.raises(ConfigError, match="device: 'cuda:97' is not there"):
        run_stage(STAGE, tmp_path, config=CONFIG, inputs=base_inputs, runtime={"device": "cuda:97"})
