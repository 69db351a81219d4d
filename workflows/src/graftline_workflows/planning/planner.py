"""What a user asked for, planned against a store: the same in `graftline plan` and in a pod."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from graftline_workflows.planning.plan import make_plan
from graftline_workflows.recipe.images import own_code
from graftline_workflows.records import last_record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from graftline.store import Lookup
    from graftline.v1 import plan_pb2
    from graftline.v1.manifest_pb2 import Manifest
    from graftline_workflows.catalog import Catalog
    from graftline_workflows.home import Home
    from graftline_workflows.recipe import ResolvedRecipe
    from graftline_workflows.recipe.images import StageCode
    from graftline_workflows.session import StoreSession


@dataclass(frozen=True)
class Wanted:
    """What the user asked for.

    Args:
        recipe: A recipe's name or file.
        profile: A profile's name; the recipe's own default if empty.
        overrides: `path=value` texts.
        images: By stage, what runs it instead of its own code.
        until: Stop after this step.
        from_: Begin with this step.
        only: Look at this step alone.
        again: Steps to be built even if they are cached.
    """

    recipe: str
    profile: str = ""
    overrides: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    until: str = ""
    from_: str = ""
    only: str = ""
    again: tuple[str, ...] = ()


class Planner:
    """Plans one recipe against the store, as often as asked.

    Args:
        wanted: What the user asked for; read at once, while the store is still opening.
        home: Where digests of sources are remembered and the web's are kept; nowhere without one.
        session: The store.
        run: The run's id; empty where nothing will run.
        own: Gives a stage's own code; what is installed here, if not given.
        known: Fingerprints of sources that are not here, by URI.

    Raises:
        ConfigError: The recipe cannot be meant.
    """

    def __init__(
        self,
        wanted: Wanted,
        home: Home | None,
        session: StoreSession,
        run: str = "",
        *,
        own: Callable[[str, Catalog], StageCode] = own_code,
        known: Mapping[str, str] | None = None,
    ) -> None:
        """Read the recipe and the catalog."""
        from graftline_workflows import catalog
        from graftline_workflows.recipe import resolve_recipe
        from graftline_workflows.sources import fingerprint_sources
        from graftline_workflows.web import WebFiles

        self._wanted = wanted
        self._session = session
        self._run = run
        self._catalog: Catalog = catalog.load_catalog()
        self.resolved: ResolvedRecipe = resolve_recipe(
            wanted.recipe,
            profile=wanted.profile or None,
            overrides=list(wanted.overrides),
            images=dict(wanted.images),
            catalog=self._catalog,
            own=own,
        )
        self._fingerprints = fingerprint_sources(
            self.resolved,
            home.path / "digests.json" if home is not None else None,
            known=known,
            web=WebFiles(home.path / "web") if home is not None else None,
        )
        self._last: plan_pb2.RunRecord | None = None
        self._asked = False
        self._found: dict[str, Lookup] = {}

    def plan(self, *, again: bool = False) -> plan_pb2.Plan:
        """Give the plan as the store stands now.

        Args:
            again: Whether the steps to be built again are still to be.

        Raises:
            ConfigError: Steps are asked for that cannot be, or that do not fit together.
            GraftlineError: The store does not answer.
        """
        if not self._asked:
            self._last, self._asked = last_record(self._session, self.resolved.name), True
        return make_plan(
            self.resolved,
            self._catalog,
            self._look_up,
            self._fingerprints,
            self._last,
            until=self._wanted.until or None,
            from_=self._wanted.from_ or None,
            only=self._wanted.only or None,
            again=self._wanted.again if again else (),
            run=self._run,
            store_uri=self._session.store.uri,
        )

    def manifest(self, key: str) -> Manifest | None:
        """Give the manifest of a step that the last plan found cached."""
        found = self._found.get(key)
        return found.manifest if found is not None and not found.problem else None

    def _look_up(self, key: str, inputs: Mapping[str, Manifest]) -> Lookup:
        found = self._session.manifests.lookup(key, inputs)
        self._found[key] = found
        return found
