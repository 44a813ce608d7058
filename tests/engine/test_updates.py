"""New weights for a rig that plays: its state is kept, at most two rigs sound, and the newest weights are played."""

import numpy as np
import pytest

from rtfx.engine.engine_rig import EngineRig
from rtfx.model.nodes import Conv1d, Dense, Input, Lstm
from rtfx.model.spec import ModelSpec

from .rigs import (
    RATE,
    cab,
    cut,
    drive,
    effect,
    engine,
    gain,
    gru,
    lstm,
    model,
    noise,
    plan_chain,
    playing,
    response,
    tcn,
)

FADE = 960


def fir(taps, bias: float = 0.0) -> ModelSpec:
    nodes = (Input(()), Conv1d((0,), weight=np.asarray(taps)[None, None, ::-1], bias=np.array([bias])))
    return ModelSpec("test", nodes, name="fir", dc_block=False)


def update(e, chain, channels: int = 1) -> EngineRig:
    """Publish a chain that continues with the state of the one published last."""
    new = EngineRig(plan_chain(chain, RATE, channels), template=playing(e))
    e.publish(new, continues=True)
    return new


@pytest.mark.parametrize("block", [1, 64, 65, 512, "random"])
def test_a_convolution_keeps_its_history(block):
    first, second = response(300), response(300, seed=8)
    e = engine([model(fir(first))], limiter=False)
    x = noise(5000)
    y = drive(e, x[:2000], cut(2000, block))
    update(e, [model(fir(second))])
    y = np.concatenate([y, drive(e, x[2000:], cut(3000, block))])[:, 0]
    p = np.concatenate([np.zeros(2000), np.minimum(np.arange(1, 3001) / FADE, 1.0)])
    old, new = (np.convolve(x[:, 0].astype(np.float64), taps)[:5000] for taps in (first, second))
    assert np.abs(y - ((1.0 - p) * old + p * new)).max() < 2e-6


def stacked() -> ModelSpec:
    """Two LSTMs in series."""
    g = np.random.default_rng(3)
    cells = [
        (g.uniform(-0.4, 0.4, (32, width)), g.uniform(-0.4, 0.4, (32, 8)), g.uniform(-0.4, 0.4, 32)) for width in (1, 8)
    ]
    nodes = (
        Input(()),
        Lstm((0,), *cells[0]),
        Lstm((1,), *cells[1]),
        Dense((2,), g.uniform(-1, 1, (1, 8)), np.zeros(1)),
    )
    return ModelSpec("test", nodes, name="stacked")


@pytest.mark.parametrize("spec", [gru, lstm, stacked, tcn])
def test_the_same_weights_change_nothing(spec):
    """State, gliding knobs and DC blocker continue: a copy gives the output of the original."""
    chain = [effect("gate"), model(spec()), effect("eq", bell1_db=6.0), cab(response(700))]
    x = noise(6000)
    plain = drive(engine(chain), x)
    e = engine(chain)
    y = []
    for start in range(0, 6000, 1500):
        y.append(drive(e, x[start : start + 1500]))
        update(e, chain)
    assert np.abs(np.concatenate(y) - plain).max() < 1e-6
    assert e.record["swaps"] == 4


def test_a_tail_is_not_heard_twice():
    """The new rig holds the history of the cabinet, so the old rig's tail must not sound too."""
    e = engine([cab(response(4000))], limiter=False)
    x = noise(3000)
    y = drive(e, x)
    update(e, [cab(response(4000))])
    y = np.concatenate([y, drive(e, np.zeros((5000, 1), np.float32))])[:, 0]
    exact = np.convolve(x[:, 0].astype(np.float64), response(4000))
    assert np.abs(y[: len(exact)] - exact).max() < 1e-5


def test_a_flood_of_updates_costs_two_rigs_and_the_latest_wins():
    e = engine([model(fir([1.0]))], limiter=False)
    one = np.full((48, 1), 0.5, np.float32)
    heard, voices = [], []
    for number in range(200):
        update(e, [model(fir([1.0 - number / 250.0]))])
        heard.append(drive(e, one, [48]))
        voices.append(int((e.record["slots"]["rig"] != 0).sum()))
        e.reclaim()
    heard.append(drive(e, np.full((3000, 1), 0.5, np.float32)))
    y = np.concatenate(heard)[:, 0]
    assert max(voices) == 2
    assert y[-1] == pytest.approx(0.5 * (1.0 - 199 / 250.0), abs=1e-6)
    assert np.abs(np.diff(y)).max() < 0.5 / FADE
    e.reclaim()
    assert len(e.rigs) == 1
    assert e.record["swaps"] >= 200 * 48 // (FADE + 48), "one after the other, without a pause"


def test_parameters_posted_meanwhile_glide_on():
    e = engine([gain(0.0)], limiter=False)
    one = np.full((480, 1), 0.5, np.float32)
    playing(e).glide_to([{"gain_db": -20.0}])
    y = [drive(e, one)]  # half of the fade
    new = update(e, [gain(0.0)])
    new.glide_to([{"gain_db": -20.0}])
    y.append(drive(e, np.repeat(one, 10, axis=0)))
    y = np.concatenate(y)[:, 0]
    assert np.abs(np.diff(y)).max() < 1.01 * 0.45 / 960
    assert y[-1] == pytest.approx(0.05, abs=1e-7)


def test_a_rig_of_another_layout_starts_from_its_own_rest():
    e = engine([model(fir([1.0, 0.0, 0.0]))], limiter=False)
    drive(e, noise(640))
    other = EngineRig(plan_chain([model(fir(response(5000)))], RATE))
    e.publish(other, continues=True)
    x = noise(4000, seed=2)
    y = drive(e, x)[:, 0]
    exact = np.convolve(x[:, 0].astype(np.float64), response(5000))[:4000]
    assert np.abs(y - exact)[FADE:].max() < 2e-6


def test_layouts_tell_dilations_and_widths_apart_but_not_weights():
    def layout(spec):
        return plan_chain([model(spec)], RATE).layout

    def conv(dilation, seed=0):
        weight = np.random.default_rng(seed).standard_normal((1, 1, 2))
        return ModelSpec("test", (Input(()), Conv1d((0,), weight=weight, bias=np.zeros(1), dilation=dilation)))

    def dense(weight):
        return ModelSpec("test", (Input(()), Dense((0,), weight=np.full((1, 1), weight), bias=np.zeros(1))))

    assert layout(conv(3)) == layout(conv(3, seed=1))
    assert layout(conv(3)) != layout(conv(4)), "both keep sixteen frames"
    assert layout(dense(0.0)) == layout(dense(1.0))
    assert layout(gru(8)) == layout(gru(8, seed=3)) != layout(gru(9))
