"""A template: text with alternatives `[a|b|c]`, which may nest, and slots `{name}`.

Brackets without a bar, and braces around anything but a name, are plain text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_INNERMOST = re.compile(r"\[([^\[\]]*\|[^\[\]]*)\]")
_SLOT = re.compile(r"\{([a-zA-Z_]+)\}")


def choose(template: str, rng: random.Random) -> str:
    """Take one alternative everywhere, the innermost first; slots stay."""
    while found := _INNERMOST.search(template):
        picked = rng.choice(found[1].split("|"))
        template = template[: found.start()] + picked + template[found.end() :]
    return template


def slots(template: str) -> set[str]:
    """Name the slots of a template."""
    return set(_SLOT.findall(template))


def fill(template: str, value: Callable[[str], str]) -> str:
    """Put `value(name)` in each slot's place; values are not expanded again."""
    return _SLOT.sub(lambda found: value(found[1]), template)
