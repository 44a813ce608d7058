"""Compares each kernel with a plain loop on this machine, once, after its first compilation.

If their outputs differ, the user is told, and the plain loop is used instead.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..kernels.cache import cache_file
from ..kernels.conv import OVERHANG
from ..kernels.kernel import Kernel

TOLERANCE = 1e-4  # of the output's peak: far above rounding errors, far below the error of a wrong lane or weight
BLOCKS = (64, 5, 17)
TIMED = 30  # blocks that are timed; the fastest counts
BY_LOOP, BY_LAYER = "the loop plays instead", "its layers play one by one instead"


@dataclass(frozen=True)
class Layer:
    """A kernel with its weights and the values of the fields of its state."""

    kernel: Kernel
    dtype: np.dtype
    weights: np.ndarray
    fields: dict

    def state(self, in_stride: int, out_stride: int) -> np.ndarray:
        """Return the record that the kernel is called with outside a plan; strides in floats."""
        state = np.zeros(1, self.dtype)
        for name, value in self.fields.items():
            state[name] = value
        state["in_stride"], state["out_stride"], state["weights"] = in_stride, out_stride, self.weights.ctypes.data
        return state


@dataclass
class Promises:
    """Checks that are postponed until all kernels of a plan are known, so that these compile in parallel."""

    refused: Mapping[str, str] = field(default_factory=dict)
    made: list[tuple] = field(default_factory=list)

    @property
    def kernels(self) -> list[Kernel]:
        """The kernels that have to be compiled for the checks."""
        return [layer.kernel for tiled, loops, *_ in self.made for layer in (tiled, *loops)]

    def broken(self) -> dict[str, str]:
        """Return the kernels that differ from their plain loops: name -> message for the user."""
        said = {promise[0].kernel.name: _refusal(*promise) for promise in self.made}
        return {**self.refused, **{name: words for name, words in said.items() if words}}


_promises: ContextVar[Promises | None] = ContextVar("promises", default=None)


@contextlib.contextmanager
def promised(refused: Mapping[str, str]) -> Iterator[Promises]:
    """Postpone the checks of kernels inside the `with` block; yield the postponed checks.

    Kernels count as correct inside the block, except those in `refused` (name -> message).
    """
    promises = Promises(refused)
    token = _promises.set(promises)
    try:
        yield promises
    finally:
        _promises.reset(token)


def proved(
    tiled: Layer, loop: Layer, inputs: int, outputs: int, history: int, extras: tuple[int, int] = (0, 0)
) -> Layer:
    """Return `tiled` if it agrees with `loop` on noise, else `loop`.

    `extras` are the rows of the two further signals that the kernel reads or adds to.
    """
    return tiled if agrees(tiled, [loop], inputs, outputs, history, extras) else loop


def agrees(
    tiled: Layer,
    loops: Sequence[Layer],
    inputs: int,
    outputs: int,
    history: int,
    extras: tuple[int, int] = (0, 0),
    instead: str = BY_LOOP,
) -> bool:
    """Return whether a layer computes the same as a series of plain loops; a positive result is stored on disk."""
    promises = _promises.get()
    if promises and tiled.kernel.name in promises.refused:
        return False
    if os.path.exists(_proof(tiled)):
        return True
    promise = (tiled, loops, inputs, outputs, history, extras, instead)
    if promises:
        promises.made.append(promise)
        return True
    return not _refusal(*promise)


def _proof(tiled: Layer) -> Path:
    return cache_file(tiled.kernel).with_suffix(".proved")


def _refusal(tiled: Layer, loops: Sequence[Layer], inputs: int, outputs: int, history: int, extras, instead) -> str:
    """Return why a kernel is not used and what replaces it; if it is correct, store that on disk and return ""."""
    error = disagreement([tiled], loops, inputs, outputs, history, extras)
    if error < TOLERANCE:
        with contextlib.suppress(OSError):
            _proof(tiled).parent.mkdir(parents=True, exist_ok=True)
            _proof(tiled).touch()
        return ""
    words = f"kernel {tiled.kernel.name} disagrees with the plain loop by {error:.1e} on this processor: {instead}"
    if instead != BY_LOOP:
        return words
    slower = _cost(loops[0], inputs, outputs, history, extras) / _cost(tiled, inputs, outputs, history, extras)
    return f"{words} and takes {slower:.1f} times as long"


def disagreement(
    one: Sequence[Layer], other: Sequence[Layer], inputs: int, outputs: int, history: int, extras: tuple[int, int]
) -> float:
    """Return the largest difference of the outputs of two sequences of layers for the same noise, over the peak."""
    total = sum(BLOCKS)
    noise = np.random.Generator(np.random.Philox(1))
    x = noise.standard_normal((inputs, history + total + OVERHANG)).astype(np.float32)
    width = max(BLOCKS) + OVERHANG
    further = [[noise.standard_normal((max(rows, 1), width)).astype(np.float32) for rows in extras] for _ in BLOCKS]
    results = []
    for layers in (one, other):
        signal, given = x, further
        for layer in layers:
            signal, given = _run(layer, signal, history, outputs, given)
        heads = [rows[:, :frames].ravel() for frames, extra in zip(BLOCKS, given, strict=True) for rows in extra]
        results.append(np.concatenate([signal[:outputs, history : history + total].ravel(), *heads]).astype(np.float64))
    peak = float(np.abs(results[1]).max())
    error = float(np.abs(results[0] - results[1]).max()) / max(peak, 1e-9)
    return error if math.isfinite(error) else math.inf


def _cost(layer: Layer, inputs: int, outputs: int, history: int, extras: tuple[int, int]) -> float:
    """Return the seconds that a layer takes for a block of `BLOCKS[0]` frames, the shortest of `TIMED` runs."""
    frames = BLOCKS[0]
    rows = max(inputs, outputs, int(layer.fields.get("hidden", 0)), 1)
    x, y = (np.zeros((rows, history + frames + OVERHANG), np.float32) for _ in range(2))
    extra = [np.zeros((max(rows, 1), frames + OVERHANG), np.float32) for rows in extras]
    state = layer.state(x.shape[1], y.shape[1])
    state["extra_stride"] = extra[0].shape[1]
    state["extra"] = [rows.ctypes.data for rows in extra]
    arguments = (state.ctypes.data, *(one.ctypes.data + 4 * history for one in (x, y)), frames)
    seconds = []
    for _ in range(TIMED):
        start = time.perf_counter()
        layer.kernel(*arguments)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _run(layer: Layer, x: np.ndarray, history: int, outputs: int, further):
    """Return the output of one layer after a history of zeros, and its further signals after each block."""
    series = int(layer.fields.get("layers", 1))
    rows = max(outputs, int(layer.fields.get("hidden", 0)), 1)
    y = np.zeros((series * rows, history + sum(BLOCKS) + OVERHANG), np.float32)
    state = layer.state(x.shape[1], y.shape[1])
    state["extra_stride"] = further[0][0].shape[1]
    done, extras = history, []
    for frames, given in zip(BLOCKS, further, strict=True):
        extra = [rows.copy() for rows in given]
        state["extra"] = [rows.ctypes.data for rows in extra]
        layer.kernel(state.ctypes.data, x.ctypes.data + 4 * done, y.ctypes.data + 4 * done, frames)
        done += frames
        extras.append(extra)
    return y[(series - 1) * rows :], extras
