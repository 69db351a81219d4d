"""Intervals and tests against published figures, brute force and scipy."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline_evaluate import statistics
from graftline_evaluate.statistics import Bootstrap, mcnemar_p_value


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (5, 0), (1, 7), (6, 6), (3, 4)])
def test_mcnemar_is_the_fair_coin_counted_out(only_first, only_second):
    first = np.array([True] * only_first + [False] * only_second + [True, True, False])
    second = np.array([False] * only_first + [True] * only_second + [True, True, False])
    tosses = only_first + only_second
    extreme = sum(
        min(heads, tosses - heads) <= min(only_first, only_second)
        for heads in (sum(side) for side in product((0, 1), repeat=tosses))
    )
    assert mcnemar_p_value(first, second) == pytest.approx(min(1.0, extreme / 2**tosses))
    assert mcnemar_p_value(second, first) == mcnemar_p_value(first, second)


def test_mcnemar_with_many_rows():
    first = np.arange(6000) < 2000
    second = np.arange(6000) >= 3900
    scipy_stats = pytest.importorskip("scipy.stats")
    expected = scipy_stats.binomtest(2000, 4100).pvalue
    assert mcnemar_p_value(first, second) == pytest.approx(expected, rel=1e-9)


COUNTS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30
)


@given(COUNTS)
def test_f1_is_the_harmonic_mean(counts):
    totals = np.array(counts).sum(axis=0)
    p = float(statistics.precision(totals))
    r = float(statistics.recall(totals))
    expected = 2 * p * r / (p + r) if p + r else 0.0
    assert float(statistics.f1(totals)) == pytest.approx(expected)


def test_ratios_of_nothing():
    nothing, missed, invented = np.array([[0, 0, 0], [0, 0, 3], [0, 3, 0]])
    for figure in (statistics.precision, statistics.recall, statistics.f1):
        assert figure(nothing) == 1
        assert figure(missed) == 0
        assert figure(invented) == 0


def test_bootstrap_is_reproducible_and_near_theory():
    outcomes = (np.arange(400) % 4 == 0).astype(int)
    counts = np.stack([outcomes, 1 - outcomes], axis=1)
    bootstrap = Bootstrap(4000, seed=7, confidence=0.95)
    totals = bootstrap.totals(counts)
    assert totals.shape == (4000, 2)
    assert (totals.sum(axis=1) == 400).all()
    assert (totals == Bootstrap(4000, seed=7, confidence=0.95).totals(counts)).all()
    interval = bootstrap.interval(0.25, totals[:, 0] / 400)
    half = 1.96 * math.sqrt(0.25 * 0.75 / 400)
    assert interval.low == pytest.approx(0.25 - half, abs=0.006)
    assert interval.high == pytest.approx(0.25 + half, abs=0.006)


def test_bootstrap_draws_the_same_rows_whatever_the_columns():
    counts = np.arange(50)[:, None]
    bootstrap = Bootstrap(300, seed=1, confidence=0.9)
    both = bootstrap.totals(np.concatenate([counts, counts * 2], axis=1))
    assert (both[:, 0] == bootstrap.totals(counts)[:, 0]).all()
    assert (both[:, 1] == 2 * both[:, 0]).all()


def test_bootstrap_p_value():
    bootstrap = Bootstrap(1000, seed=0, confidence=0.95)
    assert bootstrap.p_value(np.full(999, 0.1)) == pytest.approx(2 / 1000)
    assert bootstrap.p_value(np.zeros(999)) == 1.0
    assert bootstrap.p_value(np.linspace(-1, 1, 1001)) == 1.0


def test_a_wrong_null_is_rejected_as_often_as_it_should_be():
    """Without a difference, a paired p-value below 0.05 is found in about 5 % of the cases."""
    generator = np.random.default_rng(3)
    below = 0
    for trial in range(200):
        own, other = generator.integers(0, 3, size=(2, 80, 3))
        pairs = Bootstrap(300, trial, 0.95).totals(np.concatenate([own, other], axis=1))
        differences = statistics.f1(pairs[:, :3]) - statistics.f1(pairs[:, 3:])
        below += Bootstrap(300, trial, 0.95).p_value(differences) < 0.05
    assert 1 <= below <= 25
