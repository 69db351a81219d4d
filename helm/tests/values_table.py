"""The table of values in the chart's README, made from the comments (`# --`) of values.yaml.

python helm/tests/values_table.py           prints what it would be
python helm/tests/values_table.py --write   puts it into the README
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

CHART = Path(__file__).parents[1] / "graftline"
_BEGIN = "<!-- values: made by helm/tests/values_table.py --write -->\n"
_END = "<!-- end of values -->\n"


@dataclass(frozen=True)
class Value:
    """A value of the chart.

    Args:
        path: Its name, with dots.
        default: What it is by default.
        text: Its documentation; empty if it has none.
    """

    path: str
    default: Any
    text: str


def read_values(text: str) -> list[Value]:
    """List the values of a values.yaml: a documented mapping is one, any other is its entries."""
    lines = text.splitlines()
    return list(_walk(yaml.compose(text, yaml.SafeLoader), lines, ""))


def _walk(node: Any, lines: list[str], path: str) -> Iterator[Value]:
    for key, child in node.value:
        text = _comment_above(lines, key.start_mark.line)
        name = f"{path}{key.value}"
        is_block = isinstance(child, yaml.MappingNode) and not child.flow_style
        if text or not is_block:
            default = yaml.safe_load(yaml.serialize(child))
            yield Value(name, default, text)
        else:
            yield from _walk(child, lines, f"{name}.")


def _comment_above(lines: list[str], number: int) -> str:
    block: list[str] = []
    while number and lines[number - 1].lstrip().startswith("#"):
        number -= 1
        block.insert(0, lines[number].lstrip().removeprefix("#").strip())
    starts = [place for place, line in enumerate(block) if line.startswith("-- ")]
    return " ".join(block[starts[-1] :]).removeprefix("-- ") if starts else ""


def render_table(values: list[Value]) -> str:
    """The values as a Markdown table."""
    rows = ["| value | default | what |", "|---|---|---|"]
    for value in values:
        default = json.dumps(value.default, ensure_ascii=False, separators=(", ", ": "))
        cells = (f"`{value.path}`", f"`{default}`", value.text)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def replace_table(readme: str, table: str) -> str:
    """The README with that table between its marks."""
    before, rest = readme.split(_BEGIN)
    return f"{before}{_BEGIN}\n{table}\n{_END}{rest.split(_END)[1]}"


def main() -> None:
    """Print the table, or write it."""
    table = render_table(read_values((CHART / "values.yaml").read_text()))
    if sys.argv[1:] == ["--write"]:
        readme = CHART / "README.md"
        readme.write_text(replace_table(readme.read_text(), table))
    else:
        sys.stdout.write(table)


if __name__ == "__main__":
    main()
