"""The level of a random net: a gain that brings its output for a burst of noise to a fixed loudness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...units import db_from_gain
from ..nodes import Conv1d, Input
from ..reference import evaluate
from ..spec import ModelSpec

TARGET_DBFS = -18.0  # RMS of the output for the calibration burst
BURST_RMS = 0.1  # a guitar at a healthy input level
SILENT_RMS = 1e-6  # below this, calibration would raise rounding noise to a sound
SILENT = "silent at a guitar's usual level: choose another seed, init or activation, or raise input_db"
TAMED = "explodes beyond what float32 can hold: the weights of its loud layers are divided, so that it can be played"
LOUDEST = 1e20  # leaves room for an input a million times as loud, below the 3e38 of float32
FRAMES = 4096
TAMING_FRAMES = 1024
BURST_MACS = 2e9  # bounds the time of calibration: large nets get a shorter burst


def calibrated(spec: ModelSpec, dilations: Sequence[int] = ()) -> ModelSpec:
    """Return the net with the gain that brings its output for a burst of noise to `TARGET_DBFS` RMS, offset removed.

    A silent net keeps its level, and a warning says so. One whose signals would leave the range of float32 gets smaller
    weights, see `tamed`. The burst goes through the net with `dilations` in place of its own, where they are given.
    """
    frames = int(min(FRAMES, max(512, BURST_MACS / spec.macs_per_sample)))
    burst = BURST_RMS * np.random.Generator(np.random.Philox(1)).standard_normal((spec.inputs, frames))
    y = evaluate(_nearer(spec, dilations), burst, cold=True)[:, frames // 2 :]
    if not np.abs(y).max() < LOUDEST:
        spec = tamed(spec, dilations, burst[:, :TAMING_FRAMES])
        y = evaluate(_nearer(spec, dilations), burst, cold=True)[:, frames // 2 :]
    rms = math.sqrt(float(np.mean((y - y.mean(axis=1, keepdims=True)) ** 2)))
    if rms < SILENT_RMS:
        return replace(spec, warnings=(*spec.warnings, SILENT))
    level = round(TARGET_DBFS - db_from_gain(rms), 2)  # rounded, so that it does not depend on the order of sums
    return replace(spec, level_db=level)


def tamed(spec: ModelSpec, dilations: Sequence[int], burst: np.ndarray) -> ModelSpec:
    """Return the net with every layer whose output for the burst is above 1 RMS divided by a power of two.

    What follows a net of straight lines through 0 only in level is the same sound; others bend less than they would
    have, were there numbers as large.
    """
    own, heard = iter(dilations), burst
    nodes = [spec.nodes[0]]
    for node in spec.nodes[1:]:  # a chain: each hears the one before
        nearer = replace(node, dilation=next(own, node.dilation)) if isinstance(node, Conv1d) else node
        alone = replace(nearer, sources=(0,))
        source = Input((), channels=len(heard))
        heard = evaluate(replace(spec, nodes=(source, alone), quiet_past=False), heard, cold=True)
        rms = math.sqrt(float(np.mean(heard**2)))
        if isinstance(node, Conv1d) and rms > 1.0:
            scale = 2.0 ** -math.ceil(math.log2(rms))
            node, heard = replace(node, weight=node.weight * scale, bias=node.bias * scale), heard * scale
        nodes.append(node)
    return replace(spec, nodes=tuple(nodes), warnings=(*spec.warnings, TAMED))


def _nearer(spec: ModelSpec, dilations: Sequence[int]) -> ModelSpec:
    """Return the net with other dilations, where they are given."""
    own = iter(dilations)
    nodes = (replace(n, dilation=next(own, n.dilation)) if isinstance(n, Conv1d) else n for n in spec.nodes)
    return replace(spec, nodes=tuple(nodes))
