"""`inspired dev`: everything on one machine with one command. Knows the product by its commands and settings only.

supervisor.py    starts the parts in order, restarts what dies, ends everything, writes the ready file
plan.py          which parts there are: their commands, ports, secrets and environment
child.py         one child process in a session of its own, with its log
reaper.py        the last word when the supervisor itself is killed
mailcatcher.py   takes every mail and shows it
"""
