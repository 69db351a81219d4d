"""All the material of which one kind of messages is made; it belongs to one split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graftline_generate.tickets.facts import Intent


@dataclass(frozen=True)
class Voice:
    """Templates, people and products of one split; no other split's voice shares any of them.

    Slots of `bodies`: `{the}` and `{The}` (a determiner and the product), `{a}` (the same,
    indefinite), `{order}` and `{Order}` ("order ORD-12345" or "my order"), `{when}`, `{amount}`,
    `{city}`. Slots of `layouts`: `{text}` once, and `{greeting} {closing} {name} {subject}
    {order_field} {product_field} {when}`. A noise text may use `{name} {when} {number} {city}`.

    Args:
        split: Whose voice it is.
        register: Its name among the voices of its split.
        bodies: By intent, what happened and the request; their position names the template.
        second_requests: By intent, a request that names neither product nor order.
        connectors: What a second request begins with.
        order_clauses: Sentences around `{order_id}`.
        urgent: Sentences that make the priority high.
        relaxed: Sentences that make it low.
        determiners: What stands before a product's name.
        unnamed: Noun phrases for a product that is not named.
        unnamed_indefinite: The same, indefinite.
        layouts: The whole message, around its text.
        subjects: Subject lines; `{order_id}` in those that can carry the order.
        no_value: What a form's empty field holds.
        greetings: Salutations.
        closings: What stands before the name.
        joiner: What stands between two sentences of the text.
        product_forms: How `{brand} {noun} {edition}` make a product's name.
        brands: First words of products.
        nouns: What the products are.
        editions: Model names and sizes.
        first_names: Of people.
        last_names: Of people.
        cities: Places.
        whens: Times in the past.
        amounts: Formats of a sum of money, as `${:.2f}`.
        noises: By kind, texts that are put after or around a message (`{message}` is the message).
        styles: Ways of writing carelessly that this voice has: see `noise.STYLES`.
        injections: Planted instructions.
    """

    split: str
    register: str
    bodies: Mapping[Intent, tuple[str, ...]]
    second_requests: Mapping[Intent, tuple[str, ...]]
    connectors: tuple[str, ...]
    order_clauses: tuple[str, ...]
    urgent: tuple[str, ...]
    relaxed: tuple[str, ...]
    determiners: tuple[str, ...]
    unnamed: tuple[str, ...]
    unnamed_indefinite: tuple[str, ...]
    layouts: tuple[str, ...]
    subjects: tuple[str, ...]
    no_value: tuple[str, ...]
    greetings: tuple[str, ...]
    closings: tuple[str, ...]
    joiner: str
    product_forms: tuple[str, ...]
    brands: tuple[str, ...]
    nouns: tuple[str, ...]
    editions: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    cities: tuple[str, ...]
    whens: tuple[str, ...]
    amounts: tuple[str, ...]
    noises: Mapping[str, tuple[str, ...]]
    styles: tuple[str, ...]
    injections: tuple[str, ...]


def listed(names: str) -> tuple[str, ...]:
    """Split a list of names at its commas."""
    return tuple(name.strip() for name in names.split(","))
