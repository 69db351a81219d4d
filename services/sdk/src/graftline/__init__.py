"""Graftline's contract and runner: what every stage, engine and planner shares.

A stage author needs `graftline.stage`, `graftline.config`, `graftline.context` and
`graftline.domain`; everything else is used by the runner, the planner and the engines.
"""

CONTRACT_VERSION = "1"
