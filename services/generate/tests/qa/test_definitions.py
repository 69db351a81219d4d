"""What is different for single documents, from settings and from files."""

from __future__ import annotations

import json

import pytest

from graftline.errors import ConfigError
from graftline.testkit.llm import Act
from graftline_generate.config import DocumentDefinition
from graftline_generate.qa.definitions import Definitions, read_definitions

YAML = """\
training_prompts:
  - prompt: Ask about dates.
    num_questions: 1
  - prompt: |
      Ask about names.
      Text: {text}
    num_questions: 2
model_system_prompt: You know history.
"""


def named(text: str) -> DocumentDefinition:
    return DocumentDefinition(model_system_prompt=text)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["guide/a.md", "guide/a", "a.md", "a"], "guide/a.md"),
        (["guide/a", "a.md", "a"], "guide/a"),
        (["a.md", "a"], "a.md"),
        (["a"], "a"),
        (["b", "guide", "a.txt", "other/a"], None),
    ],
)
def test_the_most_exact_name_counts(names, found):
    definitions = Definitions({name: named(name) for name in names})
    definition = definitions.of("guide/a.md")
    assert (definition and definition.model_system_prompt) == found
    assert found in {None, *names} - set(definitions.unused(["guide/a.md"]))


def test_files_are_found_in_the_place_of_their_document(tmp_path):
    (tmp_path / "guide").mkdir()
    (tmp_path / "guide" / "a-definition.yaml").write_text(YAML)
    (tmp_path / "b-definition.json").write_text(json.dumps({"model_system_prompt": "B"}))
    (tmp_path / "guide" / "a.md").write_text("a document")
    definitions = read_definitions({"b": named("of the settings")}, tmp_path)
    found = definitions.of("guide/a.md")
    assert [(one.num_questions) for one in found.training_prompts] == [1, 2]
    assert found.model_system_prompt == "You know history."
    assert definitions.of("a.md") is None
    assert definitions.of("deep/b.pdf").model_system_prompt == "of the settings"


def test_every_mistake_in_files_is_told_at_once(tmp_path):
    (tmp_path / "a-definition.yaml").write_text("training_prompts: [")
    (tmp_path / "b-definition.yaml").write_text("model_system_promt: x")
    (tmp_path / "c-definition.yaml").write_text("- 1")
    (tmp_path / "d-definition.yaml").write_text("{}")
    (tmp_path / "d-definition.yml").write_text("{}")
    with pytest.raises(ConfigError) as raised:
        read_definitions({}, tmp_path)
    text = str(raised.value)
    assert "4 problems" in text
    assert "a-definition.yaml: is no YAML" in text
    assert "did you mean 'model_system_prompt'" in text
    assert "c-definition.yaml: must be a mapping" in text
    assert "d-definition.yml: defines 'd' a second time" in text


def test_yaml_makes_no_objects(tmp_path):
    (tmp_path / "a-definition.yaml").write_text("!!python/object/apply:os.getcwd []")
    with pytest.raises(ConfigError, match="is no YAML"):
        read_definitions({}, tmp_path)


def test_a_source_without_definitions_is_told(tmp_path):
    (tmp_path / "a.yaml").write_text("{}")
    with pytest.raises(ConfigError, match="holds no file <document>-definition.yaml"):
        read_definitions({}, tmp_path)
    assert read_definitions({}, None).of("a.md") is None


def test_a_document_with_prompts_of_its_own(workshop, model, say, tmp_path):
    source = tmp_path / "definitions"
    source.mkdir()
    (source / "a-definition.yaml").write_text(YAML)
    (source / "zzz-definition.yaml").write_text("{}")

    def says(prompt):
        count = 1 if "about dates" in prompt else 2 if "about names" in prompt else 3
        kind = {1: "date", 2: "name", 3: "thing"}[count]
        return Act(say.pairs(*((f"{kind} {n}?", f"It is {n}") for n in range(count))))

    model.says = says
    rows = workshop.documents(a=["One alpha", "Two beta"], b="Three gamma")
    done = workshop.ask(rows, source=source, system_prompt="Generic.")
    assert done.questions == ["date 0?", "name 0?", "name 1?", "thing 0?", "thing 1?", "thing 2?"]
    systems = [row["messages"][0]["content"] for row in done.rows]
    assert systems == ["You know history."] * 3 + ["Generic."] * 3
    assert done.result.rejected == {"duplicate": 3}  # the second chunk of `a` leads to the same
    assert model.requests == 5
    assert "definitions of no document: zzz" in done.run.said("warning")
    own = next(text for text in model.asked if "about names" in text and "alpha" in text)
    assert "Text: One alpha" in own
    assert "<<<" not in own  # it has its own place for the text
