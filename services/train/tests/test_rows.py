"""Reading a training set."""

import pytest

from graftline.errors import DataError
from graftline_train.rows import NOTHING_LEARNED, TOO_LONG, read_training_set


def row(ids, mask, split="train"):
    return {"id": str(ids), "split": split, "input_ids": ids, "loss_mask": mask}


def test_rows_come_back_as_they_were(kit, tmp_path):
    rows = kit.token_rows(9) + kit.token_rows(4, split="eval") + kit.token_rows(2, split="ood")
    found = read_training_set(kit.save_rows(rows, tmp_path / "set"), tmp_path, 100, "eval")
    assert (len(found.train), len(found.held_out)) == (9, 4)
    for index in range(9):
        assert found.train[index].ids.tolist() == rows[index]["input_ids"]
        assert found.train[index].learned.tolist() == rows[index]["loss_mask"]
        assert found.train.length(index) == len(rows[index]["input_ids"])
    assert found.held_out[3].ids.tolist() == rows[12]["input_ids"]
    assert found.train.tokens == sum(len(item["input_ids"]) for item in rows[:9])
    assert found.highest_id == max(max(item["input_ids"]) for item in rows[:13])
    assert found.rejected == {}


def test_rows_that_cannot_be_used_are_counted_by_reason(kit, tmp_path):
    rows = [
        row([1, 2, 3], [False, True, True]),
        row([1, 2, 3, 4], [False, True, True, True]),
        row([5, 6], [True, False]),
        row([], []),
        row([9], [True]),
    ]
    found = read_training_set(kit.save_rows(rows, tmp_path / "set"), tmp_path, 3, "eval")
    assert len(found.train) == 1
    assert found.rejected == {TOO_LONG: 1, NOTHING_LEARNED: 3}
    assert found.train[0].ids.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no row of split 'train' .it holds no rows"),
        ([row([1, 2], [False, True], "eval")], "it holds 1 of 'eval'"),
        ([row([1] * 9, [True] * 9)], "1 of 1 have more than max_length = 8 tokens"),
        ([row([1, 2], [True, False])], "none of the 1 training rows has a token to learn"),
        ([row([1, 2], [True])], "loss_mask is not as long"),
        ([row([1, -2], [False, True])], "negative token id -2"),
    ],
)
def test_sets_that_cannot_be_trained_on(kit, tmp_path, rows, message):
    with pytest.raises(DataError, match=message):
        read_training_set(kit.save_rows(rows, tmp_path / "set"), tmp_path, 8, "eval")


def test_the_training_split_is_never_an_evaluation_split(kit, tmp_path):
    folder = kit.save_rows(kit.token_rows(3), tmp_path / "set")
    assert len(read_training_set(folder, tmp_path, 100, "train").held_out) == 0


def test_prompt_tokens_and_targets(kit, tmp_path):
    folder = kit.save_rows([row([7, 8, 9, 4], [True, False, True, True])], tmp_path / "set")
    found = read_training_set(folder, tmp_path, 100, "").train[0]
    assert (found.prompt_tokens, found.targets) == (2, 2)
