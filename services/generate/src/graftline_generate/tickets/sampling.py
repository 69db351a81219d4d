"""Sample facts, write their messages, and see to it that no message comes twice."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from graftline.domain.examples import example, message
from graftline.errors import BugError, ConfigError
from graftline_generate.tickets.compose import can_name_product, compose, product_name
from graftline_generate.tickets.facts import Facts, Intent, Priority, label_text
from graftline_generate.tickets.grammar import choose

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping

    from graftline_generate.config import SupportTickets, TicketSplit
    from graftline_generate.tickets.compose import Message
    from graftline_generate.tickets.voice import Voice

_INTENT_WEIGHTS: dict[Intent, float] = {
    "refund": 0.19,
    "cancel": 0.16,
    "billing": 0.16,
    "tech_support": 0.19,
    "shipping": 0.18,
    "other": 0.12,
}
_PRIORITY_WEIGHTS: dict[Priority, float] = {"medium": 0.45, "high": 0.3, "low": 0.25}
_TRIES = 200
_ORDER_ID = re.compile(r"ORD-[0-9]{5}")
_NOT_LETTERS = re.compile(r"[^a-z0-9]+")


def ticket_examples(
    task: SupportTickets,
    voices: Mapping[str, tuple[Voice, ...]],
    generator: Callable[[str], random.Random],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of `rows.EXAMPLES`, split after split.

    The first n rows of a split are the same however many are asked for, and do not depend on the
    other splits as long as no text of theirs is met again.

    Args:
        task: How many and how hard.
        voices: By split; each message takes one of them.
        generator: Gives a random generator for a purpose (`ctx.random`).

    Raises:
        ConfigError: A split cannot have that many distinct messages.
    """
    seen: set[bytes] = set()
    for split in ("train", "eval", "ood"):
        settings: TicketSplit = getattr(task, split)
        rng = generator(f"support-tickets/{split}")
        for made in range(settings.rows):
            yield _new_row(task, settings, voices[split], rng, seen, made)


def _new_row(
    task: SupportTickets,
    settings: TicketSplit,
    voices: tuple[Voice, ...],
    rng: random.Random,
    seen: set[bytes],
    made: int,
) -> dict[str, Any]:
    """Sample until a text is new, whatever its case, spacing and punctuation."""
    for _ in range(_TRIES):
        voice = rng.choice(voices)
        facts, template, body = _sample(settings, voice, rng)
        written = compose(
            facts,
            body,
            voice,
            rng,
            messy=rng.random() < settings.messy,
            injected=rng.random() < settings.injected,
        )
        fingerprint = _fingerprint(written.text)
        if fingerprint not in seen:
            seen.add(fingerprint)
            _check_evidence(facts, written)
            return _row(task, voice, facts, written, template)
    raise ConfigError(
        f"task.{voices[0].split}.rows: {settings.rows} distinct messages are not to be had: after "
        f"{made}, {_TRIES} in a row were copies",
        "ask for fewer rows",
    )


def _fingerprint(text: str) -> bytes:
    """Stand for a text in 16 bytes, whatever its case, spacing and punctuation."""
    letters = _NOT_LETTERS.sub(" ", text.lower()).strip()
    return hashlib.blake2b(letters.encode(), digest_size=16).digest()


def _sample(settings: TicketSplit, voice: Voice, rng: random.Random) -> tuple[Facts, int, str]:
    intent = _pick(_INTENT_WEIGHTS, rng)
    template = rng.randrange(len(voice.bodies[intent]))
    body = choose(voice.bodies[intent][template], rng)
    order_share = settings.order_id_tech if intent == "tech_support" else settings.order_id
    named = rng.random() < settings.product
    more = rng.random() < settings.multi_intent
    others: list[Intent] = [other for other in _INTENT_WEIGHTS if other != intent]
    facts = Facts(
        intent=intent,
        priority=_pick(_PRIORITY_WEIGHTS, rng),
        order_id=f"ORD-{rng.randrange(100_000):05d}" if rng.random() < order_share else None,
        product=product_name(voice, rng) if named and can_name_product(body) else None,
        second_intent=rng.choice(others) if more and _asks(intent, body) else None,
    )
    return facts, template, body


def _asks(intent: Intent, body: str) -> bool:
    """Say whether a body makes a request: praise does not, and what follows it would be first."""
    return intent != "other" or "?" in body


def _pick(weights: Mapping[Any, float], rng: random.Random) -> Any:
    return rng.choices(list(weights), list(weights.values()))[0]


def _check_evidence(facts: Facts, written: Message) -> None:
    """Be sure that what the label copies stands in the text, and that nothing competes."""
    found = _ORDER_ID.findall(written.text)
    if set(found) != ({facts.order_id} if facts.order_id else set()):
        raise BugError(f"order ids {found} in a message about {facts.order_id}: {written.text!r}")
    if facts.product and facts.product not in written.text:
        raise BugError(f"no {facts.product!r} in its message: {written.text!r}")


def _row(
    task: SupportTickets, voice: Voice, facts: Facts, written: Message, template: int
) -> dict[str, Any]:
    system = [message("system", task.instruction)] if task.instruction else []
    return example(
        messages=[
            *system,
            message("user", written.text),
            message("assistant", label_text(facts)),
        ],
        split=voice.split,
        group=f"support-tickets/{voice.split}/{voice.register}/{facts.intent}/{template:02d}",
        task="support-tickets",
        meta={
            "noises": list(written.noises),
            "second_intent": facts.second_intent,
            "person": written.person,
            "product": facts.product,
        },
    )
