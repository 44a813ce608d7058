"""The block size does not change the output: the same input in blocks of any size gives the same bits."""

import numpy as np
import pytest

from rtfx.engine.engine import Engine
from rtfx.engine.engine_rig import EngineRig
from rtfx.kernels.conv import OVERHANG
from rtfx.model.nodes import Activation, Conv1d, Dense, Input
from rtfx.model.spec import ModelSpec
from rtfx.plan.arena import BUFFER, MAX_BLOCK, RING_BYTES

from .rigs import CUTS, chains, cut, drive, effect, engine, gain, gru, model, noise, playing, rig, tcn

FRAMES = 4000


@pytest.mark.parametrize("name", chains())
def test_any_cut_gives_the_same_bits(name):
    x = noise(FRAMES)
    whole = drive(engine(chains()[name]), x, [FRAMES])
    assert np.abs(whole).max() > 1e-3
    for block in CUTS:
        assert np.array_equal(drive(engine(chains()[name]), x, cut(FRAMES, block)), whole), block


def test_any_cut_with_stereo_and_a_long_chain():
    chain = [effect("gate"), model(gru(), "a"), effect("eq", bell2_db=-6.0), model(tcn(), "b"), gain(3.0)]
    x = noise(FRAMES, channels=2)
    whole = drive(engine(chain, 2), x, [FRAMES])
    assert whole.shape == (FRAMES, 2)
    assert np.abs(whole[:, 0] - whole[:, 1]).max() > 1e-3
    for block in CUTS:
        assert np.array_equal(drive(engine(chain, 2), x, cut(FRAMES, block)), whole), block


def test_an_empty_block_changes_nothing():
    e = engine([model(gru())])
    x = noise(128)
    y = np.concatenate([drive(e, x[:64]), drive(e, x[:0], [0]), drive(e, x[64:])])
    assert np.array_equal(y, drive(engine([model(gru())]), x))
    assert e.clock == 128


def long_conv(features: int, taps: int, dilation: int):
    """Return a model with one long layer, and its function in float64."""
    g = np.random.default_rng(1)
    mix = g.standard_normal((features, 1))
    weight = g.standard_normal((1, features, taps)) / np.sqrt(features * taps)
    nodes = (
        Input(()),
        Dense((0,), weight=mix, bias=np.zeros(features)),
        Activation((1,), kind="tanh"),
        Conv1d((2,), weight=weight, bias=np.zeros(1), dilation=dilation),
    )

    def exact(x):
        wide = np.tanh(mix @ np.concatenate([np.zeros((taps - 1) * dilation), x])[None])
        return sum(weight[0, :, k] @ wide[:, k * dilation : k * dilation + len(x)] for k in range(taps))

    return ModelSpec("test", nodes, name="test", dc_block=False), exact


@pytest.mark.parametrize(
    "features, dilation, is_ring", [(8, 6000, True), (4, 40000, True), (8, 500, False), (1, 3000, False)]
)
@pytest.mark.parametrize("block", [64, 512, "random"])
def test_long_history_against_numpy(features, dilation, is_ring, block):
    """Rings wrap and sliding buffers move back several times; every tap sees the right frame."""
    spec, exact = long_conv(features, 3, dilation)
    e = engine([model(spec, bare=True)], limiter=False)
    record = playing(e).record
    buffers = playing(e).table(int(record["buffers"]), int(record["buffer_count"]), BUFFER)
    assert (buffers["ring"] > 0).any() == is_ring
    largest = buffers[buffers["slides"] == 1][0]
    assert is_ring == (4 * largest["rows"] * (largest["history"] + MAX_BLOCK + OVERHANG) > RING_BYTES)
    period = int(largest["ring"]) or int(largest["end"] - largest["start"]) // 4
    x = noise(3 * period + 5000)
    y = drive(e, x, cut(len(x), block))[:, 0]
    assert np.abs(y - exact(x[:, 0].astype(np.float64))).max() < 2e-6


def test_prewarm_is_silence_that_has_already_passed():
    """A prewarmed model continues exactly like one that processed that many zeros."""
    for spec in (gru(), tcn()):
        frames = spec.prewarm_frames
        assert frames == (2048 if spec.recurrent else spec.receptive_field)
        x = noise(1000)
        warm = drive(engine([model(spec, bare=True)]), x)
        plan = rig([model(spec, bare=True)]).plan
        cold = Engine(48000.0, live=False)
        cold.publish(EngineRig(plan, cold=True))
        silence_first = drive(cold, np.concatenate([np.zeros((frames, 1), np.float32), x]))
        assert np.array_equal(silence_first[frames:], warm)
        assert np.abs(silence_first[:5]).max() > 0.0 and not np.array_equal(silence_first[:1000], warm)
