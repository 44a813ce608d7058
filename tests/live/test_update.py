"""A network that learns while it plays: every step changes the sound, without a click, a gap or a compilation."""

import numpy as np
import pytest

import rtfx
from rtfx.api import Model
from rtfx.kernels.kernel import REGISTRY
from rtfx.model.nodes import Dense, Input, Lstm
from rtfx.model.spec import ModelSpec
from tests.engine.rigs import gru, lstm, noise
from tests.live.small_lstm import SmallLstm
from tests.live.test_stream import FRAMES, RATE, play, recorded

SECONDS = 8.0
FIRST = 1.5  # seconds of the untrained net


def layers() -> set[str]:
    """Return the names of all kernels of layers that are compiled."""
    return {kernel.name for kernel in REGISTRY.values() if kernel.name.startswith("kernels.")}


def spec_of(net: SmallLstm) -> ModelSpec:
    w_ih, w_hh, b_ih, b_hh, w_out, b_out = net.weights
    nodes = (Input(()), Lstm((0,), w_ih, w_hh, b_ih + b_hh), Dense((1,), w_out, b_out))
    return ModelSpec("test", nodes, "student", dc_block=False)


def esr(y: np.ndarray, target: np.ndarray) -> float:
    return float(np.sum((y - target) ** 2) / np.sum(target**2))


@pytest.mark.slow
def test_a_stream_is_heard_to_learn(tmp_path):
    time = np.arange(round(SECONDS * RATE)) / RATE
    tones = [np.sin(2 * np.pi * f * time + f) for f in (55.0, 82.3, 123.1, 196.7)]
    x = (0.15 * np.sum(tones, axis=0)).astype(np.float32)
    target = 0.4 * np.tanh(3.0 * x) - 0.1 * x
    net, generator = SmallLstm(), np.random.default_rng(1)
    m = Model(spec_of(net))
    path, compiled = tmp_path / "learning.wav", None
    snapshots = [m.spec]
    with play(rtfx.Rig([m]), x, record=path, seconds=SECONDS, level="none") as stream:
        stream.wait(FIRST)
        compiled, steps = layers(), 0
        while stream.engine.clock < (SECONDS - 1.5) * RATE:
            starts = generator.integers(0, len(x) - 96, 48)
            cut = starts + np.arange(96)[:, None]
            net.step(x[cut], target[cut], 32)
            m.update(net.state_dict())
            steps += 1
            if steps % 10 == 0:
                snapshots.append(m.spec)
        stream.wait(20.0)
        swaps = int(stream.engine.record["swaps"])
    y = recorded(path)[0]
    before, after = slice(RATE // 2, RATE), slice(-RATE, -RATE // 10)
    print(
        f"{steps} steps, {swaps} heard, ESR {esr(y[before], target[before]):.3f} -> {esr(y[after], target[after]):.4f}"
    )
    assert esr(y[after], target[after]) < 0.1 * esr(y[before], target[before])
    assert swaps > 20 and layers() == compiled
    steepest = max(np.abs(np.diff(Model(spec)(x[: 2 * RATE], RATE, bare=True))).max() for spec in [*snapshots, m.spec])
    assert np.abs(np.diff(y)).max() < 1.1 * steepest + 2.0 * np.abs(y).max() / 960, "no click"
    stats = stream.stats
    assert stats.frames == len(y) == len(x) and stats.blocks == len(x) // 64 and stats.lost_frames == 0
    assert stats.non_finite_blocks == 0 and stats.load_p99 < 1.0
    assert np.array_equal(Model(m.spec)(x[:RATE], RATE, bare=True), m(x[:RATE], RATE, bare=True))


def test_the_last_update_is_what_plays_on(tmp_path):
    """Only the newest of many updates plays, with the state from the music so far."""
    m, other = (Model(lstm(seed=seed), drive=0.8) for seed in (0, 5))
    x = noise(FRAMES)[:, 0]
    path = tmp_path / "live.wav"
    with play(rtfx.Rig([m]), x, record=path) as stream:
        stream.wait(0.2)
        for seed in (1, 2, 3, 4):
            m.update(lstm(seed=seed))
        m.update(other)
        stream.wait(20.0)
    y, old = recorded(path)[0], Model(lstm(), drive=0.8)(x, RATE)
    new = m(x, RATE)
    end = slice(-4000, -1000)
    assert np.array_equal(m(x, RATE, bare=True), other(x, RATE, bare=True))
    assert np.abs(y - new)[end].max() < 0.01 * np.abs(new - old)[end].max()


def test_a_preset_that_is_chosen_later_has_the_new_weights(tmp_path):
    m = Model(gru())
    rig = rtfx.Rig([m])
    with play(rig, np.zeros(FRAMES, np.float32)) as stream:
        preset = stream.controller.preset
        m.update(gru(seed=3))
        stream.wait(0.1)
        assert not preset.template.prewarmed
        fresh = preset.instance(preset.now())
        assert preset.template.prewarmed
        assert np.array_equal(fresh.weights, rtfx.Rig([Model(gru(seed=3))]).plan(RATE).weights)
        stream.set("level_db", -6.0)  # builds nothing: the structure is the same
        stream.wait(0.1)
        assert int(stream.engine.record["swaps"]) == 2


def test_offline_calls_go_on_with_new_weights():
    m = Model(gru())
    x = noise(9000)[:, 0]
    m(x[:3000], RATE, bare=True)
    m.update(gru(seed=3))
    went_on = m(x[3000:], RATE, reset=False, bare=True)
    old, new = (Model(gru(seed=seed))(x, RATE, bare=True)[3000:] for seed in (0, 3))
    assert np.abs(went_on - old)[0] < 1e-3 * np.abs(old).max()
    assert np.abs(went_on - new)[4000:].max() < 1e-4 and np.abs(old - new)[4000:].max() > 0.01
    assert np.array_equal(m(x, RATE, bare=True)[3000:], new), "and a call that resets is the new model's"


def test_a_bad_update_leaves_the_sound_as_it_is():
    m = Model(gru())
    with play(rtfx.Rig([m])) as stream:
        for bad, said in (
            (gru(9), "weight_ih of shape"),
            (lstm(), "node 1"),
            ({"lin.weight": np.ones((1, 8))}, "lacks"),
        ):
            with pytest.raises(rtfx.errors.ShapeMismatch, match=said):
                m.update(bad)
        with pytest.raises(rtfx.errors.NonFiniteWeights):
            m.update({name: np.full_like(array, np.nan) for name, array in m.weights.items()})
        with pytest.raises(rtfx.errors.UsageError, match="expected a module"):
            m.update(3)
        assert stream.active and int(stream.engine.record["swaps"]) == 1
