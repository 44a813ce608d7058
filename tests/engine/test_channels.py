"""The device channels that the engine reads for the rig and writes its output to."""

import numpy as np
import pytest

from rtfx.engine.engine import Engine
from rtfx.engine.engine_rig import EngineRig
from rtfx.plan.chain import plan_chain
from rtfx.rig.parameters import channels_of

from .rigs import gain

RATE = 48000.0


def played(x, rows, outputs, reads, device_outputs, out_channels=()):
    """Return what a unity gain of `rows` rows plays of a device's input (frames, channels)."""
    e = Engine(RATE, rows, rows, x.shape[1], device_outputs, live=False, limiter=False, out_channels=out_channels)
    e.read_from(reads)
    e.publish(EngineRig(plan_chain([gain(0.0)], RATE, rows)))
    return e.drive(x, 64)


def device(frames=300, channels=4):
    return np.random.default_rng(2).normal(0, 0.1, (frames, channels)).astype(np.float32)


@pytest.mark.parametrize(("reads", "wanted"), [((1,), [0]), ((3,), [2]), ((1, 2), [0, 1]), ((4, 1), [3, 0])])
def test_the_input_is_read_from_the_channels_that_are_named(reads, wanted):
    x = device()
    y = played(x, len(reads), len(reads), reads, len(reads))
    assert (y == x[:, wanted]).all()


@pytest.mark.parametrize(
    ("rows", "chosen", "expected"),
    [
        (1, (), {0: 0, 1: 0, 2: 0, 3: 0}),
        (1, (3,), {2: 0}),
        (1, (3, 4), {2: 0, 3: 0}),
        (2, (), {0: 0, 1: 1}),
        (2, (4, 2), {3: 0, 1: 1}),
        (2, (3,), {2: 0}),
    ],
)
def test_the_output_goes_to_the_channels_that_are_named_and_others_are_silent(rows, chosen, expected):
    x = device(channels=2)
    y = played(x, rows, rows, (1, 2)[:rows], 4, chosen)
    for channel in range(4):
        wanted = x[:, expected[channel]] if channel in expected else np.zeros(len(x))
        assert (y[:, channel] == wanted).all(), channel


@pytest.mark.parametrize(
    ("said", "meant"),
    [(2, (2,)), ("2", (2,)), ("1, 2", (1, 2)), ([2, 1], (2, 1)), (2.0, (2,)), (0, None), (257, None), ("1,2,3", None),
     ([1, 1], None), (True, None), ("", None), ([], None), (None, None), (1.5, None), ("a", None)],
)  # fmt: skip
def test_channels_as_they_are_typed(said, meant):
    assert channels_of(said) == meant
