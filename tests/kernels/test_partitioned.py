"""Partitions: the direct form's result within -120 dB, for any block size, at any time, with an even load."""

import numpy as np
import pytest
import scipy.signal

from rtfx.kernels.partitioned import CHUNK, DIRECT, KERNEL, LANES, LEVELS, Level, levels_for, pack, state_at


class Tail:
    """One level as a plan would call it."""

    def __init__(self, level: Level, response: np.ndarray):
        kind = state_at(level)
        self.raw = np.zeros(kind.itemsize + 64, np.uint8)
        begin = -self.raw.ctypes.data % 64
        self.state = self.raw[begin : begin + kind.itemsize].view(kind)
        self.weights = pack(level, response)
        self.state["size"], self.state["partitions"] = level
        self.state["weights"] = self.weights.ctypes.data

    def __call__(self, x, blocks) -> np.ndarray:
        x = np.ascontiguousarray(x, np.float32)
        y = np.zeros_like(x)
        start = 0
        for size in blocks:
            assert not KERNEL(self.state.ctypes.data, x.ctypes.data + 4 * start, y.ctypes.data + 4 * start, size)
            start += size
        assert start == x.size
        return y


def cuts(frames: int, seed: int) -> list[int]:
    """Return block sizes up to 512 that sum to `frames`."""
    generator, result = np.random.default_rng(seed), []
    while sum(result) < frames:
        result.append(min(int(generator.integers(0, 513)), frames - sum(result)))
    return result


def late(response: np.ndarray, level: Level) -> np.ndarray:
    """Return the response without the taps that are not the level's."""
    result = np.zeros(len(response))
    part = slice(2 * level.size, (2 + level.partitions) * level.size)
    result[part] = response[part]
    return result


@pytest.mark.parametrize("level", [Level(64, 1), Level(256, 1), Level(256, 6), Level(1024, 5), Level(4096, 2)])
def test_it_is_the_direct_form(level):
    generator = np.random.default_rng(1)
    response = generator.standard_normal((2 + level.partitions) * level.size - 17)
    x = generator.standard_normal(12 * level.size + 777).astype(np.float32)
    expected = scipy.signal.fftconvolve(np.float64(x), late(response, level))[: x.size]
    y = Tail(level, response)(x, cuts(x.size, 5))
    assert np.abs(y - expected).max() < 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("block", [1, 7, 64, 512])
def test_any_cut_gives_the_same_bits(block):
    level = Level(256, 3)
    generator = np.random.default_rng(2)
    response, x = generator.standard_normal(1280), generator.standard_normal(3500).astype(np.float32)
    whole = Tail(level, response)(x, cuts(x.size, 0))
    sizes = [block] * (x.size // block) + [x.size % block]
    np.testing.assert_array_equal(Tail(level, response)(x, sizes), whole)


def test_a_click_comes_out_as_the_taps():
    level = Level(256, 2)
    response = np.random.default_rng(3).standard_normal(1024)
    for place in (0, 100, 255, 256, 300):
        x = np.zeros(1500, np.float32)
        x[place] = 1.0
        y = Tail(level, response)(x, cuts(x.size, place))
        np.testing.assert_allclose(y[place : place + 1024], late(response, level)[: 1500 - place], atol=2e-6)
        assert np.abs(y[:place]).max(initial=0.0) < 2e-6


def test_what_is_not_finite_counts_as_silence():
    level, response = Level(256, 2), np.ones(1024)
    x = np.random.default_rng(4).standard_normal(2000).astype(np.float32)
    bad, silent = x.copy(), x.copy()
    bad[[10, 400]] = np.nan, np.inf
    silent[[10, 400]] = 0.0
    np.testing.assert_array_equal(Tail(level, response)(bad, [500] * 4), Tail(level, response)(silent, [500] * 4))


def test_a_short_response_is_direct_and_a_long_one_is_covered_once():
    assert levels_for(1) == levels_for(DIRECT) == ()
    for taps in (2049, 4096, 8192, 30000, 96000, 480000, 1920000):
        levels = levels_for(taps)
        assert levels and all(level.size in LEVELS for level in levels)
        for level, above in zip(levels, levels[1:], strict=False):
            assert (2 + level.partitions) * level.size == 2 * above.size
        assert (1 + levels[-1].partitions) * levels[-1].size < taps <= (2 + levels[-1].partitions) * levels[-1].size
        assert 2 * levels[0].size <= DIRECT


def test_every_call_does_its_share_of_the_work():
    """After n of the period's frames, n / P of its units are spent, to one unit of the largest kind."""
    level = Level(1024, 8)
    tail, total = Tail(level, np.ones(10240)), None
    for frames in (64, 64, 512, 320, 63, 1):
        tail(np.zeros(frames), [frames])
    total = int(tail.state["spent"][0])
    assert tail.state["block"][0] == 1 and total == 0
    spent = []
    for _ in range(15):
        tail(np.zeros(64), [64])
        spent.append(int(tail.state["spent"][0]))
    shares = np.diff([0, *spent])
    assert shares.max() < 1.3 * shares.mean() and shares.min() > 0.7 * shares.mean()
    assert CHUNK % LANES == 0
