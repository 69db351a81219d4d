"""What is different for single documents: from the settings and from files beside them."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from graftline.config import parse_settings
from graftline.errors import ConfigError, GraftlineError, Problem
from graftline_generate.config import DocumentDefinition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_FILE = re.compile(r"(?P<document>.+)-definition\.(?:ya?ml|json)")
_MOST_BYTES = 1 << 20


class Definitions:
    """Finds a document's definition by its path.

    Args:
        of: Definitions by what documents are called: path or name, with or without ending.
    """

    def __init__(self, of: Mapping[str, DocumentDefinition]) -> None:
        """Keep them."""
        self._of = dict(of)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._of)

    def of(self, path: str) -> DocumentDefinition | None:
        """Give the definition of the document at a path; the most exact name counts."""
        name = next((name for name in _names(path) if name in self._of), None)
        return None if name is None else self._of[name]

    def unused(self, paths: Iterable[str]) -> list[str]:
        """Name the definitions that no document of these paths has, sorted."""
        used = {next((n for n in _names(path) if n in self._of), "") for path in paths}
        return sorted(set(self._of) - used)


def _names(path: str) -> list[str]:
    """List what a document may be called, the most exact first."""
    whole = PurePosixPath(path)
    without = str(whole.with_suffix("")) if whole.name else path
    return [path, without, whole.name, whole.stem]


def read_definitions(given: Mapping[str, DocumentDefinition], source: Path | None) -> Definitions:
    """Put the settings' definitions on top of those in files.

    Args:
        given: From the settings.
        source: A folder with files `<document>-definition.yaml` (or `.yml`, `.json`), each in the
            place of its document; or one such file; or nothing.

    Raises:
        ConfigError: Files cannot be understood, or there are none; every problem is told.
    """
    found: dict[str, DocumentDefinition] = {}
    problems: list[Problem] = []
    for path, document in _definition_files(source):
        try:
            if document in found:
                raise ConfigError(f"defines '{document}' a second time")
            found[document] = _read(path)
        except GraftlineError as error:
            problems.append(Problem(path.name, error.cause))
    if problems:
        raise ConfigError.of(problems, "definitions")
    if source is not None and not found:
        raise ConfigError(
            f"definitions: {source.name} holds no file <document>-definition.yaml",
            "leave the setting empty if there are none",
        )
    return Definitions(found | dict(given))


def _definition_files(source: Path | None) -> list[tuple[Path, str]]:
    """List the files with the name of the document that each is for, in order."""
    if source is None:
        return []
    root = source.parent if source.is_file() else source
    paths = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    files = []
    for path in paths:
        match = _FILE.fullmatch(path.name)
        if match:
            place = PurePosixPath(path.relative_to(root).as_posix()).parent
            files.append((path, str(place / match["document"])))
    return files


def _read(path: Path) -> DocumentDefinition:
    """Read one file.

    Raises:
        ConfigError: It is no definition.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise ConfigError(f"is larger than {_MOST_BYTES:,} bytes")
    try:
        value: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise ConfigError("must be a mapping with training_prompts and model_system_prompt")
    return parse_settings(DocumentDefinition, value, "it")
