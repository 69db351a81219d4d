"""What stops a run of requests as a whole.

Exit code 64: `ConfigError`, an endpoint refuses every request as it is set up, and its child
`BudgetSpent`. Exit code 75: `TransientError`, no endpoint can be reached, or none of them works.
"""

from __future__ import annotations

from graftline.errors import ConfigError


class BudgetSpent(ConfigError):
    """The tokens or the money that the user allowed are spent; no request is in flight any more.

    Like every setting that has to change before a step can go on, it ends with 64, never with 75:
    a workflow tries 75 again by itself.
    """
