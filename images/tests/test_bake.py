from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graftline.identity import BUILD_ID_FILE, build_id


def bake(root: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, root / "images/inside/bake.py", *arguments],
        env={**os.environ, "PYTHONPATH": str(root / "services/sdk/src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_id_is_the_checkouts_for_every_stage(root, listed):
    stages = [project for _, target, project in listed.values() if target == "stage"]
    assert stages
    for project in stages:
        package = "graftline_" + Path(project).name.replace("-", "_")
        assert bake(root, root / project).stdout.strip() == build_id(package)


def test_it_is_written_into_the_installed_copy(root, tmp_path):
    (tmp_path / "graftline_report").mkdir()
    found = bake(root, root / "services/report", "--into", tmp_path).stdout
    assert (tmp_path / "graftline_report" / BUILD_ID_FILE).read_text() == found


def test_other_sources_than_expected_fail(root):
    ended = bake(root, root / "services/report", "--expect", "0" * 64)
    assert ended.returncode == 2
    assert "does .dockerignore leave out a file of graftline_report?" in ended.stderr


@pytest.mark.parametrize("count", [0, 2])
def test_a_project_has_one_package(root, tmp_path, count):
    for number in range(count):
        (tmp_path / f"src/p{number}").mkdir(parents=True)
        (tmp_path / f"src/p{number}/__init__.py").touch()
    ended = bake(root, tmp_path)
    assert ended.returncode == 2
    assert f"must hold one package, it holds {count}" in ended.stderr
