"""Which layout a file has, and which records an object that is a whole file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline.errors import ConfigError, DataError
from graftline_ingest.layouts.labels import clinc_items, snips_items

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPLIT_OF_ITEM = "split"


def layout_of_record(record: Any, place: str, *, has_fields: bool) -> str:
    """Tell the layout by a record.

    Args:
        record: The first record of a file.
        place: Where it is, for the message.
        has_fields: Whether the config maps fields; that map then decides.

    Raises:
        ConfigError: It fits none, so that the user has to say.
    """
    if has_fields:
        return "fields"
    names = set(record) if isinstance(record, dict) else set()
    if "messages" in names:
        return "messages"
    if names & {"conversations", "conversation"}:
        return "sharegpt"
    if {"instruction", "output"} <= names:
        return "alpaca"
    if "prompt" in names and names & {"completion", "response"}:
        return "prompt-completion"
    if {"question", "answer"} <= names:
        return "qa"
    known = f"its fields are {', '.join(sorted(names)[:20])}" if names else "it is no object"
    raise ConfigError(
        f"{place}: the layout cannot be told: {known}",
        "set `fields` ({text: …, answer: {…}}) or `layout`",
    )


def layout_of_document(document: Any) -> str:
    """Tell what a file holds that is one JSON object: snips, clinc, rows (by split) or one row."""
    if not isinstance(document, dict) or not document:
        return "rows"
    values = list(document.values())
    if not all(isinstance(value, list) for value in values):
        return "row"
    items = [item for value in values for item in value[:1]]
    if items and all(isinstance(item, list) and len(item) == 2 for item in items):
        return "clinc"
    if items and all(
        isinstance(item, dict) and isinstance(item.get("data"), list) for item in items
    ):
        return "snips"
    if "messages" in document or "conversations" in document:
        return "row"
    return "rows"


def document_items(document: Any, kind: str, name: str) -> Iterator[tuple[Any, str]]:
    """Give an object's records, each with the split that it says (or nothing).

    Raises:
        DataError: There are no lists of records in it.
    """
    if kind == "row":
        yield document, ""
    elif kind == "snips":
        for item in snips_items(document):
            yield item, ""
    elif kind == "clinc":
        for item in clinc_items(document):
            yield item, item[_SPLIT_OF_ITEM]
    elif isinstance(document, dict) and document:
        # {"train": [row…], "test": [row…]} or {"data": [row…]}.
        several = len(document) > 1
        for key in document:
            for item in document[key]:
                yield item, key if several else ""
    else:
        raise DataError(f"{name}: holds no rows, but {type(document).__name__}")
