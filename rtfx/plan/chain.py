"""From a chain of blocks to a plan: every block on every channel, its parameters as cells, models lowered to layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..effects import klon_circuit, knob_smoother, switch
from ..effects.dcblock import DCBLOCK
from ..effects.klon import INPUT, OUTPUT, STATE, VOLTS
from ..errors import UnsupportedInput
from ..kernels.compile_workers import order
from ..kernels.elementwise import GAIN, rows_kernel
from ..kernels.kernel import Kernel
from ..kernels.processor import lanes
from ..model.nodes import Conv1d
from .arena import GLIDE_SECONDS, MAX_CHANNELS, RIG, Builder, Signal, digest
from .block import ReadyBlock
from .lowering.linear import conv_layer
from .resampling import at_own_rate
from .self_check import promised
from .show import tell

LOUDEST_OUTPUT = 1e6  # +120 dBFS, after the model's level gain: a larger output is treated as not finite


@dataclass(frozen=True, eq=False)
class PlannedBlock:
    """A block with the positions of its parameters, steps, buffers and domains in the plan."""

    source: ReadyBlock
    first_cell: int
    inputs: tuple[Signal, ...]
    output: Signal
    steps: slice
    buffers: slice
    domains: slice
    prewarm_frames: int


@dataclass(frozen=True, eq=False)
class Plan:
    """A compiled rig: an image of the arena with relative addresses, and the weights.

    `arena` is bytes, `weights` float32; both are templates that an engine copies. `latency_frames` is the models' own
    delay, `tail_frames` how long the rig rings on, `calls` the kernels in the order in which they are called, `nodes`
    the kind of node that each of them computes ("": none), `replaced` a line about each kernel that is wrong on this
    processor and that another one replaces.
    """

    arena: np.ndarray
    weights: np.ndarray
    blocks: tuple[PlannedBlock, ...]
    sample_rate: float
    inputs: int
    outputs: int
    latency_frames: int
    tail_frames: int
    calls: tuple[Kernel, ...]
    nodes: tuple[str, ...]
    replaced: tuple[str, ...] = ()

    @property
    def bare(self) -> bool:
        """Whether the plan computes only the models as defined, without gains or DC blocker."""
        return bool(self.blocks) and all(block.source.bare for block in self.blocks)

    @property
    def layout(self) -> int:
        """A number; it is equal for two plans if a state of one is valid in the other."""
        return int(self.arena[: RIG.itemsize].view(RIG)[0]["layout"])

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """Each kernel once."""
        return tuple(dict.fromkeys(self.calls))

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that differ if two plans call different kernels."""
        return digest(self.kernels)


def plan_chain(chain: Sequence[ReadyBlock], sample_rate: float, channels: int = 1) -> Plan:
    """Compile a chain for a sample rate (Hz) and a number of input channels.

    Raises
    ------
    UnsupportedInput
        A model's channels do not fit the chain's, or there are too many.
    """
    if channels > MAX_CHANNELS:
        raise UnsupportedInput(f"{channels} input channels, expected at most {MAX_CHANNELS} (--mono averages them)")
    refused: dict[str, str] | None = None
    broken: dict[str, str] = {}
    while refused is None or refused.keys() != broken.keys():
        refused = broken
        with promised(refused) as promises:
            builder, source, signal, blocks, tail, latency = _build(chain, sample_rate, channels)
        calls = tuple(step.kernel for step in builder.steps)
        order((*calls, *promises.kernels))
        broken = promises.broken()
    glide = round(GLIDE_SECONDS * sample_rate)
    arena, weights = builder.finish(source, signal, glide, tail)
    plan = Plan(
        arena,
        weights,
        tuple(blocks),
        sample_rate,
        channels,
        signal.width,
        latency,
        tail,
        calls,
        nodes=tuple(step.node for step in builder.steps),
        replaced=tuple(broken.values()),
    )
    loudest = np.float32(np.inf if plan.bare else LOUDEST_OUTPUT)
    arena[: RIG.itemsize].view(RIG)[0]["loudest_bits"] = loudest.view(np.int32)
    tell(plan)
    return plan


def _build(chain: Sequence[ReadyBlock], sample_rate: float, channels: int):
    """Return builder, first and last signal, blocks, tail and latency in frames."""
    builder = Builder()
    builder.buffer(1)  # buffer 0: the parameter rows
    source = signal = builder.buffer(channels)
    blocks, tail, latency = [], 0, 0
    for index, item in enumerate(chain):
        builder.block = index
        first_cell = len(builder.cells)
        before = [len(part) for part in (builder.steps, builder.buffers, builder.domains)]
        *cells, on = [builder.cell(value) for value in item.cells(item.values, sample_rate)]
        entrance = signal
        signal = _BUILDERS.get(item.effect.type, _effect)(builder, item, signal, cells, sample_rate)
        if not item.bare and not item.effect.rings:
            _switch(builder, entrance, signal, on, item.latency(sample_rate))
        tail += item.effect.tail(item.values, sample_rate)
        if item.impulse is not None:
            tail += item.impulse.shape[1] - 1
        latency += item.latency(sample_rate)
        after = [len(part) for part in (builder.steps, builder.buffers, builder.domains)]
        steps, buffers, domains = (slice(a, b) for a, b in zip(before, after, strict=True))
        blocks.append(
            PlannedBlock(
                item, first_cell, (entrance,), signal, steps, buffers, domains, item.prewarm_frames(sample_rate)
            )
        )
    if signal is source:
        signal = builder.step(rows_kernel(0, channels, lanes()), signal, builder.buffer(channels))
    return builder, source, signal, blocks, tail, latency


def _effect(builder: Builder, item: ReadyBlock, signal: Signal, cells: list[Signal], sample_rate: float) -> Signal:
    """Call the kernel once for each channel, or once for all; it reads the block's cells as consecutive rows."""
    effect = item.effect
    first = cells[0].row if cells else 0
    kind, fields = effect.state_at(sample_rate), effect.constants(sample_rate)
    if effect.channels == "stereo" and signal.width > 2:
        raise UnsupportedInput(
            f"{item.id}: {effect.type} takes one channel or two, the chain has {signal.width}: --mono averages them"
        )
    widths = {"each": signal.width, "linked": signal.width, "stereo": 2, "mono": 1}
    target = builder.buffer(widths[effect.channels])
    if effect.channels != "each":
        return builder.step(effect.kernel, signal, target, dtype=kind, first_parameter=first, **fields)
    for channel in range(signal.width):
        source, place = signal.rows(channel, 1), target.rows(channel, 1)
        builder.step(effect.kernel, source, place, dtype=kind, first_parameter=first, **fields)
    return target


def _switch(builder: Builder, signal: Signal, output: Signal, on: Signal, late: int) -> None:
    """Fade a block's output over to its input, delayed by `late` frames, while the block is off."""
    if late:
        signal = builder.step(rows_kernel(0, signal.width, lanes()), signal, builder.buffer(signal.width))
        builder.remember(signal, late)
    for channel in range(output.width):
        dry = signal.rows(min(channel, signal.width - 1), 1)
        builder.step(switch.KERNEL, dry, output.rows(channel, 1), extra=(on,), dtype=switch.STATE, late=late)


def _gain(builder: Builder, source: Signal, target: Signal, gain: Signal) -> Signal:
    return builder.step(rows_kernel(GAIN, source.width, lanes()), source, target, extra=(gain,))


def _model(builder: Builder, item: ReadyBlock, signal: Signal, cells: list[Signal], sample_rate: float) -> Signal:
    """Input gain, the model's layers, output gain; one instance per channel, or one for all of a wider model."""
    spec = item.playing
    assert spec is not None and item.spec is not None
    instances = signal.width if spec.inputs == 1 else 1
    if spec.inputs not in (1, signal.width) or spec.outputs > 1 and instances > 1:
        way = "--mono averages them (live: --in-channel 1)"
        if spec.inputs > 1:
            way = (
                f"expected a source of {spec.inputs} channels, such as a file (live: --input FILE), or --inputs knobs "
                "if all inputs but the first are knobs"
            )
        raise UnsupportedInput(
            f"{spec.name}: the model has {spec.inputs} inputs and {spec.outputs} outputs, the chain {signal.width} "
            f"channel{'s' * (signal.width > 1)}: {way}"
        )
    names = [knob.name for knob in item.spec.knobs] + ["sample_period"]
    controls = dict(zip(names, cells[-len(names) :], strict=True))
    for name in (knob.name for knob in spec.knobs):
        controls[name] = _smoothed(builder, controls[name], sample_rate)
    target = builder.buffer(spec.outputs * instances)
    if spec.outputs * instances > MAX_CHANNELS:
        raise UnsupportedInput(f"{spec.name}: {target.width} output channels, expected at most {MAX_CHANNELS}")
    first = builder.mark()
    audio = _gain(builder, signal.rows(0, spec.inputs), builder.buffer(spec.inputs), cells[0])
    output = at_own_rate(spec, builder, audio, controls, item.conversion(sample_rate))
    _gain(builder, output, target.rows(0, spec.outputs), cells[1])
    builder.guard()
    last = builder.mark()
    for channel in range(1, instances):
        builder.repeat(first, last, {signal.buffer: channel, target.buffer: channel * spec.outputs})
    if spec.dc_block and not item.bare:
        blocked = builder.buffer(target.width)
        corner = [builder.cell(value) for value in DCBLOCK.cells({}, sample_rate)]
        for channel in range(target.width):
            place = blocked.rows(channel, 1)
            first_row = corner[0].row
            builder.step(DCBLOCK.kernel, target.rows(channel, 1), place, dtype=DCBLOCK.state, first_parameter=first_row)
        target = blocked
    return target


def _cab(builder: Builder, item: ReadyBlock, signal: Signal, cells: list[Signal], sample_rate: float) -> Signal:
    """Direct convolution: a conv layer of one input and one output; a stereo response gives two channels."""
    impulse = item.impulse
    assert impulse is not None
    outputs = max(signal.width, impulse.shape[0])
    loud = builder.buffer(outputs)
    entrance = builder.step(rows_kernel(0, signal.width, lanes()), signal, builder.buffer(signal.width))
    builder.remember(entrance, impulse.shape[1] - 1)
    first = builder.mark()
    for channel in range(outputs if len(impulse) > 1 else 1):
        newest_last = impulse[min(channel, len(impulse) - 1)][::-1]
        layer = conv_layer(Conv1d((0,), weight=newest_last[None, None, :], bias=np.zeros(1)), None)
        source, target = entrance.rows(min(channel, signal.width - 1), 1), loud.rows(channel, 1)
        builder.step(layer.kernel, source, target, weights=layer.weights, dtype=layer.dtype, **layer.fields)
    last = builder.mark()
    for channel in range(last.steps - first.steps, outputs):
        builder.repeat(first, last, {entrance.buffer: channel, loud.buffer: channel})
    return _gain(builder, loud, builder.buffer(outputs), cells[0])


def _klon(builder: Builder, item: ReadyBlock, signal: Signal, cells: list[Signal], sample_rate: float) -> Signal:
    """One pedal per channel: input buffer, gain stage by its mode, tone and output."""
    first = cells[0].row
    builder.alike.add(builder.block)
    target = builder.buffer(signal.width)
    net = item.playing
    factors = [1.0 / VOLTS, float(net.metadata["volts_per_unit"])] if net is not None else []
    scales = [builder.cell(value) for value in factors]
    controls = {"gain": _smoothed(builder, cells[0], sample_rate)} if net is not None else {}
    begin = builder.mark()
    buffered = builder.buffer(1)
    builder.step(INPUT, signal.rows(0, 1), buffered, dtype=STATE, first_parameter=first)
    if net is None:
        driven = builder.buffer(1)
        state = klon_circuit.CIRCUIT_STATE
        builder.step(klon_circuit.KERNEL, buffered, driven, dtype=state, first_parameter=first)
    else:
        units = _gain(builder, buffered, builder.buffer(1), scales[0])
        played = at_own_rate(net, builder, units, controls, item.conversion(sample_rate))
        driven = _gain(builder, played, builder.buffer(1), scales[1])
    builder.step(OUTPUT, driven, target.rows(0, 1), dtype=STATE, first_parameter=first)
    builder.guard()
    end = builder.mark()
    for channel in range(1, signal.width):
        builder.repeat(begin, end, {signal.buffer: channel, target.buffer: channel})
    return target


def _smoothed(builder: Builder, control: Signal, sample_rate: float) -> Signal:
    """Append the smoothing of a knob's value for a net; return the smoothed signal."""
    kernel, state, share = knob_smoother.KERNEL, knob_smoother.STATE, knob_smoother.share(sample_rate)
    return builder.step(kernel, control, builder.buffer(1), dtype=state, share=share)


_BUILDERS = {"model": _model, "cab": _cab, "klon": _klon}
