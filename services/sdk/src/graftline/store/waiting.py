"""Waiting for a store at the start of a pod.

A pod's first seconds may be without a network: where policies are in force before the permissions
for a new pod are, its connections are refused.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from graftline.errors import GraftlineError
from graftline.store.failures import StoreSilent
from graftline.store.names import PROBE

if TYPE_CHECKING:
    from graftline.store.objects import Store

POD_PATIENCE_S = 30.0
_PAUSE_S = 0.5


def await_answer(store: Store, patience_s: float = POD_PATIENCE_S) -> None:
    """Wait until something answers; whether it lets us in is not asked.

    Raises:
        StoreUnavailable: Nothing answered in so many seconds.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            store.get(f"{PROBE}answer")
        except StoreSilent:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE_S)
        except GraftlineError:
            return
        else:
            return
