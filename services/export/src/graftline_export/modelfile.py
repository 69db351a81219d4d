"""Ollama's Modelfile. Format: https://docs.ollama.com/modelfile."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from graftline.errors import ConfigError, DataError

_NAME_REST = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True)
class Modelfile:
    """What Ollama is to know of a model.

    Args:
        source: What it is made from: a GGUF beside the Modelfile (`./a.gguf`), or a model that
            Ollama has.
        template: The Go template.
        system: The system prompt; empty for none.
        stops: Texts that end an answer.
        num_ctx: Context length in tokens.
        temperature: 0 for greedy.
        license: The licence's text; empty for none.
        adapter: A GGUF adapter's file name, beside the Modelfile; empty for none.
    """

    source: str
    template: str
    system: str
    stops: tuple[str, ...]
    num_ctx: int
    temperature: float
    license: str = ""
    adapter: str = ""

    def text(self) -> str:
        """Write it down.

        Raises:
            DataError: A text holds the three quotes that would end it.
        """
        lines = [f"FROM {self.source}"]
        if self.adapter:
            lines.append(f"ADAPTER ./{self.adapter}")
        lines.append(f"TEMPLATE {_quoted('TEMPLATE', self.template)}")
        if self.system:
            lines.append(f"SYSTEM {_quoted('SYSTEM', self.system)}")
        lines.append(f"PARAMETER num_ctx {self.num_ctx}")
        lines.append(f"PARAMETER temperature {self.temperature:g}")
        # Ollama's own default, 1.1, would make other answers than those that were compared.
        lines.append("PARAMETER repeat_penalty 1")
        lines += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in self.stops]
        if self.license:
            lines.append(f"LICENSE {_quoted('LICENSE', self.license)}")
        return "\n".join(lines) + "\n"


def _quoted(what: str, text: str) -> str:
    if '"""' in text:
        raise DataError(f'the Modelfile\'s {what} cannot hold three quotes (""")')
    return f'"""{text}"""'


def safe_name(name: str) -> str:
    """Make a name that Ollama, file systems and Kubernetes take: `[a-z0-9._-]`.

    Raises:
        ConfigError: Nothing of it is left.
    """
    cleaned = _NAME_REST.sub("-", name.lower()).strip("-._")
    if not cleaned:
        raise ConfigError(f"name: '{name}' holds none of the characters a-z, 0-9, '.', '_', '-'")
    return cleaned[:80].rstrip("-._")
