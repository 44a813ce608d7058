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
    """An effect that keeps its state from one call to the next.

    Attributes
    ----------
    state : record array of one
        With the constants of the effect; its memory lies behind it in `raw`.
    """

    def __init__(self, block, sample_rate: float = RATE):
        self.block = block
        kind = block.state_at(sample_rate)
        self.raw = np.zeros(kind.itemsize + 64, np.uint8)
        begin = -self.raw.ctypes.data % 64
        self.state = self.raw[begin : begin + kind.itemsize].view(kind)
        for name, value in block.constants(sample_rate).items():
            self.state[0][name] = value

    @property
    def memory(self) -> np.ndarray:
        """The float32 numbers behind the state."""
        begin = self.state.ctypes.data - self.raw.ctypes.data
        return self.raw[begin + self.block.state.itemsize : begin + self.state.itemsize].view(np.float32)

    def __call__(self, x, rows: np.ndarray, blocks: Iterable[int] | None = None, key=None) -> np.ndarray:
        """Return the output.

        Parameters
        ----------
        x : (frames,) or (channels, frames) array
        rows : (cells, frames) array
        blocks : iterable of int, optional
            Their sizes; the longest by default.
        key : array like x, optional
            The side input.

        Returns
        -------
        (frames,) array if `x` has that shape and one channel comes out, else (channels, frames).
        """
        plain = np.ndim(x) == 1
        x = np.ascontiguousarray(np.atleast_2d(x), np.float32)
        inputs, frames = x.shape
        if self.block.channels == "each" and inputs > 1:
            raise ValueError("one channel is expected: the plan calls this kernel for each channel")
        outputs = {"each": 1, "mono": 1, "linked": inputs, "stereo": 2}[self.block.channels]
        y = np.full((outputs, frames), np.nan, np.float32)
        stride = MAXIMUM + 16
        table = np.full((max(len(rows), 1), stride), np.nan, np.float32)
        header = self.state[0]
        header["parameters"] = table.ctypes.data
        header["parameter_stride"] = stride
        header["inputs"], header["outputs"] = inputs, outputs
        header["in_stride"], header["out_stride"] = frames, frames
        side = None if key is None else np.ascontiguousarray(np.atleast_2d(key), np.float32)
        start = 0
        for size in blocks if blocks is not None else cut(frames, MAXIMUM):
            table[:] = np.nan
            table[: len(rows), :size] = rows[:, start : start + size]
            if side is not None:
                header["extra"][0], header["extra_stride"][0] = side.ctypes.data + 4 * start, frames
            status = self.block.kernel(
                self.state.ctypes.data, x.ctypes.data + 4 * start, y.ctypes.data + 4 * start, size
            )
            assert status == 0
            start += size
        assert start == frames
        return y[0] if plain and outputs == 1 else y


def run(block, x, values: dict | None = None, sample_rate: float = RATE, key=None) -> np.ndarray:
    """Return the output of a fresh effect at one setting."""
    return Run(block, sample_rate)(x, constant(block, values or {}, np.shape(x)[-1], sample_rate), key=key)


def guitar(frames: int, seed: int = 0) -> np.ndarray:
    """Return decaying plucks with silence between: loud and quiet parts for gates and filters."""
    generator = np.random.default_rng(seed)
    t = np.arange(frames)
    burst = 0.5 * np.exp(-(t % 6000) / 700.0) * np.sin(2 * np.pi * 146.8 * t / RATE)
    return np.float32(burst + 1e-4 * generator.standard_normal(frames))
