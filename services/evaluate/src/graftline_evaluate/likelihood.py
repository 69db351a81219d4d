"""How probable a model finds given texts (teacher forcing), many at once.

Texts are laid end to end without padding and read in one pass, each seeing itself alone and what
all begin with, which is read once. Logits are computed where they count, and nowhere else.
Architectures whose attention is not known to allow this (`decoding.decoder_name`) read one text at
a time. Log probabilities are taken in float32 and summed in float64; which texts are read together
is a fixed function of the texts and the model's vocabulary.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import torch

from graftline.canonical import digest_of
from graftline.errors import DataError
from graftline_evaluate.attention import ATTENTION, causal, read_prefix
from graftline_evaluate.decoding import decoder_name
from graftline_evaluate.kept import keep, restore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from graftline.context import Context
    from graftline_evaluate.answering import Work
    from graftline_evaluate.attention import Prefix
    from graftline_evaluate.config import EvaluateRuntime
    from graftline_evaluate.targets import Targets

PASS_TOKENS = 512
"""Tokens that are read at once, behind the prefix, where one text has not more."""

PASS_LOGITS = 1 << 25
"""Likewise the logits that are computed at once."""


class Forcer:
    """Gives the probability of texts that begin alike.

    Args:
        model: A causal language model of `transformers`, in evaluation mode.
        prefix: What every text begins with; read here, once, if the architecture allows.
    """

    def __init__(self, model: Any, prefix: Sequence[int]) -> None:
        """Read the prefix."""
        self._model = model
        self._prefix = list(prefix)
        self._shares = decoder_name(model) == "shared-prefix"
        self._read: Prefix | None = None
        if self._shares:
            model.set_attn_implementation(ATTENTION)
            if prefix:
                self._read = read_prefix(model, prefix)

    @torch.inference_mode()
    def nats(self, rests: Sequence[Sequence[int]], starts: Sequence[int]) -> list[float]:
        """Give each text's negative log probability in nats.

        Args:
            rests: The texts without their common prefix.
            starts: The first token of each that counts; at least 1.
        """
        texts = list(zip(rests, starts, strict=True))
        if not self._shares:
            return [self._alone([*self._prefix, *rest], start) for rest, start in texts]
        vocabulary = int(self._model.config.vocab_size)
        return [value for part in _passes(texts, vocabulary) for value in self._together(part)]

    def _alone(self, tokens: list[int], start_in_rest: int) -> float:
        start = len(self._prefix) + start_in_rest
        ids = torch.tensor([tokens], device=self._model.device)
        kept = len(tokens) - start + 1
        out = self._model(input_ids=ids, use_cache=False, logits_to_keep=kept)
        return float(_nats(out.logits[0, :-1], ids[0, start:]).cpu().sum())

    def _together(self, texts: Sequence[Text]) -> list[float]:
        device = self._model.device
        lengths = [len(tokens) for tokens, _ in texts]
        ids = torch.tensor([token for tokens, _ in texts for token in tokens], device=device)
        owners = torch.repeat_interleave(torch.tensor(lengths, device=device))
        positions = torch.cat([torch.arange(length, device=device) for length in lengths])
        starts = torch.tensor([start for _, start in texts], device=device)
        # A token is told by the logits of the one before it, which is of the same text.
        counted = torch.nonzero(positions >= starts[owners]).flatten()
        mask = causal(len(ids), device) & (owners[:, None] == owners[None])
        out = self._model(
            input_ids=ids[None],
            position_ids=positions[None] + len(self._prefix),
            attention_mask=mask,
            use_cache=False,
            logits_to_keep=counted - 1,
            shared_prefix=self._read,
        )
        # Summed on the CPU: a GPU adds up scattered numbers in no fixed order.
        nats = _nats(out.logits[0], ids[counted]).cpu()
        counts = [len(tokens) - start for tokens, start in texts]
        return [float(part.sum()) for part in torch.split(nats, counts)]


Text = tuple["Sequence[int]", int]
"""Tokens behind the prefix, and the first of them that counts."""


def _passes(texts: Sequence[Text], vocabulary: int) -> Iterator[list[Text]]:
    """Cut texts into what is read at once, in their order."""
    part: list[Text] = []
    tokens = logits = 0
    for text in texts:
        own_tokens, own_logits = len(text[0]), (len(text[0]) - text[1]) * vocabulary
        too_much = tokens + own_tokens > PASS_TOKENS or logits + own_logits > PASS_LOGITS
        if part and too_much:
            yield part
            part, tokens, logits = [], 0, 0
        part.append(text)
        tokens, logits = tokens + own_tokens, logits + own_logits
    if part:
        yield part


def _nats(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Give the negative log probability of each token, from the logits before it.

    Not by `cross_entropy`: on a CPU it adds up tens of thousands of exponentials one after the
    other, which loses 1e-5 a token, always to the same side; `logsumexp` adds them in a tree.
    """
    logits = logits.float()
    said = logits.gather(1, tokens[:, None])[:, 0]
    return logits.logsumexp(dim=1).double() - said.double()


def force_all(
    ctx: Context[EvaluateRuntime],
    model: Any,
    name: str,
    targets: Targets,
    batch_rows: int,
    work: Work,
) -> list[float]:
    """Give the negative log probability, in nats, of every text's counted tokens.

    Texts are sorted by length and cut into units of `batch_rows`, each kept as a checkpoint.

    Raises:
        DataError: Some are no finite numbers.
        Cancelled: Somebody asked to stop; finished units are kept.
    """
    order = sorted(range(len(targets.rests)), key=lambda row: (len(targets.rests[row]), row))
    nats = [math.nan] * len(order)
    forcer: Forcer | None = None
    for start in range(0, len(order), batch_rows):
        rows = order[start : start + batch_rows]
        rests = [targets.rests[row] for row in rows]
        starts = [targets.starts[row] for row in rows]
        unit = f"{name}-{start // batch_rows:05d}"
        digest = digest_of([targets.prefix, rests, starts])
        found = restore(ctx, unit, digest)
        if found is None:
            ctx.raise_if_stopping()
            began = time.perf_counter()
            if forcer is None:
                forcer = Forcer(model, targets.prefix)
            found = forcer.nats(rests, starts)
            _refuse_endless(name, found)
            keep(ctx, unit, digest, found)
            work.forcing_seconds += time.perf_counter() - began
            work.forced_tokens += sum(map(len, rests))
        work.done += len(rows)
        ctx.progress(work.done, work.total, "rows")
        for row, value in zip(rows, found, strict=True):
            nats[row] = value
    return nats


def _refuse_endless(name: str, nats: Sequence[float]) -> None:
    wrong = sum(not math.isfinite(value) for value in nats)
    if wrong:
        raise DataError(
            f"{name}: the model gives {wrong} of {len(nats)} texts no finite probability",
            "its weights, or the adapter's, overflow: was the training stable?",
        )
