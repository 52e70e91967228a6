"""Many Python processes for one import of MONAI, which takes longer than what most of them do.

This file is run as an interpreter that imports MONAI and nothing else. It forks for every request; the child takes the
arguments, folder and path that `python` would, and ends as an interpreter of its own does: through `sys.excepthook`,
threads and exit functions. Only its modules stay as they are, since taking them apart costs half a second; several
processes together do that as well, for there one that aborts at its very end was seen.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ended", "ForkedPython", "clean_environment", "variables_of"]


def clean_environment() -> dict[str, str]:
    """Return the environment of a person who has nothing of this repository, nor a GPU."""
    home = tempfile.gettempdir()  # no settings of the person who runs this
    variables = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONFAULTHANDLER": "1"}  # an abort shows where
    return {"PATH": os.environ["PATH"], "HOME": home, **variables}


@dataclass(frozen=True)
class Ended:
    """How a process ended (its exit status; -9: killed, -14: out of time), and what it wrote."""

    status: int
    output: str
    errors: str


class ForkedPython:
    """Run `python -m module ...` or `python -c code`, each in a process of its own, in `clean_environment`."""

    def __init__(self) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.server = subprocess.Popen([sys.executable, __file__], env=clean_environment(), **pipes)

    def run(
        self,
        arguments: Sequence[str],
        folder: str | os.PathLike = ".",
        kill_worker: bool = False,
        processes: int = 1,
        seconds: int = 600,
        on_path: str = "",
    ) -> Ended:
        """Run to the end.

        Args:
            arguments: those of Python, the first being ``-m`` or ``-c``.
            folder: working directory.
            kill_worker: kill the first process that this one starts, as the system does when memory is short.
            processes: if more than one, so many are run together, with the variables that torchrun gives them; the
                status is the first that is not 0.
            seconds: after which a process is ended.
            on_path: one folder, where Python has those of the variable PYTHONPATH.
        """
        with tempfile.TemporaryDirectory() as place:
            written = [Path(place, name) for name in ("out", "err")]
            folder = str(Path(folder).resolve())
            request = [list(arguments), folder, *map(str, written), kill_worker, processes, seconds, on_path]
            print(json.dumps(request), file=self.server.stdin, flush=True)
            status = int(self.server.stdout.readline())
            return Ended(status, *(path.read_text(encoding="utf-8", errors="replace") for path in written))

    def close(self) -> None:
        """End the interpreter that forks."""
        self.server.stdin.close()
        self.server.wait()
        self.server.stdout.close()


def _kill_first_child_of(process: int) -> None:
    children = Path(f"/proc/{process}/task/{process}/children")
    while not os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if found := children.read_text().split():
            os.kill(int(found[0]), signal.SIGKILL)
            return
        time.sleep(0.005)


def variables_of(processes: int) -> list[dict[str, str]]:
    """Return what torchrun adds to the environment of each of several processes; nothing for one."""
    if processes == 1:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    world = dict.fromkeys(("WORLD_SIZE", "LOCAL_WORLD_SIZE"), str(processes))
    return [{**place, **world, **dict.fromkeys(("RANK", "LOCAL_RANK"), str(rank))} for rank in range(processes)]


def _serve() -> list[str] | None:
    """Answer every request with a status; return the arguments in a child, None when nobody asks any more."""
    while line := sys.stdin.readline():
        arguments, folder, out, err, kill_worker, processes, seconds, on_path = json.loads(line)
        children = []
        for variables in variables_of(processes):
            child = os.fork()
            if child == 0:
                signal.alarm(seconds)
                os.chdir(folder)
                os.environ.update(variables)
                sys.path[1:1] = [on_path] * bool(on_path)
                for descriptor, file in enumerate((os.devnull, out, err)):
                    opened = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND)
                    os.dup2(opened, descriptor)
                    os.close(opened)
                return arguments
            children.append(child)
        if kill_worker:
            _kill_first_child_of(children[0])
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        print(next(filter(None, statuses), 0), flush=True)
    return None


def _run(arguments: list[str]) -> int:
    """Run what Python's arguments name, and return the status."""
    option, what, *rest = arguments
    sys.argv = [what if option == "-m" else option, *rest]
    sys.path[0] = os.getcwd() if option == "-m" else ""
    try:
        if option == "-m":
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _end(status: int) -> None:
    """End this process as Python does, but for its modules."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    import inspect

    import monai.bundle  # noqa: F401
    import torch

    with torch.profiler.record_function("first"):
        pass  # the first imports a module, and meanwhile swallows what the handler of a dead worker's signal raises
    inspect.stack()  # Fire asks for it, and the first looks up the file of every module
    gc.freeze()  # else every child would sweep up what it shares with the others: seconds
    request = _serve()
    if request is not None:
        ended_with = _run(request)
        if "RANK" in os.environ:
            sys.exit(ended_with)
        _end(ended_with)
