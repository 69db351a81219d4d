"""The store of one command: the embedded one in the home folder, or one that the user names."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from graftline.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from graftline.store import EmbeddedStore, Manifests, RunRecords, Store
    from graftline_workflows.home import Home

T = TypeVar("T")


class StoreSession:
    """Opens the store in the background, while the caller reads recipes.

    Use it as a context manager; the first look at `store` waits for it.

    Args:
        home: Where the embedded store lives.
        uri: `s3://bucket/prefix` of another store, or empty for the embedded one.
        reading: Whether nothing will be written: another store need not let us, then.
    """

    def __init__(self, home: Home, uri: str = "", *, reading: bool = False) -> None:
        """Prepare; nothing is started yet."""
        self._home = home
        self._uri = uri
        self._reading = reading
        self._embedded: EmbeddedStore | None = None
        self._store: Store | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._open_quietly, daemon=True)

    def __enter__(self) -> StoreSession:
        """Start opening."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the embedded server go (it stops with its last user)."""
        self._thread.join()
        self._release()

    @property
    def store(self) -> Store:
        """The open store.

        Raises:
            GraftlineError: It cannot be opened.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        if self._store is None:
            raise StoreUnavailable("the store is not open")
        return self._store

    @property
    def manifests(self) -> Manifests:
        """The store's manifests."""
        from graftline.store import Manifests

        return Manifests(self.store)

    @property
    def records(self) -> RunRecords:
        """The store's run records."""
        from graftline.store import RunRecords

        return RunRecords(self.store)

    @property
    def environment(self) -> Mapping[str, str]:
        """What a step's process needs to open the same store."""
        self._thread.join()
        return dict(self._embedded.environment) if self._embedded is not None else {}

    def steadily(self, action: Callable[[], T]) -> T:
        """Do something with the store; if it is away, bring it back and do it once more.

        Raises:
            StoreUnavailable: It is still away.
        """
        try:
            return action()
        except StoreUnavailable:
            self.revive()
            return action()

    def revive(self) -> None:
        """Start the embedded server again if it died; another store is only looked at.

        Raises:
            GraftlineError: The store does not answer.
        """
        if self._embedded is None:
            self.store.probe(reading=self._reading)
        elif self._embedded.ensure_running():
            self._store = self._embedded.open()

    def give_back_room(self) -> None:
        """Give the room of removed objects back to the disk, if the store is the embedded one.

        Raises:
            GraftlineError: The server does not answer.
        """
        if self._embedded is not None:
            self._embedded.compact()

    def _open_quietly(self) -> None:
        try:
            self._open()
        except Exception as error:
            self._error = error

    def _open(self) -> None:
        from graftline.store import EmbeddedStore, Store

        if self._uri:
            self._store = Store.open(self._uri)
            self._store.probe(reading=self._reading)
        else:
            self._embedded = EmbeddedStore(self._home.path).__enter__()
            self._store = self._embedded.open()

    def _release(self) -> None:
        if self._embedded is not None:
            embedded, self._embedded = self._embedded, None
            embedded.__exit__(None, None, None)
