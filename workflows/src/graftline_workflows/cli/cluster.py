"""`submit` and `watch`: runs in a cluster."""

from __future__ import annotations

import re
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from graftline.errors import EXIT_CANCELLED, EXIT_OK, ConfigError
from graftline_workflows.cli.app import App, shared_options
from graftline_workflows.cli.build import all_overrides, old_settings_options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from graftline_workflows.cluster.display import WatchDisplay
    from graftline_workflows.cluster.kube import Cluster
    from graftline_workflows.cluster.submitting import Submitted
    from graftline_workflows.cluster.uploading import UploadDisplay

_SUBMIT_HELP = """Run a recipe in a cluster, by the WorkflowTemplate that the chart put there.

All that can be known is checked before anything is created. A local source is sent to the store
first: to the installation's, or to the one named by --store and AWS_*.

\b
Examples:
  graftline submit json-extraction --profile tiny --wait
  graftline submit json-extraction -n ml --set source=tickets.jsonl --set adapter.lora_r=32
  graftline submit docs-qa --set source=s3://team/handbook --image judge=registry/mine@sha256:…
"""
_WATCH_HELP = """Show a run in a cluster until it ends; the exit code is the gate's verdict.

A step that waits says why, in the scheduler's words. Ctrl-C ends the watching, not the run.

\b
Examples:
  graftline watch
  graftline watch graftline-json-extraction-x7k2p -n ml
  graftline watch latest --json
"""
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def _seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Read a time such as `90`, `30m` or `1h30m`."""
    if value is None:
        return None
    match = _DURATION.fullmatch(value)
    if not value or match is None:
        raise click.BadParameter(f"'{value}' is no time such as 90, 30m or 1h30m", ctx, param)
    units = (86400, 3600, 60, 1)
    return float(
        sum(int(part or 0) * unit for part, unit in zip(match.groups(), units, strict=True))
    )


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that name a place in a cluster and a way to watch it."""
    options = (
        click.option("--namespace", "-n", default="", help="The namespace (the context's own)."),
        click.option("--context", default="", help="A context of the kubeconfig (the current)."),
        click.option(
            "--index",
            default="",
            metavar="HOST:PORT",
            help="Take finer progress from the index (kubectl port-forward service/"
            "graftline-index 50051).",
        ),
        click.option(
            "--timeout",
            callback=_seconds,
            metavar="TIME",
            help="Stop waiting after 90 (s), 30m, 2h; the run goes on, the exit code is 75.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command("submit", help=_SUBMIT_HELP)
@click.argument("recipe")
@click.option("--profile", "-p", default="", help="A profile of the recipe (tiny, cpu, gpu).")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="PATH=VALUE",
    help="Set a parameter, a step's setting or a gate's threshold; may be given often.",
)
@old_settings_options
@click.option(
    "--image",
    "images",
    multiple=True,
    metavar="STAGE=IMAGE",
    help="Run a stage by another image, best named by digest.",
)
@click.option("--ranks", type=click.IntRange(1), help="Workers that share a step that allows it.")
@click.option("--queue", default="", help="The Kueue queue.")
@click.option("--wait", is_flag=True, help="Watch it to its end; the exit code is the gate's.")
@cluster_options
@shared_options
def submit_command(
    app: App,
    recipe: str,
    env_file: Path | None,
    from_env: bool,
    overrides: tuple[str, ...],
    images: tuple[str, ...],
    ranks: int | None,
    wait: bool,
    timeout: float | None,
    index: str,
    namespace: str,
    context: str,
    **options: Any,
) -> int:
    """Submit a recipe; with --wait, mirror the gate."""
    from graftline_workflows.building import parse_images
    from graftline_workflows.cluster.connect import connect
    from graftline_workflows.cluster.sending import Sending
    from graftline_workflows.cluster.submitting import submit

    if timeout is not None and not wait:
        raise ConfigError("--timeout says how long to wait: give --wait too")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    overrides = all_overrides(recipe, overrides, env_file, from_env, sends=True)
    sending = Sending(
        recipe, overrides=overrides, images=parse_images(images), ranks=ranks or 0, **options
    )
    opened: list[Cluster] = []

    def open_cluster() -> Cluster:
        opened.append(connect(context, namespace))
        return opened[0]

    try:
        submitted = submit(sending, open_cluster, app.store_uri, app.home, _upload_display(app))
        _say_submitted(app, submitted, opened[0])
        if wait:
            return _watch(app, opened[0], submitted.name, index, timeout)
    finally:
        for cluster in opened:
            cluster.close()
    if app.json:
        app.print_json(_submitted_json(submitted, opened[0]))
    return EXIT_OK


@click.command("watch", help=_WATCH_HELP)
@click.argument("workflow", metavar="WORKFLOW|latest", default="latest")
@cluster_options
@shared_options
def watch_command(
    app: App, workflow: str, timeout: float | None, index: str, namespace: str, context: str
) -> int:
    """Watch a workflow; the exit code is the gate's verdict, or the failed step's."""
    from graftline_workflows.cluster.connect import connect
    from graftline_workflows.cluster.watching import find_workflow

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    cluster = connect(context, namespace)
    try:
        name = find_workflow(cluster, workflow)
        if not app.quiet and name != workflow:
            app.console().print(f"workflow {name}", highlight=False)
        return _watch(app, cluster, name, index, timeout)
    finally:
        cluster.close()


def _watch(app: App, cluster: Cluster, name: str, index: str, timeout: float | None) -> int:
    from graftline_workflows.cluster.ending import as_json, exit_code
    from graftline_workflows.cluster.printing import print_ended
    from graftline_workflows.cluster.watching import WaitedTooLong, watch

    display = _watch_display(app)
    try:
        watched = watch(cluster, name, display, index_address=index, timeout_s=timeout)
    except KeyboardInterrupt:
        _say_it_goes_on(cluster, name)
        if app.json:
            app.print_json({"run": name, "namespace": cluster.namespace, "state": "running"})
        return EXIT_CANCELLED
    except WaitedTooLong:
        if app.json:
            app.print_json({"run": name, "namespace": cluster.namespace, "state": "running"})
        raise
    if app.json:
        app.print_json(as_json(watched.view, watched.waited))
    print_ended(app.console(), watched.view, watched.waited, quiet=app.quiet or app.json)
    return exit_code(watched.view)


def _say_submitted(app: App, submitted: Submitted, cluster: Cluster) -> None:
    from rich.markup import escape

    console = app.console()
    for warning in submitted.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}", highlight=False)
    if app.quiet or app.json:
        return
    console.print(
        f"[bold]{submitted.name}[/] submitted to namespace {cluster.namespace}", highlight=False
    )
    console.print(f"  watch it  {_command(cluster, 'watch', submitted.name)}", highlight=False)


def _say_it_goes_on(cluster: Cluster, name: str) -> None:
    sys.stderr.write(
        f"stopped watching; the workflow goes on\n"
        f"  watch it  {_command(cluster, 'watch', name)}\n"
        f"  end it    argo stop {name} -n {cluster.namespace}\n"
    )


def _submitted_json(submitted: Submitted, cluster: Cluster) -> dict[str, Any]:
    resolved = submitted.checked.resolved
    return {
        "run": submitted.name,
        "namespace": cluster.namespace,
        "recipe": resolved.name,
        "profile": resolved.profile,
        "state": "submitted",
        "built": [],
        "cached": [],
        "gate": None,
    }


def _command(cluster: Cluster, *words: str) -> str:
    import shlex

    where = ["-n", cluster.namespace]
    if cluster.context:
        where += ["--context", cluster.context]
    return shlex.join(["graftline", *words, *where])


def _watch_display(app: App) -> WatchDisplay:
    from graftline_workflows.cluster.display import Lines, LiveTable, Silent

    if app.quiet:
        return Silent(sys.stderr)
    console = app.console()
    if console.is_terminal:
        return LiveTable(console)
    return Lines(sys.stderr if app.json else sys.stdout)


def _upload_display(app: App) -> UploadDisplay:
    from graftline_workflows.cluster.progress import UploadBar, UploadLines

    if app.quiet:
        return UploadLines(None)
    console = app.console()
    if console.is_terminal:
        return UploadBar(console)
    return UploadLines(sys.stderr if app.json else sys.stdout)


COMMANDS = (submit_command, watch_command)
