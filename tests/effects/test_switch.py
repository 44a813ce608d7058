"""Every block has a switch: off gives its input, bit for bit, with the same delay as when it is on."""

from dataclasses import replace

import numpy as np
import pytest

import rtfx
from rtfx.engine.offline import Offline
from rtfx.errors import PresetError
from rtfx.plan.chain import plan_chain
from rtfx.rig.parameters import ON
from tests.engine.rigs import gain, model, tcn

RATE = 48000
NOISE = np.random.default_rng(1).uniform(-0.5, 0.5, 4000).astype(np.float32)


@pytest.mark.parametrize("off", [False, "off", 0, "no"])
def test_off_is_the_input(off):
    assert np.array_equal(rtfx.Rig([{"type": "gain", "gain_db": 6.0, "on": off}])(NOISE, RATE), NOISE)
    assert not np.array_equal(rtfx.Rig([{"type": "gain", "gain_db": 6.0}])(NOISE, RATE), NOISE)


def test_a_word_that_is_no_switch_is_named():
    with pytest.raises(PresetError, match="gain: on is 'maybe', expected true or false"):
        rtfx.Rig([{"type": "gain", "on": "maybe"}])(NOISE, RATE)
    assert [ON.worded(value) for value in (1.0, 0.0)] == ["on", "off"]


@pytest.mark.parametrize("block", [64, 1, 511])
def test_an_off_block_is_as_late_as_one_that_is_on(block):
    """A model of 44.1 kHz in a stream of 48 kHz is late by its converters."""
    late = replace(model(tcn()), model_rate=44100.0)
    offline = Offline(plan_chain([late], float(RATE), 1), limiter=False, block=block)
    latency = offline.plan.latency_frames
    assert latency > 0
    offline.reset([{**late.values, "on": 0.0}])
    y = offline.process(NOISE[:, None])[:, 0]
    assert np.array_equal(y[latency:], NOISE[: NOISE.size - latency])


def test_switching_fades_over_20_ms():
    chain = [gain(-6.0)]
    offline = Offline(plan_chain(chain, float(RATE), 1), limiter=False)
    ones = np.ones((2000, 1), np.float32)
    low = offline.process(ones)[-1, 0]
    offline.rig.glide_to([{**chain[0].values, "on": 0.0}])
    y = offline.process(ones)[:, 0]
    assert np.allclose(y[:960], np.linspace(low, 1.0, 961)[1:], atol=1e-5)
    assert np.all(y[960:] == 1.0)
