"""Lowers inputs, and nodes that work frame by frame: activations, gains, sums, products, slices and joins."""

from __future__ import annotations

from ...kernels import elementwise, resample
from ...kernels.activations import code_of
from ...kernels.elementwise import rows_kernel
from ...kernels.processor import lanes
from ...model.nodes import Activation, Add, Affine, Concat, Hold, Input, Mul, PRelu, Slice
from ..arena import Signal
from .lower import Lowering, lowers


@lowers(Input)
def lower_input(lowering: Lowering, index: int, node: Input, sources: list[Signal]) -> Signal:
    if node.role != "audio":
        return lowering.controls[node.name if node.role == "knob" else "sample_period"]
    signal = lowering.audio.rows(lowering.channel, node.channels)
    lowering.channel += node.channels
    return signal


@lowers(Activation)
def lower_activation(lowering: Lowering, index: int, node: Activation, sources: list[Signal]) -> Signal:
    if node.kind == "softmax":
        return lowering.rows(elementwise.SOFTMAX, sources[0])
    return lowering.rows(code_of(node.kind), sources[0], elementwise.pack(node.constants))


@lowers(PRelu)
def lower_prelu(lowering: Lowering, index: int, node: PRelu, sources: list[Signal]) -> Signal:
    return lowering.rows(elementwise.PRELU, sources[0], elementwise.pack(node.alpha))


@lowers(Affine)
def lower_affine(lowering: Lowering, index: int, node: Affine, sources: list[Signal]) -> Signal:
    return lowering.rows(elementwise.AFFINE, sources[0], elementwise.pack(node.scale, node.shift))


@lowers(Add)
def lower_add(lowering: Lowering, index: int, node: Add, sources: list[Signal]) -> Signal:
    """Add the sources, except those that a layer's kernel adds to the sum itself."""
    total, done = lowering.sums.get(index, (None, []))
    for source in node.sources:
        if source not in done:
            signal = lowering.signals[source]
            total = signal if total is None else lowering.rows(elementwise.ADD, total, extra=(signal,))
    assert total is not None
    return total


@lowers(Mul)
def lower_mul(lowering: Lowering, index: int, node: Mul, sources: list[Signal]) -> Signal:
    product, *others = sources
    for other in others:
        product = lowering.rows(elementwise.MUL, product, extra=(other,))
    return product


@lowers(Slice)
def lower_slice(lowering: Lowering, index: int, node: Slice, sources: list[Signal]) -> Signal:
    return sources[0].rows(node.start, node.width)


@lowers(Concat)
def lower_concat(lowering: Lowering, index: int, node: Concat, sources: list[Signal]) -> Signal:
    target = lowering.builder.buffer(sum(source.width for source in sources))
    row = 0
    for source in sources:
        lowering.builder.step(rows_kernel(0, source.width, lanes()), source, target.rows(row, source.width))
        row += source.width
    return target


@lowers(Hold)
def lower_hold(lowering: Lowering, index: int, node: Hold, sources: list[Signal]) -> Signal:
    source = lowering.with_history(sources[0], node.stride - 1)
    fields = {"rows": source.width, "stride": node.stride, "phase": node.phase, "zeros": node.between == "zero"}
    target = lowering.builder.buffer(source.width)
    return lowering.builder.step(resample.HOLD, source, target, dtype=resample.HOLD_STATE, **fields)
