"""Does a stage keep the contract? `graftline conformance COMMAND` finds out.

subject.py    the stage under test, as a command
fixtures.py   the inputs that it is given
checks.py     what it must do, one function a promise
verdict.py    what came out, for people and for CI
"""
