from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.errors import DataError
from graftline_format.config import FormatConfig
from graftline_format.splits import Splitter, _choose

TURNS = [("user", "q"), ("assistant", "a")]


@given(
    st.dictionaries(st.integers(0, 2**64 - 1), st.integers(1, 500), min_size=1, max_size=60),
    st.floats(0, 0.49),
)
def test_validation_is_near_its_share_and_never_all(groups, share):
    chosen = _choose(Counter(groups), share)
    total, taken = sum(groups.values()), sum(groups[group] for group in chosen)
    assert chosen < set(groups)
    assert taken <= max(1.5 * share * total, 0.25 * total)
    if share == 0 or len(groups) == 1:
        assert not chosen


def test_groups_are_not_cut_and_the_seed_decides(write_examples):
    rows = [("train", f"g{n % 50}", [("user", f"q{n}"), ("assistant", "a")]) for n in range(500)]
    folder = write_examples(rows)

    def validation(seed):
        splitter = Splitter(folder, FormatConfig(validation_share=0.1), seed)
        return {group for _, group, _ in rows if splitter.split_of("train", group) == "validation"}

    assert len(validation(1)) == 5
    assert validation(1) == validation(1) != validation(2)


def test_only_the_wanted_splits(write_examples):
    folder = write_examples([("train", "a", TURNS), ("eval", "b", TURNS), ("ood", "c", TURNS)])
    splitter = Splitter(folder, FormatConfig(splits=["train", "ood"]), 0)
    assert splitter.total == 2
    assert splitter.left_out == {"eval": 1}
    assert [splitter.split_of(name, "x") for name in ("train", "eval", "ood")] == [
        "train", None, "ood",
    ]  # fmt: skip


def test_given_validation_rows_are_used_as_they_are(write_examples):
    rows = [("train", f"g{n}", TURNS) for n in range(20)] + [("validation", "v", TURNS)]
    config = FormatConfig(splits=["train", "validation"], validation_share=0.4)
    splitter = Splitter(write_examples(rows), config, 0)
    assert {splitter.split_of("train", f"g{n}") for n in range(20)} == {"train"}
    assert splitter.split_of("validation", "v") == "validation"


def test_a_missing_split_is_an_error(write_examples):
    folder = write_examples([("train", "a", TURNS), ("eval", "b", TURNS)])
    with pytest.raises(DataError, match=r"no rows of split dev; they have eval \(1\), train \(1\)"):
        Splitter(folder, FormatConfig(splits=["train", "dev"]), 0)
