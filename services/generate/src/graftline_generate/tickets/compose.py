"""Write a message that contains the evidence of its facts, and no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graftline_generate.tickets.grammar import choose, fill, slots
from graftline_generate.tickets.noise import write_carelessly

if TYPE_CHECKING:
    import random

    from graftline_generate.tickets.facts import Facts
    from graftline_generate.tickets.voice import Voice

_IN_TEMPLATE = 0.6
_IN_SUBJECT = 0.4
_CUE_FIRST = 0.15
_SECOND_NOISE = 0.3

_BARE = {"the", "The", "a", "A"}
_ORDER = {"order", "Order"}


@dataclass(frozen=True)
class Message:
    """A message and what was done to it.

    Args:
        text: As the model will read it.
        noises: Names of the noises and styles in it, sorted.
        person: Who wrote it, if the text says so.
    """

    text: str
    noises: tuple[str, ...]
    person: str


def can_name_product(body: str) -> bool:
    """Say whether a body has a place for a product."""
    return bool(slots(body) & (_BARE | _ORDER))


def product_name(voice: Voice, rng: random.Random) -> str:
    """Make a product's name."""
    values = {
        "brand": rng.choice(voice.brands),
        "noun": rng.choice(voice.nouns),
        "edition": rng.choice(voice.editions),
    }
    return fill(rng.choice(voice.product_forms), values.__getitem__)


def compose(
    facts: Facts, body: str, voice: Voice, rng: random.Random, *, messy: bool, injected: bool
) -> Message:
    """Write the message.

    Args:
        facts: What it is to say.
        body: One of `voice.bodies[facts.intent]`, its alternatives taken, its slots open.
        voice: Whose words to use.
        rng: Decides everything that the facts leave open.
        messy: Whether to add noise.
        injected: Whether to plant an instruction.
    """
    return _Writer(facts, voice, rng).write(body, messy=messy, injected=injected)


class _Writer:
    """Writes one message; remembers which facts still have to be put somewhere."""

    def __init__(self, facts: Facts, voice: Voice, rng: random.Random) -> None:
        self._facts = facts
        self._voice = voice
        self._rng = rng
        self._name = f"{rng.choice(voice.first_names)} {rng.choice(voice.last_names)}"
        self._determiner = rng.choice(voice.determiners)
        self._order_to_place = facts.order_id
        self._product_in_order = False

    def write(self, body: str, *, messy: bool, injected: bool) -> Message:
        layout = choose(self._rng.choice(self._voice.layouts), self._rng)
        if "order_field" in slots(layout):
            self._order_to_place = None
        subject = self._subject() if "subject" in slots(layout) else ""
        text = self._text(body)
        values = {
            "text": text,
            "subject": subject,
            "order_field": self._facts.order_id or self._rng.choice(self._voice.no_value),
            "product_field": self._facts.product or self._rng.choice(self._voice.no_value),
        }
        message = fill(layout, lambda slot: values[slot] if slot in values else self._value(slot))
        message = message.rstrip().removesuffix(",")
        noises: set[str] = set()
        if injected:
            message = self._plant(message, text)
            noises.add("injected")
        if messy:
            message = self._disturb(message, noises)
        person = self._name if self._name.lower() in message.lower() else ""
        return Message(message, tuple(sorted(noises)), person)

    def _text(self, body: str) -> str:
        rng, facts, voice = self._rng, self._facts, self._voice
        self._product_in_order = not slots(body) & _BARE
        sentences = [fill(body, self._value)]
        if self._order_to_place:
            clause = choose(rng.choice(voice.order_clauses), rng)
            sentences.append(fill(clause, self._value))
            self._order_to_place = None
        cues = {"high": voice.urgent, "low": voice.relaxed, "medium": ()}[facts.priority]
        if cues:
            cue = choose(rng.choice(cues), rng)
            sentences.insert(0 if rng.random() < _CUE_FIRST else len(sentences), cue)
        if facts.second_intent:
            request = choose(rng.choice(voice.second_requests[facts.second_intent]), rng)
            request = fill(request, self._value)
            sentences.append(rng.choice(voice.connectors) + request)
        return voice.joiner.join(sentences)

    def _subject(self) -> str:
        """Choose a subject line; one that can carry the order does so only if there is one."""
        rng = self._rng
        carrying = [item for item in self._voice.subjects if "order_id" in slots(item)]
        if self._order_to_place and carrying and rng.random() < _IN_SUBJECT:
            subject = fill(choose(rng.choice(carrying), rng), self._value)
            self._order_to_place = None
            return subject
        return choose(rng.choice([x for x in self._voice.subjects if x not in carrying]), rng)

    def _value(self, slot: str) -> str:
        rng, voice = self._rng, self._voice
        if slot in _BARE:
            return self._noun_phrase(slot)
        if slot in _ORDER:
            return self._order_phrase(slot)
        if slot == "order_id":
            return self._facts.order_id or ""
        if slot == "name":
            return self._name
        if slot == "number":
            return f"{rng.randrange(1000, 9999)}"
        if slot == "amount":
            return rng.choice(voice.amounts).format(rng.randrange(1500, 48000) / 100)
        choices = {
            "when": voice.whens,
            "city": voice.cities,
            "greeting": voice.greetings,
            "closing": voice.closings,
        }
        return rng.choice(choices[slot])

    def _noun_phrase(self, slot: str) -> str:
        product, voice = self._facts.product, self._voice
        indefinite = slot.lower() == "a"
        if product:
            article = "an" if product[0] in "AEIO" else "a"
            phrase = f"{article if indefinite else self._determiner} {product}"
        else:
            phrase = self._rng.choice(voice.unnamed_indefinite if indefinite else voice.unnamed)
        return phrase[0].upper() + phrase[1:] if slot[0].isupper() else phrase

    def _order_phrase(self, slot: str) -> str:
        phrase = "my order"
        if self._order_to_place and self._rng.random() < _IN_TEMPLATE:
            phrase = f"order {self._order_to_place}"
            self._order_to_place = None
        if self._product_in_order and self._facts.product:
            phrase += f" {self._rng.choice(('for', 'of'))} the {self._facts.product}"
        return phrase[0].upper() + phrase[1:] if slot[0].isupper() else phrase

    def _plant(self, message: str, text: str) -> str:
        """Put a planted instruction before or behind the text, or at the very end."""
        rng = self._rng
        planted = rng.choice(self._voice.injections)
        place = rng.randrange(4)
        if place == 0:
            return message.replace(text, f"{planted} {text}")
        if place == 1:
            return message.replace(text, f"{text} {planted}")
        return f"{message}\n\n{planted}"

    def _disturb(self, message: str, noises: set[str]) -> str:
        """Add one noise, at times two; of two at most one is a style."""
        rng, voice = self._rng, self._voice
        kinds = ["style", rng.choice(sorted(voice.noises))]
        rng.shuffle(kinds)
        for kind in kinds if rng.random() < _SECOND_NOISE else kinds[:1]:
            if kind == "style":
                name = rng.choice(voice.styles)
                protected = [x for x in (self._facts.product, self._facts.order_id) if x]
                message = write_carelessly(name, message, protected, rng)
            else:
                name = kind
                around = choose(rng.choice(voice.noises[kind]), rng)
                message = self._surround(message, around)
            noises.add(name)
        return message

    def _surround(self, message: str, around: str) -> str:
        return fill(around, lambda slot: message if slot == "message" else self._value(slot))
