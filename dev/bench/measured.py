"""Runs a command and writes its CPU, wall time and peak to a file: `measured.py FILE COMMAND...`.

A process of its own, because Linux lets a child's peak begin with that of the process that has started it.
"""

import os
import sys
import time

figures, *command = sys.argv[1:]
began = time.monotonic()
child = os.fork()
if not child:
    try:
        os.execv(command[0], command)
    finally:
        os._exit(127)
_, status, usage = os.wait4(child, 0)
with open(figures, "w") as file:
    print(usage.ru_utime + usage.ru_stime, time.monotonic() - began, usage.ru_maxrss / 1024, file=file)
sys.exit(os.waitstatus_to_exitcode(status))
