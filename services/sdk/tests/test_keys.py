from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.keys import KeyInput, step_key

BASE: dict[str, Any] = {
    "stage": "train",
    "identity": "a" * 64,
    "config": {"lora_r": 16, "learning_rate": 2e-4, "uri": "/somewhere"},
    "seed": 7,
    "inputs": [KeyInput("model", "b" * 64, "model"), KeyInput("training_set", "c" * 64, "set")],
    "sources": {"uri": "sha256:" + "d" * 64},
    "contract_version": "1",
}


def test_a_key_stays_what_it_was():
    # If this fails, every artifact of every user is rebuilt: raise CONTRACT_VERSION on purpose, or
    # bring the old spelling back (canonical_json, digest_of, step_key).
    assert step_key(**BASE) == "a90d345c12f2eb00f6c9faa5ceafab1adbeee99e0fa768f6a5a7fce07766b9b6"


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "evaluate"},
        {"identity": "registry/train@sha256:1"},
        {"config": BASE["config"] | {"lora_r": 32}},
        {"config": BASE["config"] | {"new": None}},
        {"seed": 8},
        {"inputs": BASE["inputs"][::-1]},
        {"inputs": BASE["inputs"][:1]},
        {"inputs": [KeyInput("model", "b" * 64, "other"), BASE["inputs"][1]]},
        {"sources": {"uri": "sha256:" + "e" * 64}},
        {"sources": {}},
        {"contract_version": "2"},
    ],
    ids=str,
)
def test_all_that_determines_the_output_counts(change: dict[str, Any]):
    assert step_key(**BASE | change) != step_key(**BASE)


def test_where_a_source_lies_does_not_count():
    elsewhere = BASE["config"] | {"uri": "s3://bucket/elsewhere"}
    assert step_key(**BASE | {"config": elsewhere}) == step_key(**BASE)


@given(st.permutations(list(BASE["config"].items())))
def test_the_order_in_which_settings_are_written_does_not_count(items: list[tuple[str, Any]]):
    assert step_key(**BASE | {"config": dict(items)}) == step_key(**BASE)
