"""Questions and answers leave by `format` and come back by `ingest`, with all that is known."""

from __future__ import annotations

import json
import re

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from graftline.domain.documents import read_documents
from graftline.domain.rows import read_rows
from graftline.testkit.llm import Act, FunctionModel
from graftline.testkit.local import run_stage
from graftline_chunk.descriptor import STAGE as CHUNK
from graftline_format.descriptor import STAGE as FORMAT
from graftline_generate.descriptor import STAGE as GENERATE
from graftline_ingest.descriptor import STAGE as INGEST
from graftline_judge.descriptor import STAGE as JUDGE

PAGES = 6
SCORES = ("factual_accuracy", "completeness", "consistency")
# The names that PARITY gives them, in its order.
FIELDS = [
    *("question", "answer", "source_file", "file_name", "file_type", "chunk_id", "chunk_index"),
    *("chunk_start", "chunk_end", "source_text", *SCORES, "overall", "verdict"),
]
TEMPLATE = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '<|end|>' }}{% endfor %}"


def says(prompt: str) -> Act:
    """A model that asks about a page's number, and judges that page 0 cannot be judged."""
    number = int(re.search(r"page-(\d)", prompt)[1])
    if "factual_accuracy" not in prompt:
        pair = {"question": f"What is page-{number}\u2028 about?", "answer": f'"{number}" → ü'}
        return Act(json.dumps({"pairs": [pair]}))
    if not number:
        return Act("No.")
    scores = dict.fromkeys(SCORES, 4 + number)
    return Act(json.dumps({"issues": [], **scores, "recommendation": ""}))


@pytest.fixture
def base_model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: at for at, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(["<|end|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(
        TEMPLATE + "{{ 'assistant: ' if add_generation_prompt }}"
    )
    return folder


@pytest.fixture
def judged(tmp_path):
    """Documents with front matter → chunks → pairs → judged pairs."""
    source = tmp_path / "source"
    (source / "guide").mkdir(parents=True)
    for number in range(PAGES):
        front = f"---\ntitle: Page {number}\nsecret: nobody asks\n---\n"
        text = f"# Page\n\nThis is page-{number}, which is about the number {number}.\n"
        (source / f"guide/{number}.md").write_text(front + text)
    documents = run_stage(
        INGEST, tmp_path / "i", config={"layout": "documents"}, sources={"source": source}
    ).outputs["documents"]
    chunks = run_stage(CHUNK, tmp_path / "c", inputs={"documents": documents}).outputs["chunks"]
    texts = {row["id"]: row["text"] for row in read_documents(documents)}
    for row in read_rows(chunks):
        span = row["source"]
        assert row["text"] == texts[span["document"]][span["start"] : span["end"]]
        assert "secret" not in row["text"]
    model = FunctionModel(says)
    with model.server:
        pairs = run_stage(
            GENERATE,
            tmp_path / "g",
            config={"task": {"kind": "qa", "questions_per_chunk": 1, "request": {"model": "m"}}},
            inputs={"chunks": chunks},
            runtime={"llm": model.runtime},
        ).outputs["examples"]
        return run_stage(
            JUDGE,
            tmp_path / "j",
            config={"request": {"model": "m", "corrections": 0}},
            inputs={"examples": pairs},
            runtime={"llm": model.runtime},
        ).outputs["examples"]


def known(row):
    """What a row says, where it is from, and its scores."""
    meta = json.loads(row["meta"])
    origin = {name: meta[name] for name in FIELDS if name in meta}
    judgement = {name: meta["judgement"][name] for name in (*SCORES, "overall", "verdict")}
    texts = [item["content"] for item in row["messages"] if item["role"] != "system"]
    span = [row["source"]["start"], row["source"]["end"]]
    return {**origin, **judgement, "texts": texts, "parents": row["parents"], "span": span}


def test_pairs_come_back_as_they_left(tmp_path, judged, base_model):
    def format_rows(examples, work, **config):
        config = {"validation_share": 0, "max_length": 4096, **config}
        inputs = {"examples": examples, "model": base_model}
        return run_stage(FORMAT, tmp_path / work, config=config, inputs=inputs)

    done = format_rows(judged, "f1", exports=["qa"])
    exported = done.outputs["exports"] / "qa"
    lines = [json.loads(line) for line in (exported / "train.jsonl").read_text().split("\n")[:-1]]
    assert [list(line) for line in lines] == [FIELDS] * PAGES
    back = run_stage(
        INGEST, tmp_path / "back", config={"layout": "qa"}, sources={"source": exported}
    ).outputs["examples"]
    before, after = ([known(row) for row in read_rows(folder)] for folder in (judged, back))
    assert after == before
    assert {row["verdict"] for row in after} == {"UNJUDGED", "FAIL", "NEEDS_REVIEW", "PASS"}
    # Another threshold wants no judge; what leaves again are the same bytes.
    kept = format_rows(back, "f2", exports=["qa"], threshold=7.5)
    assert kept.result.rejected == {"below-threshold": 3, "unjudged": 1}
    again = format_rows(back, "f3", exports=["qa"]).outputs["exports"] / "qa"
    assert (again / "train.jsonl").read_bytes() == (exported / "train.jsonl").read_bytes()
