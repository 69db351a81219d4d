"""From a model's Jinja chat template to Ollama's Go template, by probing.

Conversations with marked contents are rendered with the Jinja template. What stands between the
marks is the template's own text; the Go template is put together from these pieces, rendered again
and compared with the Jinja template on other conversations. So nothing depends on a list of known
models, and a template that Go's form cannot express is refused instead of approximated.

The pieces of a conversation `[system] user (assistant user)* → answer`:

    opening  [system] after_system  user  to_assistant  assistant  to_user  user  to_answer

Two places of the system prompt are known: at the beginning (ChatML, Llama 3, and Gemma or older
Mistral models, which fold it into the first user turn) and before the last user's text (newer
Mistral models).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.domain.template import TemplateRefusal
from graftline.errors import DataError
from graftline_export.go_template import GoTemplateError, render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Messages = list[dict[str, str]]

_MARKS = {"system": "QsystemQ", "u": "QuserQ", "a": "QanswerQ", "v": "QseconduserQ"}
_WORDS = ["alpha one", "Beta, two?\nthree", "gamma: {4}", "Delta five.", "epsilon six"]


@dataclass(frozen=True)
class Pieces:
    """A chat template taken apart; `None` where the template has no system prompts."""

    opening: str
    to_assistant: str
    to_user: str
    to_answer: str
    before_system: str | None = None
    after_system: str | None = None
    system_last: bool = False

    def go(self) -> str:
        """Put Ollama's template together."""
        to_answer, to_assistant = _literal(self.to_answer), _literal(self.to_assistant)
        before, after = _literal(self.before_system or ""), _literal(self.after_system or "")
        answer = (
            to_answer
            if self.to_answer == self.to_assistant
            else f"{{{{ if $last }}}}{to_answer}{{{{ else }}}}{to_assistant}{{{{ end }}}}"
        )
        start, inside = _literal(self.opening), ""
        if self.before_system is not None and self.system_last:
            inside = (
                f"{{{{ if and $last $.System }}}}{before}{{{{ $.System }}}}{after}{{{{ end }}}}"
            )
        elif self.before_system is not None:
            shown = f"{before}{{{{ .System }}}}{after}"
            start = f"{{{{ if .System }}}}{shown}{{{{ else }}}}{start}{{{{ end }}}}"
        return (
            f"{start}{{{{ range $i, $_ := .Messages }}}}"
            "{{ $last := eq (len (slice $.Messages $i)) 1 }}"
            f'{{{{ if eq .Role "user" }}}}{inside}{{{{ .Content }}}}{answer}'
            '{{ else if eq .Role "assistant" }}{{ .Content }}'
            f"{{{{ if not $last }}}}{_literal(self.to_user)}{{{{ end }}}}"
            "{{ end }}{{ end }}"
        )


def _literal(text: str) -> str:
    return text.replace("{{", '{{ "{{" }}')


def derive(render_chat: Callable[[Messages], str], drop_prefix: str = "") -> Pieces:
    """Find a chat template's pieces and prove them.

    Args:
        render_chat: Renders messages with the model's Jinja template, ready for an answer; raises
            `TemplateRefusal` for conversations that the template refuses.
        drop_prefix: What the tokenizer adds by itself (the begin token), so that the template
            must not say it again.

    Raises:
        DataError: The template's form cannot be expressed.
    """
    candidates = [
        found
        for system_last in (False, True)
        if (found := _probe(render_chat, system_last=system_last)) is not None
    ]
    problem = "it does not show the messages one after the other"
    for pieces in candidates:
        problem = _difference(pieces.go(), render_chat, has_system=pieces.before_system is not None)
        if not problem:
            return _without_prefix(pieces, drop_prefix)
    raise DataError(
        f"the chat template cannot be turned into Ollama's: {problem}",
        "set `ollama_template`, or leave 'ollama' out of `formats`",
    )


def _probe(render_chat: Callable[[Messages], str], *, system_last: bool) -> Pieces | None:
    user, answer, second = _MARKS["u"], _MARKS["a"], _MARKS["v"]
    plain = _say(("user", user), ("assistant", answer), ("user", second))
    parts = _between(_try(render_chat, plain), [user, answer, second])
    if parts is None:
        return None
    opening, to_assistant, to_user, to_answer = parts
    system = _try(render_chat, [{"role": "system", "content": _MARKS["system"]}, *plain])
    marks = [user, answer, _MARKS["system"], second] if system_last else [_MARKS["system"], user]
    if not system_last:
        marks += [answer, second]
    with_system = _between(system, marks)
    if with_system is None:
        # Only a template that refuses system prompts, or leaves them out, has none.
        shows = system is not None and _MARKS["system"] in system
        return None if system_last or shows else Pieces(opening, to_assistant, to_user, to_answer)
    if not system_last:
        before, after = with_system[:2]
        return Pieces(opening, to_assistant, to_user, to_answer, before, after)
    between = with_system[2]
    if not between.startswith(to_user):
        return None
    return Pieces(
        opening, to_assistant, to_user, to_answer,
        between.removeprefix(to_user), with_system[3], system_last=True,
    )  # fmt: skip


def _try(render_chat: Callable[[Messages], str], messages: Messages) -> str | None:
    try:
        return render_chat(messages)
    except TemplateRefusal:
        return None


def _between(text: str | None, marks: Sequence[str]) -> list[str] | None:
    """Split a text at marks that must each stand in it once, in this order."""
    if text is None or any(text.count(mark) != 1 for mark in marks):
        return None
    parts = []
    for mark in marks:
        before, found, text = text.partition(mark)
        if not found:
            return None
        parts.append(before)
    return [*parts, text]


def _say(*turns: tuple[str, str]) -> Messages:
    return [{"role": role, "content": content} for role, content in turns]


def probe_conversations(*, has_system: bool) -> list[Messages]:
    """Give conversations of one to three user turns, with and without a system prompt."""
    found: list[Messages] = []
    for turns in (1, 3, 5):
        roles = ["user", "assistant"] * 3
        found.append(_say(*zip(roles[:turns], _WORDS, strict=False)))
    if has_system:
        found += [_say(("system", "zeta zero.\n\neta")) + said for said in list(found)]
    return found


def go_values(messages: Messages) -> dict[str, Any]:
    """Give what Ollama gives to a template for these messages."""
    system = "\n\n".join(item["content"] for item in messages if item["role"] == "system")
    shown = [{"Role": item["role"], "Content": item["content"]} for item in messages]
    return {"System": system, "Messages": shown, "Response": ""}


def _difference(
    template: str, render_chat: Callable[[Messages], str], *, has_system: bool, prefix: str = ""
) -> str:
    """Compare a Go template with the Jinja one; empty if they say the same."""
    for messages in probe_conversations(has_system=has_system):
        expected = _try(render_chat, messages)
        roles = ", ".join(item["role"] for item in messages)
        if expected is None:
            return f"it refuses the conversation {roles}"
        try:
            got = prefix + render(template, go_values(messages))
        except GoTemplateError as error:
            return f"the Go template cannot be rendered: {error}"
        if got != expected:
            at = len(os.path.commonprefix([got, expected]))
            return (
                f"for the conversation {roles} it says {expected[at : at + 40]!r} where Go's form "
                f"says {got[at : at + 40]!r}"
            )
    return ""


def check_template(
    template: str, render_chat: Callable[[Messages], str], drop_prefix: str = ""
) -> str:
    """Say how a user's own Go template differs from the model's chat template; empty if not."""
    system = _try(render_chat, _say(("system", "s"), ("user", "u")))
    return _difference(
        template, render_chat, has_system=system is not None and "s" in system, prefix=drop_prefix
    )


def _without_prefix(pieces: Pieces, prefix: str) -> Pieces:
    if not prefix:
        return pieces
    before = pieces.before_system
    if before is not None and not pieces.system_last:
        before = before.removeprefix(prefix)
    return Pieces(
        pieces.opening.removeprefix(prefix), pieces.to_assistant, pieces.to_user,
        pieces.to_answer, before, pieces.after_system, pieces.system_last,
    )  # fmt: skip


def stop_texts(pieces: Pieces, special: Sequence[str]) -> list[str]:
    """Find what ends an answer: the special tokens of the turn that follows it.

    Args:
        pieces: The template's pieces.
        special: The tokenizer's special tokens as text.

    Gives:
        The texts in the order in which they appear; where the template has no special tokens
        (Alpaca's headings), the first line of what follows an answer.
    """
    following = pieces.to_user + pieces.opening
    found = sorted(
        {token for token in special if token and token in following}, key=following.index
    )
    if found:
        return found
    lines = [line.strip() for line in re.split(r"[\r\n]+", pieces.to_user) if line.strip()]
    return lines[:1]
