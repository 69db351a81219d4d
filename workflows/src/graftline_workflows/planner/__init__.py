"""What the planner's pods do: `graftline-planner plan` before a run's steps, `gate` after them.

Both go by the store alone. `plan` leaves the run's record and a request for every step to be built;
`gate` reads record and manifests, judges, and writes how the run ended. To Argo they give a few
small files: which steps to build, which ranks they have, the verdict, the report's page.
"""
