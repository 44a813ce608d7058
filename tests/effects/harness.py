"""Run one effect's kernel as the engine does: a zeroed state, one parameter value per frame, any cut into blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

RATE = 48000
SIZES = (1, 2, 16, 63, 64, 65, 512)
RANDOM_CUTS = tuple(range(3))  # seeds
MAXIMUM = 512


def cut(frames: int, block: int) -> Iterator[int]:
    """Yield block sizes that sum to `frames`: all `block`, or, if that is not positive, random ones of seed |block|."""
    generator = np.random.default_rng(abs(block))
    while frames > 0:
        size = min(frames, block if block > 0 else int(generator.integers(0, MAXIMUM + 1)))
        yield size
        frames -= size


CUTS = (*SIZES, *(-seed for seed in RANDOM_CUTS))


def constant(block, values: dict, frames: int, sample_rate: float = RATE) -> np.ndarray:
    """Return the rows (cells, frames) of one setting."""
    cells = np.float32(block.cells(block.complete(values), sample_rate))
    return np.repeat(cells[:, None], frames, axis=1)


def glide(block, before: dict, after: dict, frames: int, start: int, length: int = 960) -> np.ndarray:
    """Return rows that go linearly from one setting to another, from frame `start` on, for `length` frames."""
    old, new = (np.float32(block.cells(block.complete(values), RATE)) for values in (before, after))
    position = np.float32(np.clip((np.arange(frames) - start) / length, 0.0, 1.0))
    return (old[:, None] + position * (new - old)[:, None]).astype(np.float32)


class Run:
    """An effect that keeps its state from one call to the next."""

    def __init__(self, block):
        self.block = block
        self.state = np.zeros(1, block.state)

    def __call__(self, x, rows: np.ndarray, blocks: Iterable[int] | None = None) -> np.ndarray:
        """Return the output; `rows` is (cells, frames); by default in the longest blocks."""
        x = np.ascontiguousarray(x, np.float32)
        y = np.full(x.size, np.nan, np.float32)
        stride = MAXIMUM + 16
        table = np.full((max(len(rows), 1), stride), np.nan, np.float32)
        header = self.state[0]
        header["parameters"] = table.ctypes.data
        header["parameter_stride"] = stride
        start = 0
        for size in blocks if blocks is not None else cut(x.size, MAXIMUM):
            table[:] = np.nan
            table[: len(rows), :size] = rows[:, start : start + size]
            status = self.block.kernel(
                self.state.ctypes.data, x.ctypes.data + 4 * start, y.ctypes.data + 4 * start, size
            )
            assert status == 0
            start += size
        assert start == x.size
        return y


def run(block, x, values: dict | None = None, sample_rate: float = RATE) -> np.ndarray:
    """Return the output of a fresh effect at one setting."""
    return Run(block)(x, constant(block, values or {}, len(x), sample_rate))


def guitar(frames: int, seed: int = 0) -> np.ndarray:
    """Return decaying plucks with silence between: loud and quiet parts for gates and filters."""
    generator = np.random.default_rng(seed)
    t = np.arange(frames)
    burst = 0.5 * np.exp(-(t % 6000) / 700.0) * np.sin(2 * np.pi * 146.8 * t / RATE)
    return np.float32(burst + 1e-4 * generator.standard_normal(frames))
