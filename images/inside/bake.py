"""Print the build id of a project's package, and write it into the installed copy.

bake.py PROJECT [--into SITE_PACKAGES] [--expect BUILD_ID]

PROJECT is the folder with the package's `src` and lock; `graftline` must be importable from the
same checkout. The id is the one that `graftline.identity.build_id` gives on that checkout.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from graftline.identity import BUILD_ID_FILE, source_digest


def package_of(project: Path) -> Path:
    """Find the one package of a project.

    Raises:
        ValueError: There is none, or more than one.
    """
    packages = [path.parent for path in sorted(project.glob("src/*/__init__.py"))]
    if len(packages) != 1:
        raise ValueError(f"{project}/src must hold one package, it holds {len(packages)}")
    return packages[0]


def main() -> None:
    """Serve the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--into", type=Path, help="where the package is installed")
    parser.add_argument("--expect", default="", help="fail if the id is another one")
    options = parser.parse_args()
    try:
        package = package_of(options.project.resolve())
    except ValueError as error:
        parser.error(str(error))
    found = source_digest(package)
    if options.expect not in ("", found):
        parser.error(
            f"the sources in the build have the id {found}, the checkout has {options.expect}: "
            f"does .dockerignore leave out a file of {package.name}?"
        )
    if options.into:
        (options.into / package.name / BUILD_ID_FILE).write_text(f"{found}\n", encoding="ascii")
    sys.stdout.write(f"{found}\n")


if __name__ == "__main__":
    main()
