"""How a model of another sample rate than the stream's runs: which method, and the model stretched to the new rate.

==========  ================================================================  ===================  =================
method      what                                                              for                  added latency
==========  ================================================================  ===================  =================
none        as it is                                                          its own rate         none
delay       the state of recurrent layers fed back from further ago           recurrent nets,      none
                                                                              higher rates
dilate      every dilation multiplied                                         nets without state,  none
                                                                              whole multiples
resample    conversion there and back around the model                        all                  ``Conversion``'s
==========  ================================================================  ===================  =================

At a whole multiple M of the model's rate, delay and dilate make M interleaved copies of the net: every M-th sample is
exactly what the net makes of every M-th sample. docs/measurements/sample-rates.md measures the methods.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from ..errors import UsageError
from ..model.nodes import Conv1d
from ..model.spec import ModelSpec
from .stability import stays_stable

METHODS = ("auto", "delay", "dilate", "resample")


class Choice(NamedTuple):
    """A method, and why it is not the one that was to be expected: "" where it is."""

    method: str
    why: str = ""


def choose_method(spec: ModelSpec, sample_rate: float, wanted: str = "auto") -> Choice:
    """Return how a model runs in a stream of `sample_rate` Hz.

    Raises
    ------
    UsageError
        The method asked for does not fit the model. One that fits but would not be stable is replaced.
    """
    if not spec.sample_rate or spec.sample_rate == sample_rate:
        return Choice("none")
    factor = sample_rate / spec.sample_rate
    nets = [spec, *(size for _, size in spec.sizes)]
    recurrent = any(net.recurrent for net in nets)
    method = "delay" if recurrent else "dilate"
    fits = factor > 1.0 and all(_stretches(net, factor) for net in nets)
    if wanted in ("delay", "dilate") and (wanted != method or not fits):
        raise UsageError(
            f"{spec.name}: --rate-method {wanted} needs {_NEEDS[wanted]} {spec.sample_rate:g} Hz, "
            f"found {'a recurrent net' if recurrent else 'a net without state'} at {sample_rate:g} Hz: use resample"
        )
    if wanted == "resample" or not fits:
        return Choice("resample")
    if factor != int(factor):
        if not all(stays_stable(net, factor) for net in nets):
            return Choice("resample", f"its state fed back from {factor:.4g} frames ago would not be stable")
    return Choice(method)


_NEEDS = {
    "delay": "a recurrent net, without long convolutions or strides, in a stream above",
    "dilate": "a net without recurrence or strides, at a whole multiple of",
}


def _stretches(spec: ModelSpec, factor: float) -> bool:
    """Tell whether every node can be stretched; parts of a frame are interpolated in recurrent states only."""
    taps = max((node.weight.shape[2] for node in spec.nodes if isinstance(node, Conv1d)), default=1)
    return spec.period == 1 and (factor == int(factor) or taps == 1 and spec.recurrent)


def stretched(spec: ModelSpec, factor: float) -> ModelSpec:
    """Return the model for `factor` times its rate, with every dilation and every state's delay multiplied."""
    return replace(
        spec,
        nodes=tuple(node.stretched(factor) for node in spec.nodes),
        sample_rate=spec.sample_rate and spec.sample_rate * factor,
        prewarm=math.ceil(spec.prewarm_frames * factor),
        sizes=tuple((limit, stretched(size, factor)) for limit, size in spec.sizes),
    )
