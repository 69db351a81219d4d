"""From a record to a row of EXAMPLES: layout, answer, split, group, id."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from graftline.canonical import canonical_json
from graftline.domain.examples import example_id
from graftline_ingest.answers import AnswerForm
from graftline_ingest.columns import Example
from graftline_ingest.drafts import Draft, Refused, field_of
from graftline_ingest.layouts.conversations import from_messages, from_sharegpt
from graftline_ingest.layouts.labels import from_clinc, from_fields, from_snips
from graftline_ingest.layouts.pairs import from_alpaca, from_prompt_completion
from graftline_ingest.layouts.questions import from_instructlab, from_qa
from graftline_ingest.splits import SplitRule

if TYPE_CHECKING:
    from graftline_ingest.columns import ExampleColumns
    from graftline_ingest.config import IngestConfig
    from graftline_ingest.reading.records import Feed

_CHAT_LAYOUTS = {
    "messages": from_messages,
    "sharegpt": from_sharegpt,
    "alpaca": from_alpaca,
    "prompt-completion": from_prompt_completion,
    "qa": from_qa,
    "instructlab": from_instructlab,
}
_MEDIA = ("images", "image", "videos", "audios")
_LARGEST_PLACE = (1 << 63) - 1
# Spells messages (texts only) as `canonical_json` does, several times faster; a test compares.
_canonical_bytes = msgspec.json.Encoder(order="sorted").encode


class Converter:
    """Turns records into examples.

    Args:
        config: The stage's settings.
        seed: The step's seed.
    """

    def __init__(self, config: IngestConfig, seed: int) -> None:
        """Compile schema and split rule.

        Raises:
            ConfigError: The schema is no JSON Schema.
        """
        self._config = config
        self._form = AnswerForm(config.answer_schema, config.key_order)
        self._splits = SplitRule(config.split, seed)

    def add(
        self,
        columns: ExampleColumns,
        feed: Feed,
        layout: str,
        number: int,
        record: dict[str, Any],
        said: str,
    ) -> str:
        """Add one record to the columns and give its split.

        Args:
            columns: Where it goes.
            feed: The file that it comes from.
            layout: Its layout, never auto.
            number: Its place in the file.
            record: The record.
            said: What file, Hub or layout say of its split.

        Raises:
            Refused: It cannot become an example.
        """
        try:
            example = self._example(feed, layout, number, record, said)
        except UnicodeEncodeError as error:
            raise Refused("wrong-encoding", f"the text is no valid Unicode: {error}") from None
        except RecursionError:
            raise Refused("malformed-value", "a value is nested too deeply") from None
        except (ValueError, TypeError, OverflowError) as error:
            # Values that JSON has not (NaN, infinities), or that no column holds.
            raise Refused("malformed-value", f"a value that cannot be used: {error}") from None
        columns.add(example)
        return example.split

    def _example(
        self, feed: Feed, layout: str, number: int, record: dict[str, Any], said: str
    ) -> Example:
        draft = self._draft(layout, record, feed.text_cells)
        messages = self._finish(draft)
        split = self._splits.named(record, said)
        group = self._group(draft, record, messages, split)
        if draft.source and draft.source["end"] > _LARGEST_PLACE:
            raise Refused("malformed-value", f"no text has {draft.source['end']} characters")
        example = Example(
            identity=_identity(messages, draft.tools),
            group=group,
            split=self._splits.cut(split, group),
            task=self._task(draft),
            messages=messages,
            tools=canonical_json(draft.tools) if draft.tools else None,
            meta=self._meta(draft, feed, number, record),
            parents=draft.parents,
            source=draft.source,
        )
        # What goes into a column beside the messages, whose digest has been taken.
        for text in (example.group, example.split, example.meta):
            text.encode()
        return example

    def _draft(self, layout: str, record: dict[str, Any], cells: bool) -> Draft:
        if layout == "fields":
            return from_fields(record, self._config.fields, self._form, cells)
        if layout == "snips":
            return from_snips(record, self._form)
        if layout == "clinc":
            return from_clinc(record)
        for field in _MEDIA:
            if record.get(field):
                raise Refused("not-text", f"field '{field}' is not empty; only text is read")
        return _CHAT_LAYOUTS[layout](record)

    def _finish(self, draft: Draft) -> list[dict[str, Any]]:
        """Add instruction and answer, and hold the answer against the schema."""
        messages = draft.messages
        if draft.has_answer:
            answer = self._form.text_of(draft.answer)
            messages = [*messages, {"role": "assistant", "content": answer}]
        elif messages[-1]["role"] != "assistant":
            raise Refused("no-answer", f"the last message is of '{messages[-1]['role']}'")
        elif self._form.has_schema:
            answer = self._form.respell(messages[-1]["content"] or "")
            messages = [*messages[:-1], {**messages[-1], "content": answer}]
        if len(messages) < 2:
            raise Refused("no-question", "nothing stands before the answer")
        if self._config.instruction and messages[0]["role"] != "system":
            system = {"role": "system", "content": self._config.instruction}
            messages = [system, *messages]
        return messages

    def _task(self, draft: Draft) -> str:
        if self._config.task:
            return self._config.task
        if draft.has_answer or self._form.has_schema:
            return "json"
        return draft.task or "chat"

    def _group(
        self, draft: Draft, record: dict[str, Any], messages: list[dict[str, Any]], split: str
    ) -> str:
        field = self._config.group_field
        if field:
            try:
                value = field_of(record, field)
            except KeyError:
                value = None
            if value in (None, ""):
                raise Refused("missing-field", f"no field '{field}' for the group")
            return str(value)
        if draft.group:
            return draft.group
        # Rows with the same prompt must not be cut apart by fractions; a copy in another split of
        # the data's own is for `curate` to find.
        prompt = "\n".join(m["content"] or "" for m in messages[:-1] if m["role"] != "system")
        digest = hashlib.sha256(prompt.encode()).hexdigest()[:16]
        return f"{split}/{digest}"

    def _meta(self, draft: Draft, feed: Feed, number: int, record: dict[str, Any]) -> str:
        config = self._config
        if not (feed.in_folder or config.id_field or config.meta_fields or draft.meta):
            return f'{{"row":{number}}}'
        meta: dict[str, Any] = dict(draft.meta)
        for field in config.meta_fields:
            try:
                meta[field] = field_of(record, field)
            except KeyError:
                continue
        if config.id_field:
            try:
                meta["source_id"] = field_of(record, config.id_field)
            except KeyError:
                problem = f"no field '{config.id_field}' for the id"
                raise Refused("missing-field", problem) from None
        if feed.in_folder:
            meta["file"] = feed.name
        return canonical_json({**meta, "row": number})


def _identity(messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None) -> str:
    """Give `example_id`, the fast way for messages that are text alone."""
    if tools or any(len(message) != 2 or message["content"] is None for message in messages):
        return example_id(messages, tools)
    return hashlib.sha256(_canonical_bytes([messages, []])).hexdigest()[:32]
