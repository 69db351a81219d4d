"""API keys: read from the environment or a file by the client, and kept out of all texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from graftline.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from graftline.llm.config import Endpoint


@dataclass(frozen=True)
class ApiKey:
    """A key that does not show itself; `value` is empty where none is needed."""

    value: str = field(default="", repr=False)

    def hide_in(self, text: str) -> str:
        """Replace the key wherever a text repeats it."""
        return text.replace(self.value, "***") if self.value else text


def read_keys(endpoints: Sequence[Endpoint], environment: Mapping[str, str]) -> list[ApiKey]:
    """Read the key of each endpoint.

    Raises:
        ConfigError: Keys are missing or cannot be used; every one of them is named, none is shown.
    """
    keys, problems = [], []
    for number, endpoint in enumerate(endpoints):
        value, problem = _read(endpoint, environment)
        keys.append(ApiKey(value))
        if problem:
            problems.append(Problem(f"endpoints.{number}", problem))
    if problems:
        raise ConfigError.of(problems, "API keys")
    return keys


def _read(endpoint: Endpoint, environment: Mapping[str, str]) -> tuple[str, str]:
    if endpoint.api_key_env:
        where = f"the environment variable {endpoint.api_key_env} (api_key_env)"
        value = environment.get(endpoint.api_key_env, "")
    elif endpoint.api_key_file:
        where = f"the file {endpoint.api_key_file} (api_key_file)"
        try:
            value = Path(endpoint.api_key_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            cause = getattr(error, "strerror", None) or "it is not text"
            return "", f"{where} cannot be read: {cause}"
    elif endpoint.kind != "openai":
        return "", f"an endpoint of kind {endpoint.kind} needs api_key_env or api_key_file"
    else:
        return "", ""
    value = value.strip()
    if not value:
        return "", f"{where} is not set or empty; it must hold the API key of {endpoint.address}"
    if not value.isascii() or not value.isprintable() or " " in value:
        return "", f"{where} does not hold an API key: it has spaces, line ends or odd characters"
    return value, ""
