"""The model's tokenizer, and a document's tokens: each text is tokenised once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from graftline.domain.model_record import read_model_record
from graftline.errors import ConfigError
from graftline_chunk.measure import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PIECE = 1 << 16
_PIECES = 16


class Tokeniser:
    """Counts as a model does.

    Args:
        folder: The model, as `save_pretrained` writes it.
    """

    def __init__(self, folder: Path) -> None:
        """Load its tokenizer.

        Raises:
            ConfigError: There is no fast tokenizer, or it is broken.
            DataError: What the model says of itself cannot be read.
        """
        self.model = read_model_record(folder).label or folder.name
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise ConfigError(
                f"model {self.model} has no tokenizer.json",
                "save its tokenizer as a fast one:"
                " AutoTokenizer.from_pretrained(…).save_pretrained(…)",
            )
        try:
            self._tokenizer: Any = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises plain Exception
            name = f"model {self.model}: tokenizer.json"
            raise ConfigError(f"{name} cannot be read: {error}") from error
        self._tokenizer.post_processor = None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def tokenise(self, text: str) -> Tokens:
        """Tokenise a text and give where its tokens lie.

        Long texts go in pieces of 64 K characters, so that memory stays bounded and cores share
        the work. A piece ends at a line's end, else at a space, else anywhere; where two pieces
        join, there may be a few tokens more or fewer than in the text as a whole: a token or two
        for most models, more where tokens span words.
        """
        found: list[np.ndarray[Any, np.dtype[np.int64]]] = []
        pieces = list(_pieces(text))
        for at in range(0, len(pieces), _PIECES):
            group = pieces[at : at + _PIECES]
            texts = [text[start:end] for start, end in group]
            encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
            for (start, _), encoding in zip(group, encodings, strict=True):
                if encoding.offsets:
                    found.append(np.array(encoding.offsets, np.int64) + start)
        offsets = np.concatenate(found) if found else np.zeros((0, 2), np.int64)
        # Some tokenizers give a token that stands for nothing in the text a place of its own.
        offsets = np.maximum.accumulate(offsets, axis=0)
        return Tokens(offsets[:, 0].copy(), offsets[:, 1].copy(), len(text))


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = min(start + _PIECE, len(text))
        if end < len(text):
            line = text.rfind("\n", start + _PIECE // 2, end) + 1
            word = text.rfind(" ", start + _PIECE // 2, end)
            end = line or (word if word > 0 else end)
        yield start, end
        start = end
