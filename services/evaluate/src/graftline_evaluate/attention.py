"""A key-value cache for many rows behind one prefix, and the attention that reads it.

All prompts of a variant begin alike (instruction, schema, examples). Keys and values of that
prefix are computed once and kept once, not once a row: a row's queries meet them in one matrix
product for all rows, beside their own row's cache, under one softmax. The arithmetic is that of
the whole prompt; only the order of sums differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import AttentionInterface
from transformers.cache_utils import Cache, CacheLayerMixin

if TYPE_CHECKING:
    from collections.abc import Sequence

ATTENTION = "graftline_shared_prefix"


class LayerCache(CacheLayerMixin):  # type: ignore[misc]
    """One layer's keys and values: rows in slots, columns in time, allocated once.

    Args:
        slots: Most rows at once.
        columns: Most tokens of a row behind the prefix.
    """

    def __init__(self, slots: int, columns: int) -> None:
        """Remember the shape; memory is taken with the first keys."""
        super().__init__()
        self._shape = (slots, columns)
        self.first_slot = 0
        self.column = 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Take the memory."""
        slots, columns = self._shape
        for name, states in (("keys", key_states), ("values", value_states)):
            heads, size = states.shape[1], states.shape[3]
            # Zeros, not `empty`: padded columns are read (with weight zero), and 0 · NaN is NaN.
            setattr(self, name, states.new_zeros((slots, heads, columns, size)))
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write new columns of the current slots; give all their columns so far (views)."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        end = self.column + key_states.shape[2]
        slots = slice(self.first_slot, self.first_slot + key_states.shape[0])
        self.keys[slots, :, self.column : end] = key_states
        self.values[slots, :, self.column : end] = value_states
        return self.keys[slots, :, :end], self.values[slots, :, :end]

    def move(self, source: int, target: int) -> None:
        """Copy a slot over another, up to the current column."""
        for states in (self.keys, self.values):
            states[target, :, : self.column] = states[source, :, : self.column]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Give the columns after the next write, and no offset."""
        return self.column + query_length, 0

    def get_seq_length(self) -> int:
        """Give the columns written."""
        return self.column

    def get_max_length(self) -> int:
        """Give the columns there are."""
        return self._shape[1]


class RowsCache(Cache):  # type: ignore[misc]
    """All layers' caches, moved along together."""

    layers: list[LayerCache]

    def __init__(self, layers: int, slots: int, columns: int) -> None:
        """Make one cache a layer."""
        super().__init__(layers=[LayerCache(slots, columns) for _ in range(layers)])

    def seek(self, first_slot: int, column: int) -> None:
        """Say where the next forward pass writes."""
        for layer in self.layers:
            layer.first_slot, layer.column = first_slot, column

    def move(self, source: int, target: int) -> None:
        """Copy a slot over another in every layer."""
        for layer in self.layers:
            layer.move(source, target)


Prefix = list[tuple[torch.Tensor, torch.Tensor]]
"""Keys and values of the shared prefix by layer, each of shape (heads, tokens, size)."""


@torch.inference_mode()
def read_prefix(model: Any, prefix: Sequence[int]) -> Prefix:
    """Read what texts begin with, once for all of them.

    Args:
        model: One whose attention is `ATTENTION`.
        prefix: At least one token.
    """
    cache = RowsCache(int(model.config.num_hidden_layers), 1, len(prefix))
    ids = torch.tensor([list(prefix)], device=model.device)
    positions = torch.arange(len(prefix), device=ids.device)[None]
    next_logits(model, ids, positions, causal(len(prefix), ids.device), cache, None)
    return [(layer.keys[0].contiguous(), layer.values[0].contiguous()) for layer in cache.layers]


def next_logits(
    model: Any,
    ids: torch.Tensor,
    positions: torch.Tensor,
    mask: torch.Tensor | None,
    cache: RowsCache,
    prefix: Prefix | None,
) -> torch.Tensor:
    """Read the next tokens of rows, and give the logits behind the last of them.

    Args:
        model: One whose attention is `ATTENTION`.
        ids: Shape (rows, columns).
        positions: Likewise, counted from the prefix's beginning.
        mask: As `attend` takes it.
        cache: Where the rows' keys and values are, and go.
        prefix: What stands before every row, if anything.

    Returns:
        Shape (rows, vocabulary).
    """
    out = model(
        input_ids=ids,
        position_ids=positions,
        attention_mask=mask,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
        shared_prefix=prefix,
    )
    logits: torch.Tensor = out.logits[:, -1]
    return logits


def causal(width: int, device: Any) -> torch.Tensor:
    """Give the mask by which each of a row's tokens sees itself and those before it."""
    return torch.ones((width, width), dtype=torch.bool, device=device).tril()[None, None]


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    shared_prefix: Prefix | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend to the shared prefix and to one's own row.

    Args:
        module: The attention layer (`layer_idx`).
        query: Shape (rows, query heads, queries, size).
        key: Of the own row: shape (rows, heads, columns, size).
        value: Likewise.
        attention_mask: True where a query may look at an own column: shape (rows, 1, queries,
            columns); nothing if everywhere. The prefix is seen by all.
        scaling: Of the scores; default: size ** -0.5.
        shared_prefix: Of all layers.

    Returns:
        Shape (rows, queries, query heads, size), and no weights.
    """
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    prefix = None if shared_prefix is None else shared_prefix[int(module.layer_idx)]  # type: ignore[arg-type]
    if query.shape[2] > 1:
        return _attend_many(query, key, value, attention_mask, scaling, prefix), None
    return _attend_one(query, key, value, attention_mask, scaling, prefix), None


def _attend_many(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    prefix: tuple[torch.Tensor, torch.Tensor] | None,
) -> torch.Tensor:
    """Read prompts: many queries a row, so that copying the prefix to each row costs little."""
    rows, queries = query.shape[0], query.shape[2]
    if prefix is not None:
        key = torch.cat([prefix[0].expand(rows, -1, -1, -1), key], dim=2)
        value = torch.cat([prefix[1].expand(rows, -1, -1, -1), value], dim=2)
        if mask is not None:
            seen = mask.new_ones((rows, 1, queries, prefix[0].shape[1]))
            mask = torch.cat([seen, mask], dim=3)
    out = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=scaling, is_causal=mask is None, enable_gqa=True
    )
    return out.transpose(1, 2).contiguous()


def _attend_one(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float,
    prefix: tuple[torch.Tensor, torch.Tensor] | None,
) -> torch.Tensor:
    """Decode: one query a row; query heads that share a key head are rows of one product."""
    rows, query_heads, _, size = query.shape
    heads, columns = key.shape[1], key.shape[2]
    repeats = query_heads // heads
    own = (query * scaling).reshape(rows * heads, repeats, size)
    scores = torch.bmm(own, key.flatten(0, 1).transpose(1, 2)).view(rows, heads, repeats, columns)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    if prefix is None:
        weights = scores.float().softmax(-1).to(value.dtype)
        out = torch.bmm(weights.view(rows * heads, repeats, columns), value.flatten(0, 1))
        return out.view(rows, 1, query_heads, size)
    keys, values = prefix
    tokens = keys.shape[1]
    shared = own.view(rows, heads, repeats, size).transpose(0, 1).reshape(heads, -1, size)
    before = torch.bmm(shared, keys.transpose(1, 2)).view(heads, rows, repeats, tokens)
    both = torch.cat([before.transpose(0, 1), scores], dim=3)
    weights = both.float().softmax(-1).to(value.dtype)
    out = torch.bmm(
        weights[..., tokens:].reshape(rows * heads, repeats, columns), value.flatten(0, 1)
    ).view(rows, heads, repeats, size)
    seen = weights[..., :tokens].transpose(0, 1).reshape(heads, rows * repeats, tokens)
    out += torch.bmm(seen, values).view(heads, rows, repeats, size).transpose(0, 1)
    return out.reshape(rows, 1, query_heads, size)


AttentionInterface.register(ATTENTION, attend)
