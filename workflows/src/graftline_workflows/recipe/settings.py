"""One step's settings while recipe, profile and overrides are put together, and their check."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graftline.config import nearest
from graftline.errors import ConfigError, Problem
from graftline.schema import check_settings, fill_defaults, setting_names
from graftline.sources import user_path
from graftline_workflows.recipe.language_models import asking_problems, without_secrets
from graftline_workflows.recipe.overrides import set_path, typed_value
from graftline_workflows.recipe.resolved import ResolvedSource
from graftline_workflows.recipe.secrets import refuse_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from graftline_workflows.catalog.model import StageEntry

_MAX_SEED = 2**63 - 1


@dataclass
class StepSettings:
    """What is known of a step's settings.

    Args:
        name: The step's name.
        config: Its config, defaults left out.
        runtime: Its runtime settings, defaults left out.
        seed: Its seed, whatever was given.
        origins: By config setting: the parameter that it comes from (or an empty text), and whether
            the user gave it.
    """

    name: str
    config: dict[str, Any]
    runtime: dict[str, Any]
    seed: Any
    origins: dict[str, tuple[str, bool]] = field(default_factory=dict)

    def override(
        self, stage: StageEntry, settings: Iterable[tuple[list[str], str]]
    ) -> list[Problem]:
        """Put `--set step.path=value` in, to config or runtime, whichever knows the name."""
        problems = []
        for path, text in settings:
            try:
                self._override_one(stage, path, text)
            except ConfigError as error:
                problems.append(Problem(f"--set {self.name}.{'.'.join(path)}", error.cause))
        return problems

    def _override_one(self, stage: StageEntry, path: list[str], text: str) -> None:
        value = typed_value(text, "the value")
        if path == ["seed"]:
            self.seed = value
            return
        schemas = ((stage.config_schema, self.config), (stage.runtime_schema, self.runtime))
        known = [pair for pair in schemas if path[0] in setting_names(pair[0])]
        if not known and (places := list(_places(self.config, path[0]))):
            if len(places) > 1:
                paths = " or ".join(f"'{self.name}.{'.'.join(place)}'" for place in places)
                raise ConfigError(f"'{path[0]}' is set in more than one place: say {paths}")
            path = [*places[0], *path[1:]]
            known = [schemas[0]]
        if not known:
            names = ["seed", *(item for pair in schemas for item in setting_names(pair[0]))]
            hint = nearest(path[0], names) or f"; allowed: {', '.join(sorted(names))}"
            raise ConfigError(f"unknown setting '{path[0]}' of stage '{stage.name}'{hint}")
        schema, target = known[0]
        before = dict(target)
        set_path(target, path, value)
        if not isinstance(value, str) and _fits_only_as_text(schema, before, path, text):
            set_path(target, path, text)
        if target is self.config:
            self.origins[path[0]] = ("", True)

    def check(self, stage: StageEntry) -> list[Problem]:
        """Give all that is wrong with the settings as the stage's schemas see them."""
        problems = []
        config = dict(self.config)
        for setting in setting_names(stage.runtime_schema):
            if config.pop(setting, None) is not None:
                message = "is a runtime setting: put it under 'runtime', not 'with'"
                problems.append(Problem(f"{self.name}.{setting}", message))
        required = stage.config_schema.get("required", [])
        for setting in stage.source_settings:
            if setting in required and config.get(setting) in ("", None):
                config[setting] = "-"  # told once, here, and not as a missing setting too
                given = self.origins.get(setting, ("", False))[0] or f"{self.name}.{setting}"
                message = f"names no source: give --set {given}=PATH"
                problems.append(Problem(f"{self.name}.{setting}", message))
            elif isinstance(config.get(setting), str):
                try:
                    refuse_secret(config[setting])
                except ConfigError as error:
                    problems.append(Problem(f"{self.name}.{setting}", str(error)))
        problems += check_settings(stage.config_schema, config, self.name)
        unfit = check_settings(stage.runtime_schema, self.runtime, self.name)
        problems += without_secrets(stage.runtime_schema, self.runtime, self.name, unfit)
        if not problems:
            schemas = (stage.config_schema, stage.runtime_schema)
            problems += asking_problems(schemas, config, self.runtime, self.name)
        seed = self.seed
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= _MAX_SEED:
            message = f"must be a whole number from 0 on (got {seed!r})"
            problems.append(Problem(f"{self.name}.seed", message))
        return problems

    def complete(
        self, stage: StageEntry, recipe_folder: Path
    ) -> tuple[dict[str, Any], dict[str, Any], tuple[ResolvedSource, ...]]:
        """Give config and runtime with defaults filled in, and the sources with absolute paths.

        A local path that the user gave is relative to the current folder, one that stands in the
        recipe to the recipe's.
        """
        subject = f"step '{self.name}'"
        config = fill_defaults(stage.config_schema, self.config, subject)
        runtime = fill_defaults(stage.runtime_schema, self.runtime, subject)
        sources = []
        for setting in stage.source_settings:
            if not config[setting]:
                continue  # left empty where the stage allows it
            parameter, by_user = self.origins.get(setting, ("", False))
            folder = Path.cwd() if by_user else recipe_folder
            config[setting] = _absolute(config[setting], folder)
            sources.append(ResolvedSource(setting, config[setting], parameter))
        return config, runtime, tuple(sources)


def _places(settings: Mapping[str, Any], name: str) -> Iterator[list[str]]:
    """Find where the recipe sets a name within its settings (`task.questions_per_chunk`)."""
    for key, inner in settings.items():
        if isinstance(inner, dict):
            if name in inner:
                yield [key, name]
            for deeper in _places(inner, name):
                yield [key, *deeper]


def _fits_only_as_text(
    schema: dict[str, Any], values: dict[str, Any], path: list[str], text: str
) -> bool:
    """Whether a value such as `007` is allowed as text, but not as the number that YAML reads."""

    def problems_with(value: Any) -> list[Problem]:
        trial = dict(values)
        set_path(trial, path, value)
        where = ".".join(path)
        return [item for item in check_settings(schema, trial) if item.path.startswith(where)]

    return bool(problems_with(typed_value(text, ""))) and not problems_with(text)


def _absolute(uri: str, folder: Path) -> str:
    """Make a local path absolute; URIs stay as they are."""
    return uri if "://" in uri else str(folder / user_path(uri))
