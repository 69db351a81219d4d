"""Training that was stopped goes on, in a new process, to the same bytes."""

import multiprocessing
import textwrap

import pytest

from graftline.errors import Cancelled
from graftline.testkit.local import FolderVault, run_stage
from graftline_train.descriptor import STAGE

STEPS = 9
CONFIG = {
    "lora_r": 4,
    "max_steps": STEPS,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "learning_rate": 0.02,
    "lora_dropout": 0.1,
    "max_length": 96,
    "dtype": "fp32",
    "eval_steps": 4,
}
RUNTIME = {"device": "cpu", "threads": 1, "checkpoint_every_steps": 1}

# What a process of its own does; it dies without warning once it has done a number of steps.
PROGRAM = textwrap.dedent(
    """
    import os
    import warnings
    from pathlib import Path

    import torch
    from graftline.testkit.local import FolderVault, run_stage
    from graftline_train.descriptor import STAGE
    from graftline_train.loop import Trainer

    warnings.simplefilter("ignore")
    note = Trainer._note

    def note_and_die(self, line):
        note(self, line)
        if self.step == given["die_at"]:
            os._exit(9)

    Trainer._note = note_and_die
    run_stage(
        STAGE, Path(given["work"]), config=given["config"], runtime=given["runtime"], seed=4,
        inputs={"model": Path(given["model"]), "training_set": Path(given["rows"])},
        vault=FolderVault(Path(given["vault"])),
    )
    """
)


def in_process(model, rows, work, vault, die_at, runtime=None):
    """Run the stage in a new process (forked from one that has only imported it)."""
    given = {
        "work": str(work),
        "vault": str(vault),
        "model": str(model),
        "rows": str(rows),
        "config": CONFIG,
        "runtime": {**RUNTIME, **(runtime or {})},
        "die_at": die_at,
    }
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["graftline_train.stage"])
    process = server.Process(target=exec, args=(PROGRAM, {"given": given}))
    process.start()
    process.join()
    return process.exitcode


def contents(folder):
    return {
        path.name: path.read_bytes()
        for port in ("adapter", "metrics")
        for path in sorted((folder / "outputs" / port).iterdir())
    }


def unbroken(model, rows, work):
    run_stage(
        STAGE,
        work,
        config=CONFIG,
        runtime=RUNTIME,
        seed=4,
        inputs={"model": model, "training_set": rows},
    )
    return contents(work)


@pytest.mark.slow
def test_killed_at_any_step_and_resumed_in_another_process_to_the_same_bytes(
    llama, training_set, tmp_path
):
    expected = unbroken(llama, training_set, tmp_path / "unbroken")
    for die_at in range(1, STEPS):
        # Every second step is saved, so that some work is lost and has to be done again.
        runtime = {"checkpoint_every_steps": 2}
        vault = tmp_path / f"vault-{die_at}"
        assert in_process(llama, training_set, tmp_path / "a", vault, die_at, runtime) == 9
        work = tmp_path / f"work-{die_at}"
        assert in_process(llama, training_set, work, vault, None, runtime) == 0
        assert contents(work) == expected, f"killed after step {die_at}"


def test_killed_again_and_again(llama, training_set, tmp_path):
    expected = unbroken(llama, training_set, tmp_path / "unbroken")
    vault = tmp_path / "vault"
    for die_at in (3, 4, 8):
        assert in_process(llama, training_set, tmp_path / "a", vault, die_at) == 9
    assert in_process(llama, training_set, tmp_path / "work", vault, None) == 0
    assert contents(tmp_path / "work") == expected


def test_a_request_to_stop_saves_a_checkpoint_from_which_it_goes_on(llama, training_set, tmp_path):
    expected = unbroken(llama, training_set, tmp_path / "unbroken")
    vault = FolderVault(tmp_path / "vault")
    inputs = {"model": llama, "training_set": training_set}
    runtime = {**RUNTIME, "checkpoint_every_steps": 0}

    def stop_after_five(context):
        metric = context.metric

        def watch(name, value, at):
            metric(name, value, at)
            if at == 5:
                context.request_stop()

        context.metric = watch

    with pytest.raises(Cancelled, match="after step 5 of 9"):
        run_stage(
            STAGE,
            tmp_path / "stopped",
            config=CONFIG,
            runtime=runtime,
            seed=4,
            inputs=inputs,
            vault=vault,
            before_run=stop_after_five,
        )
    assert vault.saved == ["training"]
    run = run_stage(
        STAGE,
        tmp_path / "resumed",
        config=CONFIG,
        runtime=runtime,
        seed=4,
        inputs=inputs,
        vault=vault,
    )
    assert ("info", "resumed after step 5") in run.events.lines
    assert run.events.progress_points[0] == (5, STEPS, "steps")
    assert contents(tmp_path / "resumed") == expected


def test_a_checkpoint_holds_tensors_and_json_only(llama, training_set, tmp_path):
    unbroken(llama, training_set, tmp_path / "work")
    folder = tmp_path / "work" / "vault" / "checkpoints" / "training"
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter.safetensors",
        "log.jsonl",
        "optimizer.safetensors",
        "state.json",
    ]


def test_a_resume_under_other_conditions_is_said(llama, training_set, tmp_path):
    vault = FolderVault(tmp_path / "vault")
    inputs = {"model": llama, "training_set": training_set}
    run_stage(STAGE, tmp_path / "a", config=CONFIG, runtime=RUNTIME, inputs=inputs, vault=vault)
    run = run_stage(
        STAGE,
        tmp_path / "b",
        config=CONFIG,
        runtime={**RUNTIME, "threads": 2},
        inputs=inputs,
        vault=vault,
    )
    assert any(
        text.startswith("threads was 1 before the stop and is 2") for _, text in run.events.lines
    )
