"""RFC 8259, case by case, and by law."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftline.domain.strict_json import MAX_DEPTH, MalformedJson, loads, parse

GOOD = {
    "null": None,
    " \t\r\n true \n": True,
    "-0": 0,
    "-0.0e-5": -0.0,
    "1E400".replace("400", "30"): 1e30,
    "[]": [],
    '""': "",
    '"\\u00e9\\ud83d\\ude00"': "é😀",
    '"\u2028\u007f"': "\u2028\u007f",
    '{"a": {"a": 1}, "b": {"a": 2}}': {"a": {"a": 1}, "b": {"a": 2}},
    '[{"a": "a"}, {"a": "a"}]': [{"a": "a"}, {"a": "a"}],
    '{"": 0}': {"": 0},
    '{"NaN": "Infinity"}': {"NaN": "Infinity"},
    '"\\\\ud800"': "\\ud800",
    "[" * MAX_DEPTH + "]" * MAX_DEPTH: None,
    '"' + "[" * 1000 + '"': "[" * 1000,
}

BAD = [
    ("", "a value is missing at line 1, column 1"),
    ("  ", "a value is missing at line 1, column 3"),
    ("NaN", "NaN is not a JSON value at line 1, column 1"),
    ('{"a": "NaN", "b": NaN}', "NaN is not a JSON value at line 1, column 19"),
    ("[1,\n -Infinity]", "-Infinity is not a JSON value at line 2, column 2"),
    ("[Infinity]", "Infinity is not a JSON value at line 1, column 2"),
    ("1e999", "number out of range at line 1, column 1"),
    ("[1, -1e999]", "number out of range at line 1, column 5"),
    ("1" * 5000, "integer too long at line 1, column 1"),
    ('{"a": 1, "a": 1}', 'duplicate key "a" at line 1, column 10'),
    ('{"a": 1,\n "\\u0061" : 2}', 'duplicate key "a" at line 2, column 2'),
    ('{"b": {"a": 1}, "c": ["a", {"x": 1, "x": 2}]}', 'duplicate key "x" at line 1, column 37'),
    ('{"a": 1} {"a": 1}', "text after the JSON value at line 1, column 10"),
    ('{"a": 1}```', "text after the JSON value at line 1, column 9"),
    ('```json\n{"a": 1}\n```', "a value is missing at line 1, column 1"),
    ("{'a': 1}", "a key in double quotes is missing at line 1, column 2"),
    ("{a: 1}", "a key in double quotes is missing at line 1, column 2"),
    ("[1] // note", "text after the JSON value at line 1, column 5"),
    ('"a\nb"', "control character in a string at line 1, column 3"),
    ('"\\x41"', "unknown escape at line 1, column 2"),
    ('"\\u12"', "broken \\u escape at line 1, column 3"),
    ('"abc', "string without an end at line 1, column 1"),
    ('{"a": 1', "a comma or the end is missing at line 1, column 8"),
    ('{"a" 1}', "a colon is missing at line 1, column 6"),
    ("\ufeff{}", "byte order mark at line 1, column 1"),
    ("\u00a0{}", "a value is missing at line 1, column 1"),
    ("[1]\x0c", "text after the JSON value at line 1, column 4"),
    ('["ok", "\\ud800"]', "lone surrogate in a string at line 1, column 8"),
    ('{"\\udc00": 1}', "lone surrogate in a string at line 1, column 2"),
    ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "nested deeper than 256 at line 1, column 257"),
]


@pytest.mark.parametrize(("text", "value"), GOOD.items())
def test_json_is_read(text, value):
    parsed = parse(text)
    assert parsed.ok, parsed.problem
    if not text.startswith("[["):
        assert parsed.value == value
        assert type(parsed.value) is type(value)


@pytest.mark.parametrize(("text", "problem"), BAD)
def test_anything_else_is_refused_with_place(text, problem):
    parsed = parse(text)
    assert not parsed.ok
    assert str(parsed.problem) == problem
    with pytest.raises(MalformedJson):
        loads(text)


@pytest.mark.parametrize(
    "text",
    ["01", "+1", "1.", ".5", "1e", "0x1", "- 1", "--1", "1_000", "١", "True", "None", "nul",
     "[1,]", "[,1]", '{"a":1,}', "[1 2]", '{"a":1 "b":2}', "{1: 2}", '{"a"}', "[1", "]", "}",
     "undefined", "'a'", '"\t"', '"\\u+123"', '"\\u 123"', '"\\uD83D\\u"', "/**/1", "1;",
     "\u2003[]", "[]\u0000"],
)  # fmt: skip
def test_near_json_is_refused(text):
    parsed = parse(text)
    assert not parsed.ok
    assert parsed.problem.reason
    assert parsed.problem.line >= 1
    assert parsed.problem.column >= 1


def test_bytes_are_utf8():
    assert parse('"é"'.encode()).value == "é"
    assert str(parse(b'["a",\n "\xff"]').problem) == "not UTF-8 at line 2, column 3"
    assert not parse('"é"'.encode("utf-16")).ok


def test_depth_is_refused_not_crashed():
    assert not parse("[" * 200_000).ok
    assert not parse('{"a":' * 200_000).ok


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_every_value_survives(value, indent, ascii_only):
    assert parse(json.dumps(value, indent=indent, ensure_ascii=ascii_only)).value == value


@given(st.text(alphabet='{}[]",:\\u0123dDNaInfity truefalsn-+.eE\n', max_size=30))
def test_never_laxer_than_python_and_never_crashes(text):
    parsed = parse(text)
    if parsed.ok:
        assert json.loads(text) == parsed.value
    else:
        assert str(parsed.problem)
