from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.protobuf.json_format import ParseDict

import graftline_trials
from graftline.errors import StoreUnavailable
from graftline.store import Store
from graftline.v1.manifest_pb2 import Manifest
from graftline_workflows.session import StoreSession

if TYPE_CHECKING:
    from trials_fixture import Trials


def test_show_json_is_the_manifest(built: Trials) -> None:
    trials = built
    run = trials.call("runs", "--json").json["runs"][0]["run"]
    called = trials.call("show", "both", "--json")
    manifest = ParseDict(called.json, Manifest())
    assert (manifest.step, manifest.stage, manifest.run) == ("both", "trial", run)
    assert [item.step for item in manifest.inputs] == ["left", "right"]
    assert trials.call("show", manifest.key, "--json").json == called.json
    assert trials.call("show", manifest.key[:10], "--json").json == called.json
    text = trials.call("show", "both").out
    assert manifest.key in text
    assert "9 rows" in text


def test_unknown_steps_runs_and_keys_name_the_nearest(built: Trials) -> None:
    trials = built
    run = trials.call("runs", "--json").json["runs"][0]["run"]
    for command in ("show", "lineage", "logs"):
        called = trials.call(command, "lift")
        assert called.code == 64
        assert "did you mean 'left'?" in called.err
    assert "did you mean 'left'?" in trials.call("get", "lift", str(trials.folder / "x")).err
    called = trials.call("show", "left", "--run", run[:-1] + "z")
    assert called.code == 64
    assert f"did you mean '{run}'?" in called.err
    called = trials.call("show", "deadbeef")
    assert called.code == 64
    assert "no step or key 'deadbeef'" in called.err


def test_a_step_that_was_not_built_yet_says_so(trials: Trials) -> None:
    recipe = trials.recipe(
        "recipe: bad\nsteps:\n  bad: {uses: trial, runtime: {fail_with: 65}}\n"
        "  after: {uses: trial, from: {parts: bad}}\n"
    )
    assert trials.call("run", recipe, "--quiet").code == 65
    called = trials.call("show", "after")
    assert called.code == 65
    assert "not built yet" in called.err
    assert "no log" in trials.call("logs", "after").err
    assert "bad was told to fail" in trials.call("logs", "bad").out


def test_a_store_without_runs_and_a_home_without_a_store(trials: Trials) -> None:
    called = trials.call("show", "left")
    assert called.code == 64
    assert "there is no run in this store yet" in called.err
    assert "no runs yet" in trials.call("runs").out


def test_lineage_leads_back_to_the_first_steps(built: Trials) -> None:
    trials = built
    found = trials.call("lineage", "adapted", "--json").json["lineage"]
    assert [item["step"] for item in found][0] == "adapted"
    assert {item["step"] for item in found} == {"adapted", "both", "baseline", "left", "right"}
    assert len(found) == 5
    text = trials.call("lineage", "adapted").out
    assert text.count("(above)") == 0
    assert text.index("adapted") < text.index("both") < text.index("left")


def test_logs_of_a_cached_step_are_those_of_when_it_was_built(trials: Trials) -> None:
    trials.run("--until", "left", "--quiet")
    first = trials.call("logs", "left").out
    assert "3 lines" in first
    trials.run("--until", "left", "--quiet")
    assert trials.call("logs", "left").out == first
    for path in trials.home.glob("runs/*/left.log"):
        path.unlink()
    assert trials.call("logs", "left").out == first


def test_get_gives_the_files(built: Trials) -> None:
    trials = built
    single, several = trials.folder / "single", trials.folder / "several"
    assert trials.call("get", "both", str(single)).code == 0
    assert (single / "lines.txt").read_text().count("\n") == 9
    found = trials.call("get", "page", str(several), "--json").json
    assert found["outputs"] == {
        "report": str(several / "report"),
        "bundle": str(several / "bundle"),
    }
    assert Path(found["outputs"]["report"], "report.html").is_file()
    only = trials.folder / "only"
    assert trials.call("get", "page", str(only), "--output", "report").code == 0
    assert [path.name for path in only.iterdir()] == ["report.html"]
    assert "not empty" in trials.call("get", "both", str(single)).err
    called = trials.call("get", "page", str(trials.folder / "no"), "--output", "reprot")
    assert "did you mean 'report'?" in called.err
    (trials.folder / "file").write_text("")
    called = trials.call("get", "page", str(trials.folder / "file" / "below"))
    assert called.code in (64, 75)
    assert "cannot write to" in called.err


def test_verify_finds_what_is_damaged(trials: Trials) -> None:
    trials.run("--quiet", "--until", "both")
    assert trials.call("verify").code == 0
    key = trials.call("show", "left", "--json").json["key"]
    (blob,) = list(trials.store.list(f"steps/{key}/blobs/"))
    trials.store.put(blob.name, b"?" * blob.size)
    called = trials.call("verify", "--json")
    assert called.code == 65
    assert [item["step"] for item in called.json["damages"]] == ["left"]
    assert trials.run("--until", "both", "--json").json["built"] == ["left"]


def test_gc_first_says_and_then_removes(trials: Trials) -> None:
    old = trials.run("--until", "both", "--json").json["run"]
    new = trials.run("--until", "both", "--set", "left.word=other", "--json").json["run"]
    words = ("gc", "--keep", "1", "--grace-hours", "0")
    dry = trials.call(*words, "--json").json
    assert (dry["removed_runs"], dry["kept_runs"]) == ([old], [new])
    assert len(dry["removed_keys"]) == 2
    assert len(trials.call("runs", "--json").json["runs"]) == 2
    assert trials.call(*words, "--yes").code == 0
    assert [item["run"] for item in trials.call("runs", "--json").json["runs"]] == [new]
    assert not (trials.home / "runs" / old).exists()
    assert trials.run("--until", "both", "--json", "--set", "left.word=other").json["built"] == []
    assert trials.run("--until", "both", "--json").json["built"] == ["left", "both"]


def test_gc_takes_old_answers_if_asked(trials: Trials) -> None:
    trials.run("--until", "left", "--quiet")
    trials.store.put("cache/llm/k", b"paid for")
    assert "answers" not in trials.call("gc", "--grace-hours", "0", "--answers-days", "1").out
    said = trials.call("gc", "--answers-days", "0").out
    assert "would go: 0 runs, 0 steps, 1 answer, 8 bytes" in said
    assert (
        "gone: 0 runs, 0 steps, 1 answer, 8 bytes"
        in trials.call("gc", "--answers-days", "0", "--yes").out
    )


def test_stages_and_recipes_are_listed(trials: Trials) -> None:
    assert "Makes lines." in trials.call("stages").out
    one = trials.call("stages", "trial", "--json").json
    assert one["name"] == "trial"
    assert "count = 3" in trials.call("stages", "trial").out
    assert "did you mean 'trial'?" in trials.call("stages", "trail").err
    assert set(trials.call("recipes", "--json").json) == {"recipes"}


def test_reading_needs_no_right_to_write(built: Trials, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise StoreUnavailable("AccessDenied")

    for name in ("put", "put_new", "replace", "delete"):
        monkeypatch.setattr(Store, name, refused)
    recipe = str(graftline_trials.RECIPE)
    reading = (["runs"], ["show", "both"], ["lineage", "both"], ["verify"], ["gc"])
    for words in (*reading, ["plan", recipe]):
        called = built.call(*words)
        assert called.code == 0, called.err
    assert "AccessDenied" in built.call("gc", "--yes").err
    assert "AccessDenied" in built.call("run", recipe).err


def test_get_makes_no_folder_for_what_there_is_not(built: Trials, tmp_path: Path) -> None:
    assert built.call("get", "nothing", str(tmp_path / "new")).code == 64
    assert built.call("get", "both", str(tmp_path / "new"), "--output", "x").code == 64
    assert not (tmp_path / "new").exists()


def test_gc_gives_room_back_also_for_what_no_whole_step_went_with(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials.run("--until", "left", "--quiet")
    trials.run("--until", "left", "--quiet")
    given: list[int] = []
    monkeypatch.setattr(StoreSession, "give_back_room", lambda self: given.append(1))
    cleaned = trials.call("gc", "--keep", "1", "--grace-hours", "0", "--yes", "--json").json
    assert len(cleaned["removed_runs"]) == 1
    assert cleaned["removed_keys"] == []
    assert given == [1]
