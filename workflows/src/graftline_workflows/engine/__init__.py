"""The local engine: a plan's steps as processes of this machine.

local.py      which step runs when, what a step's end means
status.py     what the engine knows of each step
budget.py     cores and memory
process.py    one step's process: its command, environment, log and end
leftovers.py  processes of an engine that was killed
meter.py      rate and time left
display.py    what people see while it runs
"""
