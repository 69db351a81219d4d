"""A kubeconfig and a context made into a connection."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from graftline.config import nearest
from graftline.errors import ConfigError
from graftline_workflows.cluster.kube import Cluster

if TYPE_CHECKING:
    from kubernetes.client import Configuration

_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_DEFAULT_NAMESPACE = "default"


def connect(context: str = "", namespace: str = "") -> Cluster:
    """Connect by the kubeconfig, or from inside a pod by its service account; nothing is sent.

    Args:
        context: A context of the kubeconfig; its current one if empty.
        namespace: The namespace; the context's own if empty.

    Raises:
        ConfigError: There is no kubeconfig, it cannot be read, or has no such context.
    """
    from kubernetes import client
    from kubernetes.config.config_exception import ConfigException
    from yaml import YAMLError

    settings = client.Configuration()
    config = _config()
    try:
        contexts, current = config.list_kube_config_contexts()
    except YAMLError as error:
        raise ConfigError(
            f"the kubeconfig is no YAML: {_first_line(error)}", "correct it, or set KUBECONFIG"
        ) from error
    except ConfigException as error:
        if context or not _POD_NAMESPACE.is_file():
            raise ConfigError(
                f"there is no kubeconfig to use: {_first_line(error)}",
                "set KUBECONFIG, or put one into ~/.kube/config",
            ) from error
        return _from_pod(settings, namespace)
    chosen = _choose(contexts, current, context)
    try:
        config.load_kube_config(context=chosen["name"], client_configuration=settings)
    except ConfigException as error:
        raise ConfigError(
            f"context '{chosen['name']}' of the kubeconfig cannot be used: {_first_line(error)}"
        ) from error
    own = (chosen.get("context") or {}).get("namespace") or _DEFAULT_NAMESPACE
    place = f"the cluster of context '{chosen['name']}' ({settings.host})"
    return Cluster(_client(settings), namespace or own, place, context)


def _choose(contexts: list[dict[str, Any]], current: Any, wanted: str) -> dict[str, Any]:
    names = [item["name"] for item in contexts]
    if not wanted:
        return dict(current)
    if wanted not in names:
        raise ConfigError(
            f"the kubeconfig has no context '{wanted}'{nearest(wanted, names)}",
            f"its contexts: {', '.join(names)}",
        )
    return dict(contexts[names.index(wanted)])


def _from_pod(settings: Configuration, namespace: str) -> Cluster:
    from kubernetes.config.config_exception import ConfigException

    try:
        _config().load_incluster_config(client_configuration=settings)
    except ConfigException as error:
        raise ConfigError(f"no way to the cluster that this pod is in: {error}") from error
    own = _POD_NAMESPACE.read_text("utf-8").strip()
    return Cluster(_client(settings), namespace or own, f"this cluster ({settings.host})")


def _config() -> Any:
    from kubernetes import config

    return config


def _client(settings: Configuration) -> Any:
    from kubernetes import client

    settings.retries = 0  # ours are told to people, the client's are not
    return client.ApiClient(settings)


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
