"""The AUC, its interval, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline_judge.calibration.measuring import measure

SCORES = st.sampled_from([0.0, 2.5, 5.0, 7.8, 8.0, 10.0])


def pairwise(scored):
    """The AUC by its definition."""
    wins = [(t > w) + (t == w) / 2 for t, _ in scored for _, w in scored]
    return sum(wins) / len(wins)


@given(st.lists(st.tuples(SCORES, SCORES), min_size=1, max_size=40), st.integers(0, 2**63 - 1))
def test_it_is_the_share_of_pairs_that_are_in_order(scored, seed):
    found = measure(scored, seed)
    auc = pairwise(scored)
    assert found["auc"] == pytest.approx(auc, abs=1e-4)
    assert found["interval"]["low"] <= auc + 1e-4
    assert found["interval"]["high"] >= auc - 1e-4
    assert found["mean_true"] == pytest.approx(np.mean([t for t, _ in scored]), abs=1e-4)
    assert found["mean_shuffled"] == pytest.approx(np.mean([w for _, w in scored]), abs=1e-4)
    swapped = measure([(wrong, true) for true, wrong in scored], seed)
    assert swapped["auc"] == pytest.approx(1 - found["auc"], abs=1.1e-4)
    assert measure(scored, seed) == found


def drawn(shift, rows=200, seed=1):
    chance = np.random.default_rng(seed)
    true = np.clip(np.round(chance.normal(5 + shift, 2, rows)), 0, 10)
    wrong = np.clip(np.round(chance.normal(5, 2, rows)), 0, 10)
    return list(zip(true.tolist(), wrong.tolist(), strict=True))


@pytest.mark.parametrize(
    ("shift", "worth", "words"),
    [
        (3, "better-than-chance", "better than chance (AUC 0."),
        (0, "chance", "no better than chance"),
        (-3, "worse-than-chance", "wrong answers above true ones"),
    ],
)
def test_its_worth_is_said_plainly(shift, worth, words):
    found = measure(drawn(shift), 0)
    assert found["worth"] == worth
    assert words in found["text"]
    assert "200 rows" in found["text"]


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """95 % of 200 experiments, within what chance allows of a count of 200."""
    hits = 0
    for experiment in range(200):
        interval = measure(drawn(0, rows=60, seed=experiment), experiment)["interval"]
        hits += interval["low"] <= 0.5 <= interval["high"]
    assert 180 <= hits <= 199


def test_what_is_not_judged_is_counted_and_left_out():
    scored = [(9.0, 1.0)] * 30 + [(None, 5.0), (5.0, None), (None, None)]
    found = measure(scored, 0)
    assert (found["rows"], found["judged_pairs"], found["unjudged"]) == (33, 30, 3)
    assert (found["auc"], found["mean_true"], found["mean_shuffled"]) == (1.0, 9.0, 1.0)


@pytest.mark.parametrize("scored", [[], [(None, 3.0)]])
def test_of_nothing_nothing_is_said(scored):
    found = measure(scored, 0)
    assert [found[name] for name in ("auc", "interval", "worth")] == [None] * 3
    assert "not known" in found["text"]


def test_of_a_few_rows_nothing_is_concluded():
    found = measure([(9.0, 1.0)] * 19, 0)
    assert found["auc"] == 1.0
    assert found["worth"] is None
    assert "so few rows" in found["text"]
