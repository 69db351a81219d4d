"""Does a real Ollama, after `ollama create`, make the same prompts and answers?

Ollama is asked as its users ask it: by messages, over its API, with the Modelfile's own template
and system prompt. Three of the Modelfile's parameters are set aside, since the reference has none
like them: answers are greedy whatever `temperature` says, end with an end token only (no `stop`
texts), and the context is as long as the longest prompt needs. Ollama answers in text; from the
first character that differs on it is asked to continue the reference's own answer, so that every
position is compared as for the other forms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.domain.template import TemplateRefusal
from graftline.errors import DataError
from graftline_export.forms import check_tokens
from graftline_export.ollama import Ollama, OllamaMissing, Said
from graftline_export.ollama_template import probe_conversations
from graftline_export.parity import Comparison
from graftline_export.serving import ADAPTER_MODELFILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from graftline_export.ollama_template import Messages
    from graftline_export.prompts import Prompt
    from graftline_export.work import Reference, Work

_BROKEN = "\ufffd"
"""What decoders write for a character that is not whole."""


@dataclass(frozen=True)
class OllamaFindings:
    """What was compared with Ollama, for parity.json.

    Args:
        version: Ollama's.
        modelfiles: Which Modelfiles it imported.
        conversations: How many conversations (one or more turns, with and without a system
            prompt) it rendered as the chat template does; the prompts of the check are besides.
        prompts: How many prompts it made of their messages, character by character the same.
        prompt_tokens: `ids` if it gave its tokens, all of them the same; `counts` if only their
            number could be compared; nothing where no prompt was.
    """

    version: str
    modelfiles: tuple[str, ...]
    conversations: int
    prompts: int
    prompt_tokens: str | None


def check_ollama(
    work: Work, reference: Reference, modelfiles: Iterable[str]
) -> tuple[list[Comparison], OllamaFindings | None]:
    """Import the Modelfiles into an Ollama and compare prompts and answers.

    Raises:
        OllamaMissing: There is no Ollama, and the settings ask for one.
        DataError: It makes another prompt of a conversation, reads a prompt as other tokens, or
            does not take a Modelfile; or no prompt can be compared, and the settings ask for it.
    """
    wish = work.config.parity.ollama
    files = [] if wish == "never" else _files_to_ask(work, modelfiles)
    if not files:
        return [], None
    work.at("ollama")
    asked = _prompts_to_ask(work, reference)
    conversations = _conversations(work)
    longest = max(
        *(len(prompt.tokens) for prompt in reference.prompts),
        *(len(work.tokenize(text)) for _, text in conversations),
    )
    options = {
        # With less, Ollama leaves out a conversation's first messages.
        "num_ctx": longest + work.config.parity.max_new_tokens + 16,
        "num_thread": work.threads,
        "temperature": 0,
        # Only end tokens end an answer of the reference.
        "stop": [],
    }
    try:
        with Ollama(work.ctx.runtime.ollama_program, work.ctx.scratch("ollama"), options) as ollama:
            return _compare(work, reference, ollama, files, conversations, asked)
    except OllamaMissing as error:
        if wish == "always":
            raise
        work.ctx.log(f"no Ollama was asked: {error}", "warning")
        return [], None


def _files_to_ask(work: Work, modelfiles: Iterable[str]) -> list[str]:
    """Give the Modelfiles that an Ollama with no models of its own can import."""
    files = list(modelfiles)
    if ADAPTER_MODELFILE in files and work.config.adapter_from:
        # It may be a model that only the user's own Ollama has.
        work.ctx.log(
            f"Ollama is not asked about {ADAPTER_MODELFILE}: it is made from "
            f"'{work.config.adapter_from}' (`adapter_from`), which is not in the bundle",
            "warning",
        )
        files.remove(ADAPTER_MODELFILE)
    return files


def _prompts_to_ask(work: Work, reference: Reference) -> list[int]:
    """Give the numbers of the prompts that Ollama can be asked as the reference was.

    Raises:
        DataError: There is none, and the settings ask for one.
    """
    # Ollama puts the Modelfile's system prompt before conversations that have none.
    asked = [
        number
        for number, prompt in enumerate(reference.prompts)
        if not work.system or prompt.messages[0]["role"] == "system"
    ]
    if not asked:
        found = (
            f"parity: none of the {len(reference.prompts)} prompts has a system prompt, and Ollama "
            "puts the Modelfile's before each: no answer of Ollama's can be compared"
        )
        if work.config.parity.ollama == "always":
            raise DataError(
                found, "set `system` to '', or give the examples the system prompt that is served"
            )
        work.ctx.log(found, "warning")
    return asked


def _compare(
    work: Work,
    reference: Reference,
    ollama: Ollama,
    files: list[str],
    conversations: list[tuple[Messages, str]],
    asked: list[int],
) -> tuple[list[Comparison], OllamaFindings]:
    comparisons = []
    kinds = set()
    for file in files:
        form = "ollama-adapter" if file == ADAPTER_MODELFILE else "ollama"
        ollama.create(form, work.target / "gguf" / file)
        for messages, text in conversations:
            _check_text(work, ollama, form, messages, text, f"of {len(messages)} messages")
        comparison = Comparison(form, work.config.parity.near_tie)
        for number in asked:
            work.ctx.raise_if_stopping()
            prompt, answer = reference.prompts[number], reference.answers[number]
            kinds.add(_check_prompt(work, ollama, form, prompt))
            asking = _Asking(work, ollama, form, prompt, answer, reference.ends)
            comparison.add(prompt.id, answer, asking.choices(), reference.gap(number))
        if asked:
            comparisons.append(comparison)
    kind = None if not kinds else "ids" if kinds == {"ids"} else "counts"
    return comparisons, OllamaFindings(
        ollama.version, tuple(files), len(conversations), len(asked), kind
    )


def _conversations(work: Work) -> list[tuple[Messages, str]]:
    """Give conversations to show to Ollama, and the chat template's prompts of them."""
    found = []
    for has_system in (False, True):
        for messages in probe_conversations(has_system=has_system)[3 * has_system :]:
            system = [{"role": "system", "content": work.system}] if work.system else []
            try:
                text = work.render_chat(messages if has_system else [*system, *messages])
            except TemplateRefusal:
                continue
            found.append((messages, text))
    return found


def _check_text(
    work: Work,
    ollama: Ollama,
    model: str,
    messages: Sequence[dict[str, Any]],
    expected: str,
    which: str,
) -> None:
    got = work.begin_text + ollama.rendered(model, messages)
    if got != expected:
        pairs = enumerate(zip(got, expected, strict=False))
        at = next((i for i, (a, b) in pairs if a != b), min(len(got), len(expected)))
        raise DataError(
            f"parity: Ollama {ollama.version} makes another prompt of a conversation {which}: "
            f"{got[at : at + 40]!r} where the chat template says {expected[at : at + 40]!r}",
            "the chat template changes contents (trims them, say), which Ollama's templates "
            "cannot; set `ollama_template`, or leave 'ollama' out of `formats`",
        )


def _check_prompt(work: Work, ollama: Ollama, model: str, prompt: Prompt) -> str:
    """Compare a prompt's text and tokens; say by what its tokens were compared."""
    _check_text(work, ollama, model, list(prompt.messages), prompt.text, f"(prompt {prompt.id})")
    said = ollama.go_on(model, prompt.text.removeprefix(work.begin_text), 1)
    if said.prompt_tokens != len(prompt.tokens):
        raise DataError(
            f"parity: Ollama {ollama.version} reads prompt {prompt.id} as {said.prompt_tokens} "
            f"tokens instead of {len(prompt.tokens)}"
        )
    if said.context is None:
        return "counts"
    begin = prompt.tokens[:1] if work.begin_text else ()
    found = (*begin, *said.context)[: len(prompt.tokens)]
    check_tokens(f"Ollama {ollama.version}", found, prompt, work)
    return "ids"


@dataclass(frozen=True)
class _Asking:
    """One prompt's answer, asked in text and compared in tokens."""

    work: Work
    ollama: Ollama
    model: str
    prompt: Prompt
    answer: list[int]
    ends: list[int]

    def choices(self) -> list[int | None]:
        """Give Ollama's choice at each of the answer's positions, `None` where it cannot be asked.

        It cannot where the answer up to there is not what the tokenizer makes of its text.
        """
        found: list[int | None] = []
        while len(found) < len(self.answer):
            at = len(found)
            said = self._ask(at)
            if said is None:
                found.append(None)
                continue
            same, other = self._compare(at, said)
            found += self.answer[at : at + same]
            if len(found) < len(self.answer):
                found.append(other)
        return found

    def _ask(self, at: int) -> Said | None:
        count = len(self.answer) - at
        if not at:
            return self.ollama.chat(self.model, list(self.prompt.messages), count)
        text = self.prompt.text + self._text(at)
        if self.work.tokenize(text) != [*self.prompt.tokens, *self.answer[:at]]:
            return None
        return self.ollama.go_on(self.model, text.removeprefix(self.work.begin_text), count)

    def _text(self, end: int, start: int = 0) -> str:
        """Give the answer's text from one position to another, as it stands behind the prompt."""
        before = self.work.decode([*self.prompt.tokens, *self.answer[:start]])
        whole = self.work.decode([*self.prompt.tokens, *self.answer[:end]])
        return whole.removeprefix(before)

    def _compare(self, at: int, said: Said) -> tuple[int, int]:
        """Say how many tokens from `at` on are the same, and what came instead of the next."""
        ended = self.answer[-1] in self.ends
        last = len(self.answer) - ended
        expected = self._text(last, at)
        if said.text == expected or (not said.finished and said.text == expected.rstrip(_BROKEN)):
            return last - at + (ended and said.finished), -1
        same = max(
            (
                end - at
                for end in range(at, last)
                if not (before := self._text(end, at)).endswith(_BROKEN)
                and said.text.startswith(before)
            ),
            default=0,
        )
        rest = said.text.removeprefix(self._text(at + same, at))
        instead = self.work.tokenize(rest) if rest else []
        if instead:
            return same, instead[0]
        return same, self.ends[0] if said.finished and self.ends else -1
