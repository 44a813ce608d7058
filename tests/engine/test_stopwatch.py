"""The time of a block: learnt from two clocks, and the same by both."""

import time

import numpy as np
import pytest

from rtfx.engine.stopwatch import ticks_are_steady

from .rigs import engine, gru, model, noise


@pytest.mark.skipif(not ticks_are_steady(), reason="this processor's counter does not tell the time")
def test_a_tick_is_learnt_and_the_time_goes_on():
    playing, x = engine([model(gru(), bare=True)]), noise(4800)
    playing.drive(x, 64)  # compiled now
    end = time.perf_counter() + 5.0
    while playing.record["tick_ns"] == 0.0 and time.perf_counter() < end:
        playing.drive(x, 64)
    assert 0.1 < playing.record["tick_ns"] < 10.0
    shares = []
    for _ in range(5):
        busy, wall = int(playing.record["busy_ns"]), time.perf_counter_ns()
        playing.drive(np.tile(x, (10, 1)), 256)
        shares.append((int(playing.record["busy_ns"]) - busy) / (time.perf_counter_ns() - wall))
    assert max(shares) <= 1.0
    assert max(shares) > 0.5, "most of the time of a drive is spent in blocks"


def test_where_the_counter_is_not_steady_the_clock_tells_the_time():
    playing, x = engine([model(gru(), bare=True)]), noise(4800)
    playing.record["steady_ticks"] = 0
    end = time.perf_counter() + 0.3
    while time.perf_counter() < end:
        playing.drive(x, 64)
    assert playing.record["tick_ns"] == 0.0
    assert playing.record["busy_ns"] > 0
