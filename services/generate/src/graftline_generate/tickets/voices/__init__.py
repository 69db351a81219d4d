"""The voices of the three splits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftline_generate.tickets.voices import eval as eval_voices
from graftline_generate.tickets.voices import ood, train

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graftline_generate.tickets.voice import Voice

VOICES: Mapping[str, tuple[Voice, ...]] = {
    "train": train.VOICES,
    "eval": eval_voices.VOICES,
    "ood": ood.VOICES,
}
