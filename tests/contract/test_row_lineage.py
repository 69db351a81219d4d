"""From one evaluation row back to its paragraph, over artifacts that the stages made."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graftline.canonical import sha256_text
from graftline.domain.rows import SPAN, TRAINING_ROWS, RowWriter, read_rows
from graftline.ports import kind_value
from graftline.store import Manifests, Store, describe_folder
from graftline.testkit.llm import Act, FunctionModel
from graftline.testkit.local import run_stage
from graftline.v1 import manifest_pb2
from graftline_chunk.descriptor import STAGE as CHUNK
from graftline_curate.descriptor import STAGE as CURATE
from graftline_generate.descriptor import STAGE as GENERATE
from graftline_ingest.descriptor import STAGE as INGEST
from graftline_workflows.cli.main import run_command

DOCUMENTS = {
    "train/timeouts.md": "# Time-outs\n\nThe default time-out of a request is five seconds.\n\n"
    "## Pools\n\nA pool waits ten seconds for a free connection before it gives up.\n",
    "train/proxies.md": "# Proxies\n\nA proxy is named by the setting called proxy.\n",
    "eval/limits.md": "# Limits\n\nThe default limit of a pool is one hundred connections.\n",
}
ROWS = pa.schema(
    [
        (name, pa.string())
        for name in ("id", "split", "group", "variant", "prompt", "gold", "output")
    ]
    + [("finished", pa.bool_()), ("failure", pa.string()), ("reason", pa.string())]
    + [("token_f1", pa.float64()), ("parents", pa.list_(pa.string())), ("source", SPAN)]
    + [("meta", pa.string())]
)


def writes_a_pair(prompt: str) -> Act:
    """A model that asks for a text's last line, with an invisible letter for `normalise`."""
    text = re.search(r"<<<\n(.*)\n>>>", prompt, re.DOTALL).group(1).strip()
    last = text.splitlines()[-1]
    question = f"What is said\u200b of {last.split()[1]}?"
    return Act(json.dumps({"pairs": [{"question": question, "answer": last}]}))


@dataclass
class Shelf:
    """Puts folders into a store as the outputs of steps."""

    store: Store
    artifacts: dict[tuple[str, str], str] = field(default_factory=dict)

    def put(self, step, stage, outputs, inputs=()):
        key = sha256_text(step)
        manifests = Manifests(self.store)
        manifest = manifest_pb2.Manifest(key=key, step=step, stage=stage, config="{}")
        for port, (kind, folder) in outputs.items():
            artifact = describe_folder(folder, kind_value(kind))
            manifests.upload(key, artifact, folder)
            manifest.outputs.append(manifest_pb2.OutputRef(port=port, artifact=artifact))
        for port, source in inputs:
            made_by, _, output = source.partition(".")
            ref = {"port": port, "step": made_by, "output": output, "key": sha256_text(made_by)}
            manifest.inputs.append(manifest_pb2.InputRef(**ref))
        manifests.commit(manifest)
        return key


def evaluation_rows(examples, role):
    """Rows as `evaluate` writes them, of the examples held out."""
    for row in examples:
        if row["split"] != "eval":
            continue
        wrong = role == "adapted"
        kept = {name: row[name] for name in ("id", "split", "group", "parents", "source", "meta")}
        yield {
            **kept,
            "variant": "plain",
            "prompt": row["messages"][0]["content"],
            "gold": row["messages"][1]["content"],
            "output": "Nobody knows." if wrong else "It is one hundred.",
            "finished": True,
            "failure": "low-overlap" if wrong else "",
            "reason": "token F1 0.00, below 0.3" if wrong else "",
            "token_f1": 0.0 if wrong else 0.5,
        }


@dataclass
class Built:
    store: Store
    rows: dict[str, dict]
    keys: dict[str, str]

    @property
    def failed(self):
        return next(row for row in self.rows.values() if row["split"] == "eval")


@pytest.fixture(scope="module")
def built(tmp_path_factory, s3_server) -> Built:
    """Documents → chunks → pairs → curated → learned and evaluated, all in one store."""
    folder = tmp_path_factory.mktemp("documents")
    for path, text in DOCUMENTS.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    work = tmp_path_factory.mktemp("work")
    ingested = run_stage(
        INGEST, work / "i", config={"layout": "documents"}, sources={"source": folder}
    )
    documents = ingested.outputs["documents"]
    cut = run_stage(
        CHUNK,
        work / "c",
        config={"size": 90, "overlap": 0, "min_size": 0},
        inputs={"documents": documents},
    )
    chunks = cut.outputs["chunks"]
    model = FunctionModel(writes_a_pair)
    with model.server:
        asked = run_stage(
            GENERATE,
            work / "g",
            config={"task": {"kind": "qa", "questions_per_chunk": 1, "request": {"model": "m"}}},
            inputs={"chunks": chunks},
            runtime={"llm": model.runtime},
        )
    written = asked.outputs["examples"]
    curated = run_stage(
        CURATE,
        work / "k",
        config={"operations": [{"op": "normalise"}]},
        inputs={"examples": written},
    ).outputs["examples"]
    rows = list(read_rows(curated))
    training = work / "t"
    training.mkdir()
    with RowWriter(training, TRAINING_ROWS) as writer:
        for row in rows:
            if row["split"] == "train":
                found = {"id": row["id"], "split": "train"}
                writer.write({**found, "input_ids": [1, 2], "loss_mask": [False, True]})
    adapter = work / "a"
    adapter.mkdir()
    (adapter / "adapter_model.safetensors").write_bytes(b"weights")
    shelf = Shelf(Store.open(f"{s3_server.uri}/row-lineage", s3_server.environment))
    keys = {
        "ingest": shelf.put("ingest", "ingest", {"documents": ("documents", documents)}),
        "chunk": shelf.put(
            "chunk", "chunk", {"chunks": ("chunks", chunks)}, [("documents", "ingest.documents")]
        ),
        "generate": shelf.put(
            "generate",
            "generate",
            {"examples": ("examples", written)},
            [("chunks", "chunk.chunks")],
        ),
        "curate": shelf.put(
            "curate",
            "curate",
            {"examples": ("examples", curated)},
            [("examples", "generate.examples")],
        ),
        "format": shelf.put(
            "format",
            "format",
            {"training_set": ("training_set", training)},
            [("examples", "curate.examples")],
        ),
        "adapter": shelf.put(
            "adapter",
            "train",
            {"adapter": ("adapter", adapter)},
            [("training_set", "format.training_set")],
        ),
    }
    inputs = [("examples", "curate.examples")]
    for role in ("baseline", "adapted"):
        metrics = work / role
        metrics.mkdir()
        table = pa.Table.from_pylist(list(evaluation_rows(rows, role)), schema=ROWS)
        pq.write_table(table, metrics / "rows.parquet")
        keys[role] = shelf.put(role, "evaluate", {"metrics": ("metrics", metrics)}, inputs)
        inputs += [("adapter", "adapter.adapter"), ("baseline", "baseline.metrics")]
    choices = work / "preference"
    choices.mkdir()
    chosen = [{"id": row["id"], "split": "eval"} for row in rows if row["split"] == "eval"]
    pq.write_table(pa.Table.from_pylist(chosen), choices / "rows.parquet")
    answers = [("answers", f"{role}.metrics") for role in ("baseline", "adapted")]
    keys["preference"] = shelf.put(
        "preference", "judge", {"metrics": ("metrics", choices)}, answers
    )
    return Built(shelf.store, {row["id"]: row for row in rows}, keys)


@pytest.fixture
def ask(built, s3_environment, capsys, tmp_path):
    def call(step, *arguments, code=0):
        command = ["lineage", built.keys[step], *arguments, "--home", str(tmp_path / "home")]
        assert run_command([*command, "--store", built.store.uri]) == code
        return capsys.readouterr()

    return call


def test_a_failed_row_leads_to_its_paragraph_in_the_document(built, ask):
    row = built.failed
    found = json.loads(ask("adapted", "--row", row["id"], "--json").out)
    assert found["row"]["question"] == "What is said of default?"
    answers = {item["step"]: item for item in found["row"]["answers"]}
    assert answers["adapted"]["failure"] == "low-overlap"
    assert answers["baseline"]["output"] == "It is one hundred."
    kinds = [(item["kind"], item["step"]) for item in found["ancestors"]]
    assert kinds == [
        ("examples", "curate"),
        ("examples", "generate"),
        ("chunks", "chunk"),
        ("documents", "ingest"),
    ]
    assert found["ancestors"][1]["id"] in row["parents"], "curate gave the row another id"
    (paragraph,) = found["paragraphs"]
    text = DOCUMENTS["eval/limits.md"]
    assert paragraph["path"] == "eval/limits.md"
    assert paragraph["text"] == text[paragraph["start"] : paragraph["end"]]
    assert "one hundred connections" in paragraph["text"]
    assert found["lost"] == []


def test_it_leads_to_what_was_learned_and_to_its_paragraphs(built, ask):
    found = json.loads(ask("adapted", "--row", built.failed["id"], "--json").out)["training"]
    learned = {row["id"] for row in built.rows.values() if row["split"] == "train"}
    assert found["rows"] == len(learned)
    assert not found["holds_row"]
    assert (found["same_chunk"], found["same_source"]) == (0, 0), "its document was held out"
    shown = found["shown"]
    assert {item["id"] for item in shown} <= learned
    assert [item["relation"] for item in shown] == ["alike"] * len(shown)
    shares = [item["alike"] for item in shown]
    assert shares == sorted(shares, reverse=True)
    assert shown[0]["question"] == "What is said of default?", "the one about time-outs"
    for item in shown:
        (paragraph,) = item["paragraphs"]
        text = DOCUMENTS[paragraph["path"]]
        assert paragraph["text"] == text[paragraph["start"] : paragraph["end"]]
        assert item["expected"] in paragraph["text"]


def test_a_row_above_all_learning_has_its_paragraph_alone(built, ask):
    (row,) = [row for row in built.rows.values() if "ten seconds" in row["meta"]]
    found = json.loads(ask("curate", "--row", row["id"], "--json").out)
    assert found["training"] is None
    assert found["row"]["answers"] == []
    (paragraph,) = found["paragraphs"]
    assert paragraph["path"] == "train/timeouts.md"
    assert paragraph["headings"] == ["Time-outs", "Pools"]


def test_a_row_without_words_of_its_own_goes_by_the_answers_it_is_about(built, ask):
    whole = json.loads(ask("adapted", "--row", built.failed["id"], "--json").out)
    found = json.loads(ask("preference", "--row", built.failed["id"], "--json").out)
    assert found["row"]["step"] == "preference"
    for part in ("question", "expected"):
        assert found["row"][part] == whole["row"][part]
    answers = {item["step"]: item["output"] for item in found["row"]["answers"]}
    assert answers == {"adapted": "Nobody knows.", "baseline": "It is one hundred."}
    assert found["paragraphs"] == whole["paragraphs"]
    assert found["training"] == whole["training"]


def test_people_read_it_too(built, ask):
    told = ask("adapted", "--row", built.failed["id"][:10]).out
    for words in (
        built.failed["id"],
        "Nobody knows.",
        "token F1 0.00",
        "eval/limits.md · characters",
        "no rows of the same chunk",
        "of another source · 41 % of words in common",
        "train/timeouts.md",
    ):
        assert words in told


def test_a_row_that_is_not_there_names_failed_ones(built, ask):
    told = ask("adapted", "--row", "f00", code=64).err
    assert (
        f"step 'adapted' has no row 'f00'; failed ones of its 1 rows: {built.failed['id']}" in told
    )
    told = ask("baseline", "--row", "f00", code=64).err
    assert f"some of its 1 rows: {built.failed['id']}" in told
    told = ask("adapter", "--row", "f00", code=64).err
    assert "step 'adapter' has no rows with ids" in told


def test_a_step_that_is_gone_is_said_and_the_rest_is_shown(built, ask):
    store = built.store
    name = f"steps/{built.keys['ingest']}/manifest.binpb"
    kept = store.get(name).data
    store.delete([name])
    try:
        found = json.loads(ask("adapted", "--row", built.failed["id"], "--json").out)
    finally:
        store.put(name, kept)
    assert found["lost"] == ["ingest"]
    assert [item["kind"] for item in found["ancestors"]] == ["examples", "examples", "chunks"]
    (paragraph,) = found["paragraphs"]
    assert "one hundred connections" in paragraph["text"], "the chunk has the text too"
    assert paragraph["path"] == "eval/limits.md"
