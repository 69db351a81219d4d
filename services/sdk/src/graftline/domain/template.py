"""A model's chat template, rendered as `transformers` renders it, without `transformers`.

Training, evaluation and export all write conversations by this module, so that what one of them
sees is what the others see. `transformers` itself would give templates that ask for today's date
the clock's, another one every day, and imports torch (seconds, and 250 MB) for what a Jinja
environment does. The tests of `format` hold the two against each other.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jinja2

from graftline.domain.jinja import chat_environment
from graftline.domain.model_record import read_model_record
from graftline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from jinja2.sandbox import ImmutableSandboxedEnvironment

Message = dict[str, Any]

_TOKEN_NAMES = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


class TemplateRefusal(Exception):
    """The template cannot render a conversation, or says that it does not want to."""


class ChatTemplate:
    """Writes conversations as a model's chat template has them.

    Args:
        sources: Templates by name: `default`, and `tool_use` where conversations with tools have
            one of their own.
        tokens: Special tokens by the names that templates know them by (`bos_token`).

    Raises:
        ConfigError: A text is not a Jinja template.
    """

    def __init__(self, sources: Mapping[str, str], tokens: Mapping[str, str]) -> None:
        """Compile the templates."""
        environment = chat_environment()
        self._default = _compile(environment, sources["default"])
        self._with_tools = (
            _compile(environment, sources["tool_use"]) if "tool_use" in sources else self._default
        )
        self._tokens = dict(tokens)

    def render(
        self,
        messages: Iterable[Message],
        tools: list[dict[str, Any]] | None = None,
        *,
        generation_prompt: bool = False,
    ) -> str:
        """Render a conversation.

        Args:
            messages: Without null keys. Arguments of tool calls are given to the template as
                objects, as templates want them, where they are JSON.
            tools: JSON Schemas of functions.
            generation_prompt: Whether to end with the beginning of an assistant's answer.

        Raises:
            TemplateRefusal: The template does not take this conversation; its message says why.
        """
        template = self._with_tools if tools else self._default
        try:
            return template.render(
                messages=[_with_call_arguments(message) for message in messages],
                tools=tools or None,
                documents=None,
                add_generation_prompt=generation_prompt,
                **self._tokens,
            )
        except (
            jinja2.TemplateError,
            ArithmeticError,
            AttributeError,
            LookupError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            raise TemplateRefusal(" ".join(str(error).split()) or type(error).__name__) from error


def read_chat_template(folder: Path) -> ChatTemplate:
    """Read the chat template and the special tokens in a model's folder.

    Args:
        folder: As `save_pretrained` writes it, in its newer or older layouts.

    Raises:
        ConfigError: There is no chat template, or it is broken.
    """
    name = read_model_record(folder).label or folder.name
    settings = read_model_json(folder / "tokenizer_config.json")
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
    special = read_model_json(folder / "special_tokens_map.json")
    return ChatTemplate(sources, _special_tokens({**special, **settings}))


def read_model_json(path: Path) -> dict[str, Any]:
    """Read one of a model's JSON files, or nothing where there is no file.

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


def _with_call_arguments(message: Message) -> Message:
    if not message.get("tool_calls"):
        return message
    return {**message, "tool_calls": [_parsed(call) for call in message["tool_calls"]]}


def _parsed(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    try:
        arguments = json.loads(function["arguments"])
    except (TypeError, ValueError):
        return call
    return {**call, "function": {**function, "arguments": arguments}}


def _compile(environment: ImmutableSandboxedEnvironment, source: str) -> jinja2.Template:
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError(
            f"the model's chat template is broken at line {error.lineno}: {error.message}"
        ) from error
