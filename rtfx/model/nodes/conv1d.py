"""A causal convolution over the frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import ShapeMismatch
from .node import Node, count, tensor


@dataclass(frozen=True, eq=False)
class Conv1d(Node):
    """y[t] = b + sum over k of W[:, :, k] x[t - (taps - 1 - k) dilation]: the last tap is the present frame.

    Parameters
    ----------
    weight : numpy.ndarray
        (out, in / groups, taps).
    bias : numpy.ndarray
        (out,).
    dilation : int
        Frames between two neighbouring taps.
    groups : int
        Number of equal parts of the features; each part is convolved separately.
    """

    weight: np.ndarray = tensor(3)
    bias: np.ndarray = tensor(1)
    dilation: int = count(1)
    groups: int = count(1)

    @property
    def width(self) -> int:
        return self.weight.shape[0]

    @property
    def history(self) -> int:
        return (self.weight.shape[2] - 1) * self.dilation

    def shapes(self, incoming: Sequence[int]) -> dict[str, tuple[int, ...]]:
        return {
            "weight": (self.width, incoming[0] // self.groups, self.weight.shape[2]),
            "bias": (self.width,),
        }

    def check(self, incoming: Sequence[int], where: str) -> None:
        if self.groups < 1 or incoming[0] % self.groups or (self.weight.ndim and self.width % self.groups):
            raise ShapeMismatch(f"{where}: {self.groups} groups do not divide {incoming[0]} and {self.width} features")
        if self.dilation < 1:
            raise ShapeMismatch(f"{where}: dilation is {self.dilation}, expected at least 1")
        super().check(incoming, where)

    def evaluate(self, sources: list[np.ndarray]) -> np.ndarray:
        (x,) = sources
        # skip the older taps: they read only the zeros before the first frame
        reached = 1 + max(0, x.shape[1] - 1) // self.dilation
        weight = self.weight[:, :, -reached:]
        outputs, inputs, taps = weight.shape
        frames, groups, history = x.shape[1], self.groups, (taps - 1) * self.dilation
        padded = np.concatenate([np.zeros((x.shape[0], history), x.dtype), x], axis=1).reshape(groups, inputs, -1)
        weight = weight.astype(x.dtype).reshape(groups, outputs // groups, inputs, taps)
        y = np.repeat(self.bias.astype(x.dtype)[:, None], frames, axis=1).reshape(groups, outputs // groups, frames)
        for tap in range(taps):
            start = tap * self.dilation
            y += weight[..., tap] @ padded[:, :, start : start + frames]
        return y.reshape(outputs, frames)

    def settled(self, sources: list[np.ndarray]) -> np.ndarray:
        return replace(self, weight=self.weight.sum(axis=2, keepdims=True)).evaluate(sources)

    def evaluate_settled(self, sources: list[np.ndarray], before: list[np.ndarray]) -> np.ndarray:
        # the convolution is linear: convolve the difference from `before`, then add the convolution of `before`
        difference = replace(self, bias=0.0 * self.bias).evaluate([sources[0] - before[0]])
        return difference + self.settled(before)

    def stretched(self, factor: float) -> Conv1d:
        return replace(self, dilation=round(self.dilation * factor))
