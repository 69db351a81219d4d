"""The layouts whose answer is made of labels: `fields`, `snips`, `clinc`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graftline_ingest.drafts import Draft, Refused, chat, field_of, question, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graftline_ingest.answers import AnswerForm
    from graftline_ingest.config import FieldMap


def from_fields(record: dict[str, Any], fields: FieldMap, form: AnswerForm, cells: bool) -> Draft:
    """Read any flat or nested record through a field map.

    Args:
        record: The record.
        fields: The map.
        form: The answer's form: which values may be null, which are lists or numbers.
        cells: Whether every value is text, so that the schema decides what `3` is.

    Raises:
        Refused: The text or a whole completion is missing.
    """
    text = text_of(record, fields.text)
    if fields.completion:
        return Draft(chat(text, text_of(record, fields.completion)))
    answer: dict[str, Any] = {}
    for path in sorted(fields.answer):
        field = fields.answer[path]
        try:
            value = field_of(record, field)
        except KeyError:
            value = None
        parts = path.split(".")
        if value is None or (cells and value == ""):
            if form.takes_null(parts):
                _put(answer, parts, None)
            continue
        _put(answer, parts, form.fit(parts, value, cells))
    return Draft(question(text), answer=answer, has_answer=True)


def from_snips(item: Any, form: AnswerForm) -> Draft:
    """Read `{"intent", "data": [{"text", "entity"?}…]}`: the spans of one utterance.

    A slot that occurs once is its text, one that occurs more often a list in order; where the
    schema makes a slot an array, it is always a list.

    Raises:
        Refused: The spans are not as they should be.
    """
    spans = item.get("data")
    if (
        "intent" not in item
        or not isinstance(spans, list)
        or not all(isinstance(span, dict) and isinstance(span.get("text"), str) for span in spans)
    ):
        raise Refused("missing-field", "no 'intent', or no 'data' with a list of spans of text")
    found: dict[str, list[str]] = {}
    for span in spans:
        if entity := span.get("entity"):
            found.setdefault(str(entity), []).append(span["text"].strip())
    text = "".join(span["text"] for span in spans).strip()
    if not text:
        raise Refused("empty-text", "the spans have no text")
    slots = {
        name: texts if len(texts) > 1 or form.is_list(["slots", name]) else texts[0]
        for name, texts in sorted(found.items())
    }
    answer = {"intent": item["intent"], "slots": slots}
    return Draft(question(text), answer=answer, has_answer=True)


def from_clinc(item: Any) -> Draft:
    """Read `[text, intent]`.

    Raises:
        Refused: It is no such pair.
    """
    pair = item.get("pair")
    if not (isinstance(pair, list) and len(pair) == 2 and all(type(x) is str for x in pair)):
        raise Refused("not-a-pair", "not [text, intent]")
    if not pair[0].strip():
        raise Refused("empty-text", "the text is empty")
    return Draft(question(pair[0]), answer={"intent": pair[1]}, has_answer=True)


def snips_items(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the utterances of one SNIPS file, `{"AddToPlaylist": [{"data": […]}…]}`."""
    for intent in sorted(document):
        for entry in document[intent]:
            data = entry.get("data") if isinstance(entry, dict) else None
            yield {"intent": intent, "data": data}


def clinc_items(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the pairs of one CLINC file, `{"train": [[text, intent]…], "oos_val": […]}`."""
    for split in sorted(document):
        for pair in document[split]:
            yield {"split": split, "pair": pair}


def _put(answer: dict[str, Any], parts: list[str], value: Any) -> None:
    for part in parts[:-1]:
        answer = answer.setdefault(part, {})
    answer[parts[-1]] = value
