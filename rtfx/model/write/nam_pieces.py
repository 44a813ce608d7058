"""What single nodes of a graph are in a NAM WaveNet: linear layers, FiLMs, halves that are gated or blended."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..nodes import Activation, Add, Affine, Conv1d, Dense, Mul, PRelu, Slice
from .nam_activation import IDENTITY, name_of
from .plain_graph import PlainGraph


@dataclass(frozen=True)
class Linear:
    """A dense layer or convolution: weight (out, in/groups, taps)."""

    weight: np.ndarray
    bias: np.ndarray
    dilation: int = 1
    groups: int = 1

    @property
    def pointwise(self) -> bool:
        return self.weight.shape[2] == 1

    @property
    def outputs(self) -> int:
        return self.weight.shape[0]

    def shifted(self, bias: np.ndarray) -> Linear:
        return replace(self, bias=self.bias + bias)

    def dense(self) -> Linear:
        """Return the same layer with one group: zeros between those that it has."""
        outputs, inputs, taps = self.weight.shape
        weight = np.zeros((outputs, inputs * self.groups, taps))
        each = outputs // self.groups
        for group in range(self.groups):
            rows, columns = slice(group * each, (group + 1) * each), slice(group * inputs, (group + 1) * inputs)
            weight[rows, columns] = self.weight[rows]
        return replace(self, weight=weight, groups=1)

    def constant(self, value: np.ndarray) -> np.ndarray:
        """Return what the layer makes of constant features, its bias aside."""
        return self.dense().weight.sum(axis=2) @ value


def identity(width: int) -> Linear:
    """Return the layer that does nothing."""
    return Linear(np.eye(width)[:, :, None], np.zeros(width))


@dataclass(frozen=True)
class Film:
    """A scale, and a shift below it where `shift`, that a 1x1 layer makes of the condition."""

    linear: Linear
    shift: bool


class Pieces:
    """The nodes of a graph as parts of a WaveNet whose layers read the node `condition` beside their input."""

    def __init__(self, graph: PlainGraph, condition: int):
        self.graph, self.condition = graph, condition

    def linear(self, index: int) -> tuple[Linear, int] | None:
        """Return a dense layer, convolution, gain or shift, and its source; one behind the other as one layer."""
        node = self.graph.nodes[index]
        if isinstance(node, Dense):
            return Linear(node.weight[:, :, None], node.bias), node.sources[0]
        if isinstance(node, Conv1d):
            return Linear(node.weight, node.bias, node.dilation, node.groups), node.sources[0]
        if not isinstance(node, Affine):
            return None
        before = self.linear(node.sources[0])
        if before is None:
            return Linear(node.scale[:, None, None], node.shift, groups=node.scale.size), node.sources[0]
        layer, source = before
        scaled = replace(layer, weight=layer.weight * node.scale[:, None, None], bias=layer.bias * node.scale)
        return scaled.shifted(node.shift), source

    def pointwise(self, index: int) -> tuple[Linear, int] | None:
        """Return a linear layer of one tap."""
        found = self.linear(index)
        return found if found and found[0].pointwise else None

    def terms(self, index: int) -> list[int]:
        """Return what a node is the sum of; the sums in FiLMs and blends are not taken apart."""
        node = self.graph.nodes[index]
        if not isinstance(node, Add) or self.film(index)[1] or self._blend(index):
            return [index]
        return [term for source in node.sources for term in self.terms(source)]

    def film(self, index: int) -> tuple[int, Film | None]:
        """Return the signal that a FiLM changes and the FiLM; without one the node itself."""
        node = self.graph.nodes[index]
        if len(node.sources) != 2 or not isinstance(node, (Add, Mul)):
            return index, None
        for x, y in (node.sources, node.sources[::-1]):
            if isinstance(node, Mul):
                scale = self._from_condition(y)
                if scale and scale.outputs == self.graph.widths[x]:
                    return x, Film(scale, shift=False)
                continue
            product, shift = self.graph.nodes[x], self.graph.nodes[y]
            if not isinstance(product, Mul) or not isinstance(shift, Slice) or len(product.sources) != 2:
                continue
            for inner, place in (product.sources, product.sources[::-1]):
                scale_part = self.graph.nodes[place]
                if not isinstance(scale_part, Slice) or scale_part.sources != shift.sources:
                    continue
                width = self.graph.widths[inner]
                both = self._from_condition(shift.sources[0])
                bounds = (scale_part.start, scale_part.stop, shift.start, shift.stop)
                if both and both.outputs == 2 * width and bounds == (0, width, width, 2 * width):
                    return inner, Film(both, shift=True)
        return index, None

    def gate(self, index: int) -> tuple[str, Any, Any, int]:
        """Return a layer's gating mode, its two activations, and the signal before them."""
        node = self.graph.nodes[index]
        if (blend := self._blend(index)) is not None:
            return blend
        if isinstance(node, Mul) and len(node.sources) == 2:
            return self._gated(index)
        if isinstance(node, (Activation, PRelu)):
            return "none", name_of(self.graph, index), None, self.graph.source(index)
        return "none", IDENTITY, None, index

    def _from_condition(self, index: int) -> Linear | None:
        found = self.pointwise(index)
        return found[0] if found and found[1] == self.condition else None

    def _half(self, index: int) -> tuple[Any, Slice] | None:
        """Return the name of an activation, and the part of a signal that it is applied to."""
        node = self.graph.nodes[index]
        if isinstance(node, Slice):
            return IDENTITY, node
        if not isinstance(node, (Activation, PRelu)) or not isinstance(self.graph.nodes[node.sources[0]], Slice):
            return None
        half = self.graph.nodes[node.sources[0]]
        return (name_of(self.graph, index), half) if isinstance(half, Slice) else None

    def _whole(self, first: Slice, second: Slice) -> bool:
        """Whether two slices are the first and the second half of one signal."""
        half = self.graph.widths[first.sources[0]] / 2
        return first.sources == second.sources and (first.start, first.stop, second.start) == (0, half, half)

    def _gated(self, index: int) -> tuple[str, Any, Any, int]:
        halves = [self._half(source) for source in self.graph.nodes[index].sources]
        for one, other in (halves, halves[::-1]):
            if one and other and self._whole(one[1], other[1]):
                return "gated", one[0], other[0], one[1].sources[0]
        self.graph.fail(index, "multiplies two signals, expected the two halves of one convolution, each activated")

    def _blend(self, index: int) -> tuple[str, Any, Any, int] | None:
        """Return ``z + g (a - z)``: a and z of the first half, g of the second."""
        nodes, node = self.graph.nodes, self.graph.nodes[index]
        for plain, change in (node.sources, node.sources[::-1]) if len(node.sources) == 2 else ():
            product, first = nodes[change], nodes[plain]
            if not isinstance(node, Add) or not isinstance(product, Mul) or not isinstance(first, Slice):
                continue
            for gate, difference in (product.sources, product.sources[::-1]) if len(product.sources) == 2 else ():
                if not isinstance(nodes[difference], Add) or len(nodes[difference].sources) != 2:
                    continue
                for active, minus in (nodes[difference].sources, nodes[difference].sources[::-1]):
                    lessened, half, second = self.graph.gain(minus), self._half(active), self._half(gate)
                    if lessened is None or not (lessened == -1).all() or nodes[minus].sources != (plain,):
                        continue
                    if half and second and half[1] is first and self._whole(first, second[1]):
                        return "blended", half[0], second[0], first.sources[0]
        return None
