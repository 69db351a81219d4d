"""How the loss of a forward pass is computed: the fast path, or plain Transformers and PEFT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from graftline_train.fast.decoder import LINEARS, FastDecoder, why_not
from graftline_train.fast.layout import lay_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from graftline_train.config import TrainConfig
    from graftline_train.model import BaseModel
    from graftline_train.rows import Row


class Passes(Protocol):
    """Computes losses with the adapter's current weights."""

    padded: bool
    """Whether rows are padded to the longest one of their pass."""

    def loss(self, rows: Sequence[Row], training: bool) -> Tensor:
        """Sum the negative log-likelihood of the rows' learned tokens, as an fp32 scalar."""

    def refresh(self) -> None:
        """Take up the adapter's weights after they changed."""


def slow_reason(base: BaseModel, config: TrainConfig) -> str:
    """Say why the fast path cannot be taken; an empty text if it can."""
    if config.quantization != "none":
        return f"quantization: {config.quantization}"
    if config.use_dora:
        return "use_dora"
    if not isinstance(config.target_modules, str):
        others = sorted({name.rpartition(".")[2] for name in config.target_modules} - {*LINEARS})
        if others:
            return f"target_modules: {', '.join(others)}"
    return why_not(base.config, config.max_length)


class FastPasses:
    """Without padding, masks or dead work; for Llama-family decoders."""

    padded = False

    def __init__(self, model: Any, config: TrainConfig, device: torch.device) -> None:
        """Take over a PEFT model's parameters."""
        self._decoder = FastDecoder(model, config.lora_dropout)
        self._device = device

    def loss(self, rows: Sequence[Row], training: bool) -> Tensor:
        """Sum the loss over the rows."""
        # A GPU's fused attention takes no prefix; there its speed is worth more than the sharing.
        layout = lay_out(rows, self._device.type == "cpu", self._device)
        return self._decoder.loss(layout, training)

    def refresh(self) -> None:
        """Take up the adapter's weights."""
        self._decoder.refresh()


class PlainPasses:
    """Padded batches through Transformers and PEFT; for every causal language model."""

    padded = True

    def __init__(self, model: Any, device: torch.device) -> None:
        """Use a PEFT model as it is."""
        self._model = model
        self._device = device

    def loss(self, rows: Sequence[Row], training: bool) -> Tensor:
        """Sum the loss over the rows."""
        longest = max(len(row.ids) for row in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.int64)
        real = torch.zeros(len(rows), longest, dtype=torch.int64)
        learned = torch.zeros(len(rows), longest, dtype=torch.bool)
        for index, row in enumerate(rows):
            ids[index, : len(row.ids)] = torch.from_numpy(row.ids)
            real[index, : len(row.ids)] = 1
            learned[index, : len(row.ids)] = torch.from_numpy(row.learned)
        ids, real, learned = (item.to(self._device) for item in (ids, real, learned))
        self._model.train(training)
        logits = self._model(input_ids=ids, attention_mask=real, use_cache=False).logits
        wanted = learned[:, 1:]
        return functional.cross_entropy(
            logits[:, :-1][wanted].float(), ids[:, 1:][wanted], reduction="sum"
        )

    def refresh(self) -> None:
        """Nothing is kept beside the adapter itself."""
