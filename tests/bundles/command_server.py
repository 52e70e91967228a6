"""Run `python -m monai.bundle` many times for one import of MONAI.

Reads a request per line, JSON: the arguments, the files for what the command writes, and whether a process that loads
data is to be killed. Every request is done by a forked child, which ends as an interpreter of its own would: through
`sys.excepthook`. The answer is the child's exit status.
"""

import gc
import json
import os
import runpy
import signal
import sys
import time
from pathlib import Path

import monai.bundle  # noqa: F401  (the seconds that the children save)

gc.freeze()  # what is shared is not swept up by every child: it ends in a third of the time


def redirect(descriptor, file, flags):
    opened = os.open(file, flags, 0o600)
    os.dup2(opened, descriptor)
    os.close(opened)


def kill_first_child_of(process):
    """Kill the first child that a process starts, as the system does when memory is short."""
    children = Path(f"/proc/{process}/task/{process}/children")
    while not os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if found := children.read_text().split():
            os.kill(int(found[0]), signal.SIGKILL)
            break
        time.sleep(0.005)


def serve():
    """Answer every request; return the arguments in a child, None when there are no more requests."""
    while line := sys.stdin.readline():
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            redirect(0, os.devnull, os.O_RDONLY)
            redirect(1, request["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            redirect(2, request["err"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            return request["arguments"]
        if request["kill_worker"]:
            kill_first_child_of(child)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return None


arguments = serve()
if arguments is not None:
    sys.argv = ["monai.bundle", *arguments]
    sys.path[0] = os.getcwd()
    runpy.run_module("monai.bundle", run_name="__main__", alter_sys=True)
