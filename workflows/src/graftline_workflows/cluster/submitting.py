"""One `graftline submit`: check, upload, create."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graftline.config import nearest
from graftline.errors import ConfigError, GraftlineError
from graftline_workflows.argo import names
from graftline_workflows.asking import IN_A_CLUSTER, names_no_endpoint, nobody_to_ask
from graftline_workflows.cluster.kube import Forbidden
from graftline_workflows.cluster.names import PREFIX, STAGE_PREFIX
from graftline_workflows.cluster.sending import (
    CheckedRecipe,
    Sending,
    check_recipe,
    check_template,
    make_workflow,
)
from graftline_workflows.sources import DigestCache
from graftline_workflows.web import WebFiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from graftline_workflows.cluster.kube import Cluster
    from graftline_workflows.cluster.uploading import LocalSource, UploadDisplay
    from graftline_workflows.home import Home


@dataclass(frozen=True)
class Submitted:
    """A Workflow that was created.

    Args:
        workflow: As the API server gave it back.
        checked: The recipe behind it.
        warnings: What the user should know.
    """

    workflow: dict[str, Any]
    checked: CheckedRecipe
    warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        """The Workflow's name, which is the run's id too."""
        return str(self.workflow["metadata"]["name"])


def submit(
    sending: Sending,
    open_cluster: Callable[[], Cluster],
    store_uri: str,
    home: Home,
    display: UploadDisplay,
) -> Submitted:
    """Check all that can be known, send local sources to the store, create the Workflow.

    Args:
        sending: What the user wants.
        open_cluster: Connects; called once the recipe holds.
        store_uri: The store for local sources, if the user named one.
        home: Where digests of local files are remembered, if it is there, and the web's are kept.
        display: Told how uploads go.

    Raises:
        GraftlineError: Something is wrong; no Workflow was created.
    """
    checked = check_recipe(sending)
    sources = _read_sources(checked, home)
    cluster = open_cluster()
    template = _find_template(cluster, checked.resolved.name)
    warnings = [*checked.resolved.warnings, *check_template(checked, template)]
    warnings += _missing_models(cluster, checked)
    planned = {source.uri: f"s3://-/{source.name}" for source in sources}
    make_workflow(checked, template, planned)  # a parameter too many is told before any upload
    uploaded: dict[str, str] = {}
    if sources:
        uploaded, more = _upload(cluster, sources, store_uri, display)
        warnings += more
    workflow = cluster.create_workflow(make_workflow(checked, template, uploaded))
    return Submitted(workflow, checked, tuple(warnings))


def _read_sources(checked: CheckedRecipe, home: Home) -> list[LocalSource]:
    from graftline_workflows.cluster.uploading import read_source

    cache = DigestCache(home.path / "digests.json" if home.path.is_dir() else None)
    web = WebFiles(home.path / "web")
    found = []
    named = {
        source.uri: source.parameter or f"{step.name}.{source.setting}"
        for step in checked.resolved.steps
        for source in step.sources
    }
    for uri in checked.local_sources:
        try:
            found.append(read_source(uri, cache.sha256, web))
        except GraftlineError as error:
            raise type(error)(f"'{named[uri]}': {error.cause}", error.hint) from error
    cache.save()
    return found


def _find_template(cluster: Cluster, recipe: str) -> dict[str, Any]:
    name = names.recipe_template(recipe)
    template = cluster.workflow_template(name)
    if template is not None:
        return template
    cluster.check_namespace()
    there = cluster.recipe_templates()
    if not there:
        raise ConfigError(
            f"Graftline is not installed in namespace '{cluster.namespace}' of {cluster.place}",
            f"helm install graftline helm/graftline --namespace {cluster.namespace},"
            " or name another namespace with --namespace",
        )
    recipes = [item.removeprefix(PREFIX) for item in there if not item.startswith(STAGE_PREFIX)]
    raise ConfigError(
        f"namespace '{cluster.namespace}' has no WorkflowTemplate '{name}'"
        f"{nearest(recipe, recipes)}",
        f"its recipes: {', '.join(recipes) or 'none'}; add yours by graftline render"
        " and kubectl apply",
    )


def _missing_models(cluster: Cluster, checked: CheckedRecipe) -> list[str]:
    """Warn of steps with no language model to ask: whether they are cached, the plan will know."""
    steps = [step for step in checked.resolved.steps if names_no_endpoint(step.runtime)]
    if not steps:
        return []
    try:
        settings = cluster.config_map(names.SETTINGS) or {}
    except Forbidden:
        return []
    keys = {step.stage: names.pod_patch(step.stage) for step in steps}
    patches = {stage: settings[key] for stage, key in keys.items() if key in settings}
    missing = ", ".join(problem.path for problem in nobody_to_ask(steps, patches))
    if not missing:
        return []
    text = (
        "ask a language model, and this installation names none: unless they are cached, the plan"
    )
    return [f"{missing} {text} ends with 64; {IN_A_CLUSTER}"]


def _upload(
    cluster: Cluster, sources: list[LocalSource], store_uri: str, display: UploadDisplay
) -> tuple[dict[str, str], list[str]]:
    """Send the sources; give where each is, and warnings."""
    from graftline_workflows.cluster.uploading import open_store, upload_source

    try:
        settings = cluster.config_map(names.SETTINGS)
    except Forbidden:
        if not store_uri:
            raise
        settings = None
    store = open_store(store_uri, settings, cluster.namespace)
    warnings = []
    own = (settings or {}).get("store", "").rstrip("/")
    if own and own != store.uri:
        warnings.append(
            f"the source goes to {store.uri}, and the installation's store is {own}: its pods read"
            " it with that store's address and credentials"
        )
    return {source.uri: upload_source(store, source, display) for source in sources}, warnings
