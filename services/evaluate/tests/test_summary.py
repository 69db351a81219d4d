"""Figures of rows, and which of the baseline's variants is the better one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline_evaluate.measures import mean, perplexity, share
from graftline_evaluate.statistics import Bootstrap
from graftline_evaluate.summary import Summariser

MEASURES = (
    mean("token_f1", "f1"),
    share("exact_match", lambda row: row["exact"]),
    perplexity("perplexity", "nats", "tokens"),
)


def summariser(samples=300):
    return Summariser(MEASURES, Bootstrap(samples, 1, 0.95), 0.95)


def make_row(f1=0.5, exact=False, nats=10.0, tokens=5):
    return {"f1": f1, "exact": exact, "nats": nats, "tokens": tokens}


ROWS = st.lists(
    st.builds(
        make_row,
        f1=st.floats(0, 1),
        exact=st.booleans(),
        nats=st.floats(0, 300),
        tokens=st.integers(1, 90),
    ),
    min_size=1,
    max_size=20,
)


@given(ROWS)
def test_figures_are_what_their_names_say(rows):
    found = summariser(100).figures(rows)
    assert list(found) == ["token_f1", "exact_match", "perplexity"]
    assert found["token_f1"]["value"] == pytest.approx(np.mean([row["f1"] for row in rows]))
    per_token = sum(row["nats"] for row in rows) / sum(row["tokens"] for row in rows)
    assert found["perplexity"]["value"] == pytest.approx(math.exp(per_token), rel=1e-9)
    assert found["perplexity"]["value"] >= 1
    for figure in found.values():
        assert figure["n"] == len(rows)
        assert figure["low"] <= figure["high"]
    assert found["perplexity"]["lower_is_better"] is True
    assert "lower_is_better" not in found["token_f1"]
    assert [found[name]["method"] for name in found] == ["bootstrap", "wilson", "bootstrap"]


def test_perplexity_weighs_tokens_and_not_rows():
    rows = [make_row(nats=0.0, tokens=99), make_row(nats=10.0, tokens=1)]
    assert summariser().figures(rows)["perplexity"]["value"] == pytest.approx(math.exp(0.1))


def test_a_hopeless_model_has_a_finite_perplexity():
    figure = summariser().figures([make_row(nats=1e9, tokens=1)])["perplexity"]
    assert figure["value"] == pytest.approx(np.finfo(np.float64).max)
    assert math.isfinite(figure["high"])


def test_the_better_variant_is_the_lower_one_where_less_is_better():
    variants = {
        "plain": [make_row(f1=0.2, nats=5.0), make_row(f1=0.2, nats=5.0)],
        "few_shot": [make_row(f1=0.6, nats=15.0), make_row(f1=0.6, nats=15.0)],
    }
    adapted = [make_row(f1=0.7, nats=2.5), make_row(f1=0.7, nats=2.5)]
    found = summariser().compare(variants, adapted)
    assert found["token_f1"]["baseline_variant"] == "few_shot"
    assert found["token_f1"]["difference"] == pytest.approx(0.1)
    assert found["perplexity"]["baseline_variant"] == "plain"
    assert found["perplexity"]["baseline"] == pytest.approx(math.e)
    assert found["perplexity"]["difference"] == pytest.approx(math.exp(0.5) - math.e)
    assert found["perplexity"]["high"] < 0
    assert found["perplexity"]["lower_is_better"] is True
    assert "lower_is_better" not in found["token_f1"]


@given(ROWS, st.data())
def test_swapping_the_roles_turns_the_difference_around(rows, data):
    others = data.draw(st.lists(st.sampled_from(rows), min_size=len(rows), max_size=len(rows)))
    one = summariser(100).compare({"plain": others}, rows)
    other = summariser(100).compare({"plain": rows}, others)
    for name, found in one.items():
        turned = other[name]
        assert found["difference"] == pytest.approx(-turned["difference"])
        assert found["low"] == pytest.approx(-turned["high"])
        assert found["p_value"] == pytest.approx(turned["p_value"])
