"""Each kernel proves itself on this machine: once, after its first compilation, against the plain loop.

A mismatch is reported, and the plain loop plays instead.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

import numpy as np

from ..kernels.conv import OVERHANG
from ..kernels.jit import Kernel, cache_file

TOLERANCE = 1e-4  # of the output's peak: far above rounding, far below any wrong lane or weight
BLOCKS = (64, 5, 17)
warnings: list[str] = []


@dataclass(frozen=True)
class Layer:
    """A kernel with its weights, the fields of its state."""

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
    """Proofs that wait until all kernels of a plan are known, and may be compiled side by side; see `promised`."""

    refused: frozenset[str] = frozenset()
    made: list[tuple] = field(default_factory=list)

    @property
    def kernels(self) -> list[Kernel]:
        """What has to be compiled for the proofs."""
        return [layer.kernel for tiled, loops, *_ in self.made for layer in (tiled, *loops)]

    def broken(self) -> frozenset[str]:
        """Return the names of all kernels that do not compute what their plain loops do."""
        return self.refused | {promise[0].kernel.name for promise in self.made if not agrees(*promise)}


_promises: ContextVar[Promises | None] = ContextVar("promises", default=None)


@contextlib.contextmanager
def promised(refused: frozenset[str]) -> Iterator[Promises]:
    """Believe inside the block that kernels agree with their plain loops, but those named; yield what to prove."""
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
    tiled: Layer, loops: Sequence[Layer], inputs: int, outputs: int, history: int, extras: tuple[int, int] = (0, 0)
) -> bool:
    """Return whether a layer computes what plain loops, each fed by the one before, compute; remembered if so."""
    promises = _promises.get()
    if promises and tiled.kernel.name in promises.refused:
        return False
    proof = cache_file(tiled.kernel).with_suffix(".proved")
    if os.path.exists(proof):
        return True
    if promises:
        promises.made.append((tiled, loops, inputs, outputs, history, extras))
        return True
    error = disagreement([tiled], loops, inputs, outputs, history, extras)
    if not error < TOLERANCE:
        warnings.append(
            f"kernel {tiled.kernel.name} disagrees with the plain loop by {error:.1e} on this processor: using the loop"
        )
        return False
    with contextlib.suppress(OSError):
        proof.parent.mkdir(parents=True, exist_ok=True)
        proof.touch()
    return True


def disagreement(
    one: Sequence[Layer], other: Sequence[Layer], inputs: int, outputs: int, history: int, extras: tuple[int, int]
) -> float:
    """Return the largest difference of two sequences of layers on the same noise, over the peak."""
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


def _run(layer: Layer, x: np.ndarray, history: int, outputs: int, further):
    """Return the output of one layer behind zeros, and what the further signals have become, in blocks."""
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
