"""Racks of any effects on any paths: finite, silent for silence, the same at any block size, changed without a gap."""

import numpy as np
import pytest

import rtfx
from rtfx.engine.engine import Engine
from rtfx.engine.engine_rig import EngineRig
from rtfx.engine.offline import Offline

from .racks import random_chain

RATE = 48000
LONGEST = 7


def rack(seed: int):
    """Return the plan of a random rack, and noise with silence behind it."""
    generator = np.random.default_rng(seed)
    chain = random_chain(generator, int(generator.integers(1, LONGEST)))
    x = (0.3 * generator.standard_normal((9000, 1))).astype(np.float32)
    x[5000:] = 0.0
    return rtfx.Rig(chain).plan(RATE), x


@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(n, marks=pytest.mark.slow) for n in range(12, 60))])
def test_any_rack_is_finite_and_does_not_depend_on_the_block_size(seed):
    plan, x = rack(seed)
    players = [Offline(plan, block=size, limiter=False) for size in (64, 37, 512)]
    y = [player.process(x) for player in players]
    assert all(np.array_equal(y[0], other) for other in y[1:])
    assert np.isfinite(y[0]).all() and not any(player.non_finite_blocks for player in players)


@pytest.mark.parametrize("seed", range(0, 12, 3))
def test_any_rack_is_silent_for_silence(seed):
    plan, x = rack(seed)
    assert np.abs(Offline(plan, limiter=False).process(0.0 * x)).max() < 1e-3


def test_random_changes_between_random_racks_leave_no_gap():
    """Each rack is behind a switch that is off: whatever is inside, what plays is the input, through every change."""
    plans = []
    for seed in range(20):
        generator = np.random.default_rng(100 + seed)
        inside = random_chain(generator, int(generator.integers(1, LONGEST)))
        plans.append(rtfx.Rig([{"split": [inside, []], "pan": [0, 0], "on": False}], cab="none").plan(RATE))
    plans = [plan for plan in plans if plan.latency_frames == 0]
    assert len(plans) >= 4
    templates = [EngineRig(plan) for plan in plans]
    engine = Engine(RATE, outputs=2, device_outputs=2, live=False, limiter=False)
    generator = np.random.default_rng(5)
    level = np.float32(0.25)
    hurried = False
    for change in range(300):
        place = int(generator.integers(0, len(plans)))
        engine.publish(EngineRig(plans[place], template=templates[place]))
        rapid = change % 10 > 6  # before the last fade has ended
        frames = int(generator.integers(1, 900) if rapid else generator.integers(2000, 4000))
        y = engine.drive(np.full((frames, 1), level), int(generator.integers(1, 513)))
        # An equal-gain fade keeps the level, an equal-power one raises it by up to 3 dB. A fade that begins before the
        # last one has ended may lower it, but never to silence.
        if change:
            assert y.max() <= 1.42 * level and y.min() >= (0.4 if hurried or rapid else 0.999) * level
        hurried = rapid
    assert not engine.record["non_finite"]
    engine.reclaim()
    assert len(engine.rigs) <= 8, "finished rigs are freed"
