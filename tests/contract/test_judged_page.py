"""The report reads what the judge stage really writes, of either kind."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graftline.domain.examples import message
from graftline.ports import Port
from graftline.testkit.examples import example_row, write_examples
from graftline.testkit.llm import Act, FunctionModel
from graftline.testkit.local import input_artifact, run_stage
from graftline_judge.descriptor import STAGE as JUDGE
from graftline_report.descriptor import STAGE as REPORT

ROWS = 24


def example(number):
    text = f"pool-{number} waits {number} seconds."
    messages = [message("user", f"How long does pool-{number} wait?"), message("assistant", text)]
    meta = {"source_text": text}
    return example_row("", messages=messages, group=f"g{number}", split="eval", meta=meta)


def judges(knows):
    """A judge that finds out whether an answer is the source's, or one that does not."""

    def says(prompt: str) -> Act:
        pools = set(re.findall(r"pool-\d+", prompt))
        good = 9 if not knows or len(pools) == 1 else 1
        scores = dict.fromkeys(("factual_accuracy", "completeness", "consistency"), good)
        return Act(json.dumps({"issues": [], **scores, "recommendation": "Keep it."}))

    return says


def judged(folder, knows):
    model = FunctionModel(judges(knows))
    examples = write_examples(folder / "examples", [example(number) for number in range(ROWS)])
    with model.server:
        done = run_stage(
            JUDGE,
            folder / "judge",
            config={"request": {"model": "m", "corrections": 0}, "calibration": {"rows": ROWS}},
            inputs={"examples": examples},
            runtime={"llm": model.runtime},
        )
    return done.outputs["metrics"]


def page(folder, metrics):
    item = input_artifact(Port("judgements", ("metrics",)), metrics, step="judge")
    done = run_stage(REPORT, folder / "report", inputs={"judgements": [item]})
    return (done.outputs["report"] / "index.html").read_text()


@pytest.mark.parametrize(
    ("knows", "said"),
    [(True, "The judge is worth something"), (False, "The judge is no better than chance")],
)
def test_scores_and_what_they_are_worth(tmp_path, knows, said):
    html = page(tmp_path, judged(tmp_path, knows))
    assert said in html
    assert f"{ROWS} of {ROWS} rows have a score by <code>m</code>" in html
    assert f"9 to 10: {ROWS} rows" in html


def test_a_preference(tmp_path):
    folders = []
    for role in ("baseline", "adapted"):
        rows = [
            {"id": f"r{n}", "split": "eval", "variant": "plain", "prompt": f"Question {n}?"}
            | {"gold": "Yes.", "output": f"{role} says {n}"}
            for n in range(10)
        ]
        folder = tmp_path / role
        folder.mkdir()
        pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")
        (folder / "metrics.json").write_text(json.dumps({"role": role}))
        folders.append(folder)

    def prefers_the_adapted(prompt: str) -> Act:
        better = "A" if prompt.index("adapted says") < prompt.index("baseline says") else "B"
        return Act(json.dumps({"better": better}))

    model = FunctionModel(prefers_the_adapted)
    with model.server:
        done = run_stage(
            JUDGE,
            tmp_path / "judge",
            config={"kind": "preference", "request": {"model": "m"}},
            inputs={"answers": folders},
            runtime={"llm": model.runtime},
        )
    html = page(tmp_path, done.outputs["metrics"])
    assert "win rate: 1.000" in html
    assert "wins 100% of 10 rows" in html
    assert "stood first in 50.0 % of its choices" in html
