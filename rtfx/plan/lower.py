"""From a ModelSpec to steps: folds what is linear, fuses what shares data, gives each node a kernel and a buffer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import UnsupportedArchitecture
from ..kernels import elementwise, hold, stack
from ..kernels.codes import code_of
from ..kernels.elementwise import rows_kernel
from ..kernels.processor import lanes
from ..model.spec import (
    Activation,
    Add,
    Affine,
    Concat,
    Conv1d,
    Dense,
    Gru,
    Hold,
    Input,
    Lstm,
    ModelSpec,
    Mul,
    PRelu,
    Rnn,
    Slice,
)
from . import choose, series
from .builder import Builder, Signal
from .fuse import Match, matches
from .layers import Described, described, wavenet_layer
from .prove import Layer
from .rewrite import rewrite

FUSED_OUTPUTS = 4  # widest dense layer computed inside a recurrent kernel


def lower(spec: ModelSpec, builder: Builder, audio: Signal, controls: dict[str, Signal]) -> Signal:
    """Append the model's steps; return its output.

    Parameters
    ----------
    audio : Signal
        As wide as the model's audio inputs.
    controls : dict
        One row per knob name, and ``sample_period`` where the model asks for it.
    """
    return _Lowering(spec, builder, audio, controls).run()


class _Lowering:
    def __init__(self, spec, builder, audio, controls):
        self.spec, self.builder, self.audio, self.controls = spec, builder, audio, controls
        self.nodes: Sequence[Any] = rewrite(spec.nodes)
        self.users: list[list[int]] = [[] for _ in self.nodes]
        for index, node in enumerate(self.nodes):
            for source in node.sources:
                self.users[source].append(index)
        self.signals: dict[int, Signal] = {}
        self.sums: dict[int, tuple[Signal, list[int]]] = {}  # head sums under way: signal, sources already in it
        self.layers = {found.conv: found for found in matches(self.nodes, self.users)}
        self.absorbed = {node for found in self.layers.values() for node in found.inside}
        self.channel = 0

    def run(self) -> Signal:
        for index in range(len(self.nodes)):
            if index not in self.signals and index not in self.absorbed:
                self._lower(index)
        return self.signals[len(self.nodes) - 1]

    def _next(self, index: int, kind) -> int | None:
        """Return the node that alone uses this one, if it is of a kind."""
        users = self.users[index]
        return users[0] if len(users) == 1 and isinstance(self.nodes[users[0]], kind) else None

    def _lower(self, index: int) -> None:
        node = self.nodes[index]
        if index in self.layers:
            run = series.joined(self.nodes, self.users, self.layers, self.layers[index])
            if len(run) < 2 or not self._wavenets(run):
                self._wavenet(self.layers[index])
            return
        sources = [] if isinstance(node, Add) else [self.signals[s] for s in node.sources]
        if isinstance(node, Input):
            self.signals[index] = self._input(node)
        elif isinstance(node, Dense | Conv1d):
            self._linear(index, node, sources[0])
        elif isinstance(node, Lstm | Gru):
            self._recurrent(index, node, sources[0])
        elif isinstance(node, Rnn):
            self.signals[index] = self._layer(choose.elman_layer(node), sources[0], self.builder.buffer(node.width))
        elif isinstance(node, Activation) and node.kind == "softmax":
            self.signals[index] = self._rows(elementwise.SOFTMAX, sources[0])
        elif isinstance(node, Activation):
            self.signals[index] = self._rows(code_of(node.kind), sources[0], elementwise.pack(node.constants))
        elif isinstance(node, PRelu):
            self.signals[index] = self._rows(elementwise.PRELU, sources[0], elementwise.pack(node.alpha))
        elif isinstance(node, Affine):
            self.signals[index] = self._rows(elementwise.AFFINE, sources[0], elementwise.pack(node.scale, node.shift))
        elif isinstance(node, Add):
            self.signals[index] = self._sum(index, node)
        elif isinstance(node, Mul):
            product = sources[0]
            for other in sources[1:]:
                product = self._rows(elementwise.MUL, product, extra=(other,))
            self.signals[index] = product
        elif isinstance(node, Slice):
            self.signals[index] = sources[0].rows(node.start, node.width)
        elif isinstance(node, Concat):
            self.signals[index] = self._concat(sources)
        elif isinstance(node, Hold):
            self.signals[index] = self._hold(node, sources[0])
        else:
            raise UnsupportedArchitecture(
                f"{self.spec.name}: no kernel for node {index} ({type(node).__name__.lower()})"
            )

    def _hold(self, node: Hold, source: Signal) -> Signal:
        source = self._with_history(source, node.stride - 1)
        fields = {"rows": source.width, "stride": node.stride, "phase": node.phase, "zeros": node.between == "zero"}
        return self.builder.step(hold.HOLD, source, self.builder.buffer(source.width), dtype=hold.STATE, **fields)

    def _sum(self, index: int, node: Add) -> Signal:
        """Add what layers have not already added."""
        total, done = self.sums.get(index, (None, []))
        for source in node.sources:
            if source not in done:
                signal = self.signals[source]
                total = signal if total is None else self._rows(elementwise.ADD, total, extra=(signal,))
        assert total is not None
        return total

    def _wavenet(self, found: Match) -> None:
        """Append one WaveNet layer."""
        conv = self.nodes[found.conv]
        source = self._with_history(self.signals[conv.sources[0]], (conv.weight.shape[2] - 1) * conv.dilation)
        layer, shape = wavenet_layer(self.nodes, found, found.head_sum not in self.sums)
        head: Any = None
        if found.head_sum is not None:
            head = self._head(found, shape.head_rows)
        condition = self.signals[self.nodes[found.condition].sources[0]] if found.condition is not None else None
        width = shape.outputs or (shape.features if shape.exposed else 0)
        target = self.builder.buffer(width) if width else head
        extra = (condition or head or source, head or source)
        self.builder.step(layer.kernel, source, target, extra, layer.weights, layer.dtype, **layer.fields)
        if found.output is not None:
            self.signals[found.output] = target
        elif shape.exposed:
            self.signals[found.features] = target

    def _wavenets(self, run: Sequence[Match]) -> bool:
        """Append layers in series as one step; return whether there is a kernel for them."""
        begins = run[0].head_sum not in self.sums
        parts = [described(self.nodes, found, begins and found is run[0]) for found in run]
        condition = self.signals[self.nodes[run[0].condition].sources[0]] if run[0].condition is not None else None
        if (layer := series.series_layer(parts)) is None:
            return False
        head = None
        for found in run if run[0].head_sum is not None else ():
            head = self._head(found, parts[0].shape.head_rows)
        *inner, last = [found.output for found in run if found.output is not None]
        self.signals[last] = self._series(parts, layer, run[0].conv, condition, head)
        self.absorbed |= {*inner, *(found.conv for found in run)}
        return True

    def _series(self, parts: Sequence[Described], layer: Layer, conv: int, condition=None, head=None) -> Signal:
        """Append the step of layers in series; return the last one's output."""
        width = parts[0].shape.inputs
        source = self._with_history(self.signals[self.nodes[conv].sources[0]], parts[0].history)
        target = self.builder.buffer(width * len(parts))
        self.builder.remember(target, max(part.history for part in parts[1:]))
        extra = (condition or head or source, head or source)
        self.builder.step(layer.kernel, source, target, extra, layer.weights, layer.dtype, **layer.fields)
        return target.rows(width * (len(parts) - 1), width)

    def _head(self, found: Match, rows: int) -> Signal:
        """Return the head sum that a layer joins."""
        assert found.head_sum is not None
        if found.head_sum not in self.sums:
            self.sums[found.head_sum] = self.builder.buffer(rows), []
        total, done = self.sums[found.head_sum]
        done.append(found.features if found.head is None else found.head)
        return total

    def _input(self, node: Input) -> Signal:
        if node.role != "audio":
            return self.controls[node.name if node.role == "knob" else "sample_period"]
        signal = self.audio.rows(self.channel, node.channels)
        self.channel += node.channels
        return signal

    def _rows(self, operation: int, source: Signal, weights=None, extra=()) -> Signal:
        """Append one elementwise step into a new buffer."""
        kernel = rows_kernel(operation, source.width, lanes())
        return self.builder.step(kernel, source, self.builder.buffer(source.width), extra=extra, weights=weights)

    def _concat(self, sources) -> Signal:
        target = self.builder.buffer(sum(s.width for s in sources))
        row = 0
        for source in sources:
            self.builder.step(rows_kernel(0, source.width, lanes()), source, target.rows(row, source.width))
            row += source.width
        return target

    def _linear(self, index: int, node, source: Signal) -> None:
        """Append a dense or convolution layer, the activation behind it fused."""
        run = series.stacked(self.nodes, self.users, index)
        if len(run) > 1:
            parts = [series.plain_layer(self.nodes[conv], self.nodes[kind]) for conv, kind in run]
            if (several := series.series_layer(parts)) is not None:
                self.signals[run[-1][1]] = self._series(parts, several, index)
                self.absorbed |= {node for pair in run for node in pair}
                return
        covered, activation = [index], None
        following = self._next(index, Activation)
        if following is not None and self.nodes[following].kind != "softmax":
            activation = self.nodes[following]
            covered.append(following)
        taps, dilation, groups = 1, 1, 1
        if isinstance(node, Conv1d):
            taps, dilation, groups = node.weight.shape[2], node.dilation, node.groups
        source = self._with_history(source, (taps - 1) * dilation)
        target = self.builder.buffer(node.width)
        per_in, per_out = source.width // groups, node.width // groups
        for g in range(groups):
            inputs, outputs = slice(g * per_in, (g + 1) * per_in), slice(g * per_out, (g + 1) * per_out)
            layer = choose.conv_layer(node, activation, outputs)
            part_in, part_out = source.rows(inputs.start, per_in), target.rows(outputs.start, per_out)
            self._layer(layer, part_in, part_out)
        self.signals.update(dict.fromkeys(covered, target))

    def _recurrent(self, index: int, node, source: Signal) -> None:
        """Append a recurrent layer, or as many as feed each other in one step; a small dense layer behind it fused."""
        indices = self._stack(index, node)
        dense, following = self._dense_behind(indices[-1])
        layer = choose.recurrent_stack([self.nodes[i] for i in indices], dense) if len(indices) > 1 else None
        if layer is None:
            indices = [index]
            dense, following = self._dense_behind(index)
            layer = choose.recurrent_layer(node, dense)
        target = self.builder.buffer(dense.width if dense else node.width)
        self._layer(layer, source, target)
        self.signals.update(dict.fromkeys([*indices, *following], target))

    def _stack(self, index: int, node) -> list[int]:
        """Return this recurrent layer and those behind it that one kernel can compute with it."""
        indices = [index]
        while len(indices) < stack.DEEPEST and node.width <= stack.LARGEST:
            above = self._next(indices[-1], type(node))
            if above is None or self.nodes[above].width != node.width or node.delay != 1.0:
                break
            indices.append(above)
        return indices

    def _dense_behind(self, index: int) -> tuple[Dense | None, list[int]]:
        """Return the dense layer behind a node if it is small enough to be fused, and its index."""
        following = self._next(index, Dense)
        if following is None or self.nodes[following].width > FUSED_OUTPUTS:
            return None, []
        return self.nodes[following], [following]

    def _layer(self, layer: Layer, source: Signal, target: Signal) -> Signal:
        fields = layer.fields
        return self.builder.step(layer.kernel, source, target, weights=layer.weights, dtype=layer.dtype, **fields)

    def _with_history(self, source: Signal, frames: int) -> Signal:
        """Have the source's buffer keep its past; parameter rows have none, so they are copied first."""
        if frames and source.buffer == 0:
            source = self._rows(0, source)
        if frames:
            self.builder.remember(source, frames)
        return source
