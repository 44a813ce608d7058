"""Run as a process of its own: a JACK client that plays noise into the stream under test and records what comes back.

Its callbacks are compiled: it never misses a period because of Python.
"""

from __future__ import annotations

import ctypes

import numpy as np

from rtfx.kernels.kernel import Loop
from rtfx.kernels.memory import call_process, floats, records

from .jack_server import PERIOD, RATE, answers

SECONDS = 120
LARGEST_DELAY = 16 * PERIOD
FIELDS = ("get_buffer", "source", "target", "size", "position", "send", "receive", "xruns")
PROBE = np.dtype([(name, np.int64) for name in FIELDS])


def process(frames, probe):
    """Play the next frames of the noise and record; JACK's process callback."""
    p = records(probe, 1, PROBE)[0]
    count = np.int64(frames)
    out = call_process(p.get_buffer, p.send, count, 0, 0)
    back = call_process(p.get_buffer, p.receive, count, 0, 0)
    for n in range(count):
        value = np.float32(0.0)
        if p.position + n < p.size:
            value = floats(p.source + 4 * (p.position + n), 1)[0]
            floats(p.target + 4 * (p.position + n), 1)[0] = floats(back + 4 * n, 1)[0]
        floats(out + 4 * n, 1)[0] = value
    p.position += count
    return 0


def count_xrun(probe):
    """JACK's xrun callback."""
    records(probe, 1, PROBE)[0].xruns += 1
    return 0


class Probe:
    def __init__(self):
        jack = ctypes.CDLL("libjack.so.0")
        for name in ("jack_client_open", "jack_port_register", "jack_get_ports"):
            getattr(jack, name).restype = ctypes.c_void_p
        jack.jack_port_name.restype = ctypes.c_char_p
        self.jack = jack
        self.client = ctypes.c_void_p(jack.jack_client_open(b"probe", 1, None))  # 1: JackNoStartServer
        assert self.client.value, "no JACK server"
        ports = []
        for name, flag in ((b"send", 2), (b"receive", 1)):  # JackPortIsOutput, JackPortIsInput
            kind = b"32 bit float mono audio"
            ports.append(jack.jack_port_register(self.client, name, kind, ctypes.c_ulong(flag), ctypes.c_ulong(0)))
        rng = np.random.default_rng(1)
        self.source = np.clip(0.2 * rng.standard_normal(SECONDS * RATE), -0.9, 0.9).astype(np.float32)
        self.target = np.zeros_like(self.source)
        self.record = np.zeros(1, PROBE)
        get_buffer = ctypes.cast(jack.jack_port_get_buffer, ctypes.c_void_p).value
        addresses = (get_buffer, self.source.ctypes.data, self.target.ctypes.data)
        self.record[0] = (*addresses, self.source.size, 0, *ports, 0)
        self._compiled = []
        for function, signature, setter in (
            (process, "intc(uint32, int64)", jack.jack_set_process_callback),
            (count_xrun, "intc(int64)", jack.jack_set_xrun_callback),
        ):
            compiled = Loop(function, signature).compiled()
            self._compiled.append(compiled)
            setter(self.client, ctypes.c_void_p(compiled.address), ctypes.c_void_p(self.record.ctypes.data))
        assert jack.jack_activate(self.client) == 0

    def connect(self, there: str = "rtfx:in_1", back: str = "rtfx:out_1") -> bool:
        """Route the noise into a port, by default the stream's first input, and a port back; True if both worked."""
        sent = self.jack.jack_connect(self.client, b"probe:send", there.encode())
        received = self.jack.jack_connect(self.client, back.encode(), b"probe:receive")
        return sent == 0 and received == 0

    def period(self) -> int:
        """Return the frames of a period, as this client sees it."""
        return int(self.jack.jack_get_buffer_size(self.client))

    def mark(self) -> list[int]:
        """Return [frames so far, xruns so far]."""
        return [int(self.record["position"][0]), int(self.record["xruns"][0])]

    def delay(self, start: str) -> int:
        """Return how many frames late the noise comes back from frame `start` on, or -1."""
        first = int(start)
        window = slice(first, first + 2 * PERIOD)
        for delay in range(LARGEST_DELAY):
            if np.array_equal(self.target[window], self.source[window.start - delay : window.stop - delay]):
                return delay
        return -1

    def save(self, path: str) -> bool:
        """Write what was sent and what came back so far, (2, frames)."""
        count = self.mark()[0]
        np.save(path, np.stack([self.source[:count], self.target[:count]]))
        return True

    def compare(self, start: str, stop: str, delay: str) -> dict:
        """Return what was wrong between two frames."""
        first, last, late = int(start), int(stop), int(delay)
        wrong = self.target[first:last] != self.source[first - late : last - late]
        blocks = wrong[: len(wrong) // PERIOD * PERIOD].reshape(-1, PERIOD).any(axis=1)
        return {"frames": last - first, "wrong": int(wrong.sum()), "blocks": len(blocks), "lost": int(blocks.sum())}


if __name__ == "__main__":
    probe = Probe()
    answers({name: getattr(probe, name) for name in ("connect", "period", "mark", "delay", "save", "compare")})
    probe.jack.jack_client_close(probe.client)
