"""Argo WorkflowTemplates, written with Hera from the catalog and a recipe.

    graftline-stage-<stage>   one template, `run`: one step of a recipe in one pod
    graftline-<recipe>        `main`: the recipe's steps as a DAG behind `plan`; `gate`: at its end

What an installation decides (store, images, node pools, time-outs) stands in the chart's ConfigMap
`graftline-settings`, so that the rendered YAML is the same everywhere. Only ids pass through Argo:
`plan` leaves each step's request in the store, and the pods fetch it by run and step.

Nothing here imports Hera but `pods`, `stages` and `recipes`: the names are read by pods and by the
command line too.
"""
