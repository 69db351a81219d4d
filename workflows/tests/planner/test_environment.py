from __future__ import annotations

import json

import pytest

from graftline.errors import ConfigError
from graftline_workflows.planner.environment import PodEnvironment

FAILED = [{"displayName": "a", "message": 'it said "no"'}]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("null", []),
        ('"null"', []),
        ("{{workflow.failures}}", []),
        (r'"[\x07"', []),
        ("7", []),
        (json.dumps(FAILED), FAILED),
        (json.dumps(json.dumps(FAILED)), FAILED),
        (json.dumps(json.dumps([*FAILED, 3])), FAILED),
    ],
)
def test_failures_are_read_as_argo_quotes_them(text: str, found: list[object]):
    assert PodEnvironment({"GRAFTLINE_FAILURES": text}).failures == found


def test_parameters_from_settings_have_no_value_of_their_own():
    given = [
        {"name": "seed", "value": "7", "description": "int."},
        {"name": "source", "value": ""},
        {"name": "queue", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "y"}}},
    ]
    environment = PodEnvironment({"GRAFTLINE_PARAMETERS": json.dumps(given)})
    assert environment.parameters == {"seed": "7", "source": ""}


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]"])
def test_other_parameters_are_refused(text: str):
    with pytest.raises(ConfigError, match="GRAFTLINE_PARAMETERS"):
        _ = PodEnvironment({"GRAFTLINE_PARAMETERS": text}).parameters


@pytest.mark.parametrize("text", ["", "no", "[]"])
def test_own_images_are_an_object(text: str):
    with pytest.raises(ConfigError, match="GRAFTLINE_OWN_IMAGES"):
        _ = PodEnvironment({"GRAFTLINE_OWN_IMAGES": text}).own_images
