from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from graftline.canonical import sha256_file
from graftline.errors import ConfigError
from graftline_toys import STAGES, toy_catalog
from graftline_workflows.catalog.model import write_descriptor
from graftline_workflows.recipe.images import replaced_code

if TYPE_CHECKING:
    from graftline_toys import Resolver


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stage in another language: a shell script that describes itself."""
    monkeypatch.chdir(tmp_path)
    (learn,) = (stage for stage in STAGES if stage.name == "learn")
    descriptor = learn.describe()
    descriptor.config_schema = (
        '{"type": "object", "additionalProperties": false,'
        ' "properties": {"learning_rate": {"type": "number", "default": 1},'
        ' "answer_schema": {"type": "object", "default": {}},'
        ' "temper": {"type": "integer", "default": 5}}}'
    )
    (tmp_path / "descriptor.json").write_text(write_descriptor(descriptor))
    path = tmp_path / "my-learn"
    path.write_text(f'#!/bin/sh\n[ "$1" = describe ] && cat {tmp_path}/descriptor.json\n')
    path.chmod(0o755)
    return path


def test_a_program_takes_a_stages_place_with_its_own_description(resolve: Resolver, program: Path):
    recipe = resolve("tune.temper=7", images={"learn": "exec:./my-learn"})
    tune = recipe.step("tune")
    assert tune.image == f"exec:{program}"
    assert tune.identity == f"exec:{sha256_file(program)}"
    assert tune.config == {"learning_rate": 1e-4, "answer_schema": {}, "temper": 7}
    assert tune.stage == "learn"
    assert recipe.warnings == ()


def test_its_identity_is_what_is_in_it(program: Path):
    before = replaced_code("learn", "exec:./my-learn", toy_catalog()).identity
    moved = program.rename(program.with_name("elsewhere"))
    assert replaced_code("learn", f"exec:{moved}", toy_catalog()).identity == before
    with moved.open("a") as stream:
        stream.write("# changed\n")
    assert replaced_code("learn", f"exec:{moved}", toy_catalog()).identity != before


def test_a_command_counts_by_the_files_that_it_names(program: Path):
    script = program.with_name("stage.sh")
    script.write_text(program.read_text())
    code = replaced_code("learn", "exec:sh ./stage.sh", toy_catalog())
    assert code.image == f"exec:sh {script}"
    script.write_text(script.read_text() + "# changed\n")
    assert replaced_code("learn", "exec:sh ./stage.sh", toy_catalog()).identity != code.identity


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("", "names no program"),
        ("'unclosed", "No closing quotation"),
        ("no-such-program-anywhere", "there is no program 'no-such-program-anywhere'"),
        ("./missing", "./missing does not exist"),
        ("./plain", r"./plain cannot be executed \(chmod \+x\)"),
        ("./fails", "'describe' ended with 3: it is broken"),
        ("./silent", "no stage descriptor"),
        ("./chatty", "no stage descriptor"),
        ("./other", "speaks contract 99"),
    ],
)
def test_a_program_that_is_no_stage_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, message: str
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain").write_text("x")
    for name, body in {
        "fails": "echo it is broken >&2; exit 3",
        "silent": "true",
        "chatty": "echo hello",
        "other": """echo '{"contractVersion": "99", "name": "learn"}'""",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(ConfigError, match=message):
        replaced_code("learn", f"exec:{command}", toy_catalog())


@pytest.mark.parametrize("reference", ["", "a b", " a"])
def test_what_is_no_reference_is_told(reference: str):
    with pytest.raises(ConfigError, match="no image reference"):
        replaced_code("learn", reference, toy_catalog())


def test_an_image_of_an_unknown_stage_is_told():
    with pytest.raises(ConfigError, match="unknown stage 'lern' — did you mean 'learn'"):
        replaced_code("lern", "a:1", toy_catalog())


def test_a_python_script_is_run_by_the_interpreter_named(program: Path):
    script = program.with_name("stage.py")
    script.write_text(f"print(open({str(program.with_name('descriptor.json'))!r}).read())\n")
    code = replaced_code("learn", f"exec:{sys.executable} {script}", toy_catalog())
    assert code.entry.name == "learn"
