"""`--set path=value`, and the merging of a profile into a recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graftline.config import nearest
from graftline.errors import ConfigError, Problem
from graftline_workflows.recipe.files import parse_yaml
from graftline_workflows.recipe.secrets import override_problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graftline_workflows.recipe.model import Recipe


GATE = "gate"
GATE_PATH_PARTS = 2


@dataclass
class Overrides:
    """What the user set, sorted out.

    Args:
        parameters: Text by parameter.
        parts: (path within it, text) by parameter, of parameters that are JSON.
        settings: (path below the step, text) by step.
        gate: (metric, rule, text) in the order given.
    """

    parameters: dict[str, str] = field(default_factory=dict)
    parts: dict[str, list[tuple[list[str], str]]] = field(default_factory=dict)
    settings: dict[str, list[tuple[list[str], str]]] = field(default_factory=dict)
    gate: list[tuple[str, str, str]] = field(default_factory=list)


def read_overrides(recipe: Recipe, overrides: Iterable[str]) -> tuple[Overrides, list[Problem]]:
    """Sort `parameter=value`, `step.setting=value`, `gate.metric.rule=value` out; the last wins.

    Of a parameter that is JSON, `parameter.path=value` sets a part, after all of it is known.
    """
    found, problems = Overrides(), []
    for text in overrides:
        path, equals, value = text.partition("=")
        name, *rest = path.strip().split(".")
        if (secret := override_problem(text)) is not None:
            problems.append(secret)
        elif not equals or not name or not all(rest):
            problems.append(Problem(f"--set {text}", "must look like path=value"))
        elif not rest and name in recipe.parameters:
            found.parameters[name] = value
        elif rest and name in recipe.steps:
            found.settings.setdefault(name, []).append((rest, value))
        elif rest and name in recipe.parameters and recipe.parameters[name].type == "json":
            found.parts.setdefault(name, []).append((rest, value))
        elif name == GATE and len(rest) == GATE_PATH_PARTS and recipe.gate is not None:
            found.gate.append((rest[0], rest[1], value))
        elif name == GATE:
            message = "must look like gate.metric.rule=value" if recipe.gate else "there is no gate"
            problems.append(Problem(f"--set {path}", message))
        elif not rest and name in recipe.steps:
            problems.append(
                Problem(f"--set {path}", f"'{name}' is a step: set one of its settings, {name}.…")
            )
        else:
            kind, names = ("step", recipe.steps) if rest else ("parameter", recipe.parameters)
            hint = nearest(name, names) or _suggest_setting(recipe, name)
            listed = f"; {kind}s: {', '.join(names) or 'none'}" if not hint else ""
            problems.append(Problem(f"--set {path}", f"unknown {kind} '{name}'{hint}{listed}"))
    return found, problems


def _suggest_setting(recipe: Recipe, name: str) -> str:
    """Name the steps in which a lone name is a setting that the recipe gives."""
    steps = [step for step, spec in recipe.steps.items() if name in spec.with_ | spec.runtime]
    return f" — did you mean '{steps[0]}.{name}'?" if steps else ""


def override_gate(
    gate: Mapping[str, Any], given: Iterable[tuple[str, str, str]]
) -> tuple[dict[str, Any], list[Problem]]:
    """Put the user's thresholds in the place of the recipe's; `null` takes a rule away.

    Args:
        gate: The gate as the recipe and its profile say it.
        given: (metric, rule, text), as `entity_f1`, `at_least`, `0.6`.
    """
    problems: list[Problem] = []
    checks = [dict(check) for check in gate.get("checks", []) if isinstance(check, dict)]
    metrics = [str(check.get("metric")) for check in checks]
    for metric, rule, text in given:
        path = f"--set {GATE}.{metric}.{rule}"
        if metric not in metrics:
            hint = nearest(metric, metrics) or f"; its metrics: {', '.join(dict.fromkeys(metrics))}"
            problems.append(Problem(path, f"the gate does not look at '{metric}'{hint}"))
            continue
        try:
            value = typed_value(text, path)
        except ConfigError as error:
            problems.append(Problem(path, error.cause))
            continue
        for check in checks:
            if check.get("metric") == metric:
                check.pop(rule, None)
                check |= {} if value is None else {rule: value}
    return {**gate, "checks": checks}, problems


def typed_value(text: str, subject: str) -> Any:
    """Read a setting's value as YAML (`32`, `1e-4`, `true`, `[a, b]`, `text`).

    Raises:
        ConfigError: It is no YAML.
    """
    return parse_yaml(text, subject)


def set_path(target: dict[str, Any], path: list[str], value: Any) -> None:
    """Put a value at a path, making mappings on the way.

    Raises:
        ConfigError: Something on the way is no mapping.
    """
    for depth, name in enumerate(path[:-1]):
        inner = target.get(name)
        if inner is None:
            inner = {}
        if not isinstance(inner, dict):
            # Not repeated: it may be an endpoint with a password.
            raise ConfigError(f"{'.'.join(path[: depth + 1])} is no mapping and has no settings")
        target[name] = inner = dict(inner)
        target = inner
    target[path[-1]] = value


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Merge mapping into mapping; lists and plain values are replaced."""
    result = dict(base)
    for name, value in over.items():
        there = result.get(name)
        both = isinstance(there, dict) and isinstance(value, dict)
        result[name] = merged(there, value) if both else value  # type: ignore[arg-type]
    return result
