"""Questions and answers with the text that they came from: old files, and a taxonomy's."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from graftline.errors import ConfigError, DataError

PAIR = {
    "question": "How long does it wait?",
    "answer": "5 seconds.",
    "source_file": "guide/time.md",
    "file_name": "time.md",
    "file_type": "md",
    "chunk_id": "c7",
    "chunk_index": 7,
    "chunk_start": 120,
    "chunk_end": 180,
    "source_text": "It waits 5 seconds.",
}
KNOWLEDGE = """\
version: 3
domain: Birds
seed_examples:
  - context: |
      Chickadees are small.
      They eat seeds.
    questions_and_answers:
      - question: |
          Are they small?
        answer: yes
      - question: What do they eat?
        answer: |
          Seeds.
      - question:
        answer: Nothing is asked.
  - context: They weigh 11 g.
    questions_and_answers:
      - {question: How heavy are they?, answer: 011}
"""
SKILL = """\
task_description: Synonyms
seed_examples:
- {question: A word for big?, answer: large}
- {context: She ran., question: Rewrite it., answer: She sprinted.}
"""


def meta_of(row):
    return json.loads(row["meta"])


def test_an_old_pair_keeps_where_it_came_from(ingest, write):
    (row,) = ingest(write("old.json", json.dumps([PAIR])), instruction="Be brief.").examples
    assert [(m["role"], m["content"]) for m in row["messages"]] == [
        ("system", "Be brief."),
        ("user", "How long does it wait?"),
        ("assistant", "5 seconds."),
    ]
    assert meta_of(row) == {**PAIR, "row": 1}
    assert row["parents"] == ["c7"]
    assert row["source"] == {"document": "guide/time.md", "start": 120, "end": 180}
    assert (row["group"], row["task"]) == ("guide/time.md", "qa")


def test_many_files_of_a_folder_become_one(ingest, write):
    write("a.json", json.dumps([PAIR, {**PAIR, "question": "Two?"}]))
    write("deep/b.jsonl", json.dumps({**PAIR, "question": "Three?"}) + "\n")
    folder = write("c.csv", "question,answer,chunk_start,chunk_end,source_file\nFour?,4,3,9,x.md\n")
    done = ingest(folder.parent)
    asked = [row["messages"][0]["content"] for row in done.examples]
    assert asked == ["How long does it wait?", "Two?", "Four?", "Three?"]
    files = [(meta_of(row)["file"], meta_of(row)["row"]) for row in done.examples]
    assert files == [("a.json", 1), ("a.json", 2), ("c.csv", 2), ("deep/b.jsonl", 1)]
    # Numbers that a table holds as text are numbers again.
    assert done.examples[2]["source"] == {"document": "x.md", "start": 3, "end": 9}


def test_what_is_not_known_is_left_out(ingest, write):
    bare = {"question": "Why?", "answer": "So."}
    odd = {**PAIR, "chunk_start": 9, "chunk_end": 3, "chunk_id": None, "chunk_index": "x"}
    one, two = ingest(write("a.json", json.dumps([bare, odd]))).examples
    assert meta_of(one) == {**bare, "row": 1}
    assert (one["parents"], one["source"]) == ([], None)
    assert (two["parents"], two["source"]) == ([], None)
    assert "chunk_index" not in meta_of(two)
    assert one["group"].startswith("train/")


@pytest.mark.parametrize(
    ("said", "judgement"),
    [
        (
            {"factual_accuracy": 9, "completeness": 8, "consistency": 10, "overall": 8.9},
            {"factual_accuracy": 9, "completeness": 8, "consistency": 10, "overall": 8.9},
        ),
        (
            {"factual_accuracy": "9", "completeness": "x", "consistency": 11, "overall": True},
            {"factual_accuracy": 9, "completeness": None, "consistency": None, "overall": None},
        ),
        ({}, dict.fromkeys(("factual_accuracy", "completeness", "consistency", "overall"))),
    ],
)
def test_what_a_judge_said_is_kept(ingest, write, said, judgement):
    (row,) = ingest(write("a.json", json.dumps([{**PAIR, "verdict": "PASS", **said}]))).examples
    assert meta_of(row)["judgement"] == {**judgement, "verdict": "PASS"}


@pytest.mark.parametrize("verdict", [{}, {"verdict": "true"}, {"verdict": ["PASS"]}])
def test_without_a_judges_verdict_a_score_is_none_of_ours(ingest, write, verdict):
    (row,) = ingest(write("a.json", json.dumps([{**PAIR, "overall": 9.5, **verdict}]))).examples
    assert meta_of(row) == {**PAIR, "row": 1}


def test_shares_are_taken_file_by_file(ingest, write):
    rows = [
        {**PAIR, "source_file": f"{n % 20}.md", "question": f"What is {n}?"} for n in range(200)
    ]
    done = ingest(write("a.json", json.dumps(rows)), split={"fractions": {"eval": 0.3}})
    splits = {(row["group"], row["split"]) for row in done.examples}
    assert len(splits) == 20
    assert {split for _, split in splits} == {"train", "eval"}


def test_rows_with_and_without_a_source_share_a_batch(ingest, write):
    rows = [PAIR if n % 3 else {"question": f"Q{n}?", "answer": "A"} for n in range(9)]
    sources = [row["source"] is None for row in ingest(write("a.json", json.dumps(rows))).examples]
    assert sources == [n % 3 == 0 for n in range(9)]


def test_pairs_without_text_are_refused(ingest, write):
    rows = [PAIR, {**PAIR, "answer": " "}, {**PAIR, "question": ["?"]}, {"question": "Only?"}]
    done = ingest(write("a.json", json.dumps(rows)), layout="qa")
    assert done.result.rejected == {"empty-text": 1, "missing-field": 1, "not-text": 1}


def test_text_that_is_no_unicode_is_refused(ingest, write):
    text = json.dumps([PAIR, {**PAIR, "source_text": "\ud800"}])
    done = ingest(write("a.json", text), max_malformed_share=0.5)
    assert done.result.rejected == {"wrong-encoding": 1}


def test_a_taxonomy_is_read_leaf_by_leaf(ingest, write):
    write("knowledge/birds/qna.yaml", KNOWLEDGE)
    write("knowledge/birds/attribution.txt", "Somebody wrote it.")
    write("docs/template_qna.yaml", "seed_examples: [{question: '', answer: ''}]")
    folder = write("skills/words/qna.yml", SKILL).parents[2]
    done = ingest(folder, layout="instructlab")
    assert done.result.rejected == {"empty-text": 1}
    assert done.rejects[0]["detail"].startswith("knowledge/birds/qna.yaml, pair 3: ")
    small, eat, heavy, word, rewrite = done.examples
    assert meta_of(small) == {
        "question": "Are they small?",
        "answer": "yes",
        "source_text": "Chickadees are small.\nThey eat seeds.",
        "source_file": "knowledge/birds/qna.yaml",
        "file": "knowledge/birds/qna.yaml",
        "file_name": "qna.yaml",
        "file_type": "yaml",
        "domain": "Birds",
        "row": 1,
    }
    assert [m["content"] for m in eat["messages"]] == ["What do they eat?", "Seeds."]
    assert heavy["messages"][1]["content"] == "011"
    assert meta_of(heavy)["source_text"] == "They weigh 11 g."
    assert "source_text" not in meta_of(word)
    assert meta_of(word)["task_description"] == "Synonyms"
    assert meta_of(rewrite)["source_text"] == "She ran."
    groups = Counter(row["group"] for row in done.examples)
    assert groups == {"knowledge/birds/qna.yaml": 3, "skills/words/qna.yml": 2}
    assert {row["task"] for row in done.examples} == {"qa"}


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("seed_examples: [\n", "line 2, column 1: no YAML"),
        ("- a\n- b", "no list 'seed_examples'"),
        ("seed_examples: none", "no list 'seed_examples'"),
        ("a: &x [1]\nseed_examples:\n- *x", "line 3, column 3: aliases"),
        (f"seed_examples: {'[' * 40}{']' * 40}", "nested too deeply"),
        ("a: 1\n---\nseed_examples: []", "no YAML"),
        (b"seed_examples: [\xff]", "byte 16 is not UTF-8"),
        ("seed_examples: ['\x00']", "no YAML"),
    ],
)
def test_a_leaf_that_cannot_be_read_costs_itself_alone(ingest, write, text, detail):
    write("a/qna.yaml", text)
    folder = write("b/qna.yaml", KNOWLEDGE).parents[1]
    done = ingest(folder, layout="instructlab", max_malformed_share=0.5)
    assert len(done.examples) == 3
    assert detail in done.rejects[0]["detail"]
    assert done.rejects[0]["reason"] in ("malformed-yaml", "wrong-encoding")


def test_seeds_of_another_form_are_refused_one_by_one(ingest, write):
    text = "seed_examples: [text, {questions_and_answers: [also text]}, {question: Q, answer: A}]"
    done = ingest(write("qna.yaml", text), layout="instructlab", max_malformed_share=1)
    assert done.result.rejected == {"not-an-object": 2}


def test_a_large_leaf_and_a_folder_without_leaves_are_told(ingest, write):
    path = write("a/qna.yaml", f"seed_examples: []\n# {'x' * (1 << 20)}")
    with pytest.raises(DataError, match="more than 1 MiB"):
        ingest(path, layout="instructlab", max_document_mb=1)
    with pytest.raises(DataError, match="no file qna.yaml"):
        ingest(write("b/other.yaml", SKILL).parent, layout="instructlab")
    named = ingest(path.parents[1] / "b", layout="instructlab", include=["other.yaml"])
    assert len(named.examples) == 2
    with pytest.raises(ConfigError, match="reads YAML; leave `format` out"):
        ingest(path, layout="instructlab", format="json")
