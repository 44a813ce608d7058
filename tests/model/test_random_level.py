"""The level of random nets: -18 dBFS for a burst of noise, silent nets are reported, unstable ones scaled down."""

import math
from dataclasses import replace

import numpy as np
import pytest

from rtfx.model.random import nets
from rtfx.model.reference import evaluate
from rtfx.units import gain_from_db
from tests.engine.rigs import tcn


def rms(spec, frames=6000) -> float:
    """RMS of the output for noise of another seed than the burst's, offset removed."""
    x = nets.BURST_RMS * np.random.default_rng(3).standard_normal((spec.inputs, frames))
    y = evaluate(spec, x, cold=True)[:, frames // 2 :]
    return float(np.sqrt(np.mean((y - y.mean(axis=1, keepdims=True)) ** 2)))


def scaled(spec, factor):
    """Return the net with its convolutions' weights multiplied."""
    nodes = (replace(n, weight=n.weight * factor) if hasattr(n, "dilation") else n for n in spec.nodes)
    return replace(spec, nodes=tuple(nodes))


@pytest.mark.parametrize("seed", range(3))
def test_a_net_is_brought_to_its_level(seed):
    plain = tcn(4, 3, (1, 4), seed)
    spec = nets.calibrated(plain)
    assert spec.warnings == () and spec.nodes == plain.nodes
    found = 20 * math.log10(rms(plain) * gain_from_db(spec.level_db))
    assert found == pytest.approx(nets.TARGET_DBFS, abs=0.5)


def test_a_silent_net_keeps_its_level_and_says_so():
    plain = tcn(4, 3, (1, 4))
    nodes = (*plain.nodes[:-1], replace(plain.nodes[-1], weight=np.zeros_like(plain.nodes[-1].weight)))
    spec = nets.calibrated(replace(plain, nodes=nodes))
    assert spec.level_db == plain.level_db and spec.warnings == (nets.SILENT,)


def test_the_burst_may_go_through_nearer_taps():
    """Dilations beyond the burst's length would leave but the first tap of each layer."""
    far, near = tcn(4, 3, (1, 4000)), tcn(4, 3, (1, 4))
    assert nets.calibrated(far, (1, 4)).level_db == nets.calibrated(near).level_db
    assert nets.calibrated(far, (1, 4)).nodes == far.nodes
    assert nets.calibrated(far).level_db != nets.calibrated(near).level_db
