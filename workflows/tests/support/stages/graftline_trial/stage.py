import os
import signal
import time
from pathlib import Path

from graftline.errors import error_for_exit_code
from graftline.ports import Output, Result

UNITS = 20


def run(ctx, config, inputs):
    runtime = ctx.runtime
    earlier = _mark(Path(runtime.marks), ctx.step) if runtime.marks else 0
    ctx.log(f"threads {os.environ.get('GRAFTLINE_THREADS')} {os.environ.get('OMP_NUM_THREADS')}")
    for unit in range(UNITS):
        time.sleep(runtime.seconds / UNITS)
        ctx.progress(unit + 1, UNITS, "units")
        ctx.metric("loss", 1 / (unit + 1), unit)
        if not runtime.stubborn:
            ctx.raise_if_stopping()
    if runtime.fail_with and earlier < runtime.fail_times:
        if runtime.fail_with < 0:
            os.kill(os.getpid(), -runtime.fail_with)
            signal.pause()
        raise error_for_exit_code(runtime.fail_with, f"{ctx.step} was told to fail")
    lines = [
        line
        for part in inputs.many("parts")
        for line in (part.path / "lines.txt").read_text().splitlines()
    ]
    lines += [f"{config.word} {number} {ctx.seed}" for number in range(config.count)]
    folder = ctx.output("lines")
    (folder / "lines.txt").write_text("".join(f"{line}\n" for line in lines))
    ctx.log(f"{len(lines)} lines")
    return Result({"lines": Output(folder, len(lines))}, rows_out=len(lines))


def _mark(folder, step):
    folder.mkdir(parents=True, exist_ok=True)
    earlier = len(list(folder.glob(f"{step}.*")))
    (folder / f"{step}.{os.getpid()}").write_text("")
    return earlier
