"""The test that the audio thread never waits for Python: the GIL is held in C while a stream plays on JACK."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from .api import Model, Rig
from .errors import DeviceError
from .host.choose import Choice
from .host.device import Device
from .host.jack_devices import jack_devices
from .host.jack_host import JackHost
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
    found = [d for d in jack_devices() if d.default_output]
    if not found:
        raise DeviceError("no JACK server runs here: start one, or PipeWire, and run this again")
    with Rig([Model(spec)]).play(output_device=found[0].index, muted=True) as stream:
        record = stream.engine.record
        _wait(lambda: int(record["blocks"]) > 0, found[0])
        xruns = int(record["xruns_in"] + record["xruns_out"])
        compiled, passed = _held(lambda: int(record["blocks"]), seconds)
        xruns = int(record["xruns_in"] + record["xruns_out"]) - xruns
        stats = stream.stats
    assert stats.block_frames  # it has played
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


class _PythonCallback:
    """What a host plays in place of an engine: a callback that needs the GIL and leaves silence."""

    address = 0

    def __init__(self) -> None:
        self.clock = 0
        self.blocks = 0
        self.record = {"device_inputs": 0, "device_outputs": 2}
        numbers = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p)
        self._foreign = ctypes.CFUNCTYPE(ctypes.c_int, *numbers)(self._call)
        self.callback = ctypes.cast(self._foreign, ctypes.c_void_p).value

    def _call(self, heard, played, frames, times, flags, user) -> int:
        self.blocks += 1
        self.clock += frames
        return 0


def _by_python(device: Device, seconds: float) -> int:
    counter = _PythonCallback()
    host = JackHost(counter, Choice(None, device, ""), 0, device.sample_rate)
    host.start()
    try:
        _wait(lambda: counter.blocks > 0, device)
        return _held(lambda: counter.blocks, seconds)[0]
    finally:
        host.close()


def _wait(begun: Callable[[], bool], device: Device) -> None:
    deadline = time.monotonic() + 10.0
    while not begun():
        if time.monotonic() > deadline:
            raise DeviceError(f"{device.label} asks for no sound: is its JACK server frozen?")
        time.sleep(0.01)
    time.sleep(SETTLE_SECONDS)
