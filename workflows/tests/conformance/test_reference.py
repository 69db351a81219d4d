import pytest

from graftline.errors import ConfigError
from graftline_workflows.conformance.reference import image_reference

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "reference",
    [
        "mine:1",
        "registry.example/mine",
        "registry.example:5000/team/mine:1.2-rc_3",
        "localhost/graftline-curate:dev",
        f"mine@{DIGEST}",
        f"ghcr.io/team/mine:1@{DIGEST}",
    ],
)
def test_what_can_only_be_an_image_is_one(reference):
    assert image_reference(reference) == reference
    assert image_reference(f"image:{reference}") == reference


@pytest.mark.parametrize(
    "command",
    [
        "python -m graftline_curate",
        "exec:./mine",
        "exec:1",
        "./mine:1",
        "/bin/mine",
        "mine",
        "bin/mine",
        "python3",
        "Mine:1",
        "mine@sha256:12",
    ],
)
def test_all_else_is_a_command(command):
    assert image_reference(command) is None


@pytest.mark.parametrize("name", ["mine", "team/mine", "image:1"])
def test_the_prefix_decides(name):
    assert image_reference(f"image:{name}") == name


def test_a_file_or_program_of_that_name_is_a_command(tmp_path, monkeypatch):
    program = tmp_path / "mine:1"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert image_reference("mine:1") == "mine:1"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert image_reference("mine:1") is None
    assert image_reference("image:mine:1") == "mine:1"
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path)
    assert image_reference("mine:1") is None


@pytest.mark.parametrize("text", ["", "Mine", "a b", "-mine", "mine:", f"mine@{DIGEST[:-1]}"])
def test_no_reference_behind_the_prefix_is_told(text):
    with pytest.raises(ConfigError, match="no image reference"):
        image_reference(f"image:{text}")
