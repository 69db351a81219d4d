"""The entities of a JSON value, as (path, value) pairs.

Defined so: a path's keys lead from the root down through objects, `*` standing for any key. What
is found there counts, by its kind:

- null, or nothing at all: no entity;
- a text, number or boolean: the pair (path, value);
- a list: what its items give, each under the list's own path;
- an object: what its members give, each under path.key.

The same pair twice is two entities. Values are equal as JSON has it: 1 and 1.0 are, 1 and true
or "1" are not; texts are compared character by character.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from graftline.canonical import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator

Entities = Counter[tuple[str, str]]
"""How often each (path, value spelled as JSON) occurs."""


def entities_of(value: Any, paths: list[str]) -> Entities:
    """Find the entities of a value; a place that two paths lead to counts once."""
    found: dict[tuple[str | int, ...], tuple[str, str]] = {}
    for path in paths:
        for place, leaf in _follow(value, path.split("."), ()):
            found[place] = (".".join(k for k in place if isinstance(k, str)), spell(leaf))
    return Counter(found.values())


def field_of(value: Any, path: str) -> Any:
    """Give what stands at a path without `*`; null if there is nothing."""
    for key in path.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def spell(value: Any) -> str:
    """Spell a JSON value so that equal values, and only they, have equal spellings."""
    return canonical_json(_plain(value))


def _follow(
    value: Any, keys: list[str], place: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if not keys:
        yield from _leaves(value, place)
    elif isinstance(value, dict):
        for name in value if keys[0] == "*" else [keys[0]]:
            if name in value:
                yield from _follow(value[name], keys[1:], (*place, name))


def _leaves(
    value: Any, place: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, (*place, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*place, index))
    elif value is not None:
        yield place, value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
