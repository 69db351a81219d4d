"""What a model said, made into what was asked for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.domain.answers import AnswerProblem, JsonAnswer, TextAnswer, correction
from graftline.domain.answers import strip_thinking as strip
from graftline.errors import BugError

FORM = JsonAnswer(
    "qa",
    {
        "type": "object",
        "properties": {"a": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    },
)
ANY = JsonAnswer("any", {"type": ["object", "array"]})

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
containers = st.lists(json_values, min_size=1, max_size=4) | st.dictionaries(
    st.text(max_size=8), json_values, min_size=1, max_size=4
)


@pytest.mark.parametrize(
    "said",
    [
        '{"a":"x"}',
        '  {"a": "x"}\n',
        '<think>maybe {"a": 1}?</think>\n{"a":"x"}',
        '<THINKING>one</THINKING><think>two</think>{"a":"x"}',
        'the template opened it</think>\n\n{"a":"x"}',
        '```json\n{"a":"x"}\n```',
        'Sure, here it is:\n```\n{"a":"x"}\n```\nAnything else?',
        'Here you are: {"a":"x"} I hope it helps.',
    ],
)
def test_json_is_found_wherever_it_stands(said):
    reading = FORM.read(said)
    assert (reading.data, reading.problem, reading.repaired) == ({"a": "x"}, None, False)


@pytest.mark.parametrize(
    ("said", "data"),
    [
        ('{"a": "x",}', {"a": "x"}),
        ("{'a': 'x'}", {"a": "x"}),
        ('{"a": "x" // why\n}', {"a": "x"}),
        ('{"a": "x"', {"a": "x"}),
        ('{"a": "he said "hi" to us"}', {"a": 'he said "hi" to us'}),
        ('{"a": "two\nlines"}', {"a": "two\nlines"}),
        ('```json\n{"a": "x", "n": 3,}\n```', {"a": "x", "n": 3}),
    ],
)
def test_slightly_wrong_json_is_repaired_and_said_to_be(said, data):
    reading = FORM.read(said)
    assert (reading.data, reading.problem, reading.repaired) == (data, None, True)


@pytest.mark.parametrize(
    ("said", "finish", "reason"),
    [
        ("", "stop", "empty"),
        ("<think>and then", "stop", "empty"),
        ('{"a": "x y', "stop", "truncated"),
        ('{"a": "x", "n": 1', "stop", "truncated"),
        ('{"n":', "stop", "truncated"),
        ('{"a": "x"', "length", "truncated"),
        ("I cannot", "refused", "refused"),
        ('{"a": "x"}', "content-filter", "content-filter"),
        ("no idea", "stop", "not-json"),
        ("42", "stop", "not-json"),
        ('{"a": "x"} or {"a": "y"}', "stop", "not-json"),
        ('{"a": 3}', "stop", "schema-violation"),
        ('{"b": "x"}', "stop", "schema-violation"),
        ('[{"a": "x"}]', "stop", "schema-violation"),
        ('{"a": "x", "n": NaN}', "stop", "schema-violation"),
        ("{}" * 5000, "stop", "not-json"),
        ("[" * 5000, "stop", "truncated"),
    ],
)
def test_what_cannot_be_used_has_a_reason_and_is_never_a_value(said, finish, reason):
    reading = FORM.read(said, finish)
    assert reading.problem is not None
    assert reading.problem.reason == reason
    assert "\n" not in reading.problem.detail


def test_a_whole_value_at_the_token_limit_is_an_answer_but_an_example_in_prose_is_not():
    assert FORM.read('{"a":"x"}   ', "length").data == {"a": "x"}
    reading = FORM.read('As in {"a":"x"}, one could', "length")
    assert reading.problem is not None
    assert reading.problem.reason == "truncated"


def test_text_within_json_is_left_alone():
    said = json.dumps({"a": "<think>x</think> and ```json\n{}\n```"})
    assert FORM.read(said).data == json.loads(said)


def test_violations_are_named_by_path_in_one_line():
    detail = FORM.read('{"n": "three", "z": 1}').problem
    assert detail is not None
    assert "'a' is a required property" in detail.detail
    assert "$.n: 'three' is not of type 'integer'" in detail.detail
    assert "'z' was unexpected" in detail.detail


def test_correction_shows_the_problem_and_the_schema():
    text = correction(FORM, AnswerProblem("schema-violation", "$.a: 3 is not of type 'string'"))
    assert "$.a: 3 is not of type 'string'" in text
    assert FORM.schema_text in text
    assert "brief" in correction(FORM, AnswerProblem("truncated", "cut off"))
    assert not AnswerProblem("refused", "").correctable


def test_a_scalar_is_an_answer_only_where_one_was_asked_for():
    assert JsonAnswer("score", {"type": "integer"}).read("7").data == 7
    assert JsonAnswer("score", {"type": "integer", "maximum": 5}).read("7").problem is not None


def test_free_text():
    assert TextAnswer().read("<think>hm</think> Hello. ").text == "Hello."
    assert TextAnswer().read(" ").problem == AnswerProblem("empty", "the answer is empty")
    cut = TextAnswer().read("Hello and", "length").problem
    assert cut is not None
    assert cut.reason == "truncated"


@pytest.mark.parametrize(("name", "schema"), [("no good", {}), ("x", {"type": "strin"})])
def test_a_schema_nobody_could_send_is_a_bug(name, schema):
    with pytest.raises(BugError):
        JsonAnswer(name, schema)


@given(containers, st.sampled_from([None, 2]), st.sampled_from(["", "<think>so</think>\n"]))
def test_every_json_value_is_read_as_itself(value, indent, before):
    reading = ANY.read(before + json.dumps(value, indent=indent, ensure_ascii=False))
    assert reading.problem is None
    assert reading.data == value
    assert not reading.repaired


@given(containers, st.data())
def test_a_cut_off_value_is_never_taken_for_a_whole_one(value, data):
    spelled = json.dumps(value)
    cut = data.draw(st.integers(0, len(spelled) - 1))
    reading = ANY.read(spelled[:cut], "length")
    assert reading.problem is not None


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error_and_without_white_space_around_it(said):
    for form in (FORM, ANY, TextAnswer()):
        assert form.read(said).text == form.read(said).text.strip()


@given(st.text(alphabet="abc <>/", max_size=30))
def test_thinking_is_removed_only_before_the_answer(text):
    if "think" not in text and text.strip() and not text.strip().startswith("<"):
        assert strip(f"<think>{text}</think>{text}") == text.strip()
        assert strip(f"{text} <think>{text}") == f"{text} <think>{text}".strip()
