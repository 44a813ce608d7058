"""How a model of another sample rate than the stream's runs: which method, and the conversion around it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import UsageError
from ..kernels import resample
from ..kernels.resample import Ratio
from ..model.spec import Conv1d, ModelSpec
from .builder import Builder, Signal
from .lower import lower

METHODS = ("auto", "delay", "dilate", "resample")


def choose_method(spec: ModelSpec, sample_rate: float, wanted: str = "auto") -> str:
    """Return "none", "dilate" or "resample" for a model in a stream of `sample_rate` Hz.

    A net without recurrence and strides at a whole multiple of its rate needs no conversion: with every dilation
    multiplied it is that many interleaved copies of itself, exact and without delay. Everything else is converted.

    Raises
    ------
    UsageError
        The method asked for does not fit the model.
    """
    if wanted == "delay":
        raise UsageError(f"{spec.name}: --rate-method delay does not exist yet: use resample")
    if not spec.sample_rate or spec.sample_rate == sample_rate:
        return "none"
    whole = sample_rate > spec.sample_rate and sample_rate % spec.sample_rate == 0
    dilates = whole and not spec.recurrent and spec.period == 1
    if wanted == "dilate" and not dilates:
        raise UsageError(
            f"{spec.name}: --rate-method dilate needs a net without recurrence and a whole multiple of "
            f"{spec.sample_rate:g} Hz, found {sample_rate:g} Hz: use resample"
        )
    return "dilate" if dilates and wanted != "resample" else "resample"


def dilated(spec: ModelSpec, factor: int) -> ModelSpec:
    """Return the model for `factor` times its rate: every dilation multiplied."""
    nodes = tuple(replace(n, dilation=n.dilation * factor) if isinstance(n, Conv1d) else n for n in spec.nodes)
    assert spec.sample_rate
    return replace(spec, nodes=nodes, sample_rate=spec.sample_rate * factor)


def at_model_rate(
    spec: ModelSpec, builder: Builder, audio: Signal, controls: dict[str, Signal], ratio: Ratio
) -> Signal:
    """Append a model between two conversions; return its output at the stream's rate."""
    domain = builder.at_rate(ratio)
    fields = {"up": ratio.up, "down": ratio.down}
    inward, outward = ratio.filters()
    builder.remember(audio, ratio.inward)
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
    builder.remember(output, ratio.outward)
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
