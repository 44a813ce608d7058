"""A sound card that can be unplugged, in place of PortAudio: its streams call the real compiled callback."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import numpy as np

from rtfx.engine.process import DRIVE

from .fake_sounddevice import FakeSoundDevice

BLOCK = 64
LATENCY = (0.003, 0.004)


class FakeCards(FakeSoundDevice):
    """Rows as in `FakeSoundDevice`; changes of the devices become visible after `_terminate` and `_initialize`."""

    def __init__(self, *table):
        super().__init__(*table)
        self.plugged = list(table)
        self.streams: list[FakeStream] = []
        self.started = 1
        self.hangs = threading.Event()  # set: closing does not return
        self._ffi = SimpleNamespace(cast=lambda kind, value: int(value))
        self._lib = SimpleNamespace(Pa_GetStreamInfo=lambda stream: SimpleNamespace(sampleRate=stream.rate_now))

    def _StreamBase(self, kind, **settings):  # noqa: N802 - sounddevice's name
        self.streams.append(FakeStream(self, **settings))
        return self.streams[-1]

    def _terminate(self):
        assert not any(stream.open for stream in self.streams), "PortAudio is ended under an open stream"
        self.started = 0

    def _initialize(self):
        self.started = 1
        super().__init__(*self.plugged)

    def unplug(self):
        self.plugged = []
        for stream in self.streams:
            stream.calls.clear()
            stream.present = False


class FakeStream:
    """Calls back every block, in real time, as long as `calls` is set."""

    def __init__(self, cards, samplerate, blocksize, device, channels, callback, userdata, **more):
        self.cards, self.samplerate, self.rate_now, self.latency = cards, samplerate, samplerate, LATENCY
        self.inputs, self.outputs = channels
        self.callback, self.engine = callback, userdata
        self.open, self.present = True, True
        self.calls = threading.Event()
        self.heard: list[np.ndarray] = []
        self._ptr = self
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.calls.set()
        self._thread.start()

    @property
    def active(self):
        return self.open and self.present and self._thread.is_alive()

    def _run(self):
        x = np.full((BLOCK, self.inputs), 0.5, np.float32)
        while self.open:
            if self.calls.is_set():
                y = np.zeros((BLOCK, self.outputs), np.float32)
                places = (x.ctypes.data, self.inputs, y.ctypes.data, self.outputs)
                DRIVE(self.callback, self.engine, *places, BLOCK, BLOCK)
                self.heard.append(y)
            time.sleep(BLOCK / self.samplerate)

    def close(self, ignore_errors=False):
        while self.cards.hangs.is_set():
            time.sleep(0.01)
        self.open = False
        self._thread.join()
