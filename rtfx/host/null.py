"""The device without hardware: a compiled thread that calls the same callback once per block, in real time."""

from __future__ import annotations

import threading

import numpy as np

from ..engine.engine import Engine
from ..engine.process import CALLBACK_KERNEL, call_callback
from ..engine.system import clock_ns, sleep_ns
from ..kernels.kernel import Loop
from ..kernels.memory import load_acquire, records, store_release
from .timeouts import await_end

OUTPUT_UNDERFLOW = 4  # PortAudio's flag
BLOCK_FRAMES = 64

CONTROL = np.dtype([("stop", np.int64), ("frames", np.int64), ("done", np.int64), ("ended", np.int64)])
STOP, ENDED = 0, 24  # byte offsets


def pace(callback, engine, target, control, block, sample_rate):
    """Call the callback at each block's deadline, until `stop` is set or `frames` are done. [audio thread]

    If a call is more than one block late, the callback is told of an output underflow, as by a sound card, and the
    deadlines start again from that time.
    """
    c = records(control, 1, CONTROL)[0]
    period = np.int64(np.float64(block) * 1e9 / np.float64(sample_rate))
    deadline = clock_ns() + period
    flags = np.int64(0)
    while load_acquire(control + STOP) == 0 and (c.frames < 0 or c.done < c.frames):
        count = block if c.frames < 0 else min(block, c.frames - c.done)
        call_callback(callback, np.int64(0), target, count, flags, engine)
        c.done += count
        now = clock_ns()
        flags = np.int64(0)
        if now > deadline + period:
            flags = np.int64(OUTPUT_UNDERFLOW)
            deadline = now
        elif now < deadline:
            sleep_ns(deadline - now)
        deadline += period
    store_release(control + ENDED, 1)
    return 0


PACE = Loop(pace, "int64(int64, int64, int64, int64, int64, int64)")


class NullHost:
    """Plays an engine on no device. All methods are for the control thread.

    Parameters
    ----------
    frames : int or None
        The thread ends by itself after this number of frames; None: it does not.
    """

    name = input_name = output_name = "null"
    route = "null"

    def __init__(self, engine: Engine, block: int, sample_rate: int, frames: int | None = None):
        self.engine, self.block, self.sample_rate = engine, block or BLOCK_FRAMES, sample_rate
        self.block_frames = self.asked_frames = self.block
        self.input_latency = self.output_latency = 0.0
        self._control = np.zeros(1, CONTROL)
        self._control["frames"] = -1 if frames is None else frames
        self._output = np.zeros((self.block, int(engine.record["device_outputs"])), np.float32)
        self._callback, _ = CALLBACK_KERNEL.address, PACE.address  # compiled here, not on the audio thread
        self._thread = threading.Thread(target=self._run, name="rtfx null device", daemon=True)

    def _run(self) -> None:
        """Play until the end; the thread refers to this host, so the memory of its loop stays valid. [audio thread]"""
        output, control = self._output.ctypes.data, self._control.ctypes.data
        PACE(self._callback, self.engine.address, output, control, self.block, self.sample_rate)

    def start(self) -> None:
        """Start the audio thread."""
        self._thread.start()

    @property
    def active(self) -> bool:
        """False once the thread has ended."""
        return self._thread.is_alive() and not self._control["ended"][0]

    def trouble(self) -> str:
        """Return "", as this device cannot fail."""
        return ""

    def close(self, patient: bool = True) -> None:
        """Stop, and return when the audio thread has ended."""
        self._control["stop"] = 1
        await_end(self._thread, 3.0)
