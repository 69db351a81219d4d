"""Planning: what each step's key is, whether it is cached, and why it has to be built."""

from graftline_workflows.planning.plan import Lookup, make_plan
from graftline_workflows.planning.selection import Selection

__all__ = ["Lookup", "Selection", "make_plan"]
