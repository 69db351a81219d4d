"""What a planner's pod is told by its environment, read in one place."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graftline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

STORE = "GRAFTLINE_STORE"
RELEASE = "GRAFTLINE_RELEASE"
OWN_IMAGES = "GRAFTLINE_OWN_IMAGES"
PARAMETERS = "GRAFTLINE_PARAMETERS"
FAILURES = "GRAFTLINE_FAILURES"


@dataclass(frozen=True)
class PodEnvironment:
    """The environment of a planner's pod.

    Args:
        variables: The process's environment.
    """

    variables: Mapping[str, str]

    @property
    def store(self) -> str:
        """The store's URI.

        Raises:
            ConfigError: It is not set.
        """
        return self._required(STORE)

    @property
    def release(self) -> Path:
        """The release file.

        Raises:
            ConfigError: It is not set.
        """
        return Path(self._required(RELEASE))

    @property
    def own_images(self) -> dict[str, str]:
        """References of this release's own images, by stage (and `planner`, …).

        Raises:
            ConfigError: They are not set, or are no JSON object.
        """
        found = _json(self._required(OWN_IMAGES), OWN_IMAGES)
        if not isinstance(found, dict):
            raise ConfigError(f"{OWN_IMAGES} is no JSON object")
        return {str(name): str(reference) for name, reference in found.items()}

    @property
    def parameters(self) -> dict[str, str]:
        """The workflow's parameters that have a value of their own, by name.

        Those that come from the installation's settings have none here.

        Raises:
            ConfigError: They are not set, or are not as Argo gives them.
        """
        found = _json(self._required(PARAMETERS), PARAMETERS)
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise ConfigError(f"{PARAMETERS} is no list of parameters, as Argo gives it")
        return {
            str(item.get("name", "")): str(item["value"])
            for item in found
            if item.get("value") is not None
        }

    @property
    def failures(self) -> list[dict[str, Any]]:
        """What Argo says of the nodes that failed; empty where it says nothing readable.

        Argo quotes the list once more than JSON asks for.
        """
        found: Any = self.variables.get(FAILURES, "")
        for _ in range(2):
            if isinstance(found, str):
                try:
                    found = json.loads(found) if found else []
                except ValueError:
                    return []
        listed = found if isinstance(found, list) else []
        return [item for item in listed if isinstance(item, dict)]

    def _required(self, name: str) -> str:
        value = self.variables.get(name, "")
        if not value:
            raise ConfigError(f"{name} is not set", "the recipe's WorkflowTemplate sets it")
        return value


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{name} is no JSON: {error}") from error
