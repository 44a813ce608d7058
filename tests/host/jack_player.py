"""Run as a process of its own: a stream on JACK, and ways to keep this process's interpreter from working.

Argument: ``compiled`` (rtfx), ``klon`` (with a net), or ``python`` (an ordinary callback that copies its input).
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


def klon_stream():
    import rtfx

    return rtfx.Rig([rtfx.load("klon.json")]).play()


class PythonStream:
    """Replaces an engine in a host: a callback in Python that copies its input."""

    def __init__(self):
        from rtfx.host.choose import choose
        from rtfx.host.hosts import open_host

        self.clock, self.address = 0, 0
        self.record = {"device_inputs": 2, "device_outputs": 2}
        numbers = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p)
        self._foreign = ctypes.CFUNCTYPE(ctypes.c_int, *numbers)(self._call)
        self.callback = ctypes.cast(self._foreign, ctypes.c_void_p).value
        self._host = open_host(self, choose(), 0, 48000)
        self._host.start()

    def _call(self, heard, played, frames, times, flags, user):
        ctypes.memmove(played, heard, 8 * frames)
        self.clock += frames
        return 0

    @property
    def active(self):
        return self._host.active

    def close(self):
        self._host.close()


class Player:
    def __init__(self, kind: str):
        self.stream = {"compiled": compiled_stream, "klon": klon_stream, "python": PythonStream}[kind]()
        self.heap: list = []

    def idle(self) -> bool:
        time.sleep(SECONDS)
        return True

    def gil(self) -> bool:
        """A C function that keeps the GIL."""
        ctypes.PyDLL(None).usleep(int(SECONDS * 1e6))
        return True

    def loop(self) -> bool:
        """A Python loop without pauses."""
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
        from rtfx.kernels import cache
        from rtfx.plan.chain import plan_chain
        from tests.engine.rigs import lstm, model, tcn

        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            os.environ["RTFX_CACHE_DIR"] = folder
            cache.cache_folder.cache_clear()
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
