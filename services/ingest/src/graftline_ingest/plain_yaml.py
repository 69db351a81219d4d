"""YAML as plain text: every scalar is the text that stands there (`yes` stays `yes`)."""

from __future__ import annotations

from typing import Any

import yaml

_MOST_LEVELS = 32
# The fast one comes with libyaml, which nearly every wheel holds.
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class UnusableYaml(Exception):
    """A text is no YAML that is read; its message says where and why."""


def parse_plain_yaml(text: str) -> Any:
    """Parse one YAML document into dicts, lists and texts; None if there is none.

    Raises:
        UnusableYaml: It is no YAML, nested deeply, or holds aliases, by which a small text can say
            more than any memory holds.
    """
    level = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.AliasEvent):
                raise UnusableYaml(f"{_place(event.start_mark)}: aliases (*name) are not read")
            level += isinstance(event, yaml.CollectionStartEvent)
            level -= isinstance(event, yaml.CollectionEndEvent)
            if level > _MOST_LEVELS:
                raise UnusableYaml(f"{_place(event.start_mark)}: nested too deeply")
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise UnusableYaml(f"{_place(error.problem_mark)}: no YAML: {error.problem}") from error
    # Without libyaml an escape beyond Unicode is an error of Python's own.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise UnusableYaml(f"no YAML: {' '.join(str(error).split())}") from error


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
