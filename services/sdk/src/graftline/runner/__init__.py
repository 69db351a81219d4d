"""Runs one step: the same for every stage and every engine.

main.py       describe | run | check
execute.py    look up, fetch, run, verify, upload, commit
workspace.py  the step's local folders
foreign.py    a stage that is a program in another language
signals.py    SIGTERM, SIGINT and a lost parent
measure.py    seconds, memory and package versions
"""
