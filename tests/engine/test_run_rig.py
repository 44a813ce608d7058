"""A rig touches its own memory only: its arena ends where a page begins that nobody may read or write."""

import ctypes
import mmap
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rtfx.engine.run_rig import RUN_RIG
from rtfx.kernels.elementwise import rows_kernel
from rtfx.kernels.processor import lanes
from rtfx.plan.arena import ALIGNMENT, BUFFER, MAX_BLOCK, RIG, Builder, aligned

from .rigs import noise

ROOT = Path(__file__).parents[2]
PAGE = mmap.PAGESIZE
NOBODY = 0  # of mprotect: neither reading nor writing
FRAMES = 60000  # until every history has moved back to its start several times


def guarded(size: int) -> np.ndarray:
    """Return `size` zero bytes on a 64-byte boundary, whose end is that of the memory."""
    length = -(-aligned(size) // PAGE) * PAGE
    whole = np.frombuffer(mmap.mmap(-1, length + PAGE), np.uint8)
    place = ctypes.c_void_p(whole.ctypes.data + length)
    assert ctypes.CDLL(None).mprotect(place, ctypes.c_size_t(PAGE), NOBODY) == 0
    start = length - aligned(size)
    assert whole[start:].ctypes.data % ALIGNMENT == 0
    return whole[start : start + size]


def play(history: int, rows: int, block: int) -> None:
    """Copy audio into a buffer with a history, which is the arena's last; compare the history with the audio."""
    builder = Builder()
    builder.buffer(1)  # of parameters
    source, target = builder.buffer(rows), builder.buffer(rows)
    builder.step(rows_kernel(0, rows, lanes()), source, target)
    builder.remember(target, history)
    arena, _ = builder.finish(source, target, 1, 0)
    memory, moved = guarded(arena.size), 0
    memory[:] = arena
    rig = memory[: RIG.itemsize].view(RIG)[0]
    last = memory[rig["buffers"] :][: 3 * BUFFER.itemsize].view(BUFFER)[-1]
    x = np.ascontiguousarray(noise(FRAMES, channels=rows).T)
    for first in range(0, FRAMES - block, block):
        RUN_RIG(memory.ctypes.data, x.ctypes.data + 4 * first, FRAMES, block, first, 0)
        moved += int(last["cursor"]) == int(last["start"]) + 4 * block
        known, end = min(history, first + block), first + block
        for row in range(rows):
            place = int(last["cursor"]) + 4 * int(last["stride"]) * row
            assert np.array_equal(memory[place - 4 * known : place].view(np.float32), x[row, end - known : end])
    assert moved > 2, "the history has moved back to its start"


@pytest.mark.skipif(sys.platform == "win32", reason="no mprotect")
@pytest.mark.parametrize("block", [7, 64, MAX_BLOCK])
def test_nothing_behind_the_arena_is_touched(block):
    """In a process of its own, which a read behind the end would kill."""
    cases = f"[play(history, rows, {block}) for history in (16, 900) for rows in (1, 2)]"
    script = f"from tests.engine.test_run_rig import play; {cases}"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-2000:]}"
