from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from graftline.errors import BugError, ConfigError
from graftline.schema import fill_defaults
from graftline_workflows.catalog import load_catalog
from graftline_workflows.catalog.generate import (
    SERVICES_FOLDER,
    describe_stages,
    stage_packages,
    stale_files,
    write_catalog,
)
from graftline_workflows.catalog.model import StageEntry, read_descriptor, write_descriptor

DESCRIPTOR = {
    "contractVersion": "1",
    "name": "toy",
    "configSchema": {"type": "object", "properties": {"a": {"type": "integer", "default": 1}}},
    "runtimeSchema": {"type": "object", "properties": {"b": {"type": "integer", "default": 1}}},
}


def entry(**change: object) -> StageEntry:
    return StageEntry(read_descriptor(json.dumps(DESCRIPTOR | change), "toy"))


def test_every_service_is_found():
    names = {
        path.parent.name.removeprefix("graftline_")
        for path in SERVICES_FOLDER.glob("*/src/graftline_*/descriptor.py")
    }
    assert {"model", "generate", "ingest"} <= names
    described = {name.removeprefix("graftline_") for name in stage_packages()}
    assert described == names


def test_the_committed_catalog_is_what_the_services_say():
    assert stale_files() == [], "run: make catalog"


def test_every_stage_fits_what_the_planner_relies_on():
    catalog = load_catalog()
    assert len(catalog.stages) >= 9
    for stage in catalog.stages.values():
        stage.check()
        assert stage.descriptor.summary
        assert stage.outputs
        properties = stage.config_schema.get("properties", {})
        required = set(stage.config_schema.get("required", []))
        for name, part in properties.items():
            assert part.get("description") or "$ref" in part, f"{stage.name}.{name}"
            assert name in required or "default" in part, f"{stage.name}.{name} has no default"
        assert fill_defaults(stage.runtime_schema, {}) is not None


def test_an_unknown_stage_is_told_with_its_neighbour():
    with pytest.raises(ConfigError, match="unknown stage 'currate' — did you mean 'curate'"):
        load_catalog().entry("currate")


def test_a_descriptor_survives_its_spelling():
    descriptor = entry().descriptor
    assert read_descriptor(write_descriptor(descriptor), "toy") == descriptor
    assert json.loads(write_descriptor(descriptor))["configSchema"] == DESCRIPTOR["configSchema"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runtimeSchema": DESCRIPTOR["configSchema"]}, "'a' is in config and in runtime"),
        ({"configSchema": {"properties": {"seed": {}}}}, "'seed' is the step's"),
        ({"inputs": [{"name": "x"}, {"name": "x"}]}, "two ports have one name"),
        ({"outputs": [{"name": "x"}, {"name": "x"}]}, "two ports have one name"),
        ({"contractVersion": "0"}, "speaks contract 0"),
        ({"configSchema": "{"}, "holds no JSON Schema"),
        ({"runtimeSchema": "[]"}, "holds no JSON Schema"),
    ],
)
def test_a_stage_that_breaks_a_rule_is_told(change: dict[str, object], message: str):
    entry().check()
    with pytest.raises(BugError, match=message):
        entry(**change).check()


@pytest.mark.parametrize("text", ["", "[]", '"x"', '{"nmae": "x"}', "{"])
def test_what_is_no_descriptor_is_told(text: str):
    with pytest.raises(BugError, match="toy: no stage descriptor"):
        read_descriptor(text, "toy")


def service(root: Path, name: str, text: str) -> Path:
    package = root / name / "src" / f"graftline_{name}"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "descriptor.py").write_text(text)
    return package


STAGE = """
from graftline.stage import Config, Stage
STAGE = Stage(name="{name}", version="1", summary="", inputs=(), outputs=(), config=Config, run="")
"""


def test_the_catalog_is_written_and_what_is_gone_is_removed(tmp_path: Path):
    services, folder = tmp_path / "services", tmp_path / "catalog"
    folder.mkdir()
    (folder / "gone.json").write_text("{}")
    service(services, "toy", STAGE.format(name="toy"))
    (services / "sdk").mkdir()
    (services / "sdk" / "src").symlink_to(SERVICES_FOLDER / "sdk" / "src")
    assert [path.name for path in write_catalog(services, folder)] == ["gone.json", "toy.json"]
    assert [path.name for path in folder.iterdir()] == ["toy.json"]
    assert write_catalog(services, folder) == []
    assert load_catalog(folder).entry("toy").name == "toy"


def test_a_descriptor_that_cannot_be_imported_is_told(tmp_path: Path):
    service(tmp_path, "toy", "import no_such_module_at_all")
    with pytest.raises(BugError, match="No module named 'no_such_module_at_all'"):
        describe_stages(tmp_path)


def test_a_service_must_declare_the_stage_that_it_is_named_after(tmp_path: Path):
    service(tmp_path, "toy", STAGE.format(name="other"))
    with pytest.raises(BugError, match="package 'graftline_toy' declares the stage 'other'"):
        describe_stages(tmp_path)


def test_no_services_and_an_empty_catalog_are_told(tmp_path: Path):
    with pytest.raises(ConfigError, match="no services"):
        stage_packages(tmp_path)
    with pytest.raises(BugError, match="is empty"):
        load_catalog(tmp_path)


def test_descriptors_import_nothing_heavy():
    command = (
        "import sys, importlib\n"
        "for name in sys.argv[2:]:\n"
        "    importlib.import_module(name + '.descriptor')\n"
        "heavy = {'torch', 'transformers', 'datasets', 'peft', 'numpy', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    packages = stage_packages()
    paths = [str(SERVICES_FOLDER / "sdk" / "src"), *map(str, packages.values())]
    process = subprocess.run(
        [sys.executable, "-c", command, "", *packages],
        env={"PYTHONPATH": ":".join(paths)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.strip() == "[]"
