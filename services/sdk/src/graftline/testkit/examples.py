"""Examples for tests of stages that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.domain.examples import example, message
from graftline.domain.rows import EXAMPLES, RowWriter

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def example_row(text: str, answer: str = "{}", split: str = "train", **more: Any) -> dict[str, Any]:
    """Make a row of EXAMPLES of a user's text and its answer, in a group of its own.

    Args:
        text: What the user says.
        answer: The gold answer.
        split: The row's split.
        **more: Other arguments of `graftline.domain.examples.example`, `messages` too.
    """
    messages = [message("system", "Answer."), message("user", text), message("assistant", answer)]
    given = {"messages": messages, "group": f"{split}:{text}:{answer}", "task": "json", **more}
    return example(split=split, **given)


def write_examples(folder: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """Write rows as an `examples` artifact into a new folder, and give the folder."""
    folder.mkdir(parents=True)
    with RowWriter(folder, EXAMPLES) as writer:
        for row in rows:
            writer.write(row)
    return folder
