"""The level of a random net: a gain that brings its output for a burst of noise to a fixed loudness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..errors import UsageError
from ..units import db_from_gain
from .nodes import Conv1d
from .reference import evaluate
from .spec import ModelSpec

TARGET_DBFS = -18.0  # RMS of the output for the calibration burst
BURST_RMS = 0.1  # a guitar at a healthy input level
SILENT_RMS = 1e-6  # below this, calibration would raise rounding noise to a sound
SILENT = "silent at a guitar's usual level: choose another seed, init or activation, or raise input_db"
FRAMES = 4096
BURST_MACS = 2e9  # bounds the time of calibration: large nets get a shorter burst


def calibrated(spec: ModelSpec, dilations: Sequence[int] = ()) -> ModelSpec:
    """Return the net with the gain that brings its output for a burst of noise to `TARGET_DBFS` RMS, offset removed.

    A silent net keeps its level, and a warning says so. The burst goes through the net with `dilations` in place of its
    own, where they are given.

    Raises
    ------
    UsageError
        The output explodes.
    """
    frames = int(min(FRAMES, max(512, BURST_MACS / spec.macs_per_sample)))
    burst = BURST_RMS * np.random.Generator(np.random.Philox(1)).standard_normal((spec.inputs, frames))
    own = iter(dilations)
    nodes = tuple(replace(n, dilation=next(own, n.dilation)) if isinstance(n, Conv1d) else n for n in spec.nodes)
    y = evaluate(replace(spec, nodes=nodes), burst, cold=True)[:, frames // 2 :]
    if not np.abs(y).max() < 1e30:
        raise UsageError(f"{spec.name}: the output explodes beyond float32: choose another init or fewer layers")
    rms = math.sqrt(float(np.mean((y - y.mean(axis=1, keepdims=True)) ** 2)))
    if rms < SILENT_RMS:
        return replace(spec, warnings=(*spec.warnings, SILENT))
    level = round(TARGET_DBFS - db_from_gain(rms), 2)  # rounded, so that it does not depend on the order of sums
    return replace(spec, level_db=level)
