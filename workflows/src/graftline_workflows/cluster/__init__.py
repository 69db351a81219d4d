"""Runs in a cluster, seen from outside it: `graftline submit` and `graftline watch`.

names.py       what Argo calls things, and how ours are told from others
kube.py        the few requests to the API server, and what its refusals mean
connect.py     a kubeconfig and a context made into a connection
sending.py     a recipe, checked here and against its WorkflowTemplate, made into a Workflow
uploading.py   a local source, sent to the store by its content
progress.py    what people see meanwhile
submitting.py  one `graftline submit`: all of that in its order
nodes.py       an Argo workflow's status made into steps
causes.py      what Argo says of a failed or waiting pod, in words that help
pods.py        why a pod does not start, from the pod itself and its events
following.py   a workflow's states as they come
index.py       live progress from the index, where it can be reached
display.py     what people see meanwhile
watching.py    one `graftline watch`: all of that until the end
ending.py      how it ended: exit code and JSON
printing.py    the same for people
"""
