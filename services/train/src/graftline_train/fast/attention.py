"""Causal attention group by group: no mask over the whole pass, no padding outside of here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from graftline_train.fast.autograd import apply

if TYPE_CHECKING:
    from graftline_train.fast.layout import Group, Layout

# Up to here plain products beat the CPU's flash attention, whose backward pass is slow.
PLAIN_LENGTH = 512


class _Pad(torch.autograd.Function):
    """Rows of a group to padded places; gradients of the pads are dropped."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, padded: Tensor, real: Tensor) -> Tensor:
        ctx.save_for_backward(real)
        return tokens.index_select(0, padded)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (real,) = ctx.saved_tensors
        return gradients[0].index_select(0, real), None, None


class _Unpad(torch.autograd.Function):
    """Padded places back to rows; pads get a gradient of zero."""

    @staticmethod
    def forward(ctx: Any, places: Tensor, real: Tensor) -> Tensor:
        ctx.save_for_backward(real)
        ctx.places = places.shape[0]
        return places.index_select(0, real)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (real,) = ctx.saved_tensors
        (gradient,) = gradients
        result = gradient.new_zeros(ctx.places, *gradient.shape[1:])
        return result.index_copy_(0, real, gradient), None


def attend(heads: Tensor, layout: Layout, queries: int, keys: int) -> Tensor:
    """Attend causally within each row of a pass.

    Args:
        heads: [tokens, queries + 2 × keys, size]: query heads, key heads, value heads; rotated.
        layout: Which tokens make up which rows.
        queries: How many query heads.
        keys: How many key (and value) heads; it divides `queries`.

    Returns:
        [tokens, queries × size].
    """
    results: list[Tensor] = []
    before: list[tuple[Tensor, Tensor]] = []
    sizes = [group.tokens for group in layout.groups]
    for group, tokens in zip(layout.groups, torch.split(heads, sizes), strict=True):
        if group.padded is not None and group.real is not None:
            tokens = apply(_Pad, tokens, group.padded, group.real)
        shaped = tokens.view(group.size, group.length, -1, heads.shape[-1]).transpose(1, 2)
        query, key, value = torch.split(shaped, [queries, keys, keys], dim=1)
        before.append((key, value))
        if group.prefix is not None:
            key, value = (
                torch.cat([earlier.expand(group.size, -1, -1, -1), own], dim=2)
                for earlier, own in zip(before[group.prefix], (key, value), strict=True)
            )
        result = _attend_group(query, key, value, group)
        flat = result.transpose(1, 2).reshape(group.size * group.length, -1)
        results.append(flat if group.real is None else apply(_Unpad, flat, group.real))
    return torch.cat(results) if len(results) > 1 else results[0]


def _attend_group(query: Tensor, key: Tensor, value: Tensor, group: Group) -> Tensor:
    """Attend in [segments, heads, length, size]; keys may begin earlier than queries.

    Pads come last in a segment, so no real query sees one.
    """
    if query.device.type == "cpu" and key.shape[2] <= PLAIN_LENGTH:
        return _plain(query, key, value)
    if group.prefix is None:
        return functional.scaled_dot_product_attention(
            query, key, value, is_causal=True, enable_gqa=query.shape[1] != key.shape[1]
        )
    seen = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril(
        key.shape[2] - query.shape[2]
    )
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=seen, enable_gqa=query.shape[1] != key.shape[1]
    )


def _plain(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """softmax(q·kᵀ/√d + causal)·v, all query heads of a key head in one product."""
    segments, heads, length, size = query.shape
    keys, seen = key.shape[1], key.shape[2]
    repeats = heads // keys
    flat_query = query.reshape(segments * keys, repeats * length, size)
    flat_key = key.reshape(segments * keys, seen, size)
    flat_value = value.reshape(segments * keys, seen, size)
    hidden = query.new_full((length, seen), float("-inf")).triu_(seen - length + 1)
    scores = torch.baddbmm(
        hidden.repeat(repeats, 1), flat_query, flat_key.transpose(1, 2), alpha=size**-0.5
    )
    mixed = torch.bmm(scores.softmax(-1), flat_value)
    return mixed.view(segments, heads, length, size)
