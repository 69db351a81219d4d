"""Does a stage keep the contract? `graftline conformance COMMAND|IMAGE` finds out.

reference.py      whether an argument names a command or an image
subject.py        the stage under test, however it is started, and as a command
image.py          the same as an image, confined as in a cluster
container_cli.py  docker or podman
relay.py          how containers reach the store
fixtures.py       the inputs that it is given
checks.py         what it must do, one function a promise
image_checks.py   what an image must do besides
verdict.py        what came out, for people and for CI
"""
