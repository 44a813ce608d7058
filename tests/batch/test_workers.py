"""Worker processes: what each calls first, that an interrupt is not theirs, and that they end with their parent."""

import os
import signal
import subprocess
import sys
import time

from rtfx.batch.workers import CONTEXT, pool

BEGUN = []
PARENT = """
import os, signal, time
from rtfx.batch.workers import pool
if __name__ == "__main__":
    print(pool(1).submit(os.getpid).result(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def begin(*words):
    BEGUN.append(words)


def state():
    return BEGUN, signal.getsignal(signal.SIGINT) is signal.SIG_IGN, os.getpid()


def test_every_process_begins_as_told_and_leaves_interrupts_to_the_parent():
    with pool(1, begin, "first", 2) as workers:
        begun, ignores, process = workers.submit(state).result(60)
    assert begun == [("first", 2)] and ignores and process != os.getpid()
    assert CONTEXT.get_start_method() == "spawn" and BEGUN == []


def test_a_worker_ends_with_a_parent_that_was_killed(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    command = [sys.executable, tmp_path / "parent.py"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        assert parent.wait(60) == -signal.SIGKILL
    deadline = time.monotonic() + 20.0
    while runs(worker) and time.monotonic() < deadline:
        time.sleep(0.01)
    left = runs(worker)
    if left:
        os.kill(worker, signal.SIGKILL)
    assert not left


def runs(process: int) -> bool:
    """Whether a process exists and has not ended; one that nobody waits for stays as a zombie."""
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
