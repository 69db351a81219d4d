from __future__ import annotations

import io
import time

from rich.console import Console

from graftline.v1 import manifest_pb2, stage_pb2
from graftline_workflows.engine.display import Plain, Quiet, finish_text, progress_text
from graftline_workflows.engine.live import LiveDisplay
from graftline_workflows.engine.status import StepStatus


def status(name: str, state: stage_pb2.StepState) -> StepStatus:
    request = stage_pb2.StageRequest(step=name, stage="trial")
    return StepStatus(request, stage_pb2.RESOURCE_CLASS_CPU, "never built", state)


def running() -> StepStatus:
    step = status("adapter", stage_pb2.STEP_STATE_RUNNING)
    step.started = time.monotonic() - 60
    step.meter.add(0.0, 100, 1500, "steps")
    step.meter.add(10.0, 132, 1500, "steps")
    step.metric = ("loss", 0.8234)
    return step


def built() -> StepStatus:
    step = status("curate", stage_pb2.STEP_STATE_SUCCEEDED)
    step.started, step.ended = 10.0, 14.2
    step.manifest = manifest_pb2.Manifest(
        rows_out=1200, rejected=[manifest_pb2.RejectCount(reason="short", rows=30)]
    )
    return step


def test_progress_has_count_rate_time_left_and_the_loss() -> None:
    text = progress_text(running(), time.monotonic())
    assert text == "132/1,500 steps  3.2/s  ETA 7:08  loss 0.8234"


def test_a_step_that_says_nothing_shows_how_long_it_runs() -> None:
    step = status("model", stage_pb2.STEP_STATE_FETCHING)
    step.started = 5.0
    assert progress_text(step, 17.0) == "fetching for 12 s"


def test_ends_say_what_came_out() -> None:
    assert finish_text(built()) == "built in 4.2 s, 1,200 rows, 30 rejected"
    failed = status("curate", stage_pb2.STEP_STATE_FAILED)
    failed.message = "no rows are left\n  - and more"
    assert finish_text(failed) == "failed: no rows are left"
    assert finish_text(status("a", stage_pb2.STEP_STATE_CACHED)) == "cached"


def test_plain_lines_name_the_step_and_leave_info_out() -> None:
    out = io.StringIO()
    display = Plain(out, interval_s=0.0)
    step = running()
    display.begin([status("model", stage_pb2.STEP_STATE_CACHED), step])
    display.started(step)
    display.said(step, "info", "loading")
    display.said(step, "warning", "2 rows are too long")
    display.tick()
    display.finished(built())
    assert out.getvalue().splitlines() == [
        "  model    cached",
        "  adapter  started: never built",
        "  adapter  warning: 2 rows are too long",
        "  adapter  132/1,500 steps  3.2/s  ETA 7:08  loss 0.8234",
        "  curate   built in 4.2 s, 1,200 rows, 30 rejected",
    ]


def test_verbose_lines_have_all_that_steps_say() -> None:
    out = io.StringIO()
    Plain(out, verbose=True).said(running(), "info", "loading")
    assert "loading" in out.getvalue()


def test_bars_on_a_terminal_show_progress_and_leave_lines() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120, color_system=None)
    display = LiveDisplay(console)
    step = running()
    display.begin([step, status("export", stage_pb2.STEP_STATE_WAITING)])
    display.started(step)
    display.said(step, "warning", "odd [rows]")
    time.sleep(0.6)
    display.stopping(["adapter"], 60)
    display.finished(built())
    display.end()
    text = out.getvalue()
    assert "132/1,500 steps" in text
    assert "waiting: export" in text
    assert "odd [rows]" in text
    assert "Ctrl-C again" in text
    assert "built in 4.2 s" in text


def test_quiet_tells_notes_only() -> None:
    out = io.StringIO()
    display = Quiet(out)
    display.begin([running()])
    display.finished(built())
    display.note("could not plan anew")
    assert out.getvalue() == "warning: could not plan anew\n"
