"""The Modelfiles of a bundle: system prompt, template and stop texts from what was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graftline.errors import DataError
from graftline_export.modelfile import Modelfile
from graftline_export.ollama_template import check_template, derive, stop_texts
from graftline_export.work import MOST_CONTEXT

if TYPE_CHECKING:
    from graftline_export.work import Work

MERGED_MODELFILE = "Modelfile"
ADAPTER_MODELFILE = "Modelfile.adapter"


def make_modelfiles(work: Work) -> dict[str, Modelfile]:
    """Give the Modelfiles of the wanted forms by file name; none if Ollama is not wanted.

    Raises:
        DataError: The chat template cannot be said in Ollama's language, or takes no system
            prompt while there is one.
    """
    config = work.config
    if "ollama" not in config.formats:
        return {}
    template, stops = _template(work)
    sources = {}
    if "gguf" in config.formats:
        sources[MERGED_MODELFILE] = (f"./{work.gguf_file}", "")
    if "gguf-adapter" in config.formats:
        base = config.adapter_from or f"./{work.base_file}"
        sources[ADAPTER_MODELFILE] = (base, work.adapter_file)
    return {
        file: Modelfile(
            source=source,
            adapter=adapter,
            template=template,
            system=work.system,
            stops=tuple(dict.fromkeys([*stops, *config.stop])),
            num_ctx=config.num_ctx or min(work.base.context or MOST_CONTEXT, MOST_CONTEXT),
            temperature=config.temperature,
            license=config.license,
        )
        for file, (source, adapter) in sources.items()
    }


def _template(work: Work) -> tuple[str, list[str]]:
    """Give the Go template and the texts that end an answer."""
    tokenizer, own = work.tokenizer, work.config.ollama_template
    ends = [tokenizer.eos_token] if tokenizer.eos_token else []
    if own:
        difference = check_template(own, work.render_chat, work.begin_text)
        if difference:
            work.ctx.log(f"`ollama_template` is not the model's own: {difference}", "warning")
        return own, ends
    pieces = derive(work.render_chat, work.begin_text)
    if work.system and pieces.before_system is None:
        raise DataError(
            f"the chat template of {work.base.name} takes no system prompt",
            "set `system` to '' and put the instruction into the user's text",
        )
    return pieces.go(), [*stop_texts(pieces, list(tokenizer.all_special_tokens)), *ends]
