"""The part of a model that text passes through: tokenizer, chat template, context length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from graftline.domain.model_record import read_model_record
from graftline.domain.template import ChatTemplate, read_chat_template, read_model_json
from graftline.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class ChatModel:
    """A model as far as formatting needs it.

    Args:
        name: `name@revision`, or the folder's name.
        tokenizer: Adds no special tokens, pads and truncates nothing.
        template: Its chat template.
        special_ids: Ids of the special tokens.
        context_length: Most tokens that the model reads, if its config says so.
    """

    name: str
    tokenizer: Any
    template: ChatTemplate
    special_ids: frozenset[int]
    context_length: int | None


def load_chat_model(folder: Path) -> ChatModel:
    """Read tokenizer and chat template from a model's folder.

    Args:
        folder: As `save_pretrained` writes it.

    Raises:
        ConfigError: There is no fast tokenizer or no chat template, or one of them is broken.
    """
    name = read_model_record(folder).label or folder.name
    tokenizer = _load_tokenizer(folder, name)
    special = frozenset(
        token_id
        for token_id, token in tokenizer.get_added_tokens_decoder().items()
        if token.special
    )
    return ChatModel(
        name=name,
        tokenizer=tokenizer,
        template=read_chat_template(folder),
        special_ids=special,
        context_length=read_model_json(folder / "config.json").get("max_position_embeddings"),
    )


def _load_tokenizer(folder: Path, name: str) -> Any:
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ConfigError(
            f"model {name} has no tokenizer.json",
            "save its tokenizer as a fast one: AutoTokenizer.from_pretrained(…).save_pretrained(…)",
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain Exception
        raise ConfigError(f"model {name}: tokenizer.json cannot be read: {error}") from error
    # The chat template writes the special tokens; a post-processor would only move offsets.
    tokenizer.post_processor = None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
