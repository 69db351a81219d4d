"""Makes a recipe, a profile, overrides and images into steps with nothing left open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.config import nearest, parse_settings
from graftline.errors import ConfigError, Problem
from graftline.schema import check_settings
from graftline_workflows.catalog import Catalog, load_catalog
from graftline_workflows.gate import Gate
from graftline_workflows.recipe.files import RecipeFile, read_recipe
from graftline_workflows.recipe.images import StageCode, own_code, replaced_code
from graftline_workflows.recipe.model import (
    Profile,
    Recipe,
    condition_holds,
    parse_recipe,
)
from graftline_workflows.recipe.overrides import (
    Overrides,
    merged,
    override_gate,
    read_overrides,
)
from graftline_workflows.recipe.parameters import (
    parameter_values,
    referenced_parameter,
    substitute,
)
from graftline_workflows.recipe.resolved import ResolvedRecipe, ResolvedStep
from graftline_workflows.recipe.settings import StepSettings
from graftline_workflows.recipe.wiring import runnable_order, wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from graftline_workflows.recipe.model import Step
    from graftline_workflows.recipe.resolved import ResolvedInput


def resolve_recipe(
    name_or_path: str,
    profile: str | None = None,
    overrides: Iterable[str] = (),
    images: Mapping[str, str] | None = None,
    catalog: Catalog | None = None,
    own: Callable[[str, Catalog], StageCode] = own_code,
) -> ResolvedRecipe:
    """Read a recipe and settle everything but its sources' fingerprints.

    Args:
        name_or_path: A built-in recipe's name, or a file.
        profile: The profile; the recipe's default one if not given.
        overrides: `parameter=value` or `step.setting=value`; a later one wins.
        images: What runs a stage (or one step, by its name) instead of its own code: an image
            reference or `exec:COMMAND`.
        catalog: The stages; the committed catalog if not given.
        own: Gives a stage's own code (replaced in tests).

    Raises:
        ConfigError: With everything that is wrong.
    """
    file = read_recipe(name_or_path)
    recipe = parse_recipe(file.values, f"recipe {name_or_path}")
    chosen = _choose_profile(recipe, profile)
    return _Resolver(
        file, recipe, chosen, tuple(overrides), images or {}, catalog or load_catalog(), own
    ).resolve()


def _choose_profile(recipe: Recipe, name: str | None) -> str:
    name = name or recipe.default_profile
    if name and name not in recipe.profiles:
        raise ConfigError(
            f"recipe '{recipe.recipe}' has no profile '{name}'{nearest(name, recipe.profiles)}",
            f"its profiles: {', '.join(recipe.profiles) or 'none'}",
        )
    return name


class _Resolver:
    """Holds what all parts of resolving need, and collects the problems."""

    def __init__(
        self,
        file: RecipeFile,
        recipe: Recipe,
        profile: str,
        overrides: tuple[str, ...],
        images: Mapping[str, str],
        catalog: Catalog,
        own: Callable[[str, Catalog], StageCode],
    ) -> None:
        self._file = file
        self._recipe = recipe
        self._profile_name = profile
        self._profile: Profile | None = recipe.profiles.get(profile)
        self._overrides = overrides
        self._images = images
        self._catalog = catalog
        self._own = own
        self._problems: list[Problem] = []
        self._values: dict[str, Any] = {}
        self._given = Overrides()

    def resolve(self) -> ResolvedRecipe:
        recipe = self._recipe
        self._given, problems = read_overrides(recipe, self._overrides)
        self._problems += problems
        self._values, problems = parameter_values(
            recipe,
            self._profile,
            self._given.parameters,
            self._file.path.parent,
            self._given.parts,
        )
        self._problems += problems
        self._stop_at_problems()  # what follows would only repeat them
        steps, absent = self._present_steps()
        codes = self._step_codes(steps)
        stages = {name: code.entry for name, code in codes.items()}
        inputs, problems = wire(steps, absent, stages)
        self._problems += problems
        order, problems = runnable_order(inputs)
        self._problems += problems
        gate = self._gate(steps, absent)
        settings = {name: self._step_settings(name, step) for name, step in steps.items()}
        self._refuse_settings_of(absent)
        for name, stage in stages.items():
            given = self._given.settings.get(name, [])
            self._problems += settings[name].override(stage, given)
            self._problems += settings[name].check(stage)
        self._stop_at_problems()
        resolved = tuple(
            self._resolved_step(codes[name], inputs[name], settings[name]) for name in order
        )
        return ResolvedRecipe(
            name=recipe.recipe,
            profile=self._profile_name,
            text=self._file.text,
            overrides=self._overrides,
            steps=resolved,
            gate=gate,
            parameters={name: self._values[name] for name in recipe.parameters},
            description=recipe.description,
            warnings=tuple(dict.fromkeys(code.warning for code in codes.values() if code.warning)),
        )

    def _stop_at_problems(self) -> None:
        if self._problems:
            raise ConfigError.of(self._problems, f"recipe '{self._recipe.recipe}'")

    def _present_steps(self) -> tuple[dict[str, Step], dict[str, str]]:
        present, absent = {}, {}
        for name, step in self._recipe.steps.items():
            if condition_holds(step.if_, self._values):
                present[name] = step
            else:
                absent[name] = f"it is there only if {step.if_}"
        return present, absent

    def _step_codes(self, steps: Mapping[str, Step]) -> dict[str, StageCode]:
        """Find what runs each step; an image goes by the stage's name, or by the step's."""
        stages = {step.uses for step in steps.values()}
        for name in self._images:
            if name not in stages and name not in steps:
                hint = nearest(name, [*steps, *stages])
                self._problems.append(Problem("--image", f"no step uses the stage '{name}'{hint}"))
        codes: dict[str, StageCode] = {}
        found: dict[tuple[str, str], StageCode | None] = {}
        for name, step in steps.items():
            image = self._images.get(step.uses) or self._images.get(name, "")
            if (step.uses, image) not in found:
                try:
                    found[step.uses, image] = (
                        replaced_code(step.uses, image, self._catalog)
                        if image
                        else self._own(step.uses, self._catalog)
                    )
                except ConfigError as error:
                    found[step.uses, image] = None
                    self._problems.append(Problem(f"{name}.uses", str(error)))
            code = found[step.uses, image]
            if code is not None:
                codes[name] = code
        return codes

    def _step_settings(self, name: str, step: Step) -> StepSettings:
        """Put recipe and profile together and fill the parameters in."""
        overlay = self._profile.steps.get(name) if self._profile else None
        config = merged(step.with_, overlay.with_ if overlay else {})
        runtime = merged(step.runtime, overlay.runtime if overlay else {})
        seed = step.seed if overlay is None or overlay.seed is None else overlay.seed
        origins = {}
        for setting, value in config.items():
            parameter = referenced_parameter(value)
            origins[setting] = (parameter, parameter in self._given.parameters)
        filled = []
        for value, path in ((config, name), (runtime, name), (seed, f"{name}.seed")):
            result, problems = substitute(value, self._values, path)
            self._problems += problems
            filled.append(result)
        return StepSettings(name, filled[0], filled[1], filled[2], origins)

    def _refuse_settings_of(self, absent: Mapping[str, str]) -> None:
        for name in absent:
            for path, _ in self._given.settings.get(name, ()):
                message = f"there is no step '{name}' in this run: {absent[name]}"
                self._problems.append(Problem(f"--set {name}.{'.'.join(path)}", message))

    def _resolved_step(
        self,
        code: StageCode,
        inputs: tuple[ResolvedInput, ...],
        settings: StepSettings,
    ) -> ResolvedStep:
        config, runtime, sources = settings.complete(code.entry, self._file.path.parent)
        return ResolvedStep(
            name=settings.name,
            stage=self._recipe.steps[settings.name].uses,
            config=config,
            runtime=runtime,
            seed=settings.seed,
            inputs=inputs,
            sources=sources,
            image=code.image,
            identity=code.identity,
            descriptor=code.entry.descriptor,
        )

    def _gate(self, steps: Mapping[str, Step], absent: Mapping[str, str]) -> Gate | None:
        raw = self._recipe.gate
        if raw is None:
            return None
        raw = merged(raw, self._profile.gate if self._profile else {})
        values, problems = substitute(raw, self._values, "gate")
        if self._given.gate:
            values, unusable = override_gate(values, self._given.gate)
            problems += unusable
        problems += check_settings(Gate.model_json_schema(), values, "gate")
        if problems:
            self._problems += problems
            return None
        # A step may show what the gate asks: `checks: ${gate.checks}`.
        self._values |= {f"gate.{name}": value for name, value in values.items()}
        try:
            gate = parse_settings(Gate, values, "gate")
        except ConfigError as error:
            self._problems += [
                Problem(f"gate.{item.path}", item.message) for item in error.problems
            ]
            return None
        if gate.step not in steps:
            why = absent.get(gate.step, "")
            message = why or f"unknown step '{gate.step}'{nearest(gate.step, steps)}"
            self._problems.append(Problem("gate.step", message))
        return gate
