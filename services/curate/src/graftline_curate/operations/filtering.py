"""`filter`: rules about form, length, task, split and `meta`; each has its own reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graftline_curate.chats import Chats
from graftline_curate.operations.base import Drops, Operation, Outcome, in_splits, mark
from graftline_curate.strict_json import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graftline_curate.config import FieldRule, Filter
    from graftline_curate.operations.base import Mask

# A conversation by its roles' initials: tool results follow a call, and the answer comes last.
_VALID_ROLES = re.compile(r"s?(u(at+)*a)+")
_INITIALS = {"system": "s", "user": "u", "assistant": "a", "tool": "t"}


class FilterOperation(Operation):
    """Drops rows by the first rule that they break, in the order of the settings."""

    def __init__(self, settings: Filter) -> None:
        """Keep the settings."""
        self._settings = settings
        self._patterns: dict[str, bool] = {}

    def apply(self, batch: pa.RecordBatch) -> Outcome:
        """Judge a batch."""
        open_rows = in_splits(batch, self._settings.in_splits)
        found: dict[int, tuple[str, str]] = {}
        for broken, reason, details in self._rules(batch, Chats(batch)):
            for row in np.flatnonzero(broken & open_rows).tolist():
                found[row] = (reason, str(details[row]) if details is not None else "")
            open_rows &= ~broken
        rows = sorted(found)
        drops = Drops(rows, [found[row][0] for row in rows], [found[row][1] for row in rows])
        return Outcome.dropping(batch, drops)

    def _rules(self, batch: pa.RecordBatch, chats: Chats) -> Iterator[tuple[Mask, str, Any]]:
        settings = self._settings
        if settings.tasks:
            tasks = batch.column("task")
            yield ~mark(tasks, settings.tasks), "task-not-allowed", _Told("task '{}'", tasks)
        if settings.splits:
            splits = batch.column("split")
            yield ~mark(splits, settings.splits), "split-not-allowed", _Told("split '{}'", splits)
        if settings.roles:
            yield self._roles(chats)
        if settings.empty_answer:
            yield _numpy(_is_blank(chats.answers)), "empty-answer", None
        yield from self._lengths(chats)
        for rule in settings.rules:
            yield _field_rule(batch, rule)

    def _lengths(self, chats: Chats) -> Iterator[tuple[Mask, str, Any]]:
        settings = self._settings
        for name, least, most in (
            ("prompt", settings.min_prompt_chars, settings.max_prompt_chars),
            ("answer", settings.min_answer_chars, settings.max_answer_chars),
        ):
            if not (least or most):
                continue
            lengths = pc.utf8_length(chats.prompts if name == "prompt" else chats.answers)
            told = _Told("{} characters", lengths)
            if least:
                yield _numpy(pc.less(lengths, least)), f"{name}-too-short", told
            if most:
                yield _numpy(pc.greater(lengths, most)), f"{name}-too-long", told

    def _roles(self, chats: Chats) -> tuple[Mask, str, Any]:
        """Judge each distinct order of roles once."""
        kinds = chats.roles.dictionary_encode()
        initials = pa.array([_INITIALS.get(role, "?") for role in kinds.dictionary.to_pylist()])
        letters = initials.take(kinds.indices) if len(initials) else pa.array([], pa.string())
        everything = np.ones(len(letters), np.bool_)
        orders = chats.join(letters, everything, "").dictionary_encode()
        names = orders.dictionary.to_pylist()
        for name in names:
            if name not in self._patterns:
                self._patterns[name] = _VALID_ROLES.fullmatch(name) is not None
        broken = np.array([not self._patterns[name] for name in names], np.bool_)
        told = _Told("roles in the order {} (s u a t)", orders)
        return broken[orders.indices.to_numpy()], "roles-out-of-order", told


class _Told:
    """A line for each row, made only for the rows that need one."""

    def __init__(self, template: str, values: Any) -> None:
        self._template = template
        self._values = values

    def __getitem__(self, row: int) -> str:
        return self._template.format(self._values[row].as_py())


def _is_blank(texts: pa.StringArray) -> pa.BooleanArray:
    return pc.equal(pc.binary_length(pc.utf8_ltrim_whitespace(texts)), 0)


def _numpy(values: pa.BooleanArray) -> Mask:
    return np.asarray(values.to_numpy(zero_copy_only=False), np.bool_)


def _field_rule(batch: pa.RecordBatch, rule: FieldRule) -> tuple[Mask, str, Any]:
    # Metas are as many as rows, but few are different in the fields that rules are made for.
    details = [_broken(parse(meta), rule) for meta in batch.column("meta").to_pylist()]
    return np.array([bool(detail) for detail in details], np.bool_), f"field:{rule.field}", details


def _broken(meta: Any, rule: FieldRule) -> str:
    """Say how a rule is broken; empty if it is not."""
    value = meta
    for part in [rule.field] if rule.field in meta else rule.field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None:
        return f"no field '{rule.field}' in meta" if rule.required else ""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if (rule.any_of and text not in rule.any_of) or text in rule.none_of:
        return f"{rule.field} = {text}"
    if rule.matches and not re.search(rule.matches, text):
        return f"{rule.field} = {text} does not match {rule.matches}"
    if rule.at_least is None and rule.at_most is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"{rule.field} = {text} is no number"
    too_small = rule.at_least is not None and value < rule.at_least
    too_large = rule.at_most is not None and value > rule.at_most
    return f"{rule.field} = {text}" if too_small or too_large else ""
