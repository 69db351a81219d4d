"""Greedy decoding of many prompts at once.

Rows of a batch are padded on the left and decoded column by column; a row that ends gives its
slot to the last one, so that only living rows are computed. A row ends with a stop token or after
`max_new_tokens`, for no other reason: nothing looks at what is written.

The tokens are those of `transformers`' greedy `generate`. In float32 the composition of a batch
does not decide a token but where two logits agree to about six digits; in bfloat16 to about
three, and equal logits are then common: the lowest token id wins, and the same rows in a batch of
another size may differ. Batches are therefore a fixed function of config and prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import GenerationConfig

from graftline_evaluate.attention import (
    ATTENTION,
    Prefix,
    RowsCache,
    causal,
    next_logits,
    read_prefix,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SHARED_PREFIX_MODELS = frozenset(
    {
        *("cohere", "gemma", "glm", "granite", "llama", "mistral", "mixtral"),
        *("olmo2", "phi3", "qwen2", "qwen3", "smollm3", "starcoder2"),
    }
)
"""Architectures (`config.model_type`) whose attention is nothing but what `attend` computes."""

PREFILL_TOKENS = 2048
"""Prompt tokens behind the prefix, padding included, that are read at once (at least one row)."""

PREFILL_KEYS = 16_384
"""Likewise the keys that they look at: each row of a part gets its copy of the prefix's."""


@dataclass(frozen=True)
class Answer:
    """What a model said.

    Args:
        tokens: Its tokens, without the stop token.
        finished: Whether it ended with a stop token.
    """

    tokens: tuple[int, ...]
    finished: bool


class SharedPrefixDecoder:
    """Decodes batches of prompts that share a beginning.

    Args:
        model: A causal language model of `transformers`, in evaluation mode.
        stop_tokens: Tokens that end an answer.
        max_new_tokens: The longest answer.
        prefix: The tokens that every prompt begins with; read once, here. May be empty.
    """

    def __init__(
        self,
        model: Any,
        *,
        stop_tokens: frozenset[int],
        max_new_tokens: int,
        prefix: Sequence[int] = (),
    ) -> None:
        """Read the prefix."""
        self._model = model
        self._stop = stop_tokens
        self._longest = max_new_tokens
        self._layers = int(model.config.num_hidden_layers)
        self.prefix_tokens = len(prefix)
        model.set_attn_implementation(ATTENTION)
        self._prefix = read_prefix(model, prefix) if prefix else None

    @torch.inference_mode()
    def decode(
        self, prompts: Sequence[Sequence[int]], each_step: Callable[[int], None] = lambda _: None
    ) -> list[Answer]:
        """Answer prompts.

        Args:
            prompts: Without their common prefix; each has at least one token.
            each_step: Called after every column with the number of rows that have ended.
        """
        batch = _Batch(prompts, self._longest, self._layers, self._model.device)
        tokens = self._read(batch)
        while True:
            batch.take(tokens, self._stop)
            if not batch.slots:
                return batch.answers
            each_step(len(prompts) - len(batch.slots))
            tokens = self._step(batch)

    def _read(self, batch: _Batch) -> list[int]:
        """Read the prompts, some rows at a time; give each row's first token."""
        width = batch.ids.shape[1]
        rows_at_once = min(PREFILL_TOKENS // width, PREFILL_KEYS // (width + self.prefix_tokens))
        rows_at_once = max(1, rows_at_once)
        first: list[int] = []
        for start in range(0, len(batch.slots), rows_at_once):
            part = slice(start, start + rows_at_once)
            padding = batch.padding[part]
            # Columns in which no row of the part has a token yet are left out.
            begin = int(padding.min())
            batch.cache.seek(start, begin)
            columns = torch.arange(width, device=batch.ids.device)
            places = columns[None, begin:] - padding[:, None]
            positions = places.clamp(min=0) + self.prefix_tokens
            real = columns[None] >= padding[:, None]
            mask = causal(width, columns.device) & real[:, None, None, :]
            # A padding query sees itself, or its softmax would have nothing to sum over.
            mask = mask | torch.eye(width, dtype=torch.bool, device=columns.device)
            ids, mask = batch.ids[part, begin:], mask[:, :, begin:]
            first += self._forward(ids, positions, mask, batch.cache, self._prefix)
        return first

    def _step(self, batch: _Batch) -> list[int]:
        """Decode one column of the living rows."""
        count, column = len(batch.slots), batch.column
        batch.cache.seek(0, column)
        padding = batch.padding[:count]
        device = padding.device
        ids = torch.tensor([[batch.written[row][-1]] for row in batch.slots], device=device)
        positions = (column + self.prefix_tokens - padding)[:, None]
        mask = None
        if batch.padded:
            columns = torch.arange(column + 1, device=device)
            mask = (columns[None] >= padding[:, None])[:, None, None, :]
        batch.column += 1
        return self._forward(ids, positions, mask, batch.cache, self._prefix)

    def _forward(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        mask: torch.Tensor | None,
        cache: RowsCache,
        prefix: Prefix | None,
    ) -> list[int]:
        logits = next_logits(self._model, ids, positions, mask, cache, prefix)
        tokens: list[int] = logits.argmax(-1).tolist()
        return tokens


class GenerateDecoder:
    """Decodes by `transformers`' own `generate`: slower, for architectures of any kind."""

    def __init__(
        self,
        model: Any,
        *,
        stop_tokens: frozenset[int],
        max_new_tokens: int,
        prefix: Sequence[int] = (),
    ) -> None:
        """Keep the prefix, which every row reads again."""
        self._model = model
        self._stop = stop_tokens
        self._longest = max_new_tokens
        self._prefix = list(prefix)
        self.prefix_tokens = 0
        # In place of the model's own: `generate` takes from that whatever another leaves unset,
        # such as a repetition penalty.
        model.generation_config = GenerationConfig(
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=sorted(stop_tokens) or None,
            pad_token_id=min(stop_tokens, default=0),
        )

    @torch.inference_mode()
    def decode(
        self, prompts: Sequence[Sequence[int]], each_step: Callable[[int], None] = lambda _: None
    ) -> list[Answer]:
        """Answer prompts, as `SharedPrefixDecoder.decode` does; `each_step` is called once."""
        whole = [self._prefix + list(prompt) for prompt in prompts]
        width = max(map(len, whole))
        ids = [[0] * (width - len(prompt)) + prompt for prompt in whole]
        real = [[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in whole]
        device = self._model.device
        each_step(0)
        out = self._model.generate(
            torch.tensor(ids, device=device),
            attention_mask=torch.tensor(real, device=device),
        )
        return [self._cut(row) for row in out[:, width:].tolist()]

    def _cut(self, tokens: list[int]) -> Answer:
        for index, token in enumerate(tokens):
            if token in self._stop:
                return Answer(tuple(tokens[:index]), finished=True)
        return Answer(tuple(tokens), finished=False)


def decoder_name(model: Any) -> str:
    """Give which decoder a model gets: `shared-prefix` or `generate`.

    It depends on the architecture alone, so that baseline and adapted get the same.
    """
    config = model.config
    window = getattr(config, "sliding_window", None)
    whole = window is None or window >= config.max_position_embeddings
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    fits = config.model_type in SHARED_PREFIX_MODELS and whole and kinds == {"full_attention"}
    return "shared-prefix" if fits else "generate"


def make_decoder(
    model: Any, *, stop_tokens: frozenset[int], max_new_tokens: int, prefix: Sequence[int]
) -> SharedPrefixDecoder | GenerateDecoder:
    """Make the decoder that a model gets (see `decoder_name`)."""
    kind = SharedPrefixDecoder if decoder_name(model) == "shared-prefix" else GenerateDecoder
    return kind(model, stop_tokens=stop_tokens, max_new_tokens=max_new_tokens, prefix=prefix)


class _Batch:
    """Rows on their way: which row sits in which slot, and what each has written."""

    def __init__(
        self, prompts: Sequence[Sequence[int]], longest: int, layers: int, device: Any
    ) -> None:
        width = max(len(prompt) for prompt in prompts)
        padding = [width - len(prompt) for prompt in prompts]
        rows = [[0] * pad + list(prompt) for pad, prompt in zip(padding, prompts, strict=True)]
        self.ids = torch.tensor(rows, device=device)
        self.padding = torch.tensor(padding, device=device)
        self.padded = any(padding)
        self.cache = RowsCache(layers, len(prompts), width + longest)
        self.column = width
        self.slots = list(range(len(prompts)))
        self.written: list[list[int]] = [[] for _ in prompts]
        self._finished = [False] * len(prompts)
        self._longest = longest

    @property
    def answers(self) -> list[Answer]:
        return [
            Answer(tuple(tokens), finished)
            for tokens, finished in zip(self.written, self._finished, strict=True)
        ]

    def take(self, tokens: list[int], stop: frozenset[int]) -> None:
        """Give each living row its token and drop the rows that end."""
        ended = []
        for slot, token in enumerate(tokens):
            row = self.slots[slot]
            if token in stop:
                self._finished[row] = True
                ended.append(slot)
            else:
                self.written[row].append(token)
                if len(self.written[row]) == self._longest:
                    ended.append(slot)
        self.cache.seek(0, self.column)
        for slot in reversed(ended):
            last = len(self.slots) - 1
            if slot != last:
                self.cache.move(last, slot)
                self.padding[slot] = self.padding[last]
                self.slots[slot] = self.slots[last]
            self.slots.pop()
