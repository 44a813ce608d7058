"""Values that compiled code reads from the processor and the system, compared with Python's."""

import ctypes
import platform
import sys
import threading
import time

import numpy as np
import pytest

from rtfx.engine.system import clock_ns, flush_denormals, restore_denormals, sleep_ns, thread_id, ticks_are_steady
from rtfx.kernels.kernel import Loop
from rtfx.kernels.memory import floats

from .rigs import engine, gru, model, noise


def now():
    return clock_ns()


def wait(nanoseconds):
    before = clock_ns()
    sleep_ns(nanoseconds)
    return clock_ns() - before


def own_id():
    return thread_id()


def halves(address):
    """Write a half of x[0] before, under and after the flushing of denormals, and under it x[0] twice."""
    x = floats(address, 5)
    half = np.float32(0.5)
    x[1] = x[0] * half
    word = flush_denormals()
    x[2] = x[0] * half
    x[3] = x[0] + x[0]
    restore_denormals(word)
    x[4] = x[0] * half
    return 0


def compiled(function, arguments: int = 0):
    """Return a function of 64-bit numbers, compiled without the cache, which does not notice changes in test files."""
    fresh = Loop(function, f"int64({', '.join(['int64'] * arguments)})").compiled()
    call = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * arguments)(fresh.address)
    call.keep = fresh
    return call


def halved(value: float) -> list[float]:
    """Return a half of a float32 before, under and after the flushing; under it, its double as the last."""
    x = np.array([value, 9, 9, 9, 9], np.float32)
    compiled(halves, 1)(x.ctypes.data)
    return [x[1], x[2], x[4], x[3]]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no clock_gettime")
def test_the_clock_is_the_monotonic_one():
    clock = compiled(now)
    before, found, after = time.monotonic_ns(), clock(), time.monotonic_ns()
    assert before <= found <= after


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no clock_gettime")
def test_a_sleep_is_as_long_as_it_was_asked_to_be():
    sleep = compiled(wait, 1)
    assert sleep(0) >= 0
    assert sleep(20_000_000) >= 20_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has gettid")
def test_every_thread_has_its_id():
    number, found = compiled(own_id), []
    thread = threading.Thread(target=lambda: found.extend((number(), threading.get_native_id())))
    thread.start()
    thread.join()
    assert found[0] == found[1]
    assert number() == threading.get_native_id() != found[0]


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64", "aarch64", "arm64"), reason="no control word is known here"
)
def test_denormals_are_flushed_and_come_back():
    tiny = float(np.finfo(np.float32).tiny)  # the smallest normal number: half of it is none
    assert halved(tiny) == [tiny / 2, 0.0, tiny / 2, 2 * tiny]
    assert halved(tiny / 4) == [tiny / 8, 0.0, tiny / 8, 0.0], "one that comes in is zero as well"
    assert halved(1.0) == [0.5, 0.5, 0.5, 2.0]


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
