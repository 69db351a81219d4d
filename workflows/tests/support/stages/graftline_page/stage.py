from graftline.ports import Output, Result


def run(ctx, config, inputs):
    report, bundle = ctx.output("report"), ctx.output("bundle")
    (report / "report.html").write_text("<!doctype html><title>report</title>")
    (bundle / "sub").mkdir()
    (bundle / "sub" / "lines.txt").write_bytes(
        (inputs.one("lines").path / "lines.txt").read_bytes()
    )
    return Result({"report": Output(report), "bundle": Output(bundle)})
