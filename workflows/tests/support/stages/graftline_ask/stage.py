from pathlib import Path

from graftline.errors import DataError
from graftline.ports import Output, Result


def run(ctx, config, inputs):
    says = Path(ctx.runtime.says).read_text() if ctx.runtime.says else "nothing"
    if says == "no answer":
        raise DataError("nobody answers")
    folder = ctx.output("lines")
    (folder / "lines.txt").write_text(f"{says}\n")
    return Result({"lines": Output(folder, 1)}, rows_out=1)
