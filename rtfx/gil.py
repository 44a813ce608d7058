"""The test that the audio thread never waits for Python: the GIL is held in C while a stream plays on JACK."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from .api import Model, Rig
from .errors import DeviceError
from .host.devices import Device, devices
from .host.route import JACK, sounddevice
from .model.spec import ModelSpec

HELD_SECONDS = 3.0
SETTLE_SECONDS = 0.3
ENOUGH, TOO_FEW = 0.9, 0.5  # of the blocks that pass in that time


@dataclass(frozen=True)
class GilTest:
    """Blocks played while the GIL was held: by the compiled callback, and by one in Python as the control."""

    ok: bool
    held_seconds: float
    block_frames: int
    expected_blocks: int
    compiled_blocks: int
    python_blocks: int
    xruns: int
    realtime: str


def gil_test(spec: ModelSpec, seconds: float = HELD_SECONDS) -> GilTest:
    """Play the model on the running JACK server, muted, and hold the GIL.

    Raises
    ------
    DeviceError
        No JACK server runs.
    """
    found = [d for d in devices() if d.host_api == JACK and d.output_channels]
    if not found:
        raise DeviceError("no JACK server runs here: start one, or PipeWire, and run this again")
    with Rig([Model(spec)]).play(device=found[0].label, muted=True) as stream:
        record = stream.engine.record
        _wait(lambda: int(record["blocks"]) > 0, found[0])
        xruns = int(record["xruns_in"] + record["xruns_out"])
        compiled, passed = _held(lambda: int(record["blocks"]), seconds)
        xruns = int(record["xruns_in"] + record["xruns_out"]) - xruns
        stats = stream.stats
    expected = passed * stats.sample_rate / stats.block_frames
    python = _by_python(found[0], seconds)
    return GilTest(
        ok=compiled >= ENOUGH * expected and python <= TOO_FEW * expected,
        held_seconds=passed,
        block_frames=stats.block_frames,
        expected_blocks=round(expected),
        compiled_blocks=compiled,
        python_blocks=python,
        xruns=xruns,
        realtime=stats.realtime,
    )


def _held(count: Callable[[], int], seconds: float) -> tuple[int, float]:
    """Return what was counted while a C function kept the GIL, and how long that took."""
    before, begin = count(), time.monotonic()
    if sys.platform == "win32":
        ctypes.PyDLL("kernel32").Sleep(int(1e3 * seconds))
    else:
        ctypes.PyDLL(None).usleep(int(1e6 * seconds))
    return count() - before, time.monotonic() - begin


def _by_python(device: Device, seconds: float) -> int:
    blocks = 0

    def callback(indata, outdata, frames, times, status):
        nonlocal blocks
        blocks += 1
        outdata[:] = 0.0

    shape = {"device": device.index, "blocksize": 0, "dtype": "float32", "latency": "low"}
    with sounddevice().Stream(callback=callback, samplerate=device.sample_rate, **shape):
        _wait(lambda: blocks > 0, device)
        return _held(lambda: blocks, seconds)[0]


def _wait(begun: Callable[[], bool], device: Device) -> None:
    deadline = time.monotonic() + 10.0
    while not begun():
        if time.monotonic() > deadline:
            raise DeviceError(f"{device.label} asks for no sound: is its JACK server frozen?")
        time.sleep(0.01)
    time.sleep(SETTLE_SECONDS)
