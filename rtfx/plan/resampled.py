"""A model between two conversions: from the stream's rate to its own and back, on the audio thread."""

from __future__ import annotations

import numpy as np

from ..kernels import resample
from ..model.spec import ModelSpec
from .builder import Builder, Signal
from .lowering import lower
from .polyphase import Conversion


def resampled(
    spec: ModelSpec, builder: Builder, audio: Signal, controls: dict[str, Signal], conversion: Conversion
) -> Signal:
    """Append a model between two conversions; return its output at the stream's rate."""
    domain = builder.at_rate(conversion.ratio)
    up, down = conversion.ratio
    fields = {"up": up, "down": down}
    inward, outward = conversion.filters
    builder.remember(audio, conversion.inward_taps)
    converted = _buffer(builder, domain, spec.inputs)
    for row in range(spec.inputs):
        _step(builder, resample.INWARD, audio.rows(row, 1), converted.rows(row, 1), inward, fields)
    held = {}
    for name, control in controls.items():
        held[name] = _buffer(builder, domain, 1)
        builder.step(resample.HELD, control, held[name], dtype=resample.STATE, **fields)
    builder.domain = domain
    output = lower(spec, builder, converted, held)
    builder.domain = 0
    builder.remember(output, conversion.outward_taps)
    result = builder.buffer(output.width)
    for row in range(output.width):
        _step(builder, resample.OUTWARD, output.rows(row, 1), result.rows(row, 1), outward, fields)
    return result


def _buffer(builder: Builder, domain: int, rows: int) -> Signal:
    builder.domain = domain
    signal = builder.buffer(rows)
    builder.domain = 0
    return signal


def _step(builder: Builder, kernel, source: Signal, target: Signal, table: np.ndarray, fields: dict) -> None:
    weights = table.astype(np.float32).ravel()
    builder.step(kernel, source, target, weights=weights, dtype=resample.STATE, taps=table.shape[1], **fields)
