"""From a chain of blocks to a plan: every block on every channel, its parameters as cells, models lowered to layers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..effects import klon, klon_circuit, knob_smoother, sections, switch
from ..effects.dcblock import DCBLOCK
from ..effects.klon import OUTPUT, STATE, VOLTS
from ..effects.split import (
    ADD_PATH,
    BANDS,
    BE_LATE,
    CELLS,
    LATE,
    LONGEST_DELAY_MS,
    PATH,
    TO_BANDS,
    TO_MID_SIDE,
)
from ..errors import UnsupportedInput
from ..kernels import partitioned
from ..kernels.compile_workers import order
from ..kernels.elementwise import GAIN, rows_kernel
from ..kernels.kernel import Kernel
from ..kernels.processor import lanes
from ..model.nodes import Conv1d
from ..rig.blocks import INPUT
from .arena import GLIDE_SECONDS, MAX_CHANNELS, RIG, Builder, Mark, Signal, digest
from .block import ReadyBlock
from .lowering.linear import conv_layer
from .resampling import at_own_rate
from .self_check import promised
from .show import tell

LOUDEST_OUTPUT = 1e6  # +120 dBFS, after the model's level gain: a larger output is treated as not finite


@dataclass(frozen=True, eq=False)
class Part:
    """Steps of one block that run in one go. A routing block has two parts: what splits, and what joins.

    Parameters
    ----------
    place : int
        The block's index in the chain.
    inputs : tuple of Signal
        All that it reads of other blocks.
    output : Signal
        What other blocks read of it.
    steps, buffers, domains : slice
        Positions in the plan.
    """

    place: int
    inputs: tuple[Signal, ...]
    output: Signal
    steps: slice
    buffers: slice
    domains: slice


@dataclass(frozen=True, eq=False)
class PlannedBlock:
    """A block in a plan.

    Parameters
    ----------
    first_cell : int
        The position of its first parameter cell.
    inputs, outputs : int
        The number of its channels.
    prewarm_frames : int
        Frames of silence that bring it to rest.
    late : tuple of int
        Of a routing block, by how many frames the plan delays each path.
    """

    source: ReadyBlock
    first_cell: int
    inputs: int
    outputs: int
    prewarm_frames: int
    late: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Plan:
    """A compiled rig: an image of the arena with relative addresses, and the weights.

    `arena` is bytes, `weights` float32; both are templates that an engine copies. `blocks` has the blocks in the order
    of the chain, `parts` their steps in the order in which they run. `latency_frames` is the models' own delay,
    `tail_frames` how long the rig rings on, `calls` the kernels in the order in which they are called, `nodes` the kind
    of node that each of them computes ("": none), `replaced` a line about each kernel that is wrong on this processor
    and that another one replaces, `notes` what the user should know about channels.
    """

    arena: np.ndarray
    weights: np.ndarray
    blocks: tuple[PlannedBlock, ...]
    parts: tuple[Part, ...]
    sample_rate: float
    inputs: int
    outputs: int
    latency_frames: int
    tail_frames: int
    calls: tuple[Kernel, ...]
    nodes: tuple[str, ...]
    replaced: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

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
            planner = _Planner(chain, sample_rate, channels)
        builder, signal = planner.builder, planner.output
        calls = tuple(step.kernel for step in builder.steps)
        order((*calls, *promises.kernels))
        broken = promises.broken()
    glide = round(GLIDE_SECONDS * sample_rate)
    arena, weights = builder.finish(planner.source, signal.rows, glide, signal.tail)
    plan = Plan(
        arena,
        weights,
        tuple(planner.blocks[place] for place in range(len(chain))),
        tuple(planner.parts),
        sample_rate,
        channels,
        signal.rows.width,
        signal.late,
        signal.tail,
        calls,
        nodes=tuple(step.node for step in builder.steps),
        replaced=tuple(broken.values()),
        notes=tuple(planner.notes),
    )
    loudest = np.float32(np.inf if plan.bare else LOUDEST_OUTPUT)
    arena[: RIG.itemsize].view(RIG)[0]["loudest_bits"] = loudest.view(np.int32)
    gap = sum(block.source.effect.gap(sample_rate) for block in plan.blocks)
    arena[: RIG.itemsize].view(RIG)[0]["gap_frames"] = gap
    tell(plan)
    return plan


class Flow(NamedTuple):
    """A signal between blocks: its rows, how many frames it is late, and how many the blocks before it ring on."""

    rows: Signal
    late: int = 0
    tail: int = 0


class _Planner:
    """Plans a chain: its steps, block by block, and the signals between them."""

    def __init__(self, chain: Sequence[ReadyBlock], sample_rate: float, channels: int):
        self.chain, self.rate = chain, sample_rate
        self.builder = Builder()
        self.builder.buffer(1)  # buffer 0: the parameter rows
        self.source = self.builder.buffer(channels)
        self.blocks: dict[int, PlannedBlock] = {}
        self.parts: list[Part] = []
        self.notes: list[str] = []
        self.flows = {INPUT: Flow(self.source)}  # what side inputs may name
        self.output = self._path((), self.flows[INPUT])
        if self.output.rows is self.source:
            copy = self.builder.step(rows_kernel(0, channels, lanes()), self.source, self.builder.buffer(channels))
            self.output = Flow(copy)

    def _path(self, branch: tuple[tuple[str, int], ...], flow: Flow) -> Flow:
        """Plan the blocks on one path of the routing blocks of `branch`; return what leaves the last of them."""
        for place, block in enumerate(self.chain):
            if block.branch == branch:
                flow = self._routed(place, block, flow) if block.paths else self._block(place, block, flow)
                self.flows[block.id] = flow
        return flow

    def _cells(self, place: int, block: ReadyBlock) -> list[Signal]:
        self.builder.block = place
        return [self.builder.cell(value) for value in block.cells(block.values, self.rate)]

    def _part(self, place: int, first: Mark, inputs: Iterable[Signal], output: Signal) -> None:
        """Note what was appended since the mark `first` as a part of a block."""
        slices = (slice(before, after) for before, after in zip(first, self.builder.mark(), strict=True))
        self.parts.append(Part(place, tuple(inputs), output, *slices))

    def _block(self, place: int, block: ReadyBlock, flow: Flow) -> Flow:
        builder, signal = self.builder, flow.rows
        first, first_cell = builder.mark(), len(builder.cells)
        *cells, on = self._cells(place, block)
        inputs = [signal]
        if block.key:
            inputs.append(self.flows[block.key].rows)
            output = _effect(builder, block, signal, cells, self.rate, self._key(inputs[1], signal.width))
        else:
            output = _BUILDERS.get(block.effect.type, _effect)(builder, block, signal, cells, self.rate)
        late = block.latency(self.rate)
        if not block.bare and not block.effect.rings:
            self._switch(signal, output, on, late)
        self._part(place, first, inputs, output)
        self.blocks[place] = PlannedBlock(
            block, first_cell, signal.width, output.width, block.prewarm_frames(self.rate)
        )
        if block.playing is not None and signal.width > self.source.width and block.playing.inputs == 1:
            self.notes.append(
                f"{block.id}: the sound before it has {signal.width} channels, so it runs {signal.width} times: a "
                "block {type: mono} before it makes one of them"
            )
        tail = block.effect.tail(block.values, self.rate)
        tail += block.impulse.shape[1] - 1 if block.impulse is not None else 0
        return Flow(output, flow.late + late, flow.tail + tail)

    def _key(self, key: Signal, width: int) -> Signal:
        """Return a side input with as many rows as the block has channels."""
        if key.width >= width:
            return key.rows(0, width)
        rows = self.builder.buffer(width)
        for channel in range(width):
            self.builder.step(
                rows_kernel(0, 1, lanes()), key.rows(min(channel, key.width - 1), 1), rows.rows(channel, 1)
            )
        return rows

    def _routed(self, place: int, block: ReadyBlock, flow: Flow) -> Flow:
        """Plan a routing block: what splits, the blocks on each path, and what joins."""
        builder, signal = self.builder, flow.rows
        first, first_cell = builder.mark(), len(builder.cells)
        *cells, on = self._cells(place, block)
        entrances = _split(builder, block, signal, cells)
        if builder.mark() != first:
            inside = entrances[0].buffer
            self._part(place, first, [signal], Signal(inside, 0, builder.buffers[inside].rows))
        ends = [
            self._path((*block.branch, (block.id, number)), Flow(entrance, flow.late, flow.tail))
            for number, entrance in enumerate(entrances)
        ]
        builder.block = place
        first = builder.mark()
        latest = max(end.late for end in ends)
        late = tuple(latest - end.late for end in ends)
        names = block.values.keys()
        wide = block.effect.type == "mid_side" or "pan1" in names
        width = max(2 if wide else 1, signal.width, *(end.rows.width for end in ends))
        if block.effect.type == "mid_side" and max(end.rows.width for end in ends) > 1 or wide and width > 2:
            raise UnsupportedInput(
                f"{block.id}: {'a path' if width <= 2 else 'the sound'} has {width} channels, expected "
                f"{'one' if width <= 2 else 'at most two'} in {block.effect.type}: put {{type: mono}} at its end"
            )
        target = builder.buffer(width)
        for number, (end, frames) in enumerate(zip(ends, late, strict=True)):
            rows = self._delayed(end.rows, frames)
            row = cells[CELLS * number].row
            delayed = f"delay{number + 1}_ms" in names
            if delayed:
                rows = builder.step(rows_kernel(0, rows.width, lanes()), rows, builder.buffer(rows.width))
                builder.remember(rows, math.ceil(LONGEST_DELAY_MS * self.rate / 1000.0) + 1)
            fields = {"first_parameter": row, "first": int(number == 0), "delayed": int(delayed)}
            builder.step(ADD_PATH, rows, target, dtype=PATH, **fields)
        if not block.bare:
            self._switch(signal, target, on, latest - flow.late)
        inputs = dict.fromkeys([signal, *(end.rows for end in ends)])
        self._part(place, first, inputs, target)
        self.blocks[place] = PlannedBlock(block, first_cell, signal.width, width, 0, late)
        tail = max(end.tail for end in ends) + block.effect.tail(block.values, self.rate)
        return Flow(target, latest, tail)

    def _switch(self, signal: Signal, output: Signal, on: Signal, late: int) -> None:
        """Fade a block's output over to its input, delayed by `late` frames, while the block is off."""
        signal = self._delayed(signal, late)
        for channel in range(output.width):
            dry = signal.rows(min(channel, signal.width - 1), 1)
            self.builder.step(switch.KERNEL, dry, output.rows(channel, 1), extra=(on,))

    def _delayed(self, signal: Signal, frames: int) -> Signal:
        """Return a signal `frames` frames late."""
        if not frames:
            return signal
        builder, width = self.builder, signal.width
        copy = builder.step(rows_kernel(0, width, lanes()), signal, builder.buffer(width))
        builder.remember(copy, frames)
        late = builder.buffer(width)
        for channel in range(width):
            builder.step(BE_LATE, copy.rows(channel, 1), late.rows(channel, 1), dtype=LATE, frames=frames)
        return late


def _split(builder: Builder, block: ReadyBlock, signal: Signal, cells: list[Signal]) -> list[Signal]:
    """Return the entrance of each path of a routing block."""
    kind, paths = block.effect.type, block.paths
    if kind == "split":
        return [signal] * paths
    if kind == "mid_side":
        if signal.width > 2:
            raise UnsupportedInput(f"{block.id}: the sound has {signal.width} channels, mid_side expects one or two")
        both = builder.step(TO_MID_SIDE, signal, builder.buffer(2), dtype=LATE)
        return [both.rows(0, 1), both.rows(1, 1)]
    bands = builder.buffer(paths * signal.width)
    for channel in range(signal.width):
        target = bands.rows(channel, bands.width - channel)
        fields = {"first_parameter": cells[CELLS * paths].row, "step": signal.width, "count": paths}
        builder.step(TO_BANDS, signal.rows(channel, 1), target, dtype=BANDS, **fields)
    return [bands.rows(number * signal.width, signal.width) for number in range(paths)]


def _effect(
    builder: Builder,
    item: ReadyBlock,
    signal: Signal,
    cells: list[Signal],
    sample_rate: float,
    key: Signal | None = None,
) -> Signal:
    """Call the kernel once for each channel, or once for all; it reads the block's cells as consecutive rows.

    `key` is a side input with a row for each channel.
    """
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
        extra = (key,) if key else ()
        return builder.step(effect.kernel, signal, target, extra, dtype=kind, first_parameter=first, **fields)
    for channel in range(signal.width):
        source, place = signal.rows(channel, 1), target.rows(channel, 1)
        extra = (key.rows(channel, 1),) if key else ()
        builder.step(effect.kernel, source, place, extra, dtype=kind, first_parameter=first, **fields)
    return target


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
    """A conv layer of one input and one output, partitions for a long response; a stereo one gives two channels."""
    impulse = item.impulse
    assert impulse is not None
    outputs = max(signal.width, impulse.shape[0])
    loud = builder.buffer(outputs)
    entrance = builder.step(rows_kernel(0, signal.width, lanes()), signal, builder.buffer(signal.width))
    levels = partitioned.levels_for(impulse.shape[1])
    head = impulse[:, : 2 * levels[0].size if levels else None]
    builder.remember(entrance, head.shape[1] - 1)
    first = builder.mark()
    different = outputs if len(impulse) > 1 else 1
    for channel in range(different):
        response = min(channel, len(impulse) - 1)
        layer = conv_layer(Conv1d((0,), weight=head[response][::-1][None, None, :], bias=np.zeros(1)), None)
        source, target = entrance.rows(min(channel, signal.width - 1), 1), loud.rows(channel, 1)
        builder.step(layer.kernel, source, target, weights=layer.weights, dtype=layer.dtype, **layer.fields)
        for level in levels:
            weights, state = partitioned.pack(level, impulse[response]), partitioned.state_at(level)
            fields = {"size": level.size, "partitions": level.partitions}
            builder.step(partitioned.KERNEL, source, target, weights=weights, dtype=state, **fields)
    last = builder.mark()
    for channel in range(different, outputs):
        builder.repeat(first, last, {entrance.buffer: channel, loud.buffer: channel})
    cut = builder.buffer(outputs)
    for channel in range(outputs):
        place, fields = (loud.rows(channel, 1), cut.rows(channel, 1)), {"first_parameter": cells[1].row, "count": 2}
        builder.step(sections.KERNEL, *place, dtype=sections.SECTIONS_STATE, **fields)
    return _gain(builder, cut, builder.buffer(outputs), cells[0])


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
    builder.step(klon.INPUT, signal.rows(0, 1), buffered, dtype=STATE, first_parameter=first)
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
