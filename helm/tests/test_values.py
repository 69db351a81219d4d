"""The values: documented, in the schema, refused where they cannot be meant."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CHART = Path(__file__).parents[1] / "graftline"
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
CATALOG = Path(__file__).parents[2] / "workflows/src/graftline_workflows/catalog"
STAGES = sorted(path.stem for path in CATALOG.glob("*.json"))


def test_stages_are_those_of_the_catalog():
    assert "train" in STAGES
    assert sorted(VALUES["stages"]) == STAGES
    assert sorted(SCHEMA["definitions"]["stageName"]["enum"]) == STAGES
    assert sorted(SCHEMA["properties"]["stages"]["required"]) == STAGES


def test_readme_has_todays_table_of_values():
    script = Path(__file__).with_name("values_table.py")
    table = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True
    ).stdout
    assert f"\n{table}\n" in (CHART / "README.md").read_text(), f"run {script.name} --write"
    rows = [line.split(" | ") for line in table.splitlines()[2:]]
    assert len(rows) > 50
    assert [row[0] for row in rows if not row[-1].removesuffix("|").strip()] == []


def entries(schema, values, path=""):
    """Every (path, in the schema, in values.yaml) of the mappings with named entries."""
    schema = resolve(schema)
    named = schema.get("properties")
    if named is None or resolve(schema) == SCHEMA["definitions"]["stage"]:
        return
    for name in {*named, *values} - {"global"}:
        yield f"{path}{name}", name in named, name in values
        if isinstance(values.get(name), dict) and name in named:
            yield from entries(named[name], values[name], f"{path}{name}.")


def resolve(schema):
    reference = schema.get("$ref")
    return SCHEMA["definitions"][reference.rsplit("/", 1)[1]] if reference else schema


def test_schema_and_values_name_the_same():
    found = list(entries(SCHEMA, VALUES))
    assert len(found) > 60
    assert [path for path, in_schema, in_values in found if not (in_schema and in_values)] == []


def test_unknown_names_are_errors_everywhere():
    open_ones = []

    def walk(schema, path):
        if isinstance(schema, dict):
            if "properties" in schema and schema.get("additionalProperties") is not False:
                open_ones.append(path)
            for key, value in schema.items():
                walk(value, f"{path}/{key}")
        elif isinstance(schema, list):
            for number, value in enumerate(schema):
                walk(value, f"{path}/{number}")

    walk(SCHEMA, "")
    assert open_ones == []


def test_every_setting_of_a_stage_is_documented():
    text = (CHART / "values.yaml").read_text()
    comment = re.search(r"# -- Each stage:.*?\nstages:", text, re.DOTALL).group()
    for name in SCHEMA["definitions"]["stage"]["properties"]:
        assert f"`{name}`" in comment


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"stagess": {}}, "Additional property stagess is not allowed"),
        ({"stages": {"trian": {"pool": "gpu"}}}, '"trian" does not match'),
        ({"stages": {"train": {"pol": "gpu"}}}, "stages.train: Additional property pol "),
        ({"stages": {"train": {"pool": "tpu"}}}, 'must be one of the following: "cpu", "gpu"'),
        ({"stages": {"train": {"gpus": "two"}}}, "stages.train.gpus: Invalid type"),
        ({"stages": {"model": None}}, "model is required"),
        ({"stages": {"train": {"podSpec": {"containers": []}}}}, '"containers" does not match'),
        ({"stages": {"curate": {"gpus": 1}}}, "curate.gpus is set, but curate.pool is cpu"),
        ({"runs": {"timeoutCpu": "two hours"}}, "runs.timeoutCpu: Does not match pattern"),
        ({"runs": {"ranks": 0}}, "runs.ranks: Must be greater than or equal to 1"),
        ({"images": {"digests": {"train": "latest"}}}, "images.digests.train: Does not match"),
        ({"pools": {"gpu": {"resources": {"limit": {}}}}}, "Additional property limit "),
        ({"networkPolicy": {"apiServer": {"cidrs": ["10.0.0.1"]}}}, "apiServer.cidrs.0: Does not"),
        ({"store": {"external": {"uri": "gs://x"}}}, "store.external.uri: Does not match"),
        ({"store": {"external": {"uri": "s3://mine"}}}, "two stores"),
        ({"store": {"embedded": {"enabled": False}}}, "no store"),
        (
            {"llm": {"endpoints": [{"url": "http://x/v1"}], "embedded": {"enabled": True}}},
            "two language models",
        ),
        ({"llm": {"stages": ["jugde"]}}, "llm.stages.0: llm.stages.0 must be one of"),
        ({"submitters": [{"kind": "ServiceAccount", "name": "ci"}]}, "'ci' needs its namespace"),
        (
            {"store": {"embedded": {"enabled": False}, "external": {"uri": "s3://mine/x"}}},
            "networkPolicy.store.to must say where AWS S3 is",
        ),
    ],
)
def test_refusals_say_what_is_wrong(render, refused, values, says):
    with pytest.raises(refused) as caught:
        render(values)
    assert says in str(caught.value)


@pytest.mark.parametrize("values", [{}, {"index": {"enabled": False}}])
def test_helm_lint_is_content(helm, values):
    assert "0 chart(s) failed" in helm(
        "lint", "--strict", CHART, "-f", "-", stdin=json.dumps(values)
    )
