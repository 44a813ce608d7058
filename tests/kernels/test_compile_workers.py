"""Kernels compiled in helper processes: the same output, and every helper ends with the process that started it."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from rtfx.kernels import compile_workers

pytestmark = pytest.mark.slow

CALL = """
import json, sys
from rtfx.kernels import compile_workers
from rtfx.kernels.kernel import compilation_listener
from rtfx.engine.engine import LOAD, STORE
from rtfx.engine.engine_rig import EXCHANGE
import numpy as np
announced = []
cell = np.array([7], np.int64)
with compilation_listener(announced.append):
    compile_workers.order((EXCHANGE, STORE, EXCHANGE))
    STORE(cell.ctypes.data, 9)
    found = [LOAD(cell.ctypes.data), EXCHANGE(cell.ctypes.data, 5), int(cell[0])]
kernels = (LOAD, STORE, EXCHANGE)
print(json.dumps({
    "found": found, "announced": sorted(announced), "numba": "numba" in sys.modules,
    "from_cache": sum(kernel.from_cache for kernel in kernels), "helpers": len(compile_workers._members),
}))
"""
WAIT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what runs in the background ignore it
from rtfx.engine.engine import CALLBACK_KERNEL, LOAD
from rtfx.kernels import compile_workers
compile_workers.IDLE_SECONDS = 3600.0
compile_workers.order((LOAD,))
LOAD.address
if sys.argv[1] == "at work":
    compile_workers.order((CALLBACK_KERNEL,))
while not all(member.process for member in compile_workers._members):
    time.sleep(0.01)
try:
    print(*(member.process.pid for member in compile_workers._members), flush=True)
    CALLBACK_KERNEL.address if sys.argv[1] == "at work" else time.sleep(3600.0)
except KeyboardInterrupt:
    print("interrupted")
"""
NAMES = ["engine.engine._load", "engine.engine._store", "engine.engine_rig._exchange"]
DEADLINE = 20.0  # seconds, generous: a helper needs milliseconds


def call(cache, before: str = "") -> dict:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", before + CALL],
        env=os.environ | {"RTFX_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return json.loads(done.stdout)


def test_numba_is_here_or_not(tmp_path):
    report = call(tmp_path, "import numba\n")
    assert report["found"] == [9, 9, 5] and report["announced"] == NAMES and report["helpers"]


def test_helpers_compile_and_this_process_goes_without_numba(tmp_path):
    report = call(tmp_path)
    assert report == {
        "found": [9, 9, 5],
        "announced": NAMES,
        "numba": False,
        "from_cache": 0,
        "helpers": report["helpers"],
    }
    assert 0 < report["helpers"] <= compile_workers.MOST
    again = call(tmp_path)
    assert again["from_cache"] == 3 and again["announced"] == [] and again["helpers"] == 0 and not again["numba"]


WORKERS = "from rtfx.kernels import compile_workers\ncompile_workers"
DISABLED = {
    "ends at once": WORKERS + '.START = "import sys; sys.exit(3)"\n',
    "dies under way": WORKERS + '.START = "import sys; sys.stdin.buffer.read(9)"\n',
    "cannot start": 'import sys\nsys.executable = "/no/such/program"\n',
    "no interpreter": 'import sys\nsys.executable = ""\n',
}


@pytest.mark.parametrize("reason", DISABLED)
def test_without_helpers_it_is_compiled_here(tmp_path, reason):
    report = call(tmp_path, DISABLED[reason])
    assert report["found"] == [9, 9, 5] and report["announced"] == NAMES
    assert report["numba"] and report["helpers"] == 0 and report["from_cache"] == 0
    assert call(tmp_path)["from_cache"] == 3


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"  # a zombie has ended; its parent is gone
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("doing", ["at work", "idle"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_no_helper_is_left_behind(tmp_path, number, doing):
    """Ctrl-C reaches the helpers too, as in a terminal."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT, doing],
        env=os.environ | {"RTFX_CACHE_DIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            assert process.stdout
            helpers = [int(pid) for pid in process.stdout.readline().split()]
            assert helpers and all(is_running(pid) for pid in helpers)
            time.sleep(0.5)
            if number == signal.SIGINT:
                os.killpg(process.pid, number)
                assert process.stdout.read() == "interrupted\n"
            else:
                process.send_signal(number)
            process.wait(DEADLINE)
        finally:
            process.kill()  # no process is left if the test fails above
    end = time.monotonic() + DEADLINE
    while (left := [pid for pid in helpers if is_running(pid)]) and time.monotonic() < end:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left, "a helper is left"
    assert not list(tmp_path.rglob("tmp*")), "a half-written file is left"
