"""The stage as a whole: order, splits, groups, losses, laws."""

from __future__ import annotations

import random
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graftline.config import parse_settings
from graftline.errors import Cancelled, ConfigError, DataError
from graftline.testkit.examples import example_row, write_examples
from graftline.testkit.local import run_stage
from graftline_curate.config import CurateConfig
from graftline_curate.descriptor import STAGE

ALL = (
    {"op": "normalise"},
    {"op": "filter"},
    {"op": "dedupe"},
    {"op": "decontaminate", "ngram": 3},
    {"op": "sample", "limits": {"train": 4}},
)


def test_nothing_to_do_passes_every_row_in_order(curate):
    rows = [example_row(str(n)) for n in range(10)]
    done = curate([rows[:4], rows[4:]])
    assert done.rows == rows


def test_operations_are_done_in_their_order(curate):
    rows = [example_row("a "), example_row("a"), example_row("b")]
    first = curate(rows, {"op": "sample", "limits": {"train": 2}}, {"op": "dedupe"})
    last = curate(rows, {"op": "dedupe"}, {"op": "sample", "limits": {"train": 2}})
    assert len(last.rows) == 2
    assert len(first.rows) <= 2
    twice = curate(
        rows, {"op": "dedupe"}, {"op": "normalise"}, {"op": "dedupe"}, {"op": "normalise"}
    )
    assert twice.texts == ["a", "b"]


def test_a_group_in_two_splits_is_an_error_that_names_it(curate):
    rows = [
        example_row("a", group="g1"),
        example_row("b", split="eval", group="g1"),
        example_row("c", group="g2"),
    ]
    with pytest.raises(
        DataError, match=r"1 groups are in more than one split: 'g1' \(eval and train\)"
    ):
        curate(rows)
    moved = curate(rows, split_conflicts="move")
    assert [item["split"] for item in moved.rows] == ["eval", "eval", "train"]
    assert "1 groups" in moved.log("warning")
    dropped = curate(rows, split_conflicts="drop")
    assert dropped.result.rejected == {"group-in-evaluation": 1}
    assert dropped.rejects[0]["detail"] == "group 'g1' is also in split 'eval'"


def test_a_split_that_is_gone_says_who_took_it(curate):
    rows = [
        example_row("a", ""),
        example_row("b", "", split="eval"),
        example_row("bb", split="eval"),
        example_row("c"),
    ]
    with pytest.raises(
        DataError,
        match=r"split 'eval' has no rows left of 2 after operation 2 \(filter\): operation 1"
        r" \(filter\) removed 1 \(1 empty-answer\); operation 2 \(filter\) removed 1"
        r" \(1 prompt-too-long\)",
    ):
        curate(rows, {"op": "filter"}, {"op": "filter", "max_prompt_chars": 1})
    # A split that the settings do not want is no loss.
    assert curate(rows, {"op": "filter", "splits": ["train"], "empty_answer": False}).texts == [
        "a",
        "c",
    ]


def test_no_rows_at_all(curate):
    with pytest.raises(DataError, match="have no rows"):
        curate([[]])


@pytest.mark.parametrize(
    ("operations", "message"),
    [
        ([{"op": "dedup"}], "dedup"),
        (
            [{"op": "dedupe", "buy": "prompt"}],
            "operations.0.buy: unknown setting — did",
        ),
        ([{"op": "sample", "limits": {}}], "limits"),
        ([{"op": "sample", "limits": {"train": 0}}], "greater than or equal to 1"),
        ([{"op": "decontaminate", "against": ["train"]}], "both name train"),
        ([{"op": "filter", "rules": [{"field": "a", "matches": "("}]}], "no regular expression"),
    ],
)
def test_settings_that_cannot_be_meant(operations, message):
    with pytest.raises(ConfigError, match=message):
        parse_settings(CurateConfig, {"operations": operations}, "step 'data'")


WORD = st.sampled_from(["a", "b", "c", "A ", "é", "e\u0301", "\u200b"])
ROWS = st.lists(
    st.tuples(
        st.lists(WORD, max_size=5).map(" ".join),
        st.sampled_from(["{}", "", "1"]),
        st.sampled_from(["train", "eval", "ood"]),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, dice=st.randoms(use_true_random=False))
def test_what_is_left_does_not_depend_on_the_order_of_the_input(curate, rows, dice):
    made = [example_row(text, answer, split) for text, answer, split in rows]
    # Rows that no operation can drop: a split that ends up empty is an error of its own.
    made += [example_row(f"safe {split}", "safe", split) for split in ("train", "eval", "ood")]
    shuffled = list(made)
    dice.shuffle(shuffled)
    middle = dice.randint(0, len(shuffled))
    parts = [part for part in (shuffled[:middle], shuffled[middle:]) if part]

    def outcome(rows):
        try:
            done = curate(rows, *ALL, split_conflicts="move")
        except DataError as error:
            return str(error).partition(":")[0]
        return Counter((r["id"], r["split"], r["group"]) for r in done.rows)

    assert outcome(made) == outcome(parts)


def test_the_same_rows_give_the_same_bytes(curate):
    dice = random.Random(3)
    rows = [
        example_row(f"t{dice.randint(0, 800)} ", split=dice.choice(["train", "eval"]))
        for _ in range(1500)
    ]
    runs = [curate(rows, *ALL, split_conflicts="move").run.outputs for _ in range(2)]
    for port in ("examples", "rejects"):
        first, second = (sorted(outputs[port].iterdir()) for outputs in runs)
        assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_many_batches_stay_in_order_through_spools(curate):
    rows = [example_row(f"t{n % 9000} ") for n in range(10_000)]
    done = curate(
        rows,
        {"op": "normalise"},
        {"op": "dedupe", "by": "example"},
        {"op": "normalise"},
        {"op": "dedupe"},
        {"op": "decontaminate"},
        {"op": "sample", "limits": {"train": 8500}},
    )
    assert done.result.rejected == {"duplicate": 1000, "not-sampled": 500}
    numbers = [int(text[1:]) for text in done.texts]
    assert numbers == sorted(numbers)


def test_an_input_that_holds_no_examples_is_told(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    pq.write_table(pa.table({"group": ["a"], "text": ["b"]}), folder / "part-00000.parquet")
    with pytest.raises(DataError, match="input 'in' does not hold examples"):
        run_stage(STAGE, tmp_path, inputs={"examples": folder})


def test_it_stops_when_asked(tmp_path):

    folder = write_examples(tmp_path / "in", [example_row("a")])
    with pytest.raises(Cancelled):
        run_stage(
            STAGE,
            tmp_path,
            inputs={"examples": folder},
            before_run=lambda context: context.request_stop(),
        )
