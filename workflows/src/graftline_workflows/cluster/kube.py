"""The few requests to the API server that are needed, and what its refusals mean.

Objects are plain dicts, spelled as the server spells them.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from graftline.errors import ConfigError, GraftlineError, TransientError
from graftline_workflows.cluster.names import PREFIX, WORKFLOW_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kubernetes.client import ApiClient, ApiException

    Object = dict[str, Any]

_GROUP, _VERSION = "argoproj.io", "v1alpha1"
_WORKFLOWS, _TEMPLATES = "workflows", "workflowtemplates"
_CONNECT_S = 5
_READ_S = 30
_WATCH_S = 30
_GONE = 410
_USER = re.compile(r'User "([^"]+)" cannot')
_NO_NAMESPACE = re.compile(r'namespaces "[^"]+" not found')


class Forbidden(ConfigError):
    """The API server knows us, and does not allow this."""


class NoNamespace(ConfigError):
    """The cluster has no such namespace."""


class Missing(GraftlineError):
    """What was asked for is not there; callers say what that means."""


class Cluster:
    """One namespace of one cluster.

    Args:
        client: The connection.
        namespace: The namespace.
        place: What messages call the cluster, as `the cluster of context 'kind-dev' (https://…)`.
        context: The kubeconfig's context, if the user named one; for commands shown to people.
    """

    def __init__(
        self, client: ApiClient, namespace: str, place: str = "the cluster", context: str = ""
    ) -> None:
        """Keep the connection; nothing is sent."""
        from kubernetes.client import CoreV1Api, CustomObjectsApi

        self.namespace = namespace
        self.place = place
        self.context = context
        self._client = client
        self._custom = CustomObjectsApi(client)
        self._core = CoreV1Api(client)

    def close(self) -> None:
        """Let the connections go."""
        client: Any = self._client
        client.close()

    def workflow_template(self, name: str) -> Object | None:
        """Give a WorkflowTemplate, or nothing if there is none of that name.

        Raises:
            GraftlineError: The cluster cannot be asked, or has no Argo Workflows.
        """
        return self._custom_object(_TEMPLATES, name)

    def recipe_templates(self) -> list[str]:
        """Name the WorkflowTemplates of recipes and stages.

        Raises:
            GraftlineError: The cluster cannot be asked, or has no Argo Workflows.
        """
        names = (item["metadata"]["name"] for item in self._custom_objects(_TEMPLATES))
        return sorted(name for name in names if name.startswith(PREFIX))

    def workflow(self, name: str) -> Object | None:
        """Give a Workflow, or nothing if there is none of that name.

        Raises:
            GraftlineError: The cluster cannot be asked, or has no Argo Workflows.
        """
        return self._custom_object(_WORKFLOWS, name)

    def workflows(self) -> list[Object]:
        """Give Graftline's Workflows, the newest first.

        Raises:
            GraftlineError: The cluster cannot be asked, or has no Argo Workflows.
        """
        found = [item for item in self._custom_objects(_WORKFLOWS) if _is_ours(item)]
        return sorted(found, key=lambda item: str(item["metadata"]["creationTimestamp"]))[::-1]

    def create_workflow(self, workflow: Object) -> Object:
        """Create a Workflow and give it back with its name.

        Raises:
            GraftlineError: It was not created.
        """
        with self._translated("create", f"{_WORKFLOWS}.{_GROUP}"):
            return self._known(
                self._custom.create_namespaced_custom_object(
                    _GROUP, _VERSION, self.namespace, _WORKFLOWS, workflow, **_timeouts()
                )
            )

    def watch_workflow(self, name: str, version: str) -> Iterator[tuple[str, Object]]:
        """Give a Workflow's changes since a version, as (ADDED | MODIFIED | DELETED, it).

        It ends by itself after half a minute, and at once if the version is too old.

        Raises:
            GraftlineError: The cluster cannot be asked.
        """
        from kubernetes.client import ApiException
        from kubernetes.watch import Watch

        with self._translated("watch", f"{_WORKFLOWS}.{_GROUP}"):
            watch: Any = Watch
            stream = watch().stream(
                self._custom.list_namespaced_custom_object,
                _GROUP,
                _VERSION,
                self.namespace,
                _WORKFLOWS,
                field_selector=f"metadata.name={name}",
                resource_version=version,
                timeout_seconds=_WATCH_S,
                _request_timeout=(_CONNECT_S, _WATCH_S + _READ_S),
            )
            try:
                for event in stream:
                    if event is not None:
                        yield event["type"], event["object"]
            except ApiException as error:
                if error.status != _GONE:
                    raise

    def config_map(self, name: str) -> dict[str, str] | None:
        """Give a ConfigMap's data, or nothing if there is none of that name.

        Raises:
            GraftlineError: The cluster cannot be asked.
        """
        try:
            found = self._core_object(
                "get", "configmaps", self._core.read_namespaced_config_map, name
            )
        except Missing:
            return None
        return dict(found.get("data") or {})

    def pods(self, workflow: str) -> list[Object]:
        """Give a Workflow's pods.

        Raises:
            GraftlineError: The cluster cannot be asked.
        """
        selector = f"{WORKFLOW_LABEL}={workflow}"
        found = self._core_object(
            "list", "pods", self._core.list_namespaced_pod, label_selector=selector
        )
        return list(found.get("items") or ())

    def warnings(self, pod: str) -> list[Object]:
        """Give the warning events about a pod, the newest first.

        Raises:
            GraftlineError: The cluster cannot be asked.
        """
        selector = f"involvedObject.kind=Pod,involvedObject.name={pod},type=Warning"
        found = self._core_object(
            "list", "events", self._core.list_namespaced_event, field_selector=selector
        )
        events = list(found.get("items") or ())
        return sorted(events, key=lambda item: str(item.get("lastTimestamp") or ""), reverse=True)

    def check_namespace(self) -> None:
        """Check that the namespace exists, if we may know.

        Raises:
            NoNamespace: It does not.
        """
        try:
            self._core_object("get", "namespaces", self._core.read_namespace)
        except NoNamespace:
            raise
        except GraftlineError:
            return

    def _custom_object(self, plural: str, name: str) -> Object | None:
        try:
            with self._translated("get", f"{plural}.{_GROUP}"):
                return self._known(
                    self._custom.get_namespaced_custom_object(
                        _GROUP, _VERSION, self.namespace, plural, name, **_timeouts()
                    )
                )
        except Missing:
            return None

    def _custom_objects(self, plural: str) -> list[Object]:
        with self._translated("list", f"{plural}.{_GROUP}"):
            found = self._known(
                self._custom.list_namespaced_custom_object(
                    _GROUP, _VERSION, self.namespace, plural, **_timeouts()
                )
            )
        return list(found.get("items") or ())

    def _core_object(
        self,
        verb: str,
        resource: str,
        call: Callable[..., Any],
        *names: str,
        **options: str,
    ) -> Object:
        """Call a method of the core API and read its answer without the client's models."""
        from kubernetes.client import ApiException

        with self._translated(verb, resource):
            where = [*names, self.namespace]
            answer = call(*where, _preload_content=False, **options, **_timeouts())
            try:
                if not 200 <= answer.status < 300:
                    raise ApiException(http_resp=answer)
                return self._known(json.loads(answer.data))
            finally:
                answer.release_conn()

    def _known(self, answer: Any) -> Object:
        if not isinstance(answer, dict):
            raise TransientError(f"{self.place} gives an answer that is no JSON object")
        return answer

    @contextmanager
    def _translated(self, verb: str, resource: str) -> Iterator[None]:
        """Turn the client's errors into ours."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ApiException as error:
            raise self._refusal(error, verb, resource) from error
        except (HTTPError, OSError) as error:
            raise TransientError(
                f"{self.place} does not answer: {_innermost(error)}",
                "is it up, and is this the right context? (kubectl cluster-info)",
            ) from error
        except ValueError as error:
            raise TransientError(f"{self.place} gives an answer that is no JSON") from error

    def _refusal(self, error: ApiException, verb: str, resource: str) -> GraftlineError:
        said = _message(error)
        status = error.status or 0
        if status == 0:  # the client's way to tell of a TLS failure
            return ConfigError(f"{self.place}: no TLS connection: {said}", "check the kubeconfig")
        if status == 401:
            return ConfigError(f"{self.place} refuses our credentials (401)", "log in again")
        if status == 403:
            return self._not_allowed(said, verb, resource)
        if status == 404:
            return self._not_there(error, said)
        if status == 429 or status >= 500 or status == 409:
            return TransientError(
                f"{self.place} cannot {verb} {resource} now ({status}): {said}", "try again"
            )
        return ConfigError(f"{self.place} refuses to {verb} {resource} ({status}): {said}")

    def _not_allowed(self, said: str, verb: str, resource: str) -> GraftlineError:
        user = _USER.search(said)
        if user is None:  # a quota or an admission policy
            return Forbidden(f"{self.place} refuses to {verb} {resource}: {said}")
        return Forbidden(
            f"{self.place}: no permission to {verb} {resource} in namespace '{self.namespace}'"
            f" (as {user[1]})",
            f"ask for a Role in '{self.namespace}' with the verb '{verb}' on '{resource}'",
        )

    def _not_there(self, error: ApiException, said: str) -> GraftlineError:
        if _NO_NAMESPACE.search(said):
            return NoNamespace(
                f"{self.place} has no namespace '{self.namespace}'", "name another with --namespace"
            )
        if _details(error).get("name"):
            return Missing(said)
        return ConfigError(
            f"{self.place} has no Argo Workflows: it does not know {_GROUP}/{_VERSION}",
            "install Argo Workflows 3.7 or newer, then Graftline's chart",
        )


def _is_ours(workflow: Object) -> bool:
    reference = workflow.get("spec", {}).get("workflowTemplateRef") or {}
    return str(reference.get("name", "")).startswith(PREFIX)


def _timeouts() -> dict[str, Any]:
    return {"_request_timeout": (_CONNECT_S, _READ_S)}


def _status_of(error: ApiException) -> Object:
    """Give the `Status` object that the API server answers with, or an empty one."""
    body = error.body
    try:
        found = json.loads(body) if body else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _details(error: ApiException) -> Object:
    return _status_of(error).get("details") or {}


def _message(error: ApiException) -> str:
    said = _status_of(error).get("message") or error.reason or error.body or "no reason given"
    return " ".join(str(said).split())


def _innermost(error: BaseException) -> str:
    """Give the reason at the core of a connection error."""
    reason = getattr(error, "reason", None)
    text = " ".join(str(reason or error).split())
    for lead in ("Failed to establish a new connection: ", "Failed to resolve "):
        text = text.rpartition(lead)[2]
    return text if len(text) < 160 else f"{text[:157]}…"
