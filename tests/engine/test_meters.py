"""The levels that are measured and the events that are counted during play."""

import numpy as np
import pytest

from rtfx.engine.engine import Engine
from rtfx.engine.layout import LOAD_BIN_OFFSET, LOAD_BIN_SHIFT
from rtfx.engine.process import CALLBACK_KERNEL
from rtfx.engine.rings import MARGIN

from .rigs import RATE, drive, engine, gain, noise, rig

WINDOW = 4800  # a tenth of a second


def test_meters_show_the_peak_of_the_last_window():
    e = engine([gain(-6.0)], device_inputs=2)
    x = np.zeros((WINDOW, 2), np.float32)
    x[100] = 0.25, -0.75
    drive(e, x, [WINDOW])
    assert e.record["in_meters"][:3].tolist() == [0.25, 0.75, 0.0], "channels that are not heard are metered too"
    assert float(e.record["out_meters"][0]) == pytest.approx(0.25 * 10.0**-0.3)
    drive(e, np.zeros_like(x), [WINDOW])
    assert e.record["in_meters"][:2].tolist() == [0.0, 0.0]
    assert float(e.record["out_meters"][0]) == 0.0
    assert float(e.record["in_peak_max"]) == 0.25, "peaks over the whole stream are those of what is heard"
    assert float(e.record["out_peak_max"]) == pytest.approx(0.25 * 10.0**-0.3)


def test_clips_latch():
    e = engine([gain(6.0)])
    drive(e, np.full((640, 1), 0.4, np.float32))
    assert int(e.record["out_clips"]) == 0 and int(e.record["in_clips"]) == 0
    drive(e, np.full((64, 1), 0.6, np.float32))
    clips = int(e.record["out_clips"])
    assert clips > 0 and int(e.record["in_clips"]) == 0
    drive(e, np.full((64, 1), -1.0, np.float32))
    assert int(e.record["in_clips"]) > 0
    drive(e, np.zeros((WINDOW, 1), np.float32))
    assert int(e.record["out_clips"]) > clips, "what clipped stays counted"


FLAGS = [(0, (0, 0)), (1, (1, 0)), (2, (1, 0)), (4, (0, 1)), (8, (0, 1)), (6, (1, 1)), (16, (0, 0))]


@pytest.mark.parametrize("flags, counted", FLAGS)
def test_xruns_by_direction(flags, counted):
    e = engine([gain(0.0)])
    x, y = np.zeros((64, 1), np.float32), np.zeros((64, 1), np.float32)
    CALLBACK_KERNEL(x.ctypes.data, y.ctypes.data, 64, 0, flags, e.address)
    assert (int(e.record["xruns_in"]), int(e.record["xruns_out"])) == counted
    assert int(e.record["blocks"]) == 1 and e.clock == 64


def test_callback_without_input_or_output():
    e = engine([gain(0.0)])
    assert CALLBACK_KERNEL(0, 0, 64, 0, 0, e.address) == 0
    y = np.full((64, 1), 9.0, np.float32)
    CALLBACK_KERNEL(0, y.ctypes.data, 64, 0, 0, e.address)
    assert (y == 0.0).all()
    assert e.clock == 128


def test_an_engine_without_a_rig_is_silent():
    e = Engine(RATE)
    assert (drive(e, noise(640)) == 0.0).all()


def test_load_quantile_is_an_upper_bound_within_an_eighth_of_an_octave():
    e = engine([gain(0.0)])
    loads = np.random.default_rng(0).lognormal(-3.0, 1.0, 20000).astype(np.float32)
    bins = e.record["load_bins"]
    places = (loads.view(np.int32) >> LOAD_BIN_SHIFT) - LOAD_BIN_OFFSET
    np.add.at(bins, np.clip(places, 0, len(bins) - 1), 1)
    e.record["longest_load"] = float(loads.max())
    for q in (0.01, 0.5, 0.9, 0.99, 1.0):
        exact = float(np.quantile(loads, q, method="inverted_cdf"))
        found = e.load_quantile(q)
        assert exact <= found * (1.0 + 1e-6)
        assert found <= exact * 1.13
    assert engine([gain(0.0)]).load_quantile(0.99) == 0.0


def test_peaks_are_held_by_channel_until_they_are_cleared():
    e = engine([gain(6.0)], device_inputs=2)
    x = np.zeros((WINDOW, 2), np.float32)
    x[100] = 0.75, -0.25
    drive(e, x, [WINDOW])
    drive(e, np.zeros_like(x), [WINDOW])
    assert e.record["in_held"][:3].tolist() == [0.75, 0.25, 0.0]
    assert float(e.record["out_held"][0]) == pytest.approx(0.75 * 10.0**0.3), "before the limiter"
    assert e.record["out_held"][1:].tolist() == [0.0] * 31
    e.record["clear_held"] += 1
    drive(e, x[:, ::-1] / 4, [WINDOW])
    assert e.record["in_held"][:2].tolist() == [0.0625, 0.1875]
    assert float(e.record["out_held"][0]) == pytest.approx(0.0625 * 10.0**0.3)
    assert int(e.record["held_cleared"]) == int(e.record["clear_held"])


def test_the_worst_block_since_an_earlier_count():
    e = engine([gain(0.0)])
    drive(e, noise(64 * 10))
    before = e.record["load_bins"].copy()
    assert e.load_quantile(1.0) == e.load_max
    assert e.load_quantile(1.0, before) == 0.0
    e.record["load_bins"][50] += 1
    found = e.load_quantile(1.0, before)
    assert 0.0 < found <= e.load_max


def test_load_is_measured():
    e = engine([gain(0.0)])
    drive(e, noise(64 * 100))
    assert int(e.record["blocks"]) == 100
    assert int(e.record["load_bins"].sum()) == 100
    assert 0.0 < e.load_mean <= e.load_max
    assert 0.0 < e.load_quantile(0.99) <= e.load_max
    assert e.record["offered_ns"] == pytest.approx(100 * 64 / RATE * 1e9)


def test_rings_hold_the_newest_frames():
    e = engine([gain(-6.0)], ring_frames=1, in_gain=2.0)
    rings, y = e.rings, np.zeros((0, 1), np.float32)
    x = noise(9000, level=0.1)
    for first, last, kept in ((0, 700, 0), (700, 1500, 700), (1500, 6000, 6000 - 2 * MARGIN), (6000, 9000, 6000)):
        y = np.concatenate([y, drive(e, x[first:last])])
        assert rings.head == last
        start, wet = rings.read(rings.wet, first, last)
        assert start == kept, "what may be overwritten is not given out"
        assert np.array_equal(wet, y[start:])
        assert np.array_equal(rings.read(rings.dry, start, last)[1], x[start:last]), "before any gain"
    assert rings.frames == 4 * MARGIN < 6000, "across the ring's end"
    assert rings.read(rings.wet, 9000, 9000)[1].shape == (0, 1)


def test_source_plays_once_or_loops():
    clip = noise(1000, level=0.1, channels=2)
    for loops in (False, True):
        e = Engine(RATE, inputs=1, device_inputs=0, source=clip, loops=loops, live=False)
        e.publish(rig([gain(0.0)]))
        y = np.zeros((2500, 1), np.float32)
        done = 0
        while done < 2500:
            size = min(130, 2500 - done)
            CALLBACK_KERNEL(0, y[done:].ctypes.data, size, 0, 0, e.address)
            done += size
        rest = np.resize(clip[:, :1], (1500, 1)) if loops else np.zeros((1500, 1))
        assert np.array_equal(y, np.concatenate([clip[:, :1], rest.astype(np.float32)]))


def test_blocks_longer_than_the_arena_are_split():
    e = engine([gain(0.0)])
    x = noise(5000, level=0.1)
    assert np.array_equal(drive(e, x, [5000]), x)
    assert int(e.record["blocks"]) == 1 and int(e.record["largest_block"]) == 5000
