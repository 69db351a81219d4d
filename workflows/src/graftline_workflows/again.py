"""Steps that are built though they are cached (`run --again`), under the key that they have.

What a step makes is not always the same: a language model's server that failed some requests may
answer them today. A manifest is replaced only where it is broken, so the old one is taken away
first. Meanwhile the step is absent to every other run, which then builds it itself; the first to
commit wins. What was made from the old artifact records its digest: the next plan builds that
anew, in every run. Of the old one nothing is left but files, until `gc`.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from graftline.errors import GraftlineError
from graftline.store.names import manifest_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from graftline_workflows.session import StoreSession


@contextmanager
def taken_away(session: StoreSession, keys: Iterable[str]) -> Iterator[None]:
    """Take artifacts away, and at the end put back those that nobody has built anew.

    If this process is killed, or the store does not answer at the end, they stay away: the next run
    builds them.

    Args:
        session: The store.
        keys: Their steps' keys.

    Raises:
        GraftlineError: The store does not answer.
    """
    kept: dict[str, bytes] = {}
    try:
        for name in map(manifest_name, keys):
            found = session.store.get(name)
            if found is not None:
                if found.intact:
                    kept[name] = found.data
                session.store.delete([name])
        yield
    finally:
        for name, data in kept.items():
            with suppress(GraftlineError):
                session.store.put_new(name, data)
