from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graftline.domain.rows import REJECTS, TRAINING_ROWS, read_batches, read_rows
from graftline.errors import Cancelled, ConfigError, DataError
from graftline.testkit.local import run_stage
from graftline_format.descriptor import STAGE


def ticket(n: int, words: int = 3, split: str = "train"):
    turns = [
        ("system", "Extract the support ticket as JSON."),
        ("user", f"Where is order {n}? " + "please " * words),
        ("assistant", json.dumps({"intent": "shipping", "order": n})),
    ]
    return (split, f"template-{n % 40}", turns)


@pytest.fixture
def run(tmp_path, tiny_models, write_examples):
    def format_rows(rows, model="chatml", work="work", **more):
        folder = rows if hasattr(rows, "joinpath") else write_examples(rows, f"examples-{work}")
        inputs = {"examples": folder, "model": tiny_models.get(model, model)}
        return run_stage(STAGE, tmp_path / work, inputs=inputs, **more)

    return format_rows


def files(done) -> dict[str, str]:
    return {
        f"{port}/{path.relative_to(folder)}": hashlib.sha256(path.read_bytes()).hexdigest()
        for port, folder in done.outputs.items()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_rows_in_are_rows_out_and_rejected(run):
    rows = [ticket(n) for n in range(200)]
    rows += [ticket(1000 + n, words=300) for n in range(5)]
    rows += [("train", "template-1", [("user", "no answer")])]
    rows += [ticket(2000 + n, split="eval") for n in range(30)]
    done = run(rows, config={"max_length": 200, "validation_share": 0.1})
    result = done.result
    assert result.rejected == {"no-answer": 1, "too-long": 5}
    assert result.rows_in == 206 == result.rows_out + sum(result.rejected.values())
    kept = list(read_rows(done.outputs["training_set"]))
    rejects = list(read_rows(done.outputs["rejects"]))
    assert result.rows_out == len(kept) == result.outputs["training_set"].rows == 200
    assert len(rejects) == result.outputs["rejects"].rows == 6
    assert {row["split"] for row in kept} == {"train", "validation"}
    assert sum(row["split"] == "validation" for row in kept) == pytest.approx(20, abs=6)
    detail = next(row["detail"] for row in rejects if row["reason"] == "too-long")
    assert detail.endswith("tokens, 200 fit (max_length)")
    assert int(detail.split()[0]) > 200
    assert ("info", "left to evaluation: eval (30)") in done.events.lines
    assert done.events.progress_points[-1] == (206, 206, "rows")
    for port, schema in (("training_set", TRAINING_ROWS), ("rejects", REJECTS)):
        assert next(read_batches(done.outputs[port])).schema.equals(schema)


def test_rows_hold_what_the_model_is_to_say(run, smollm2):
    from transformers import AutoTokenizer

    done = run([ticket(n) for n in range(10)], model=smollm2)
    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    for n, row in enumerate(read_rows(done.outputs["training_set"])):
        pairs = list(zip(row["input_ids"], row["loss_mask"], strict=True))
        learned = tokenizer.decode([token for token, wanted in pairs if wanted])
        prompt = tokenizer.decode([token for token, wanted in pairs if not wanted])
        assert learned == f'{{"intent": "shipping", "order": {n}}}<|im_end|>'
        assert prompt.endswith("please <|im_end|>\n<|im_start|>assistant\n")


def test_statistics_and_preview_describe_the_rows(run):
    done = run([ticket(n) for n in range(50)])
    folder = done.outputs["training_set"]
    statistics = json.loads((folder / "statistics.json").read_text())
    rows = list(read_rows(folder))
    assert sum(statistics["rows"].values()) == 50
    assert statistics["tokens"]["total"] == sum(len(row["input_ids"]) for row in rows)
    assert statistics["tokens"]["learned"] == sum(sum(row["loss_mask"]) for row in rows)
    assert statistics["model"] == done.result.base_model == "tests/chatml@r1"
    assert done.result.figures == {
        "tokens": statistics["tokens"]["total"],
        "learned_tokens": statistics["tokens"]["learned"],
    }
    previews = json.loads((folder / "preview.json").read_text())
    assert len(previews) == 3
    for preview, row in zip(previews, rows, strict=False):
        assert preview["id"] == row["id"]
        assert sum(piece["tokens"] for piece in preview["pieces"]) == len(row["input_ids"])
        assert [piece["learned"] for piece in preview["pieces"]] == [False, True]
        assert preview["pieces"][1]["text"].endswith("}<|im_end|>")


def test_exports_hold_the_kept_rows_only(run):
    rows = [ticket(0), ticket(1, words=300), ticket(2)]
    done = run(rows, config={"max_length": 200, "validation_share": 0})
    for name in ("messages", "alpaca", "sharegpt", "prompt-completion"):
        text = (done.outputs["exports"] / name / "train.jsonl").read_text()
        assert [("order 0?" in line, "order 2?" in line) for line in text.splitlines()] == [
            (True, False),
            (False, True),
        ]
    line = json.loads(text.splitlines()[0])
    assert line["prompt"].endswith("<|im_start|>assistant\n")
    assert line["completion"] == '{"intent": "shipping", "order": 0}<|im_end|>'


def test_pairs_are_written_if_they_are_asked_for(run, make_chat):
    turns = [("user", "How long?"), ("assistant", "5 seconds.")]
    meta = {"chunk_id": "c1", "judgement": {"overall": 7.5, "verdict": "NEEDS_REVIEW"}}
    rows = [
        make_chat("train", "a", turns, meta=meta),
        make_chat("train", "b", [*turns, *turns], meta=meta),
    ]
    done = run(rows, config={"validation_share": 0, "exports": ["qa", "messages"]})
    lines = (done.outputs["exports"] / "qa" / "train.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "question": "How long?",
            "answer": "5 seconds.",
            "chunk_id": "c1",
            "overall": 7.5,
            "verdict": "NEEDS_REVIEW",
        }
    ]
    warning = "export qa has no words for 1 rows; left out of it"
    assert ("warning", warning) in done.events.lines
    assert done.result.rows_out == 2
    plain = run(rows, work="2")
    assert sorted(path.name for path in plain.outputs["exports"].iterdir()) == [
        "alpaca",
        "index.json",
        "messages",
        "prompt-completion",
        "sharegpt",
    ]


def test_no_exports_if_none_are_asked_for(run):
    done = run([ticket(n) for n in range(5)], config={"exports": []})
    assert set(done.outputs) == {"training_set", "rejects"}


def test_same_inputs_same_bytes(run):
    rows = [ticket(n, words=n % 90) for n in range(300)]
    first = run(rows, work="1", config={"max_length": 100}, seed=3)
    again = run(rows, work="2", config={"max_length": 100}, seed=3)
    assert files(first) == files(again)
    assert len(files(first)) >= 12


def test_batches_do_not_show_in_the_output(run, monkeypatch):
    rows = [ticket(n, words=n % 90) for n in range(300)]
    whole = run(rows, work="1", config={"max_length": 100})
    monkeypatch.setattr("graftline_format.stage._BATCH_CHARACTERS", 2000)
    pieces = run(rows, work="2", config={"max_length": 100})
    tables = [
        pa.Table.from_batches(read_batches(done.outputs["training_set"]))
        for done in (whole, pieces)
    ]
    assert tables[0].equals(tables[1])


def test_nothing_left_is_an_error_with_the_reasons(run):
    rows = [ticket(n) for n in range(4)] + [("train", "x", [("user", "no answer")])]
    with pytest.raises(
        DataError, match=r"no rows are left of 5: too-long 4, no-answer 1; the first is .*no-answer"
    ):
        run(rows, config={"max_length": 5})


@pytest.fixture
def judged(run, write_examples):
    """Format rows that a judge gave these scores; None is a row that it could not judge."""

    def format_rows(scores, threshold):
        folder = write_examples([ticket(n) for n in range(len(scores))], "judged")
        path = next(folder.glob("*.parquet"))
        table = pq.read_table(path)
        meta = [json.dumps({"judgement": {"overall": score}}) for score in scores]
        column = pa.array(meta, pa.string())
        table = table.set_column(table.schema.get_field_index("meta"), "meta", column)
        pq.write_table(table, path)
        return run(folder, config={"threshold": threshold, "validation_share": 0})

    return format_rows


def test_a_threshold_leaves_out_what_was_judged_lower_or_not_at_all(judged):
    result = judged([8.0, 7.99, 10, 0, None, 9.5], 8.0).result
    assert (result.rows_out, result.rejected) == (3, {"below-threshold": 2, "unjudged": 1})


def test_without_a_threshold_no_judgement_counts(judged):
    assert judged([8.0, 0, None], None).result.rows_out == 3


def test_a_threshold_wants_judged_rows(run):
    with pytest.raises(DataError, match=r"unjudged 3.*lower threshold"):
        run([ticket(n) for n in range(3)], config={"threshold": 5})


def test_the_models_context_is_a_limit_too(run, tmp_path, make_model):
    model = make_model(tmp_path / "short", "chatml", max_position_embeddings=100)
    done = run([ticket(0), ticket(1, words=100)], model=model)
    assert done.result.rejected == {"too-long": 1}
    (reject,) = read_rows(done.outputs["rejects"])
    assert reject["detail"].endswith("tokens, 100 fit (the model's context)")


def test_a_template_without_an_end_mark_is_warned_about(run):
    done = run([ticket(n) for n in range(3)], model="plain")
    assert any("will not learn to stop" in text for level, text in done.events.lines)


def test_an_asked_stop_is_heeded(run):
    with pytest.raises(Cancelled):
        run([ticket(0)], before_run=lambda ctx: ctx.request_stop())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"exports": ["parquet"]}, "exports.0: .*'messages'"),
        ({"exports": ["alpaca", "alpaca"]}, "exports names something twice"),
        ({"max_lenght": 5}, "did you mean 'max_length'"),
        ({"validation_share": 0.7}, "less than 0.5"),
        ({"learn": "first"}, "'last' or 'all'"),
    ],
)
def test_wrong_settings_are_told(run, config, message):
    with pytest.raises(ConfigError, match=message):
        run([ticket(0)], config=config)


def test_a_batch_ends_by_all_that_its_rows_hold(run, make_chat):
    rows = [make_chat(*ticket(n), meta={"source_text": f"{n}" + "x" * 500_000}) for n in range(30)]
    done = run(rows, config={"exports": ["qa"]})
    steps = [rows for rows, _, _ in done.events.progress_points]
    assert steps[:2] == [9, 18]
    assert steps[-1] == done.result.rows_out == 30


def test_neither_describing_nor_running_loads_torch(tiny_models, write_examples, tmp_path):
    examples = write_examples([ticket(n) for n in range(3)])
    code = f"""
import sys
from pathlib import Path
import graftline_format.descriptor as descriptor
descriptor.STAGE.describe()
print([name for name in ("tokenizers", "jinja2", "numpy") if name in sys.modules])
from graftline.testkit.local import run_stage
run_stage(descriptor.STAGE, Path({str(tmp_path / "w")!r}), inputs=dict(
    examples=Path({str(examples)!r}), model=Path({str(tiny_models["chatml"])!r})))
print([name for name in ("torch", "transformers", "datasets") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]
