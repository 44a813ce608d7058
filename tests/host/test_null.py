"""The device without hardware: paced blocks, late ones reported, an exact end."""

import time

import numpy as np

from rtfx.engine.process import CALLBACK_KERNEL
from rtfx.host.null import CONTROL, OUTPUT_UNDERFLOW, PACE, NullHost
from tests.engine.rigs import engine, gain


def test_exact_number_of_frames():
    e = engine([gain(0.0)])
    host = NullHost(e, 64, 48000, frames=1000)
    host.start()
    deadline = time.monotonic() + 5.0
    while host.active and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not host.active
    assert e.clock == 1000
    assert int(e.record["blocks"]) == 16, "the last block is shorter"
    host.close()


def test_real_time():
    """Never faster than the clock; how much slower depends on the machine."""
    e = engine([gain(0.0)])
    host = NullHost(e, 64, 48000)
    begin = time.monotonic()
    host.start()
    time.sleep(0.4)
    frames, passed = e.clock, time.monotonic() - begin
    host.close()
    assert 0.2 * 48000 * 0.4 < frames <= 48000 * passed + 64
    stopped = e.clock
    time.sleep(0.05)
    assert e.clock == stopped


def test_late_blocks_are_output_underflows():
    """At a rate that no processor can reach, every block except the first is late."""
    e = engine([gain(0.0)])
    control, target = np.zeros(1, CONTROL), np.zeros((64, 1), np.float32)
    control["frames"] = 64 * 50
    PACE(CALLBACK_KERNEL.address, e.address, target.ctypes.data, control.ctypes.data, 64, 100_000_000_000)
    assert e.clock == 64 * 50
    assert 30 <= int(e.record["xruns_out"]) <= 49
    assert int(e.record["xruns_in"]) == 0
    assert int(control["ended"][0]) == 1
    assert OUTPUT_UNDERFLOW == 4


def test_stop_before_the_first_block():
    e = engine([gain(0.0)])
    host = NullHost(e, 64, 48000)
    host._control["stop"] = 1
    host.start()
    host.close()
    assert e.clock == 0 and not host.active


def test_no_block_size_means_64():
    assert NullHost(engine([gain(0.0)]), 0, 48000).block == 64
