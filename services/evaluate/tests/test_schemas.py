"""Our use of jsonschema, against the official suite and with schemas that cannot be used."""

import json

import pytest

from graftline_evaluate.schemas import AnswerSchema, check_schema

# What needs documents from outside the schema is refused, so these files have no meaning here.
_REMOTE = {"refRemote.json", "vocabulary.json"}
_REFUSALS = ("which is not in it", "$schema is", "is not a 'regex'")
_DRAFTS = {
    "draft2020-12": "https://json-schema.org/draft/2020-12/schema",
    "draft7": "http://json-schema.org/draft-07/schema#",
}


@pytest.mark.parametrize("draft", _DRAFTS)
def test_the_official_suite(shared_data, draft):
    folder = shared_data / "c-json-schema-test-suite" / draft
    checked, refused, wrong = 0, 0, []
    for path in sorted(folder.glob("*.json")):
        if path.name in _REMOTE:
            continue
        for case in json.loads(path.read_text(encoding="utf-8")):
            schema = case["schema"]
            if isinstance(schema, bool):
                schema = {"allOf": [schema]}
            schema = {"$schema": _DRAFTS[draft], **schema}
            try:
                check_schema(schema)
            except ValueError as error:
                # References to elsewhere, and patterns that Python's `re` cannot read.
                if not any(part in str(error) for part in _REFUSALS):
                    wrong.append(f"{path.name}: {case['description']}: refused: {error}")
                refused += 1
                continue
            checker = AnswerSchema(schema)
            for test in case["tests"]:
                checked += 1
                if (checker.problem(test["data"]) == "") is not test["valid"]:
                    wrong.append(f"{path.name}: {case['description']}: {test['description']}")
    assert wrong == []
    assert checked > 700
    assert refused < 10


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "objekt"}, "no valid JSON Schema at type: "),
        ({"properties": {"a": {"minimum": "1"}}}, "no valid JSON Schema at properties/a/minimum"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "allowed are https://json-schema"),
        ({"$ref": "http://127.0.0.1:9/x.json"}, "refers to 'http://127.0.0.1:9/x.json', which is"),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}}, "refers to '#/$defs/b', which is not in"),
    ],
)
def test_schemas_that_cannot_be_used(schema, message):
    with pytest.raises(ValueError, match=".") as raised:
        check_schema(schema)
    assert message in str(raised.value)


def test_references_within_are_followed():
    schema = {
        "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}, "required": ["v"]}},
        "$ref": "#/$defs/node",
    }
    check_schema(schema)
    assert AnswerSchema(schema).problem({"v": 1, "next": {"v": 2}}) == ""
    assert AnswerSchema(schema).problem({"v": 1, "next": {}}).startswith("at next: 'v' is a req")


def test_the_draft_named_is_the_draft_used():
    items = {"items": [{"type": "string"}]}
    draft7 = {"$schema": "http://json-schema.org/draft-07/schema#", **items}
    check_schema(draft7)
    assert AnswerSchema(draft7).problem([1]) == "at 0: 1 is not of type 'string'"
    with pytest.raises(ValueError, match="items"):
        check_schema(items)


def test_a_schema_without_end_is_told():
    schema = {"$ref": "#"}
    check_schema(schema)
    with pytest.raises(ValueError, match="without end"):
        AnswerSchema(schema).problem({})
