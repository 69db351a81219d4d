from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import yaml

REGISTRY = "ghcr.io/somebody"


def line(name: str, digit: str, registry: str = REGISTRY) -> str:
    return f"{name} {registry}/graftline-{name}@sha256:{digit * 64}"


@pytest.fixture(scope="module")
def pin(script):
    return script("pin.py")


def test_the_charts_values_are_pinned_and_else_the_same(root, tmp_path):
    values = tmp_path / "values.yaml"
    shutil.copy(root / "helm/graftline/values.yaml", values)
    before = yaml.safe_load(values.read_text())
    (tmp_path / "digests.txt").write_text(f"{line('train', 'a')}\n{line('curate', 'b')}\n")
    command = [sys.executable, root / "images/pin.py", "--into", values, tmp_path / "digests.txt"]
    subprocess.run(command, check=True)
    after = yaml.safe_load(values.read_text())
    pins = {"train": "sha256:" + "a" * 64, "curate": "sha256:" + "b" * 64}
    before["images"].update(registry=REGISTRY, digests=pins)
    assert after == before


def test_without_a_file_they_are_printed(root, tmp_path):
    (tmp_path / "digests.txt").write_text(f"{line('train', 'a')}\n")
    command = [sys.executable, root / "images/pin.py", tmp_path / "digests.txt"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    pins = {"train": "sha256:" + "a" * 64}
    assert json.loads(said) == {"images": {"registry": REGISTRY, "digests": pins}}


@pytest.mark.parametrize(
    "bad",
    ["train", "train ghcr.io/x/graftline-train:1", line("train", "a").replace("train ", "model ")],
)
def test_other_lines_are_refused(pin, bad):
    with pytest.raises(ValueError, match=r"not a line of `build\.sh push`"):
        pin.read([bad])


def test_one_registry(pin):
    with pytest.raises(ValueError, match="one registry is wanted"):
        pin.read([line("train", "a"), line("model", "a", "quay.io/x")])


def test_values_without_the_place_are_refused(pin):
    with pytest.raises(ValueError, match="0 lines of the values match"):
        pin.pinned("images: {}\n", REGISTRY, {})
