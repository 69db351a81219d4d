import json

from graftline.ports import Output, Result


def run(ctx, config, inputs):
    value = config.accuracy
    figure = {"value": value, "low": value - 0.05, "high": value + 0.05, "n": 100}
    metrics = {"role": "baseline", "variants": {"plain": {"eval": {"accuracy": figure}}}}
    baseline = inputs.maybe("baseline")
    if baseline is not None:
        before = json.loads((baseline.path / "metrics.json").read_text())
        was = before["variants"]["plain"]["eval"]["accuracy"]["value"]
        metrics["role"] = "adapted"
        metrics["comparison"] = {
            "eval": {
                "accuracy": {
                    "baseline": was,
                    "baseline_variant": "plain",
                    "adapted": value,
                    "difference": value - was,
                    "low": value - was - 0.03,
                    "high": value - was + 0.03,
                    "p_value": 0.001,
                }
            }
        }
    folder = ctx.output("metrics")
    (folder / "metrics.json").write_text(json.dumps(metrics, sort_keys=True))
    return Result({"metrics": Output(folder)})
