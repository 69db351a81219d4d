"""From rendered text to token ids and a loss mask."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline_format.rendering import Rejection

if TYPE_CHECKING:
    from graftline_format.chat_model import ChatModel
    from graftline_format.rendering import Rendered

_CACHED_ENDS = 1024
_LONGEST_CACHED = 256


@dataclass(frozen=True)
class Tokenised:
    """A row to train on; it ends with its last learned token.

    Args:
        ids: Token ids.
        learned: Tokens [start, end) that are learned, in order.
        text: What was tokenised.
        answer_end: Characters of `text` up to the last learned token's end.
    """

    ids: list[int]
    learned: tuple[tuple[int, int], ...]
    text: str
    answer_end: int

    @property
    def learned_count(self) -> int:
        """Count the learned tokens."""
        return sum(end - start for start, end in self.learned)


class RowTokeniser:
    """Tokenises rendered conversations, each text once.

    The ids of every prompt in a row are those that the prompt alone would have: this is checked
    from the last special token on, which no tokenizer looks across.

    Args:
        model: Whose tokenizer is used.
        longest: Most tokens of a row that is of use; the prompts of longer ones are not checked.
    """

    def __init__(self, model: ChatModel, longest: int) -> None:
        """Prepare."""
        self._longest = longest
        self._tokenizer = model.tokenizer
        self._special = model.special_ids
        self._ends: dict[str, list[int]] = {}

    def tokenise(self, rendered: list[Rendered]) -> list[Tokenised | Rejection]:
        """Tokenise a batch; a row that cannot be used becomes its `Rejection`."""
        texts = [item.text for item in rendered]
        encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return [self._row(item, found) for item, found in zip(rendered, encodings, strict=True)]

    def _row(self, rendered: Rendered, encoding: Any) -> Tokenised | Rejection:
        text, ids = rendered.text, encoding.ids
        learned = []
        for start, end in rendered.answers:
            first = _token_from(encoding, start, end)
            if first is None:
                return Rejection("empty-answer", "the answer has no tokens of its own")
            after = _token_from(encoding, end, len(text))
            stop = self._without_blank_end(text, ids, first, after or len(ids), encoding)
            learned.append((first, stop))
        stop = learned[-1][1]
        # Without special tokens a check costs as much as the prompt is long, for every answer.
        if stop <= self._longest and not all(
            self._same_prompt(text, start, ids, first, encoding)
            for (start, _), (first, _) in zip(rendered.answers, learned, strict=True)
        ):
            return self._split_row(rendered)
        return Tokenised(ids[:stop], tuple(learned), text, encoding.token_to_chars(stop - 1)[1])

    def _same_prompt(
        self, text: str, start: int, ids: list[int], first: int, encoding: Any
    ) -> bool:
        anchor = next((at for at in range(first - 1, -1, -1) if ids[at] in self._special), 0)
        begin = encoding.token_to_chars(anchor)[0] if anchor else 0
        if self._ids_of_end(text[begin:start]) == ids[anchor:first]:
            return True
        return anchor > 0 and self._ids_of(text[:start]) == ids[:first]

    def _ids_of(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids  # type: ignore[no-any-return]

    def _ids_of_end(self, text: str) -> list[int]:
        """Tokenise a prompt's end; with special tokens in a template they are few and short.

        Without, they are whole prompts, and none is kept.
        """
        known = self._ends.get(text)
        if known is None:
            known = self._ids_of(text)
            if len(text) <= _LONGEST_CACHED and len(self._ends) < _CACHED_ENDS:
                self._ends[text] = known
        return known

    def _split_row(self, rendered: Rendered) -> Tokenised | Rejection:
        """Tokenise prompt and answer apart, where a token would join the one to the other."""
        if len(rendered.answers) > 1:
            return _joined()
        start, end = rendered.answers[0]
        prompt, answer = rendered.text[:start], rendered.text[start:end]
        before = self._ids_of(prompt)
        encoding = self._tokenizer.encode(answer, add_special_tokens=False)
        if self._tokenizer.decode(encoding.ids, skip_special_tokens=False) != answer:
            return _joined()
        stop = self._without_blank_end(answer, encoding.ids, 0, len(encoding.ids), encoding)
        count = len(before)
        return Tokenised(
            before + encoding.ids[:stop],
            ((count, count + stop),),
            rendered.text,
            start + encoding.token_to_chars(stop - 1)[1],
        )

    def _without_blank_end(
        self, text: str, ids: list[int], first: int, stop: int, encoding: Any
    ) -> int:
        """Leave out white space behind the end-of-turn token: no model is to write it."""
        at = stop
        while at > first and ids[at - 1] not in self._special:
            begin, end = encoding.token_to_chars(at - 1)
            if not text[begin:end].isspace():
                return stop
            at -= 1
        return at if at > first else stop


def _token_from(encoding: Any, start: int, end: int) -> int | None:
    """Find the first token that holds one of the characters [start, end)."""
    for character in range(start, end):
        found: int | None = encoding.char_to_token(character)
        if found is not None:
            return found
    return None


def _joined() -> Rejection:
    return Rejection(
        "answer-joins-prompt",
        "the tokenizer joins the answer's first characters to the prompt's last",
    )
