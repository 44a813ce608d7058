"""What a tensor of an exported program is as a stream: a node, where its features and frames are, and when.

Element j of a tensor's time axis is frame ``j period + shift`` of its node, which is causal. A convolution without
padding moves the shift up by what it looks back, zeros put before the signal move it down. Where tensors of unequal
shift meet, the earlier ones are delayed: so padding, cropping and residual paths come out as PyTorch has them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from ....errors import UnsupportedArchitecture
from ...graph import Graph
from ...limits import RECEPTIVE_FIELD, WIDTH, at_most
from ...nodes import Conv1d, Dense, Node

TIME, FEATURE, ONE = "time", "feature", "one"


@dataclass(frozen=True)
class Signal:
    """A tensor; `axes` names each axis, a single feature has none. A `steady` one is the same at every frame."""

    node: int
    width: int
    axes: tuple[str, ...]
    shift: int = 0
    period: int = 1
    steady: bool = False


@dataclass(frozen=True)
class Unfinished:
    """Part of an activation that PyTorch's decompositions take apart: there is a layer for the whole alone."""

    kind: str
    signal: Signal
    limit: float = 0.0


Value = Any  # Signal, numpy.ndarray of constants, a list of these, or None


class SignalGraph(Graph):
    """A graph of signals, and the words for what cannot become one."""

    def __init__(self) -> None:
        super().__init__()
        self.absolute: dict[int, int] = {}  # nodes that are |x|, and x
        self.place = ""  # of the operation being read, for messages
        self.module = ""  # the class of the module that it comes from

    def fail(self, why: str) -> NoReturn:
        raise UnsupportedArchitecture(f"{self.place}: {why}")

    def add(self, node: Node) -> int:
        at_most(node.width, WIDTH, "features")
        return super().add(node)

    def follow(self, signal: Signal, node: Node) -> Signal:
        """Append a node that reads a signal."""
        return replace(signal, node=self.add(node), width=node.width or signal.width)

    def signal(self, value: Value, what: str = "its input") -> Signal:
        """Return a value that must depend on the input."""
        if isinstance(value, Unfinished):
            self.fail(f"uses {value.kind}, which rtfx knows as part of an activation only")
        if not isinstance(value, Signal):
            self.fail(f"{what} does not depend on the audio, expected a signal")
        return value

    def constant(self, value: Value, what: str) -> np.ndarray:
        """Return a value that must not depend on the input."""
        if not isinstance(value, np.ndarray):
            self.fail(f"{what} depends on the audio, expected a fixed tensor")
        return value

    def laid_out(self, signal: Signal, *axes: str) -> Signal:
        """Return a signal whose axes must be these; a single feature may be at any axis of size 1."""
        found = [ONE if axis == FEATURE and signal.width == 1 else axis for axis in signal.axes]
        wanted = [ONE if axis == FEATURE and signal.width == 1 else axis for axis in axes]
        if signal.steady and TIME not in found:
            wanted = [ONE if axis == TIME else axis for axis in wanted]
        if found != wanted:
            self.fail(
                f"reads ({', '.join(signal.axes)}), expected ({', '.join(axes)}): export it with an input so laid out"
            )
        return signal

    def delayed(self, signal: Signal, shift: int) -> Signal:
        """Return a signal of a later shift."""
        if signal.steady or shift == signal.shift:
            return replace(signal, shift=shift)
        frames = at_most(shift - signal.shift, RECEPTIVE_FIELD, "frames of delay")
        weight = np.tile(np.array([1.0, 0.0]), (signal.width, 1, 1))
        node = Conv1d((signal.node,), weight, np.zeros(signal.width), dilation=frames, groups=signal.width)
        return replace(self.follow(signal, node), shift=shift)

    def aligned(self, signals: list[Signal]) -> list[Signal]:
        """Return signals of one shift and rate."""
        moving = [signal for signal in signals if not signal.steady]
        if len({signal.period for signal in moving}) > 1:
            self.fail("joins signals of unequal strides, expected equal ones")
        if not moving:
            return signals
        latest = max(signal.shift for signal in moving)
        return [replace(self.delayed(signal, latest), period=moving[0].period) for signal in signals]

    def spread(self, signal: Signal, width: int) -> Signal:
        """Return a signal of one feature as one of several equal ones."""
        if signal.width == width:
            return signal
        if signal.width != 1:
            self.fail(f"joins {signal.width} and {width} features, expected equal numbers")
        return self.follow(signal, Dense((signal.node,), np.ones((width, 1)), np.zeros(width)))

    def merged_axes(self, a: tuple[str, ...], b: tuple[str, ...]) -> tuple[str, ...]:
        """Return the axes of two tensors broadcast against each other, from the last axis back."""
        longest = max(len(a), len(b))
        a, b = (ONE,) * (longest - len(a)) + a, (ONE,) * (longest - len(b)) + b
        if any(x != y and ONE not in (x, y) for x, y in zip(a, b, strict=True)):
            self.fail(f"joins ({', '.join(a)}) and ({', '.join(b)}), expected the same axes")
        merged = tuple(y if x == ONE else x for x, y in zip(a, b, strict=True))
        if merged.count(TIME) > 1 or merged.count(FEATURE) > 1:
            self.fail("spreads one signal over another's axis, expected the same axes")
        return merged
