"""NaN, infinity, denormals and samples above full scale never reach the output."""

import math
from dataclasses import replace

import numpy as np
import pytest

from rtfx.effects.klon import KLON
from rtfx.engine.offline import Offline
from rtfx.host.render import at_rate
from rtfx.model.nodes import Activation, Add, Conv1d, Dense, Input
from rtfx.model.spec import ModelSpec
from rtfx.plan.block import ReadyBlock
from rtfx.plan.chain import plan_chain

from .rigs import RATE, cab, cut, drive, effect, engine, exploding, gain, gru, model, noise, response, tcn

DENORMAL = np.float32(1e-39)


@pytest.mark.parametrize("block", [64, 512])
def test_a_non_finite_block_is_muted_counted_named_and_the_model_reset(block):
    chain = [gain(0.0), model(exploding(), "bang", bare=True), model(gru(), "after")]
    x = noise(20 * block, level=0.1)
    e = engine(chain)
    spoiled = 5 * block
    x[spoiled + 20] = 0.9
    y = drive(e, x, cut(len(x), block))
    record = e.record
    assert np.isfinite(y).all()
    assert int(record["non_finite"]) == 1
    assert int(record["fault_block"]) == 1, "the index of the model in its chain"
    # from here the output is that of a rig that starts at this frame
    fresh = drive(engine(chain), x[spoiled + block :], cut(len(x) - spoiled - block, block))
    assert np.array_equal(y[spoiled + block :], fresh)
    assert np.abs(fresh).max() > 1e-3


def test_the_block_itself_is_silent():
    e = engine([model(exploding(), bare=True)])
    x = noise(640, level=0.1)
    x[200] = 0.9
    y = drive(e, x)
    assert (y[192:256] == 0.0).all()
    assert np.array_equal(y[:192], x[:192]) and np.array_equal(y[256:], x[256:])


def test_a_recurrent_model_recovers():
    """Without the reset one NaN would stay in the state for ever."""
    nodes = exploding().nodes
    cell = gru()
    shifted = [_moved(node, len(nodes) - 1) for node in cell.nodes[1:]]
    spec = ModelSpec("test", (*nodes, *shifted), name="test")
    e = engine([model(spec)])
    x = noise(4000, level=0.1)
    x[1000] = 0.9
    y = drive(e, x)
    assert np.isfinite(y).all()
    assert int(e.record["non_finite"]) == 1
    assert np.abs(y[1100:]).max() > 1e-3


def _moved(node, offset):
    return replace(node, sources=tuple(source + offset for source in node.sources))


@pytest.mark.parametrize("height", [2e6, 1e20])
def test_a_model_that_runs_away_is_muted_before_infinity(height):
    """The output is finite, but would disturb the limiter and the DC blocker's mean for more than a second."""
    steep = Dense((0,), weight=np.full((1, 1), 10.0), bias=np.array([-5.0]))
    huge = Dense((2,), weight=np.full((1, 1), height), bias=np.zeros(1))
    spec = ModelSpec("test", (Input(()), steep, Activation((1,), kind="relu"), huge, Add((0, 3))), name="test")
    x = noise(9600, level=0.05)
    clean = drive(engine([model(spec), effect("eq", low_cut_hz=40.0)]), x)
    x[1000] = 0.9
    e = engine([model(spec), effect("eq", low_cut_hz=40.0)])
    y = drive(e, x)
    assert int(e.record["non_finite"]) == 1 and np.abs(y).max() < 1.0
    assert np.abs(y - clean)[1000 + 2400 :].max() < 0.01
    bare = drive(engine([model(spec, bare=True)], limiter=False), x)
    assert bare[1000, 0] > height, "the model's own function is not judged"


def test_every_bad_block_counts():
    e = engine([model(exploding(), bare=True)])
    x = noise(64 * 40, level=0.1)
    x[64 * np.arange(10, 20, 2) + 5] = 0.9
    drive(e, x)
    assert int(e.record["non_finite"]) == 5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30, -1e10, 300.0])
def test_bad_input_is_silence(bad):
    """Samples that are not finite, and samples above +48 dBFS."""
    x = noise(2000)
    x[[0, 700, 1999]] = 0.0
    clean = drive(engine([model(gru()), effect("eq")]), x)
    x[[0, 700, 1999]] = bad
    e = engine([model(gru()), effect("eq")])
    assert np.array_equal(drive(e, x), clean)
    assert int(e.record["non_finite"]) == 0


WILD = {
    "linear": [gain(0.0)],
    "loud": [gain(24.0)],
    "gate and eq": [effect("gate"), effect("eq", low_cut_hz=80.0, bell1_db=12.0, bell1_q=10.0)],
    "net": [model(gru()), cab(response(8000))],
    "klon": [ReadyBlock("klon", KLON, KLON.complete({"mode": "circuit"}))],
}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", WILD)
def test_one_wild_sample_is_over_at_once(name, channels):
    """A single sample of 1e30 kept the limiter of a linear chain, and the states of any other, for seconds."""
    x = noise(24000, level=0.05, channels=channels)
    x[9600] = 0.0
    clean = drive(engine(WILD[name], channels), x)
    x[9600, -1] = 1e30
    for e in (engine(WILD[name], channels), engine(WILD[name], channels, source=x)):
        assert np.array_equal(drive(e, x), clean)
        assert e.record["in_peak_max"] < 1.0, "the meters do not show it"


def test_a_bare_model_hears_every_number():
    spec = ModelSpec("test", (Input(()), Conv1d((0,), weight=np.ones((1, 1, 1)), bias=np.zeros(1))), name="test")
    x = np.array([[1e6], [-3e20]], np.float32)
    assert np.array_equal(Offline(plan_chain([model(spec, bare=True)], RATE), limiter=False).process(x), x)


def test_hot_recordings_are_heard():
    """Files of floats may be 40 dB too loud: they are limited and not muted, and can be turned down."""
    x = noise(4800, level=30.0)
    player = Offline(plan_chain([gain(0.0)], RATE), limiter=False, in_gain_db=-40.0)
    assert np.abs(player.process(x) - 0.01 * x).max() < 1e-5 and np.abs(x).max() > 100.0


def test_a_wild_sample_of_a_file_of_another_rate_is_over_within_50_ms():
    """A filter that changes the rate would spread it over its whole history."""

    def converted(x):
        return np.concatenate(list(at_rate([x], lambda x: x, 44100, 48000, 1, 1)))

    x = noise(44100, level=0.05)
    clean = converted(x)
    x[9600] = 1e30
    y = converted(x)
    assert np.array_equal(y[9600 + 2205 :], clean[9600 + 2205 :]) and np.abs(y).max() < 1.0


@pytest.mark.parametrize("peak", [1e5, 1e30])
def test_the_limiter_lets_go_of_any_peak(peak):
    """The state that a chain has after a loud sound decays within 0.3 s; after 1e30 it took 3.4 s."""
    x = noise(24000, level=0.05)
    clean = drive(engine([gain(0.0)]), x)
    x[100] = peak
    e = engine([gain(0.0)], loudest=3e38)
    y = drive(e, x)
    assert np.abs(y).max() == 1.0
    assert np.array_equal(y[100 + 14400 :], clean[100 + 14400 :])


def test_denormals_are_flushed_where_kernels_run_and_only_there():
    e = engine([gain(0.0)], limiter=False)
    x = np.full((256, 1), DENORMAL, np.float32)
    assert (drive(e, x) == 0.0).all()
    assert x[0, 0] * np.float32(1.0) > 0.0, "the caller's thread got its mode back"
    # products of normal numbers that would be denormal
    e = engine([gain(-60.0), gain(-60.0)], limiter=False)
    assert (drive(e, np.full((256, 1), 1e-35, np.float32)) == 0.0).all()


def test_denormals_inside_a_network_are_flushed():
    weight = np.full((1, 1, 3), 1e-30)
    nodes = (Input(()), Conv1d((0,), weight=weight, bias=np.zeros(1)))
    spec = ModelSpec("test", nodes, name="test")
    y = drive(engine([model(spec, bare=True)]), np.full((64, 1), 1e-10, np.float32))
    assert (y == 0.0).all()


def test_nothing_exceeds_full_scale():
    for x in (noise(5000, level=3.0), np.full((5000, 1), 200.0, np.float32), noise(5000, level=50.0)):
        e = engine([gain(24.0)])
        y = drive(e, x)
        assert np.abs(y).max() <= 1.0
        assert np.abs(y).max() > 0.99


def test_limiter_against_numpy():
    x = noise(6000, level=0.6, channels=2)
    y = drive(engine([gain(0.0)], 2), x)
    release = math.exp(-1.0 / (0.05 * RATE))
    peak, exact = 0.0, np.zeros((6000, 2))
    for n in range(6000):
        peak = max(np.abs(x[n]).max(), peak * release)
        exact[n] = x[n] / max(peak, 1.0)
    assert np.abs(y - exact).max() < 1e-4  # the peak decays in float32 over thousands of frames
    assert np.abs(x).max() > 1.5 and np.abs(y).max() <= 1.0


def test_limiter_is_a_wire_below_full_scale():
    x = np.clip(noise(5000, level=0.4), -1.0, 1.0)
    assert np.abs(x).max() == 1.0
    assert np.array_equal(drive(engine([gain(0.0)]), x), x)


def test_limiter_off_is_a_wire():
    x = noise(5000, level=3.0)
    assert np.array_equal(drive(engine([gain(0.0)], limiter=False), x), x)


def test_a_silent_input_gives_silence():
    """A gated chain of nets with offsets ends in exact zeros, or far below audibility."""
    e = engine([effect("gate"), model(tcn()), model(gru(), "second"), effect("gate", "end")])
    drive(e, noise(4800))
    y = drive(e, np.zeros((48000, 1), np.float32))
    assert np.abs(y[-4800:]).max() < 1e-5
