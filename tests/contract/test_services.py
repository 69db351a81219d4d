"""What holds of every service, discovered rather than listed."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from google.protobuf.json_format import Parse

from graftline.v1 import stage_pb2

ROOT = Path(__file__).parents[2]
SERVICES = sorted(
    path.parents[2] for path in (ROOT / "services").glob("*/src/graftline_*/descriptor.py")
)
NAMES = [service.name for service in SERVICES]
HEAVY = ("torch", "transformers", "datasets", "peft", "bitsandbytes", "xllamacpp", "boto3")


def test_services_are_found():
    assert {
        "model",
        "ingest",
        "chunk",
        "generate",
        "judge",
        "curate",
        "format",
        "train",
        "evaluate",
        "export",
        "report",
    } <= set(NAMES)


def python(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_describe_is_light_and_complete(name):
    code = (
        "import sys, contextlib, io, runpy, json\n"
        "out = io.StringIO()\n"
        f"sys.argv = ['stage', 'describe']\n"
        "with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):\n"
        f"    runpy.run_module('graftline_{name}', run_name='__main__')\n"
        f"print(json.dumps([out.getvalue(), [m for m in {HEAVY!r} if m in sys.modules]]))\n"
    )
    described, heavy = json.loads(python(code))
    assert heavy == []
    found = Parse(described, stage_pb2.StageDescriptor())
    assert found.name == name
    assert found.version
    assert found.summary
    config, runtime = json.loads(found.config_schema), json.loads(found.runtime_schema)
    assert not set(config.get("properties", {})) & set(runtime.get("properties", {}))
    for schema in (config, runtime):
        assert schema["additionalProperties"] is False
        for setting, spec in schema.get("properties", {}).items():
            assert spec.get("description"), f"{name}.{setting} has no description"


@pytest.mark.parametrize("service", SERVICES, ids=NAMES)
def test_a_service_is_complete(service):
    package = service / "src" / f"graftline_{service.name}"
    for path in (service / "README.md", service / "requirements.lock", package / "__main__.py"):
        assert path.is_file(), path
    assert len((package / "__main__.py").read_text().splitlines()) < 20
    assert list((service / "tests").rglob("test_*.py"))
    project = tomllib.loads((service / "pyproject.toml").read_text())["project"]
    assert project["name"] == f"graftline-{service.name}"
    assert not [
        need
        for need in project["dependencies"]
        if need.startswith("graftline-") and need != "graftline-sdk"
    ]


@pytest.mark.parametrize(
    "lock",
    [
        str(p.relative_to(ROOT))
        for p in sorted(ROOT.glob("*/**/requirements.lock"))
        if ".venv" not in p.parts
    ],
)
def test_locks_are_hashed_and_name_no_host(lock):
    text = (ROOT / lock).read_text()
    assert "--hash=sha256:" in text
    assert "://" not in text
    assert not [line for line in text.splitlines() if line.startswith(("torch==", "nvidia-"))]
