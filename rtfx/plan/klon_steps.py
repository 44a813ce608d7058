"""The steps of a `klon` block: input buffer, gain stage by its mode, tone and output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..effects import klon_circuit, knob
from ..effects.klon import INPUT, OUTPUT, STATE, VOLTS
from ..kernels.elementwise import GAIN, rows_kernel
from ..kernels.processor import lanes
from .builder import Builder, Signal
from .lowering import lower
from .resampled import resampled

if TYPE_CHECKING:
    from .block import ReadyBlock


def klon(builder: Builder, item: ReadyBlock, signal: Signal, cells: list[Signal], sample_rate: float) -> Signal:
    """Append one pedal per channel; return their outputs."""
    first = cells[0].row
    builder.alike.add(builder.block)
    target = builder.buffer(signal.width)
    net = item.playing
    factors = [1.0 / VOLTS, float(net.metadata["volts_per_unit"])] if net is not None else []
    scales = [builder.cell(value) for value in factors]
    controls = {}
    if net is not None:
        controls["gain"] = rounded(builder, cells[0], sample_rate)
    begin = builder.mark()
    buffered = builder.buffer(1)
    builder.step(INPUT, signal.rows(0, 1), buffered, dtype=STATE, first_parameter=first)
    if net is None:
        driven = builder.buffer(1)
        state = klon_circuit.CIRCUIT_STATE
        builder.step(klon_circuit.KERNEL, buffered, driven, dtype=state, first_parameter=first)
    else:
        units = _scaled(builder, buffered, scales[0])
        conversion = item.conversion(sample_rate)
        if conversion is None:
            played = lower(net, builder, units, controls)
        else:
            played = resampled(net, builder, units, controls, conversion)
        driven = _scaled(builder, played, scales[1])
    builder.step(OUTPUT, driven, target.rows(0, 1), dtype=STATE, first_parameter=first)
    builder.guard()
    end = builder.mark()
    for channel in range(1, signal.width):
        builder.repeat(begin, end, {signal.buffer: channel, target.buffer: channel})
    return target


def rounded(builder: Builder, control: Signal, sample_rate: float) -> Signal:
    """Append what a net hears of a knob; return it."""
    return builder.step(knob.KERNEL, control, builder.buffer(1), dtype=knob.STATE, share=knob.share(sample_rate))


def _scaled(builder: Builder, source: Signal, factor: Signal) -> Signal:
    return builder.step(rows_kernel(GAIN, 1, lanes()), source, builder.buffer(1), extra=(factor,))
