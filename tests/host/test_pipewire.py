"""The way through a real PipeWire: from a source through the rig to what a sink plays, sample by sample."""

import sys
import time

import numpy as np
import pytest

import rtfx

from .jack_server import RATE, Talker
from .pipewire_server import PipeWire, installed

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PipeWire runs on Linux"),
    pytest.mark.skipif(not installed(), reason="PipeWire is not installed: see README's test command"),
]
TRIES = 6  # a machine with other work loses a period now and then; every try is a whole measurement
START_FADE = 0.6  # s, generous
PERIOD = 64


@pytest.fixture(scope="module")
def server():
    with PipeWire() as server:
        server.make("sink", "out", "Speakers")
        server.make("source", "guitar", "Guitar")
        yield server


class Bench:
    """A player on the server's defaults, and a probe that plays into the source and records the sink's monitor."""

    def __init__(self, server, kind):
        self.player = Talker(server, "jack_player", kind)
        self.probe = Talker(server.for_jack, "jack_probe")
        assert self.probe.ask("connect Guitar:input_FL Speakers:monitor_FL")
        time.sleep(START_FADE)

    def end(self):
        self.player.ask("close")
        assert (self.player.end(), self.probe.end()) == (0, 0)


def test_sample_exact_from_the_source_to_the_sink(server):
    """A gain of 0 dB changes no bit, and the delay is a whole number of periods."""
    bench = Bench(server, "compiled")
    results = []
    try:
        for _ in range(TRIES):
            start = bench.probe.ask("mark")[0]
            time.sleep(0.2)
            delay = bench.probe.ask(f"delay {start}")
            time.sleep(1.0)
            stop = bench.probe.ask("mark")[0] - delay
            results.append((delay, bench.probe.ask(f"compare {start} {stop} {delay}") if delay >= 0 else None))
            if results[-1][1] and results[-1][1]["wrong"] == 0:
                break
    finally:
        bench.end()
    print(results)
    delay, found = results[-1]
    assert found["wrong"] == 0 and found["frames"] > RATE // 2, results
    assert delay % PERIOD == 0 and delay <= 4 * PERIOD, "a graph of three clients, no hidden buffer"


def test_a_net_sounds_as_it_is_rendered(server, tmp_path):
    """What the sink plays against `rig(x)`: the difference is below -100 dB of the peak."""
    bench = Bench(server, "klon")
    try:
        time.sleep(2.0)
        assert bench.probe.ask(f"save {tmp_path / 'heard.npy'}")
    finally:
        bench.end()
    sent, heard = np.load(tmp_path / "heard.npy")
    wet = rtfx.Rig([rtfx.load("klon.json")])(sent, RATE)
    losses = [loss(wet, heard, end) for end in range(RATE, len(heard) - 1024, 4800)]
    print([round(each) for each in losses])
    assert min(losses) < -100.0, "no tenth of a second of it is what was rendered"


def loss(wet: np.ndarray, heard: np.ndarray, end: int) -> float:
    """Return the peak of the difference over a tenth of a second before `end`, at the best delay, in dB of the peak."""
    piece = slice(end - 4800, end)
    late = (heard[piece.start + delay : piece.stop + delay] for delay in range(0, 1024, PERIOD))
    error = min(float(np.abs(wet[piece] - each).max()) for each in late)
    return 20.0 * np.log10(max(error, 1e-12) / np.abs(wet[piece]).max())
