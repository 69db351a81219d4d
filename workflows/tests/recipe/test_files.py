from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graftline.errors import ConfigError
from graftline_workflows.recipe.files import (
    parse_yaml,
    read_recipe,
    recipe_names,
    recipes_folder,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("2E5", 2e5),
        ("-1.5", -1.5),
        (".5", 0.5),
        ("7", 7),
        ("-7", -7),
        ("007", 7),
        ("0x1f", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("off", "off"),
        ("null", None),
        ("~", None),
        ("", None),
        ("2024-01-01", "2024-01-01"),
        ("=", "="),
        ("text", "text"),
        ("'1'", "1"),
        ("[a, 1, 1.0]", ["a", 1, 1.0]),
        ("{a: {b: 1e3}}", {"a": {"b": 1000.0}}),
        ("{a: &x {p: 1}, b: {<<: *x, q: 2}}", {"a": {"p": 1}, "b": {"p": 1, "q": 2}}),
    ],
)
def test_yaml_is_read_as_people_mean_it(text: str, value: Any):
    found = parse_yaml(text, "x")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1", "x, line 3, column 1: "),
        ("a: 1\n b: 2", "x, line 2, column 3: mapping values are not allowed"),
        ("a:\n  b: 1\n  b: 2\n", "x, line 3, column 3: the key 'b' stands twice"),
        ("a:\n\tb: 1\n", "x, line 2, column 1: found character that cannot start any token"),
        ("? [a]\n: 1\n", "x, line 1, column 3: a key must be text"),
        (
            "a: !!python/object:os.system x\n",
            "x, line 1, column 4: could not determine a constructor",
        ),
        ("a: *b\n", "x, line 1, column 4: found undefined alias"),
        ("a: 1\n---\nb: 1\n", "x, line 2, column 1: but found another document"),
    ],
)
def test_broken_yaml_is_told_with_line_and_column(text: str, message: str):
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "x")
    assert caught.value.cause.startswith(message), caught.value.cause


def test_built_in_recipes_are_found_by_name():
    assert "json-extraction" in recipe_names()
    file = read_recipe("json-extraction")
    assert file.path == recipes_folder() / "json-extraction.yaml"
    assert file.values["recipe"] == "json-extraction"


def test_every_built_in_recipe_is_named_as_its_file():
    assert recipe_names()
    for name in recipe_names():
        assert read_recipe(name).values["recipe"] == name


def test_an_unknown_recipe_is_told_with_its_neighbour():
    with pytest.raises(ConfigError, match="unknown recipe 'json-extration' — did you mean 'json-"):
        read_recipe("json-extration")


def test_a_file_is_named_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("recipe: mine\n")
    for name in ("mine.yaml", "./mine.yaml", str(tmp_path / "mine.yaml")):
        assert read_recipe(name).path == tmp_path / "mine.yaml"
    with pytest.raises(ConfigError, match="recipe file './yours.yaml' does not exist"):
        read_recipe("./yours.yaml")
    with pytest.raises(ConfigError, match="unknown recipe 'mine'"):
        read_recipe("mine")


def test_a_file_that_is_no_text_is_told(tmp_path: Path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"x\.yaml: cannot be read"):
        read_recipe(str(path))
    path.write_bytes(b"a: \x00")
    with pytest.raises(ConfigError, match=r"x\.yaml"):
        read_recipe(str(path))
