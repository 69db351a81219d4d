"""Writes the catalog: `python -m graftline_workflows.catalog.generate [--check]`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from graftline.errors import BugError, ConfigError
from graftline_workflows.catalog.model import (
    CATALOG_FOLDER,
    StageEntry,
    read_descriptor,
    write_descriptor,
)

SERVICES_FOLDER = Path(__file__).parents[4] / "services"
"""Where the services are in a source checkout."""

_DESCRIBE = (
    "import importlib, sys\n"
    "from google.protobuf.json_format import MessageToJson\n"
    "for name in sys.argv[1:]:\n"
    "    stage = importlib.import_module(name + '.descriptor').STAGE\n"
    "    print(MessageToJson(stage.describe(), indent=None))\n"
)


def stage_packages(services: Path = SERVICES_FOLDER) -> dict[str, Path]:
    """Find the services that declare a stage: source folder by package name.

    Raises:
        ConfigError: There are none.
    """
    found = {
        path.parent.name: path.parent.parent
        for path in sorted(services.glob("*/src/graftline_*/descriptor.py"))
    }
    if not found:
        raise ConfigError(f"no services with a descriptor in {services}")
    return found


def describe_stages(services: Path = SERVICES_FOLDER) -> dict[str, str]:
    """Ask every service's descriptor, in one process of its own: catalog text by stage.

    Raises:
        BugError: A descriptor cannot be imported, or breaks what the planner relies on.
    """
    packages = stage_packages(services)
    paths = [str(services / "sdk" / "src"), *dict.fromkeys(map(str, packages.values()))]
    process = subprocess.run(
        [sys.executable, "-c", _DESCRIBE, *packages],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode != 0:
        last = process.stderr.strip().splitlines()[-1:]
        raise BugError(f"a descriptor cannot be imported: {' '.join(last)}")
    texts: dict[str, str] = {}
    for package, line in zip(packages, process.stdout.splitlines(), strict=True):
        descriptor = read_descriptor(line, package)
        if f"graftline_{descriptor.name.replace('-', '_')}" != package:
            raise BugError(f"package '{package}' declares the stage '{descriptor.name}'")
        StageEntry(descriptor).check()
        texts[descriptor.name] = write_descriptor(descriptor)
    return texts


def stale_files(services: Path = SERVICES_FOLDER, folder: Path = CATALOG_FOLDER) -> list[Path]:
    """Name the committed files that are not what the services say now."""
    wanted = {folder / f"{stage}.json": text for stage, text in describe_stages(services).items()}
    there = {path: path.read_text("utf-8") for path in folder.glob("*.json")}
    return sorted(path for path in wanted | there if wanted.get(path) != there.get(path))


def write_catalog(services: Path = SERVICES_FOLDER, folder: Path = CATALOG_FOLDER) -> list[Path]:
    """Write the catalog and give the files that changed."""
    changed = stale_files(services, folder)
    texts = describe_stages(services)
    for path in changed:
        if path.stem in texts:
            path.write_text(texts[path.stem], "utf-8")
        else:
            path.unlink()
    return changed


def main(arguments: list[str]) -> int:
    """Write the catalog, or with `--check` only say what is stale."""
    check = arguments == ["--check"]
    changed = stale_files() if check else write_catalog()
    for path in changed:
        sys.stdout.write(f"{'stale' if check else 'wrote'} {path.name}\n")
    return int(check and bool(changed))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
