"""The rows in the formats that other tools read, as JSONL.

| format | a line |
|---|---|
| `messages` | `{"messages": […], "tools": […]}`, OpenAI's |
| `alpaca` | `{"instruction", "input", "output"}`; `system` and `history` where there are such |
| `sharegpt` | `{"conversations": [{"from", "value"}]}`; `system` and `tools` where there are such |
| `prompt-completion` | `{"prompt", "completion"}`, rendered by the model's chat template |
| `qa` | `{"question", "answer"}` with source and scores, see `pairs` |
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from graftline.domain.examples import compact
from graftline_format.pairs import question_and_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import TextIO

    from graftline_format.config import ExportFormat

_SHAREGPT_NAMES = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


class ExportWriter:
    """Writes `<format>/<split>.jsonl`, a line a row, and `index.json`, which counts them.

    A row that a format cannot express (tool calls in Alpaca, many turns in `qa`) is left out of it
    and counted.

    Args:
        folder: Where the formats' folders go.
        formats: Which.
    """

    def __init__(self, folder: Path, formats: Sequence[ExportFormat]) -> None:
        """Prepare to write; a file appears with its first row."""
        self._folder = folder
        self._formats = formats
        self._files: dict[tuple[str, str], TextIO] = {}
        self._written: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self._open = ExitStack()

    def write(self, row: dict[str, Any], split: str, prompt: str, completion: str) -> None:
        """Write one row in every format.

        Args:
            row: With `messages` and `tools` as in `rows.EXAMPLES`; for `qa` with `meta` too.
            split: Its split in the training set.
            prompt: The rendered text up to the last answer.
            completion: The rendered answer.
        """
        messages = compact(row["messages"])
        tools = json.loads(row["tools"]) if row.get("tools") else None
        for name in self._formats:
            if name == "prompt-completion":
                line: dict[str, Any] | None = {"prompt": prompt, "completion": completion}
            elif name == "qa":
                line = question_and_answer(row)
            else:
                line = CONVERTERS[name](messages, tools)
            if line is None:
                self.left_out[name] += 1
                continue
            self._written[f"{name}/{split}.jsonl"] += 1
            self._file(name, split).write(json.dumps(line, ensure_ascii=False) + "\n")

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files and write the index."""
        self._open.close()
        index = {
            "files": dict(sorted(self._written.items())),
            "left_out": dict(sorted(self.left_out.items())),
        }
        (self._folder / "index.json").write_text(json.dumps(index, indent=2) + "\n")

    def _file(self, name: str, split: str) -> TextIO:
        key = (name, split)
        if key not in self._files:
            path = self._folder / name / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            opened = path.open("w", encoding="utf-8", newline="\n")
            self._files[key] = self._open.enter_context(opened)
        return self._files[key]


def _messages(messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> dict[str, Any]:
    return {"messages": messages, **({"tools": tools} if tools else {})}


def _alpaca(
    messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None
) -> dict[str, Any] | None:
    """Write user and assistant in turns, a system message at most first; else nothing.

    The last question is the `instruction`, as in Llama-Factory, so that a system prompt and earlier
    turns have their own places and reading it back gives the same messages.
    """
    system = [item["content"] for item in messages[:1] if item["role"] == "system"]
    turns = messages[len(system) :]
    pattern = ("user", "assistant") * (len(turns) // 2)
    if tools or not turns or tuple(item["role"] for item in turns) != pattern:
        return None
    if any(item.get("tool_calls") or item.get("content") is None for item in turns):
        return None
    pairs = [[turns[at]["content"], turns[at + 1]["content"]] for at in range(0, len(turns), 2)]
    return {
        "instruction": pairs[-1][0],
        "input": "",
        "output": pairs[-1][1],
        **({"system": system[0]} if system else {}),
        **({"history": pairs[:-1]} if len(pairs) > 1 else {}),
    }


def _sharegpt(
    messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None
) -> dict[str, Any] | None:
    """Write any conversation whose tool calls come one at a time and without text; else nothing."""
    conversations = []
    for item in messages:
        calls = item.get("tool_calls")
        if calls and (len(calls) > 1 or item.get("content")):
            return None
        if calls:
            conversations.append({"from": "function_call", "value": _call_text(calls[0])})
        elif item["role"] in _SHAREGPT_NAMES and item.get("content") is not None:
            name = _SHAREGPT_NAMES[item["role"]]
            conversations.append({"from": name, "value": item["content"]})
        else:
            return None
    return {
        "conversations": conversations,
        **({"tools": json.dumps(tools, ensure_ascii=False)} if tools else {}),
    }


def _call_text(call: dict[str, Any]) -> str:
    """Write a call as `{"name", "arguments"}`; arguments that are no JSON stay a string."""
    function = call["function"]
    try:
        arguments = json.loads(function["arguments"])
    except (TypeError, ValueError):
        arguments = function["arguments"]
    return json.dumps({"name": function["name"], "arguments": arguments}, ensure_ascii=False)


CONVERTERS: dict[str, Callable[..., dict[str, Any] | None]] = {
    "messages": _messages,
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
}
"""By format: messages and tools to a line, or None where the format has no words for them."""
