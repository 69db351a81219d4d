"""What a release is made of: `python -m graftline_workflows.release --output FILE`.

    {"version": …, "revision": …, "builds": {stage: build id},
     "sources": {"package://module/file": "sha256:…"}}

The planner's image holds no stage's code and no model. It plans with the build ids and fingerprints
in this file, which is written where the whole source tree is: so a plan made in a pod has the same
keys as one made on a laptop.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graftline.config import nearest
from graftline.errors import ConfigError, GraftlineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graftline_workflows.catalog import Catalog
    from graftline_workflows.recipe.images import StageCode

PACKAGE = "package://"
_BUILD_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Release:
    """A release as the planner knows it.

    Args:
        version: The distribution's version.
        revision: The source's revision; empty if nobody said.
        builds: Build id by stage.
        sources: Fingerprint of each `package://` source of the built-in recipes.
    """

    version: str
    revision: str = ""
    builds: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def own_code(self, stage: str, catalog: Catalog) -> StageCode:
        """Describe a stage's own code, by its build id and not by what is installed here.

        Raises:
            ConfigError: The stage is unknown, or none of this release.
        """
        from graftline_workflows.recipe.images import StageCode

        entry = catalog.entry(stage)
        if stage not in self.builds:
            hint = nearest(stage, self.builds)
            raise ConfigError(
                f"release {self.version} has no stage '{stage}'{hint}", f"give image-{stage}"
            )
        return StageCode(entry, "", self.builds[stage])

    def as_json(self) -> str:
        """Spell it: the same text for the same release."""
        values = {
            "version": self.version,
            "revision": self.revision,
            "builds": dict(self.builds),
            "sources": dict(self.sources),
        }
        return json.dumps(values, indent=2, sort_keys=True) + "\n"


def read_release(path: Path) -> Release:
    """Read a release file.

    Raises:
        ConfigError: It is missing, or none.
    """
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
        release = Release(
            version=values["version"],
            revision=values["revision"],
            builds=values["builds"],
            sources=values["sources"],
        )
    except OSError as error:
        raise ConfigError(f"release file {path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"release file {path}: is none: {error!r}") from error
    wrong = [stage for stage, text in release.builds.items() if not _BUILD_ID.fullmatch(text)]
    if wrong:
        raise ConfigError(f"release file {path}: no build id: {', '.join(wrong)}")
    return release


def current_release(revision: str = "") -> Release:
    """Describe what is installed here: every stage of the catalog, every built-in recipe's sources.

    Args:
        revision: The source's revision.

    Raises:
        GraftlineError: A stage is not installed, or a source is not here.
    """
    from importlib.metadata import version

    from graftline.identity import build_id
    from graftline_workflows.catalog import load_catalog
    from graftline_workflows.sources import fingerprint

    builds = {
        stage: build_id(f"graftline_{stage.replace('-', '_')}") for stage in load_catalog().stages
    }
    sources = {uri: fingerprint(uri).fingerprint for uri in packaged_sources()}
    return Release(version("graftline"), revision, builds, sources)


def packaged_sources() -> list[str]:
    """List the `package://` sources that a built-in recipe names anywhere, sorted."""
    from graftline_workflows.recipe.files import read_recipe, recipe_names

    found: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            for inner in value.values():
                collect(inner)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)
        elif isinstance(value, str) and value.startswith(PACKAGE):
            found.add(value)

    for name in recipe_names():
        collect(read_recipe(name).values)
    return sorted(found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the release file; give an exit code of `graftline.errors`."""
    parser = argparse.ArgumentParser(
        prog="python -m graftline_workflows.release", description="Write the release file."
    )
    parser.add_argument("--output", type=Path, help="the file; stdout if not given")
    parser.add_argument(
        "--revision",
        default=os.environ.get("GRAFTLINE_REVISION", ""),
        help="the source's revision (GRAFTLINE_REVISION)",
    )
    options = parser.parse_args(arguments)
    try:
        text = current_release(options.revision).as_json()
        if options.output is None:
            sys.stdout.write(text)
        else:
            options.output.parent.mkdir(parents=True, exist_ok=True)
            options.output.write_text(text, encoding="utf-8")
    except GraftlineError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
