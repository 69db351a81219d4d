from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def finish(script):
    return script("inside/finish.py")


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    packages = tmp_path / "lib/python3.11/site-packages"
    for path, text in {
        "p/__init__.py": "x = 1\n",
        "p/tests/test_p.py": "assert True\n",
        "p/testing/__init__.py": "y = 2\n",
        "p/template.py": "{% for a template %}\n",
        "torch/include/a.h": "",
        "p-1.dist-info/METADATA": "",
    }.items():
        (packages / path).parent.mkdir(parents=True, exist_ok=True)
        (packages / path).write_text(text)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/activate").touch()
    (tmp_path / "bin/python").symlink_to("/usr/bin/python3")
    return tmp_path


def snapshot(folder: Path) -> dict[str, tuple[float, int]]:
    return {
        str(path): (path.lstat().st_mtime, path.lstat().st_ctime_ns)
        for path in [folder, *folder.rglob("*")]
    }


def test_tests_and_notes_go_and_modules_are_compiled(finish, environment):
    finish.main([str(environment)])
    packages = environment / "lib/python3.11/site-packages"
    kept = {path.relative_to(packages).as_posix() for path in packages.rglob("*") if path.is_file()}
    compiled = {
        Path(importlib.util.cache_from_source(str(packages / "p" / name))).relative_to(packages)
        for name in ("__init__.py", "testing/__init__.py")
    }
    assert kept == {
        "p/__init__.py",
        "p/testing/__init__.py",
        "p/template.py",
        "p-1.dist-info/METADATA",
        *(path.as_posix() for path in compiled),
    }
    assert os.listdir(environment / "bin") == ["python"]


def test_compiled_modules_are_not_checked_against_their_sources(finish, environment):
    finish.main([str(environment)])
    module = environment / "lib/python3.11/site-packages/p/__init__.py"
    compiled = Path(importlib.util.cache_from_source(str(module))).read_bytes()
    assert int.from_bytes(compiled[4:8], "little") == 0b01  # by hash, and not looked at


def test_everything_has_one_time_and_is_not_touched_again(finish, environment):
    finish.main([str(environment)])
    once = snapshot(environment)
    assert {time for time, _ in once.values()} == {finish.TIME_STAMP}
    finish.main([str(environment)])
    assert snapshot(environment) == once
