"""What a stage is built from, as one digest: the same on every machine, found without importing it.

Counted are the files of the stage's package, the lock beside its source checkout, and the SDK's
modules that its code reaches and that decide what comes out (`graftline.domain` and whatever is not
named in `CONTRACT_MODULES`). The runner, the store and the rest of the contract count by
`CONTRACT_VERSION` alone, so that a better progress bar retrains nothing.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

from graftline.canonical import digest_of_files, sha256_bytes
from graftline.errors import ConfigError

BUILD_ID_FILE = "_build_id"
"""A file in the package that holds the build id, written when an image is built."""

LOCK_FILE = "requirements.lock"

CONTRACT_MODULES = frozenset(
    {
        "canonical",
        "config",
        "context",
        "errors",
        "events",
        "identity",
        "keys",
        "llm",
        "ports",
        "processes",
        "runner",
        "schema",
        "schema_words",
        "sources",
        "stage",
        "store",
        "testkit",
        "v1",
    }
)
"""SDK modules whose meaning is the contract's; `canonical` and `keys` are held by golden tests."""

_SDK = "graftline"
_SDK_ROOT = Path(__file__).parent
_IMPORT = re.compile(
    rb"""^[ \t]*(
        from[ \t]+graftline\b[\w.]*[ \t]+import[ \t]*
            (?:\([^)]*\)|[^\n\\]*(?:\\\n[^\n\\]*)*)
        |import[ \t]+[^\n\#]*\bgraftline\b[^\n\#]*
    )""",
    re.MULTILINE | re.VERBOSE,
)


def build_id(package: str) -> str:
    """Digest what a stage's package is built from: 64 hexadecimal characters.

    Args:
        package: The importable package (`graftline_curate`); it is found, not imported.

    Raises:
        ConfigError: It is not installed.
    """
    folder = package_folder(package)
    baked = folder / BUILD_ID_FILE
    if baked.is_file():
        return baked.read_text(encoding="ascii").strip()
    return source_digest(folder)


def package_folder(package: str) -> Path:
    """Find an installed package's folder without importing it.

    Raises:
        ConfigError: It is not installed.
    """
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(
            f"the Python package '{package}' is not installed here",
            f"install the stage's service, or give an image with --image "
            f"{package.removeprefix('graftline_')}=REFERENCE",
        )
    return Path(next(iter(spec.submodule_search_locations)))


def source_digest(folder: Path, sdk_root: Path = _SDK_ROOT) -> str:
    """Digest a package folder, its lock and the SDK modules that it reaches.

    Args:
        folder: The package's folder.
        sdk_root: The folder of the `graftline` package to resolve its imports in.
    """
    contents = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in package_files(folder)
    }
    files = [(f"package/{name}", sha256_bytes(data)) for name, data in contents.items()]
    lock = _lock_beside(folder)
    if lock is not None:
        files.append((LOCK_FILE, sha256_bytes(lock.read_bytes())))
    imported = set().union(
        *(imported_sdk_modules(data) for name, data in contents.items() if name.endswith(".py"))
    )
    files += _sdk_files(imported, sdk_root)
    return digest_of_files(files)


def package_files(folder: Path) -> list[Path]:
    """List the files that make a package, sorted; caches and hidden files are none of them."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.suffix not in (".pyc", ".pyo")
        and path.name != BUILD_ID_FILE
        and not any(
            part == "__pycache__" or part.startswith(".") for part in path.relative_to(folder).parts
        )
    )


def imported_sdk_modules(source: bytes) -> set[str]:
    """Name the SDK modules that a module's text imports, as `domain.rows`.

    Import statements are found by pattern and read with `ast`, each by itself, which is an order
    of magnitude faster than parsing whole files. A statement in a string or under `TYPE_CHECKING`
    counts as well: a module too many rebuilds, a module too few would use a stale artifact.
    """
    found: set[str] = set()
    for match in _IMPORT.finditer(source):
        try:
            tree = ast.parse(match.group(1))
        except SyntaxError:  # prose that begins with "import graftline"
            continue
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            found.update(
                name.removeprefix(f"{_SDK}.") for name in names if name.startswith(f"{_SDK}.")
            )
    return found


def _sdk_files(names: set[str], root: Path) -> list[tuple[str, str]]:
    """Give (path, sha256) of the counted modules among `names` and of all that those import."""
    files: dict[str, str] = {}
    waiting, seen = sorted(names), set(names)
    while waiting:
        name = waiting.pop()
        if name.partition(".")[0] in CONTRACT_MODULES:
            continue
        path = _module_file(root, name)
        if path is None:
            continue  # a class or function of the module that is counted by its own name
        data = path.read_bytes()
        files[f"{_SDK}/{path.relative_to(root).as_posix()}"] = sha256_bytes(data)
        more = imported_sdk_modules(data) | _parents(name)
        waiting.extend(sorted(more - seen))
        seen |= more
    return sorted(files.items())


def _parents(name: str) -> set[str]:
    parts = name.split(".")
    return {".".join(parts[:count]) for count in range(1, len(parts))}


def _module_file(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _lock_beside(folder: Path) -> Path | None:
    """Give `services/<stage>/requirements.lock` for `services/<stage>/src/<package>`."""
    lock = folder.parent.parent / LOCK_FILE
    return lock if folder.parent.name == "src" and lock.is_file() else None
