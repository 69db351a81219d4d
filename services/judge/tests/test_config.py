"""Settings belong to the kind that uses them."""

from __future__ import annotations

import pytest

from graftline.config import parse_settings
from graftline.errors import ConfigError
from graftline_judge.config import JudgeConfig
from graftline_judge.pairs import Pair
from graftline_judge.prompts import judge_request

REQUEST = {"model": "fake"}
FOR_SCORES = {
    "prompt": "Judge.",
    "max_issues": 1,
    "max_remark": 100,
    "weights": {"factual_accuracy": 0.4, "completeness": 0.4},
    "limits": {"pass_overall": 9},
    "grounding": {"numbers": False},
    "answerable": {"request_words": ["say"]},
    "duplicates": {"similarity": 0.8},
    "language": {"min_letters": 5},
    "length": {"answer_max": 100},
    "calibration": {"rows": 3},
}


def test_all_settings_are_of_one_kind_or_of_both():
    assert set(JudgeConfig.model_fields) == {*FOR_SCORES, "kind", "request", "preference"}


def test_by_default_requests_are_those_whose_answers_are_kept():
    """Stores hold answers under this key: with another one, all rows would be asked about anew."""
    config = parse_settings(JudgeConfig, {"request": REQUEST}, "step 'judge'")
    request = judge_request(config, Pair("How long?", "5 seconds.", "It is 5 seconds."))
    key = "8d6a56563eeae3cf85a2d1811fdea006bb20b05e4122a62cce784af657373b8b"
    assert request.cache_key == key


@pytest.mark.parametrize("name", FOR_SCORES)
def test_what_is_for_scores_is_for_nothing_else(name):
    given = {"request": REQUEST, name: FOR_SCORES[name]}
    parse_settings(JudgeConfig, given, "step 'judge'")
    with pytest.raises(ConfigError, match=f"'preference' has no use for {name}"):
        parse_settings(JudgeConfig, {**given, "kind": "preference"}, "step 'judge'")
