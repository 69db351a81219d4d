"""The report stage's work: gather, draw, write."""

from __future__ import annotations

import importlib.resources
import json
from typing import TYPE_CHECKING, Any

import jinja2

from graftline.ports import Output, Result
from graftline_report import charts, lineage
from graftline_report.examples import compare_rows
from graftline_report.findings import gather
from graftline_report.spelling import spell_bytes, spell_figure, spell_money, spell_seconds

if TYPE_CHECKING:
    from graftline.context import Context
    from graftline.ports import Inputs
    from graftline_report.config import ReportConfig


def run(ctx: Context[Any], config: ReportConfig, inputs: Inputs) -> Result:
    """Write `index.html` and, with the same facts for programs, `report.json`.

    Raises:
        DataError: An input cannot be read.
    """
    findings = gather(config, inputs)
    examples = compare_rows(config, inputs.many("metrics"), inputs.maybe("chunks"))
    ctx.progress(1, 2, "parts")
    folder = ctx.output("report")
    page = (
        _environment()
        .get_template("page.html.j2")
        .render(
            config=config,
            findings=findings,
            examples=examples,
            charts=charts,
            lineage=lineage.draw(findings.steps),
            style=_resource("style.css"),
        )
    )
    (folder / "index.html").write_text(page, encoding="utf-8")
    facts = json.dumps(findings.facts(), indent=1, sort_keys=True, ensure_ascii=False)
    (folder / "report.json").write_text(facts + "\n", encoding="utf-8")
    ctx.progress(2, 2, "parts")
    return Result(outputs={"report": Output(folder)}, figures={"page_bytes": float(len(page))})


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = lambda value: f"{100 * value:.1f}"
    environment.filters["seconds"] = spell_seconds
    environment.filters["size"] = spell_bytes
    environment.filters["figure"] = spell_figure
    environment.filters["money"] = spell_money
    return environment


def _resource(name: str) -> str:
    return (importlib.resources.files("graftline_report") / name).read_text(encoding="utf-8")
