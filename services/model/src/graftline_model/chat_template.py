"""Choosing a chat template, and checking it before anything is trained with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from graftline.config import nearest
from graftline.domain.chat_templates import FAMILIES, with_begin
from graftline.domain.template import ChatTemplate, TemplateRefusal
from graftline.errors import ConfigError, DataError, GraftlineError
from graftline_model.folder import read_json

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE_FILE = "chat_template.jinja"
_PROBE = "Graftline asks."
_ANSWER = "Graftline answers."


def choose_template(given: str, folder: Path, special: dict[str, str], model: str) -> str:
    """Give the template that the setting `chat_template` means.

    Args:
        given: A family's name or a Jinja text.
        folder: The model, with its `tokenizer.json`.
        special: `bos_token`, `eos_token` and the like.
        model: The model, for messages.

    Raises:
        ConfigError: It is neither, or a family whose marks the tokenizer does not have.
    """
    if "{" in given:
        return given
    if given not in FAMILIES:
        raise ConfigError(
            f"chat_template: {given!r} is neither a family ({', '.join(FAMILIES)}) nor a Jinja "
            f"text{nearest(given, FAMILIES)}"
        )
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    known |= special.keys()
    missing = [mark for mark in FAMILIES[given].marks if mark not in known]
    if missing:
        fitting = [name for name, family in FAMILIES.items() if known.issuperset(family.marks)]
        raise ConfigError(
            f"chat_template: '{given}' needs {', '.join(missing)}, which the tokenizer of {model} "
            "does not have as special tokens",
            f"families that fit it: {', '.join(fitting) or 'none'}",
        )
    begin = special.get("bos_token")
    begins = begin is not None and tokenizer.encode("a").tokens[:1] == [begin]
    return with_begin(FAMILIES[given], begins=begins)


def end_token(template: str, special: dict[str, str], folder: Path) -> int | None:
    """Find the special token that a template writes behind an answer.

    Gives:
        Its id; nothing if the template ends answers by no special token.
    """
    messages = [
        {"role": "user", "content": _PROBE},
        {"role": "assistant", "content": _ANSWER},
    ]
    try:
        text = ChatTemplate({"default": template}, special).render(messages)
    except (ConfigError, TemplateRefusal):
        return None  # it refuses answers, which is for `format` to say
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    behind = text.rpartition(_ANSWER)[2].lstrip()
    for index, token in sorted(tokenizer.get_added_tokens_decoder().items()):
        if token.special and behind.startswith(token.content):
            return int(index)
    return None


def check_template(template: str, special: dict[str, Any], *, overridden: bool, model: str) -> None:
    """Render a question with the template, as transformers would.

    Args:
        template: The Jinja text.
        special: `bos_token`, `eos_token` and the like.
        overridden: Whether it stands in the step's settings rather than in the model.
        model: The model, for the message.

    Raises:
        ConfigError: The model has none, or the one in the settings is wrong.
        DataError: The model's own one is wrong.
    """
    if not template.strip():
        raise ConfigError(
            f"{model} has no chat template",
            "set `chat_template` to one (a Jinja text), or use the model's instruct version",
        )
    problem = _problem(template, special)
    if not problem:
        return
    kind: type[GraftlineError] = ConfigError if overridden else DataError
    whose = "the setting `chat_template`" if overridden else f"the chat template of {model}"
    raise kind(f"{whose} {problem}")


def _problem(template: str, special: dict[str, Any]) -> str:
    messages = [{"role": "user", "content": _PROBE}]
    try:
        written = ChatTemplate({"default": template}, special)
        text = written.render(messages, generation_prompt=True)
    except ConfigError as error:
        return f"cannot be rendered: {error}"
    except TemplateRefusal as error:
        return f"fails on a plain question: {error}"
    return "" if _PROBE in text else "does not show the user's message"


def stored_template(folder: Path) -> str:
    """Find a model folder's chat template: its own file, or inside `tokenizer_config.json`.

    Raises:
        DataError: A file that may hold it is no JSON object.
    """
    own = folder / TEMPLATE_FILE
    if own.is_file():
        return own.read_text()
    for name in ("chat_template.json", "tokenizer_config.json"):
        path = folder / name
        if not path.is_file():
            continue
        stored = read_json(path).get("chat_template")
        if isinstance(stored, list):
            named = [item for item in stored if isinstance(item, dict)]
            stored = next((x.get("template") for x in named if x.get("name") == "default"), None)
        if stored:
            return str(stored)
    return ""


def token_texts(tokenizer_config: dict[str, Any]) -> dict[str, str]:
    """Give the special tokens that a template may name, as text."""
    texts = {}
    for name in ("bos_token", "eos_token", "pad_token", "unk_token"):
        value = tokenizer_config.get(name)
        if isinstance(value, dict):
            value = value.get("content")
        if isinstance(value, str):
            texts[name] = value
    return texts
