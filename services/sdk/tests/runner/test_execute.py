"""The runner on a real store, with a stage small enough to read here."""

import json
import threading
from pathlib import Path
from tempfile import mkdtemp

import pytest

from graftline import CONTRACT_VERSION
from graftline.canonical import canonical_json, digest_of_files, sha256_text
from graftline.config import Config
from graftline.errors import BugError, Cancelled, ConfigError, DataError, TransientError
from graftline.events.messages import EventSource
from graftline.events.reporter import EventStream, StepReporter
from graftline.ports import Output, Port, Result
from graftline.runner.execute import StepExecution, check_request
from graftline.sources import list_bucket
from graftline.stage import Stage
from graftline.store import Manifests
from graftline.v1 import manifest_pb2, stage_pb2


class EchoConfig(Config):
    text: str = "hello"
    reject: int = 0


ECHO = Stage(
    name="echo",
    version="1",
    summary="Writes a text",
    inputs=(Port("before", ("report",), optional=True),),
    outputs=(Port("report", ("report",)),),
    config=EchoConfig,
    run="tests:none",
    conserves_rows=True,
)


def echo(ctx, config, inputs):
    ctx.raise_if_stopping()
    before = inputs.maybe("before")
    head = (before.path / "text").read_text() if before else ""
    (ctx.output("report") / "text").write_text(head + config.text)
    kept = 10 - config.reject
    return Result(
        {"report": Output(ctx.output("report"))},
        rows_in=10,
        rows_out=kept,
        rejected={"unwanted": config.reject},
        figures={"length": float(len(config.text))},
    )


def request_for(store, name="one", config=None, inputs=(), **more):
    return stage_pb2.StageRequest(
        contract_version=CONTRACT_VERSION,
        run="r",
        step=name,
        stage="echo",
        key=sha256_text(name),
        image="test",
        config=canonical_json(config or {}),
        inputs=inputs,
        store=store.uri,
        **more,
    )


@pytest.fixture
def execute(store, s3_environment, tmp_path):

    def run(request, function=echo, stage=ECHO, before=None, load=None):
        folder = Path(mkdtemp(prefix="work-", dir=tmp_path))
        reporter = StepReporter(EventSource("r", request.step), EventStream(""))
        execution = StepExecution(stage, load or (lambda: function), request, folder, reporter)
        if before:
            before(execution)
        return execution.run()

    return run


def test_a_step_is_committed_with_all_that_made_it(store, execute):
    assert execute(request_for(store, config={"reject": 3}, seed=7)) is True
    found = Manifests(store).lookup(sha256_text("one"))
    assert found.problem == ""
    manifest = found.manifest
    assert (manifest.rows_in, manifest.rows_out) == (10, 7)
    assert [(r.reason, r.rows) for r in manifest.rejected] == [("unwanted", 3)]
    assert manifest.seed == 7
    assert manifest.figures["length"] == 5
    assert manifest.cost.wall_seconds > 0
    assert not manifest.cost.HasField("gpu_seconds")
    assert json.loads(manifest.config) == {"reject": 3}
    assert [blob.path for blob in manifest.outputs[0].artifact.blobs] == ["text"]


def test_of_a_step_that_is_there_nothing_is_imported(store, execute):
    assert execute(request_for(store)) is True
    assert execute(request_for(store), load=lambda: pytest.fail("imported")) is False


def test_a_step_that_is_there_is_not_run_again(store, execute):
    calls = []

    def counted(ctx, config, inputs):
        calls.append(1)
        return echo(ctx, config, inputs)

    assert execute(request_for(store), counted) is True
    assert execute(request_for(store), counted) is False
    assert len(calls) == 1


def test_inputs_are_fetched_and_recorded(store, execute):
    execute(request_for(store, "one"))
    wanted = stage_pb2.RequestInput(
        port="before", step="one", key=sha256_text("one"), output="report"
    )
    execute(request_for(store, "two", {"text": "!"}, [wanted]))
    manifests = Manifests(store)
    two = manifests.lookup(sha256_text("two")).manifest
    one = manifests.lookup(sha256_text("one"))
    (ref,) = two.inputs
    assert (ref.step, ref.output, ref.manifest_digest) == ("one", "report", one.digest)
    assert ref.artifact_digest == one.manifest.outputs[0].artifact.digest
    assert two.outputs[0].artifact.blobs[0].size == len("hello!")


def test_a_missing_input_may_come_later(store, execute):
    wanted = stage_pb2.RequestInput(port="before", step="x", key=sha256_text("x"), output="report")
    with pytest.raises(TransientError, match="step 'x' is not in the store"):
        execute(request_for(store, "two", inputs=[wanted]))


@pytest.mark.parametrize(
    ("config", "words"), [({"tex": "x"}, "did you mean 'text'"), ({"reject": "many"}, "reject")]
)
def test_wrong_settings_are_refused_before_anything_is_fetched(store, execute, config, words):
    with pytest.raises(ConfigError, match=words):
        execute(request_for(store, config=config))


def test_lost_rows_are_a_bug_and_nothing_is_committed(store, execute):
    def loses(ctx, config, inputs):
        (ctx.output("report") / "x").write_text("x")
        return Result({"report": Output(ctx.output("report"))}, rows_in=10, rows_out=9)

    with pytest.raises(BugError, match="lost rows: 10 in, 9 out, 0 rejected"):
        execute(request_for(store), loses)
    assert Manifests(store).lookup(sha256_text("one")).manifest is None


def test_undeclared_and_missing_outputs_are_bugs(store, execute):
    with pytest.raises(BugError, match="are declared"):
        execute(request_for(store), lambda ctx, config, inputs: Result({}))


def test_a_stop_before_the_work_leaves_nothing(store, execute):
    with pytest.raises(Cancelled):
        execute(request_for(store), before=lambda execution: execution.context.request_stop())
    assert Manifests(store).lookup(sha256_text("one")).manifest is None


def test_a_checkpoint_is_there_for_the_next_attempt_and_gone_after_the_commit(store, execute):
    def stops_once(ctx, config, inputs):
        folder = ctx.scratch("state")
        if not ctx.restore("half", folder):
            (folder / "done").write_text("half")
            ctx.checkpoint("half", folder)
            raise DataError("stopped in the middle")
        assert (folder / "done").read_text() == "half"
        return echo(ctx, config, inputs)

    with pytest.raises(DataError):
        execute(request_for(store), stops_once)
    assert execute(request_for(store), stops_once) is True
    assert not [item.name for item in store.list("steps") if "checkpoint" in item.name]


def sent(store, files):
    """Put files where `graftline submit` would, under the digest of `files["rows.jsonl"]` alone."""
    digest = digest_of_files([("rows.jsonl", sha256_text("{}"))])
    for name, text in files.items():
        store.put(f"sources/{digest}/{name}", text.encode())
    uri = f"{store.uri}/sources/{digest}"
    return manifest_pb2.SourceRef(setting="source", uri=uri, fingerprint=f"sha256:{digest}")


def test_a_source_sent_to_the_store_is_known_by_its_content(store, execute):
    source = sent(store, {"rows.jsonl": "{}"})
    assert list_bucket(source.uri).fingerprint == source.fingerprint
    assert list_bucket(f"{source.uri}/rows.jsonl").fingerprint == source.fingerprint

    def reading(ctx, config, inputs):
        assert (inputs.sources["source"] / "rows.jsonl").read_text() == "{}"
        return echo(ctx, config, inputs)

    assert execute(request_for(store, sources=[source]), reading) is True


def test_one_file_of_a_sent_folder_is_another_source(store, execute):
    source = sent(store, {"rows.jsonl": "{}", "more.jsonl": "{}"})
    assert list_bucket(f"{source.uri}/rows.jsonl").fingerprint.startswith("etag:")


@pytest.mark.parametrize("files", [{"rows.jsonl": "[]"}, {"rows.jsonl": "{}", "more.jsonl": ""}])
def test_a_sent_source_that_is_not_what_its_address_says_is_refused(store, execute, files):
    with pytest.raises(DataError, match="not what its address says"):
        execute(request_for(store, sources=[sent(store, files)]))


def test_a_source_that_changed_since_the_plan_is_refused(store, execute, tmp_path):
    source = tmp_path / "rows.jsonl"
    source.write_text("{}")
    ref = manifest_pb2.SourceRef(setting="source", uri=str(source), fingerprint="sha256:old")
    with pytest.raises(DataError, match="has changed since the plan"):
        execute(request_for(store, sources=[ref]))


def test_racing_runs_of_one_step_agree(store, execute):
    barrier = threading.Barrier(2)

    def together(ctx, config, inputs):
        barrier.wait(20)
        return echo(ctx, config, inputs)

    results = []
    threads = [
        threading.Thread(target=lambda: results.append(execute(request_for(store), together)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, True]


def test_requests_for_others_are_refused(store):
    with pytest.raises(ConfigError, match="contract 99"):
        check_request(stage_pb2.StageRequest(contract_version="99"), ECHO, own_code=True)
    other = stage_pb2.StageRequest(contract_version=CONTRACT_VERSION, stage="train")
    with pytest.raises(ConfigError, match="asks for stage 'train'"):
        check_request(other, ECHO, own_code=True)


UNITS = 5


class Worker:
    """A stage that shares five units, notes which ones it did, and can be stopped after some."""

    def __init__(self, limit=UNITS):
        self.did = []
        self._limit = limit

    def __call__(self, ctx, config, inputs):
        for unit in ctx.units(UNITS):
            if len(self.did) == self._limit:
                raise TransientError("killed here")
            folder = ctx.scratch(f"unit-{unit}")
            (folder / "text").write_text(f"{config.text} {unit}")
            ctx.commit_unit(unit, folder)
            self.did.append(unit)
        gathered = ctx.scratch("all")
        if not ctx.gather_units(UNITS, gathered):
            return None
        texts = [(gathered / str(unit) / "text").read_text() for unit in range(UNITS)]
        (ctx.output("report") / "text").write_text("\n".join(texts))
        return Result({"report": Output(ctx.output("report"))}, rows_in=UNITS, rows_out=UNITS)


def committed(store):
    return Manifests(store).lookup(sha256_text("one")).manifest


def test_ranks_share_the_units_and_the_last_one_commits(store, execute):
    first, second = Worker(), Worker()
    assert execute(request_for(store, rank=0, ranks=2), first) is False
    assert committed(store) is None
    assert execute(request_for(store, rank=1, ranks=2), second) is True
    assert (first.did, second.did) == ([0, 2, 4], [1, 3])
    shared = committed(store).outputs[0].artifact.digest
    assert list(store.list(f"steps/{sha256_text('one')}/checkpoints/")) == []
    store.delete([f"steps/{sha256_text('one')}/manifest.binpb"])
    assert execute(request_for(store), Worker()) is True
    assert committed(store).outputs[0].artifact.digest == shared


def test_a_committed_unit_is_never_done_again_whatever_the_number_of_ranks(store, execute):
    killed, alone = Worker(limit=2), Worker()
    with pytest.raises(TransientError):
        execute(request_for(store, rank=0, ranks=2), killed)
    assert execute(request_for(store), alone) is True
    assert (killed.did, alone.did) == ([0, 2], [1, 3, 4])


def test_a_rank_that_comes_too_late_finds_the_step_done(store, execute):
    execute(request_for(store), Worker())
    late = Worker()
    assert execute(request_for(store, rank=1, ranks=3), late) is False
    assert late.did == []


def test_a_stage_alone_must_give_a_result(store, execute):
    with pytest.raises(BugError, match="no result"):
        execute(request_for(store), lambda ctx, config, inputs: None)


def test_of_two_that_do_the_same_units_the_later_uses_what_the_first_committed(store, execute):
    """The first one's commit takes the units away that the second is about to gather."""

    def overtaken(ctx, config, inputs):
        assert list(ctx.units(UNITS)) == list(range(UNITS))
        assert execute(request_for(store), Worker()) is True
        return {} if ctx.gather_units(UNITS, ctx.scratch("all")) else None

    assert execute(request_for(store), overtaken) is False
    assert committed(store) is not None


@pytest.mark.fault
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_damaged_unit_is_done_again_and_the_others_are_not(store, execute, ranks):
    with pytest.raises(TransientError, match="killed here"):
        execute(request_for(store), Worker(limit=UNITS - 1))
    blobs = list(store.list(f"steps/{sha256_text('one')}/checkpoint-blobs/unit-00000002/"))
    store.put(blobs[0].name, b"?" * blobs[0].size)
    first, second = Worker(), Worker()
    last = {"rank": (UNITS - 1) % ranks, "ranks": ranks}
    with pytest.raises(TransientError, match="1 committed units cannot be read back"):
        execute(request_for(store, **last), first)
    assert execute(request_for(store, rank=0, ranks=ranks), second) is True
    assert (first.did, second.did) == ([UNITS - 1], [2])
    assert committed(store) is not None
