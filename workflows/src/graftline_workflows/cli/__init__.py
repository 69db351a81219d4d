"""The command line. Modules import what is heavy inside their functions: `--help` stays quick.

main.py      the group, errors and exit codes
app.py       options that all commands share
build.py     run, plan
cluster.py   submit, watch
inspect.py   runs, show, lineage, logs, get
care.py      gc, verify
about.py     stages, recipes, catalog, conformance
print.py     how results, plans and manifests look
"""
