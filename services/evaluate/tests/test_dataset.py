"""Which rows are evaluated."""

import evaluate_rows
import pytest

from graftline.errors import DataError
from graftline_evaluate.dataset import check_gold, read_eval_rows, read_train_pool


@pytest.fixture
def rows():
    return [
        *evaluate_rows.make_rows(6, "ood"),
        *evaluate_rows.make_rows(20),
        *evaluate_rows.make_rows(4, "train"),
    ]


def test_splits_in_their_order_rows_in_the_files(tmp_path, rows):
    folder = evaluate_rows.write_examples(tmp_path, rows)
    found = read_eval_rows(folder, ["eval", "ood", "absent"], None)
    assert [row.key for row in found] == [
        (split, row["id"]) for split in ("eval", "ood") for row in rows if row["split"] == split
    ]
    assert found[0].messages == (
        {"role": "system", "content": evaluate_rows.SYSTEM},
        {"role": "user", "content": rows[6]["messages"][1]["content"]},
    )
    assert found[0].gold == rows[6]["messages"][2]["content"]


def test_max_rows_takes_a_choice_that_does_not_depend_on_order(tmp_path, rows):
    forward = evaluate_rows.write_examples(tmp_path / "a", rows)
    backward = evaluate_rows.write_examples(tmp_path / "b", rows[::-1])
    chosen = read_eval_rows(forward, ["eval", "ood"], 7)
    assert len(chosen) == 7 + 6
    assert {row.key for row in chosen} == {
        row.key for row in read_eval_rows(backward, ["eval", "ood"], 7)
    }
    order = [row["id"] for row in rows]
    positions = [order.index(row.id) for row in chosen if row.split == "eval"]
    assert positions == sorted(positions)
    fewer = {row.key for row in read_eval_rows(forward, ["eval"], 3)}
    assert fewer < {row.key for row in chosen}


def test_without_rows_the_splits_there_are_told(tmp_path, rows):
    folder = evaluate_rows.write_examples(tmp_path, rows)
    with pytest.raises(DataError, match=r"no rows in the splits test; there are: eval \(20\), ood"):
        read_eval_rows(folder, ["test"], None)


def test_repeated_rows_are_refused(tmp_path, rows):
    folder = evaluate_rows.write_examples(tmp_path, [*rows, rows[0]])
    with pytest.raises(DataError, match=r"1 rows occur more than once: \w+ \(ood\)"):
        read_eval_rows(folder, ["ood"], None)


def test_a_row_without_an_answer_is_refused(tmp_path):
    row = evaluate_rows.row("question", "answer")
    row["messages"] = row["messages"][:-1]
    folder = evaluate_rows.write_examples(tmp_path, [row])
    with pytest.raises(DataError, match="the last message is no assistant's answer"):
        read_eval_rows(folder, ["eval"], None)


def test_an_empty_answer_is_refused(tmp_path):
    folder = evaluate_rows.write_examples(tmp_path, [evaluate_rows.row("unanswerable?", "")])
    with pytest.raises(DataError, match=r"its answer has no text, .* \(SQuAD 2\)") as raised:
        read_eval_rows(folder, ["eval"], None)
    assert "reject such rows" in str(raised.value)


def test_where_a_row_comes_from_is_kept(tmp_path):
    row = {
        **evaluate_rows.row("question", "answer"),
        "parents": ["chunk-1"],
        "source": {"document": "d", "start": 3, "end": 9},
        "meta": '{"chunk_id":"chunk-1"}',
    }
    (found,) = read_eval_rows(evaluate_rows.write_examples(tmp_path, [row]), ["eval"], None)
    assert found.parents == ("chunk-1",)
    assert found.source == row["source"]
    assert found.meta == row["meta"]


def test_gold_answers_that_cannot_be_scored_are_named(tmp_path):
    texts = [f"q{index}" for index in range(5)]
    rows = [evaluate_rows.row(text, "no" if text != "q0" else "yes") for text in texts]
    found = read_eval_rows(evaluate_rows.write_examples(tmp_path, rows), ["eval"], None)
    with pytest.raises(DataError, match="4 gold answers cannot be scored: .*: bad; and 1 more"):
        check_gold(found, lambda text: "" if text == "yes" else "bad", "mend them")
    check_gold(found, lambda _: "", "")


def test_the_train_pool_does_not_depend_on_order(tmp_path, rows):
    forward = read_train_pool(evaluate_rows.write_examples(tmp_path / "a", rows))
    backward = read_train_pool(evaluate_rows.write_examples(tmp_path / "b", rows[::-1]))
    assert forward == backward
    assert {row.split for row in forward} == {"train"}
    assert len(forward) == 4
