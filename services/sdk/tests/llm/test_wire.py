"""What servers' refusals mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from graftline.llm.wire import WireProblem, count, retry_after_s, status_problem


@pytest.mark.parametrize(
    ("status", "message", "code", "kind"),
    [
        (401, "", "", "not-allowed"),
        (403, "", "", "not-allowed"),
        (400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", "not-allowed"),
        (402, "", "", "no-credit"),
        (429, "You exceeded your quota", "insufficient_quota", "no-credit"),
        (400, "Your credit balance is too low", "invalid_request_error", "no-credit"),
        (429, "You exceeded your quota, check your billing details", "", "rate-limited"),
        (529, "Overloaded", "overloaded_error", "rate-limited"),
        (404, "model 'x' not found", "", "not-found"),
        (400, "temperature is not supported", "unsupported_value", "bad-request"),
        (422, "", "", "bad-request"),
        (400, "This model's maximum context length is 8192 tokens", "", "too-long"),
        (400, "the request exceeds", "exceed_context_size_error", "too-long"),
        (400, "prompt is too long: 210000 tokens", "invalid_request_error", "too-long"),
        (413, "", "", "too-long"),
        (400, "filtered", "content_filter", "content-filter"),
        (408, "", "", "timeout"),
        (409, "", "", "server-error"),
        (500, "", "", "server-error"),
        (500, "the request exceeds the available context size", "", "too-long"),
        (502, "", "", "unavailable"),
        (503, "Loading model", "unavailable_error", "unavailable"),
        (504, "", "", "unavailable"),
    ],
)
def test_statuses(status, message, code, kind):
    assert status_problem(status, message, code).kind == kind


def test_retry_after_is_seconds_or_a_date():
    assert retry_after_s({"Retry-After": "1.5"}) == 1.5
    assert retry_after_s({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert 28 < (retry_after_s({"Retry-After": date}) or 0) <= 30
    past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    assert retry_after_s({"Retry-After": past}) == 0
    for nothing in ({}, {"retry-after": "soon"}, {"retry-after": "nan"}, {"retry-after": ""}):
        assert retry_after_s(nothing) is None


def test_details_are_one_line():
    assert WireProblem("bad-request", "a\n  b").detail == "a b"


def test_counts_are_whole_numbers_or_unknown():
    assert [count(value) for value in (0, 7, -1, 1.5, True, "3", None)] == [0, 7, *[None] * 5]
