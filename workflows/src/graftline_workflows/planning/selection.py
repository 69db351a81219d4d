"""`--until`, `--from` and `--only`: which steps of a recipe are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection

    from graftline_workflows.recipe import ResolvedRecipe


class Selection:
    """The steps asked for, and what they need.

    Args:
        recipe: The recipe.
        until: This step and all that it needs.
        from_: This step and all that follows from it.
        only: This step alone.

    Raises:
        ConfigError: A step does not exist, or the options contradict each other.
    """

    def __init__(
        self,
        recipe: ResolvedRecipe,
        *,
        until: str | None = None,
        from_: str | None = None,
        only: str | None = None,
    ) -> None:
        """Work out `chosen` (asked for) and `needed` (these and all that they read)."""
        if only and (until or from_):
            raise ConfigError("--only goes with neither --until nor --from")
        for name in (until, from_, only):
            if name:
                recipe.step(name)
        reads = {step.name: {item.step for item in step.inputs} for step in recipe.steps}
        chosen = {only} if only else set(reads)
        if until:
            chosen &= _closure({until}, reads)
        if from_:
            follows = {name: {to for to in reads if name in reads[to]} for name in reads}
            chosen &= _closure({from_}, follows)
        if not chosen:
            raise ConfigError(f"no step lies between --from {from_} and --until {until}")
        options = (("--from", from_), ("--until", until), ("--only", only))
        self.asked = " ".join(f"{option} {name}" for option, name in options if name)
        self.chosen = frozenset(chosen)
        self.needed = frozenset(_closure(chosen, reads))
        self._recipe = recipe

    def check_chosen(self, again: Collection[str]) -> None:
        """Check that steps to be built again are among those asked for.

        Raises:
            ConfigError: One is not.
        """
        for name in again:
            if self._recipe.step(name).name not in self.chosen:
                raise ConfigError(f"--again {name}: the step is not among {self.asked}")


def _closure(start: set[str], arrows: dict[str, set[str]]) -> set[str]:
    found, waiting = set(start), list(start)
    while waiting:
        more = arrows[waiting.pop()] - found
        found |= more
        waiting.extend(more)
    return found
