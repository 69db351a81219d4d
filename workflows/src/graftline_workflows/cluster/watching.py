"""One `graftline watch`: a workflow shown until its end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graftline.config import nearest
from graftline.errors import ConfigError, GraftlineError, TransientError
from graftline_workflows.cluster.causes import message_trouble
from graftline_workflows.cluster.display import Scene
from graftline_workflows.cluster.following import Away, Follower, Gone
from graftline_workflows.cluster.index import IndexProgress
from graftline_workflows.cluster.kube import Forbidden
from graftline_workflows.cluster.nodes import read_workflow
from graftline_workflows.cluster.pods import node_of, pod_trouble
from graftline_workflows.cluster.views import State, StepView, WorkflowView

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graftline_workflows.cluster.causes import Trouble
    from graftline_workflows.cluster.display import WatchDisplay
    from graftline_workflows.cluster.kube import Cluster

LATEST = "latest"
_TICK_S = 0.25
_PODS_INTERVAL_S = 3.0
_SILENT_PENDING_S = 10.0
_UNSEEN_S = 15.0
_TOLD_AWAY_S = 5.0


@dataclass(frozen=True)
class Watched:
    """A workflow that was watched to its end.

    Args:
        view: Its last state.
        waited: By step, what it waited for last.
    """

    view: WorkflowView
    waited: Mapping[str, Trouble]


class WaitedTooLong(TransientError):
    """The workflow did not end within the time that the user gave; it goes on."""


def find_workflow(cluster: Cluster, name: str) -> str:
    """Give a workflow's name; `latest` is the newest of Graftline's.

    Raises:
        ConfigError: There is none of that name, or none at all.
        GraftlineError: The cluster cannot be asked.
    """
    if name != LATEST:
        if cluster.workflow(name) is not None:
            return name
        known = [str(item["metadata"]["name"]) for item in cluster.workflows()]
        raise ConfigError(
            f"namespace '{cluster.namespace}' has no workflow '{name}'{nearest(name, known)}",
            "graftline watch latest shows the newest; finished ones are removed after a while",
        )
    found = cluster.workflows()
    if not found:
        raise ConfigError(
            f"namespace '{cluster.namespace}' has no workflow of Graftline's",
            "graftline submit RECIPE makes one; name another namespace with --namespace",
        )
    return str(found[0]["metadata"]["name"])


def watch(
    cluster: Cluster,
    name: str,
    display: WatchDisplay,
    *,
    index_address: str = "",
    timeout_s: float | None = None,
) -> Watched:
    """Show a workflow until it ends; give its last state.

    Args:
        cluster: The cluster.
        name: The workflow's name.
        display: What shows it.
        index_address: `host:port` of the index, for finer progress; empty for none.
        timeout_s: Wait no longer than this.

    Raises:
        WaitedTooLong: It did not end in time.
        GraftlineError: It is gone, or cannot be watched.
    """
    watching = _Watching(cluster, name, display, timeout_s)
    with Follower(cluster, name) as follower, IndexProgress(index_address, name) as index:
        try:
            return watching.run(follower, index)
        finally:
            display.end()


@dataclass
class _Watching:
    """What is known while a workflow is shown."""

    cluster: Cluster
    name: str
    display: WatchDisplay
    timeout_s: float | None
    view: WorkflowView | None = None
    troubles: dict[str, Trouble] = field(default_factory=dict)
    waited: dict[str, Trouble] = field(default_factory=dict)
    _away_since: float = 0.0
    _told: set[str] = field(default_factory=set)
    _pods_at: float = 0.0
    _may_see_pods: bool = True
    _may_see_events: bool = True

    def run(self, follower: Follower, index: IndexProgress) -> Watched:
        began = time.monotonic()
        while True:
            news = follower.next(_TICK_S)
            now = time.monotonic()
            if isinstance(news, Gone):
                raise TransientError(
                    f"workflow '{self.name}' was deleted before its end",
                    "submit it again: what was committed stays",
                )
            if isinstance(news, Away):
                self._note_away(news, now)
            elif news is not None:
                self._away_since = 0.0
                self.view = read_workflow(news)
            if self.view is not None:
                changed = self._look_at_pods(self.view, now) or isinstance(news, dict)
                if changed:
                    self.display.show(Scene(self.view, dict(self.troubles), index))
                if self.view.ended:
                    return Watched(self.view, self.waited)
            self._note_unseen(now - began)
            self._note_index(index)
            self.display.tick()
            if self.timeout_s is not None and now - began > self.timeout_s:
                raise WaitedTooLong(
                    f"workflow '{self.name}' did not end within {self.timeout_s:.0f} s; it goes on"
                )

    def _look_at_pods(self, view: WorkflowView, now: float) -> bool:
        """Find out why steps do not get on; whether that changed."""
        stuck = [step for step in view.tasks if step.state == State.PENDING]
        before = dict(self.troubles)
        for name in set(self.troubles) - {step.name for step in stuck}:
            del self.troubles[name]
        if stuck and now - self._pods_at >= _PODS_INTERVAL_S:
            self._pods_at = now
            found = self._pod_troubles(stuck)
            for step in stuck:
                trouble = found.get(step.name) or message_trouble(step.message)
                if trouble is not None:
                    self.troubles[step.name] = self.waited[step.name] = trouble
                else:
                    self.troubles.pop(step.name, None)
        return self.troubles != before

    def _pod_troubles(self, stuck: list[StepView]) -> dict[str, Trouble]:
        """Ask the pods; where that is not allowed, Argo's messages have to do."""
        if not self._may_see_pods:
            return {}
        try:
            pods = {node_of(pod): pod for pod in self.cluster.pods(self.name)}
        except Forbidden as error:
            self._may_see_pods = False
            self._note(f"{error.cause}: why a pod waits is known from Argo's messages alone")
            return {}
        except GraftlineError:
            return {}  # the follower tells of an API server that is away
        found = {}
        for step in stuck:
            for attempt in step.latest:
                pod = pods.get(attempt.node)
                if pod is None:
                    continue
                trouble = pod_trouble(pod) or self._event_trouble(pod, step)
                if trouble is not None:
                    found[step.name] = trouble
                    break
        return found

    def _event_trouble(self, pod: dict[str, object], step: StepView) -> Trouble | None:
        """Ask the events of a pod that says nothing itself though it takes long."""
        from datetime import UTC, datetime

        seconds = step.seconds(datetime.now(UTC)) or 0.0
        if not self._may_see_events or seconds < _SILENT_PENDING_S:
            return None
        metadata: object = pod["metadata"]
        name = str(metadata["name"]) if isinstance(metadata, dict) else ""
        try:
            return pod_trouble(pod, self.cluster.warnings(name))
        except Forbidden:
            self._may_see_events = False
        except GraftlineError:
            return None
        return None

    def _note_away(self, news: Away, now: float) -> None:
        """Tell of an API server that is away, once it has been for some seconds."""
        self._away_since = self._away_since or now
        if now - self._away_since >= _TOLD_AWAY_S or news.again_s >= _TOLD_AWAY_S:
            self._note(f"{news.cause}; trying again (the workflow does not need us)")

    def _note_unseen(self, waited_s: float) -> None:
        if self.view is not None and not self.view.phase and waited_s > _UNSEEN_S:
            self._note(
                "Argo's controller has not looked at the workflow yet: is it running, and does it"
                f" watch namespace '{self.cluster.namespace}'?"
            )

    def _note_index(self, index: IndexProgress) -> None:
        if index.problem:
            self._note(f"{index.problem}; progress comes from Argo alone until it does")

    def _note(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.display.note(text)
