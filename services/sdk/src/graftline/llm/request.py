"""What is asked, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

from graftline.canonical import digest_of
from graftline.domain.answers import JsonAnswer, correction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline.domain.answers import AnswerForm, AnswerProblem
    from graftline.llm.config import LlmConfig
    from graftline.llm.totals import Account

Role = Literal["system", "user", "assistant"]

# Some servers give JSON only where the prompt speaks of it.
_PROBE = "Say ok; where a form is asked for, as JSON."


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True)
class LlmRequest:
    """One question to a model, complete; equal requests have one answer.

    Args:
        model: The model's name.
        messages: The conversation, ending with the user's turn.
        form: What the answer must be.
        max_tokens: Tokens of the answer at most.
        temperature: Sampling temperature, if it is sent.
        top_p: Nucleus sampling, if it is sent.
        seed: Seed of sample 0, if one is sent.
        sample: Tells several answers to the same question apart.
        tag: Whatever the caller wants to find again beside the answer; it is sent nowhere.
        account: Who pays for it; the session's own if not given.
    """

    model: str
    messages: tuple[Message, ...]
    form: AnswerForm
    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    sample: int = 0
    tag: Any = field(default=None, compare=False, repr=False)
    account: Account | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        config: LlmConfig,
        messages: Sequence[Message],
        form: AnswerForm,
        *,
        sample: int = 0,
        tag: Any = None,
    ) -> Self:
        """Make a request by a step's settings."""
        return cls(
            model=config.model,
            messages=tuple(messages),
            form=form,
            max_tokens=config.max_tokens,
            temperature=config.temperature,
            top_p=config.top_p,
            seed=config.seed,
            sample=sample,
            tag=tag,
        )

    @cached_property
    def cache_key(self) -> str:
        """The digest of the model, the whole request and the sample: 64 hexadecimal characters.

        Neither the endpoint nor its key nor the tag is in it. Answers are kept under it for good,
        so its spelling must not change: a golden test holds it.
        """
        return digest_of(
            {
                "model": self.model,
                "messages": [[message.role, message.content] for message in self.messages],
                "answer": self.form.spec,
                "max_tokens": self.max_tokens,
                "temperature": _number(self.temperature),
                "top_p": _number(self.top_p),
                "seed": self.seed,
                "sample": self.sample,
            }
        )

    @property
    def sent_seed(self) -> int | None:
        """The seed that is sent: another one for each sample."""
        return None if self.seed is None else (self.seed + self.sample) % 2**31

    @property
    def most_input_tokens(self) -> int:
        """More tokens than the model can read for this request.

        No tokenizer in use makes more tokens than a text has bytes; roles and templates come on
        top, and the schema may be put into the prompt by the server.
        """
        schema = self.form.schema_text if isinstance(self.form, JsonAnswer) else ""
        texts = sum(len(message.content.encode()) + 32 for message in self.messages)
        return texts + len(schema.encode()) + 64

    def corrected(self, said: str, problem: AnswerProblem) -> Self:
        """Give the request that shows the model what it said and what is wrong with it."""
        turns = (
            Message("assistant", said.strip() or "(no answer)"),
            Message("user", correction(self.form, problem)),
        )
        return replace(self, messages=(*self.messages, *turns))

    def probe(self) -> Self:
        """Give a request in the same settings and turns that no server has a reason to refuse."""
        turns = tuple(replace(message, content=_PROBE) for message in self.messages)
        return replace(self, messages=turns)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


@dataclass(frozen=True)
class LlmReply:
    """A usable answer. What depends on the run (cached, attempts, usd) has no place in a row.

    Args:
        text: What the model said, without its thinking.
        data: The JSON value, if one was asked for: it fits the schema.
        raw: What the model said, every character.
        input_tokens: Tokens that the model read for it, corrections included; None if unknown.
        output_tokens: Tokens that it wrote; None if unknown.
        usd: What its account paid for it (0 if others did); None if unknown.
        cached: Whether its account paid nothing for it.
        attempts: HTTP requests that were sent for it, as far as its account knows.
        repaired: Whether its JSON was repaired.
        corrected: How often the model had to be shown what was wrong.
    """

    text: str
    data: Any
    raw: str
    input_tokens: int | None
    output_tokens: int | None
    usd: float | None
    cached: bool
    attempts: int
    repaired: bool
    corrected: int


@dataclass(frozen=True)
class LlmFailure:
    """No usable answer, and why; other requests go on.

    Args:
        reason: A short name that rejects are counted by. Of the answer: `empty`, `truncated`,
            `refused`, `content-filter`, `not-json`, `schema-violation`; of the request:
            `too-long`, `bad-request`; of the way there: `timeout`, `rate-limited`,
            `server-error`, `unavailable`, `connection`, `bad-response`.
        detail: One line for people; no secret is in it.
        raw: What the model said last, if anything.
        cached: Whether its account paid nothing for it.
        attempts: HTTP requests that were sent for it, as far as its account knows.
    """

    reason: str
    detail: str
    raw: str = ""
    cached: bool = False
    attempts: int = 0


Answer = LlmReply | LlmFailure
