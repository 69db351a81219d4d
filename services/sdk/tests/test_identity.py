from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from graftline.errors import ConfigError
from graftline.identity import (
    CONTRACT_MODULES,
    build_id,
    imported_sdk_modules,
    package_files,
    package_folder,
    source_digest,
)

SDK = Path(__file__).parents[1] / "src" / "graftline"
SERVICES = Path(__file__).parents[2]


@pytest.fixture
def sdk(tmp_path: Path) -> Path:
    root = tmp_path / "sdk" / "graftline"
    for name, text in {
        "__init__.py": "",
        "errors.py": "x = 1\n",
        "domain/__init__.py": "",
        "domain/rows.py": "from graftline.domain.spans import SPAN\n",
        "domain/spans.py": "from graftline.errors import x\nSPAN = 1\n",
        "domain/other.py": "y = 1\n",
        "runner/__init__.py": "",
        "runner/main.py": "from graftline.domain.other import y\n",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "services" / "toy" / "src" / "graftline_toy"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "__main__.py").write_text("from graftline.runner.main import main\n")
    (folder / "stage.py").write_text("from graftline.domain.rows import read_rows\n")
    (folder / "names.json").write_text("[]")
    return folder


def test_every_file_of_the_package_counts(package: Path, sdk: Path):
    digests = {source_digest(package, sdk)}
    for name in ("stage.py", "names.json", "__init__.py"):
        with (package / name).open("a") as stream:
            stream.write("\n# a comment\n")
        digests.add(source_digest(package, sdk))
    (package / "stage.py").rename(package / "moved.py")
    digests.add(source_digest(package, sdk))
    assert len(digests) == 5


def test_caches_and_hidden_files_do_not_count(package: Path, sdk: Path):
    before = source_digest(package, sdk)
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "stage.cpython-311.pyc").write_bytes(b"x")
    (package / ".DS_Store").write_bytes(b"x")
    assert source_digest(package, sdk) == before


def test_where_the_package_lies_does_not_count(package: Path, sdk: Path, tmp_path: Path):
    elsewhere = tmp_path / "site-packages" / "graftline_toy"
    elsewhere.parent.mkdir()
    before = source_digest(package, sdk)
    package.rename(elsewhere)
    assert source_digest(elsewhere, sdk) == before


def test_the_lock_beside_a_checkout_counts(package: Path, sdk: Path):
    before = source_digest(package, sdk)
    (package.parents[1] / "requirements.lock").write_text("torch==2.13\n")
    assert source_digest(package, sdk) != before


@pytest.mark.parametrize(
    ("module", "counts"),
    [
        ("domain/rows.py", True),
        ("domain/spans.py", True),  # reached through rows
        ("domain/__init__.py", True),
        ("domain/other.py", False),  # reached through the runner only
        ("errors.py", False),
        ("runner/main.py", False),
    ],
)
def test_shared_domain_modules_count_and_the_contract_does_not(
    package: Path, sdk: Path, module: str, counts: bool
):
    before = source_digest(package, sdk)
    with (sdk / module).open("a") as stream:
        stream.write("# changed\n")
    assert (source_digest(package, sdk) != before) is counts


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        ("from graftline.domain.rows import EXAMPLES", {"domain.rows", "domain.rows.EXAMPLES"}),
        ("from graftline.domain import (\n    rows,  # why\n    examples as e,\n)", None),
        ("from graftline.domain import rows, \\\n    examples", None),
        ("from graftline.domain import rows, examples  # why", None),
        ("    from graftline.domain import rows, examples", None),
        ("import graftline.domain.rows, json", {"domain.rows"}),
        ("import json, graftline.domain.rows as rows", {"domain.rows"}),
        ("from graftline import domain", {"domain"}),
        ("from graftline_curate import domain", set()),
        ("import graftline_curate.domain", set()),
        ("text = 1\nimport json", set()),
        (
            '"""\nimport graftline as you like\nfrom graftline.domain import what is meant\n"""',
            set(),
        ),
    ],
)
def test_imports_are_found_however_they_are_written(text: str, modules: set[str] | None):
    wanted = {"domain", "domain.rows", "domain.examples"} if modules is None else modules
    assert imported_sdk_modules(text.encode()) - {"domain.rows.EXAMPLES"} - {"domain"} == wanted - {
        "domain.rows.EXAMPLES",
        "domain",
    }


def test_found_imports_are_those_that_a_whole_parse_finds():
    import ast

    files = [path for path in SERVICES.glob("*/src/**/*.py") if "/v1/" not in path.as_posix()]
    assert files
    for path in files:
        data = path.read_bytes()
        wanted: set[str] = set()
        for node in ast.walk(ast.parse(data)):
            if isinstance(node, ast.ImportFrom) and node.module:
                wanted |= {node.module, *(f"{node.module}.{item.name}" for item in node.names)}
            elif isinstance(node, ast.Import):
                wanted |= {item.name for item in node.names}
        wanted = {
            name.removeprefix("graftline.") for name in wanted if name.startswith("graftline.")
        }
        assert wanted <= imported_sdk_modules(data), path


def test_every_module_of_the_sdk_is_either_contract_or_domain():
    there = {path.stem for path in SDK.glob("*.py")} | {
        path.parent.name for path in SDK.glob("*/__init__.py")
    }
    assert there - {"__init__", "domain"} == CONTRACT_MODULES


def test_a_baked_build_id_wins(package: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(package.parent))
    assert build_id("graftline_toy") == source_digest(package)
    (package / "_build_id").write_text("f" * 64 + "\n")
    assert build_id("graftline_toy") == "f" * 64
    (package / "stage.py").write_text("changed = True\n")
    assert build_id("graftline_toy") == "f" * 64


def test_the_baked_file_is_not_part_of_what_it_digests(package: Path):
    before = source_digest(package)
    (package / "_build_id").write_text("f" * 64)
    assert source_digest(package) == before


def test_a_stage_that_is_not_installed_is_a_clear_error():
    with pytest.raises(ConfigError, match="'graftline_nowhere' is not installed"):
        build_id("graftline_nowhere")
    with pytest.raises(ConfigError, match="not installed"):
        package_folder("not a package")


def test_the_service_is_not_imported(package: Path, monkeypatch: pytest.MonkeyPatch):
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(package.parent))
    assert len(build_id("graftline_toy")) == 64
    assert "graftline_toy" not in sys.modules


def test_another_process_with_another_hash_seed_finds_the_same(package: Path):
    command = (
        "import sys; from pathlib import Path; from graftline.identity import source_digest;"
        "print(source_digest(Path(sys.argv[1])))"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", command, str(package)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(SDK.parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {source_digest(package) + "\n"}


def test_all_services_together_are_quick():
    folders = [path.parent for path in SERVICES.glob("*/src/graftline_*/__init__.py")]
    assert folders
    best = min(_seconds(folders) for _ in range(3))
    assert best < 0.5, f"{best:.3f} s for {len(folders)} packages"


def _seconds(folders: list[Path]) -> float:
    began = time.perf_counter()
    for folder in folders:
        source_digest(folder)
    assert all(package_files(folder) for folder in folders)
    return time.perf_counter() - began
