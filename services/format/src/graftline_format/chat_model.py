"""The part of a model that text passes through: tokenizer, chat template, context length."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from graftline.domain.model_record import read_model_record
from graftline.errors import ConfigError
from graftline_format.template import ChatTemplate

if TYPE_CHECKING:
    from pathlib import Path

_TOKEN_NAMES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


@dataclass(frozen=True)
class ChatModel:
    """A model as far as formatting needs it.

    Args:
        name: `name@revision`, or the folder's name.
        tokenizer: Adds no special tokens, pads and truncates nothing.
        template: The default chat template.
        tool_template: The one for conversations with tools, where the model has two.
        special_ids: Ids of the special tokens.
        context_length: Most tokens that the model reads, if its config says so.
    """

    name: str
    tokenizer: Any
    template: ChatTemplate
    tool_template: ChatTemplate
    special_ids: frozenset[int]
    context_length: int | None


def load_chat_model(folder: Path, today: str) -> ChatModel:
    """Read tokenizer and chat template from a model's folder.

    Args:
        folder: As `save_pretrained` writes it.
        today: `YYYY-MM-DD`, for templates that ask for the date.

    Raises:
        ConfigError: There is no fast tokenizer or no chat template, or one of them is broken.
    """
    name = read_model_record(folder).label or folder.name
    tokenizer = _load_tokenizer(folder, name)
    settings = _read_json(folder / "tokenizer_config.json")
    tokens = _special_tokens({**_read_json(folder / "special_tokens_map.json"), **settings})
    sources = _template_sources(folder, settings)
    if not sources:
        raise ConfigError(
            f"model {name} has no chat template (neither chat_template.jinja nor chat_template in "
            "tokenizer_config.json)",
            "use the instruction-tuned variant of the model, or set `chat_template` of the step "
            "that makes the model",
        )
    if "default" not in sources:
        raise ConfigError(
            f"model {name} has the chat templates {', '.join(sorted(sources))} but no default",
            "save the one to be used as chat_template.jinja",
        )
    day = _parse_date(today)
    template = ChatTemplate(sources["default"], tokens, day)
    tool_source = sources.get("tool_use")
    special = frozenset(
        token_id
        for token_id, token in tokenizer.get_added_tokens_decoder().items()
        if token.special
    )
    return ChatModel(
        name=name,
        tokenizer=tokenizer,
        template=template,
        tool_template=ChatTemplate(tool_source, tokens, day) if tool_source else template,
        special_ids=special,
        context_length=_read_json(folder / "config.json").get("max_position_embeddings"),
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


def _special_tokens(settings: dict[str, Any]) -> dict[str, str]:
    """Name the special tokens; a token is a string or an object with its `content`."""
    tokens = {}
    for name in _TOKEN_NAMES:
        value = settings.get(name)
        value = value.get("content") if isinstance(value, dict) else value
        if isinstance(value, str):
            tokens[name] = value
    return tokens


def _template_sources(folder: Path, settings: dict[str, Any]) -> dict[str, str]:
    """Find chat templates by name, the newer layouts before the older ones."""
    found: dict[str, str] = {}
    given = settings.get("chat_template")
    if isinstance(given, str):
        found["default"] = given
    elif isinstance(given, list):
        found |= {item["name"]: item["template"] for item in given}
    elif isinstance(given, dict):
        found |= given
    for path in sorted((folder / "additional_chat_templates").glob("*.jinja")):
        found[path.stem] = path.read_text(encoding="utf-8")
    single = folder / "chat_template.jinja"
    if single.is_file():
        found["default"] = single.read_text(encoding="utf-8")
    return found


def _parse_date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"template_date: {text!r} is not a date", "as 2024-07-26") from error


def _read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object, or nothing where there is no file.

    Raises:
        ConfigError: The file is not a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"the model's {path.name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"the model's {path.name} is not a JSON object")
    return value
