"""Run as a process of its own: a stream on JACK, and ways to keep this process's interpreter from working.

Argument: ``compiled`` (rtfx) or ``python`` (an ordinary callback that copies its input).
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import tempfile
import time

from .jack_server import answers

SECONDS = 1.5


def compiled_stream():
    import rtfx

    return rtfx.Rig([{"type": "gain"}]).play()


def python_stream():
    import sounddevice

    def callback(indata, outdata, frames, times, status):
        outdata[:] = indata

    shape = {"channels": 2, "samplerate": 48000, "blocksize": 0, "dtype": "float32", "latency": "low"}
    stream = sounddevice.Stream(callback=callback, **shape)
    stream.start()
    return stream


class Player:
    def __init__(self, kind: str):
        self.stream = {"compiled": compiled_stream, "python": python_stream}[kind]()
        self.heap: list = []

    def idle(self) -> bool:
        time.sleep(SECONDS)
        return True

    def gil(self) -> bool:
        """A C function that keeps the GIL."""
        ctypes.PyDLL(None).usleep(int(SECONDS * 1e6))
        return True

    def loop(self) -> bool:
        """Python that never rests."""
        end, number = time.monotonic() + SECONDS, 0
        while time.monotonic() < end:
            number += 1
        return number > 0

    def heap_of_garbage(self) -> int:
        """Make a large heap for `collect`."""
        gc.disable()
        self.heap = [[number] for number in range(2_000_000)]
        return len(self.heap)

    def collect(self) -> int:
        """Collect garbage all the time."""
        end, count = time.monotonic() + SECONDS, 0
        while time.monotonic() < end:
            gc.collect()
            count += 1
        return count

    def compile(self) -> float:
        """Compile models that no cache holds; return the seconds."""
        from rtfx.kernels import jit
        from rtfx.plan.chain import plan_chain
        from tests.engine.rigs import lstm, model, tcn

        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            os.environ["RTFX_CACHE_DIR"] = folder
            jit.cache_folder.cache_clear()
            for hidden in (23, 25, 27, 29, 31, 33, 35):
                if time.monotonic() - begin < SECONDS:
                    plan_chain([model(lstm(hidden)), model(tcn(hidden), "second")], 48000.0)
        return time.monotonic() - begin

    def active(self) -> bool:
        return bool(self.stream.active)

    def close(self) -> float:
        """Close the stream; return the seconds."""
        begin = time.monotonic()
        self.stream.close()
        return time.monotonic() - begin


if __name__ == "__main__":
    player = Player(sys.argv[1])
    names = ("idle", "gil", "loop", "heap_of_garbage", "collect", "compile", "active", "close")
    answers({name: getattr(player, name) for name in names})
