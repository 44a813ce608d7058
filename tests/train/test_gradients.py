"""The trainer's gradients against finite differences, and its net against the reference that shares no code."""

import numpy as np
import pytest

from rtfx.model.reference import evaluate
from rtfx.model.spec import Knob
from rtfx.train.learner import Options
from rtfx.train.loss import spectral_loss, time_loss, total_loss
from rtfx.train.recurrent_learner import RecurrentLearner


def sounds(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def slope(function, values, direction, step):
    """The derivative of function(values) along a direction, by central differences."""
    return (function(values + step * direction) - function(values - step * direction)) / (2.0 * step)


@pytest.mark.parametrize(("pre_emphasis", "dc"), [(0.85, 1 / 3), (0.0, 0.0), (0.85, 5.0)])
def test_time_loss(pre_emphasis, dc):
    y, target, direction = sounds((2, 40, 8)), sounds((2, 40, 8), 1), sounds((2, 40, 8), 2)
    dc, pre_emphasis = np.float32(dc), np.float32(pre_emphasis)
    weight = np.random.default_rng(3).uniform(0.5, 1.5, (2, 8)).astype(np.float32)
    value, gradient = time_loss(y, target, weight, pre_emphasis, dc)
    sharp = [wave[:, 1:] - pre_emphasis * wave[:, :-1] for wave in (y - target, target)]
    means = np.mean(np.mean(y - target, axis=1) ** 2) / np.mean(target**2)
    missed, wanted = (np.sum(weight * np.sum(wave**2, axis=1)) for wave in sharp)
    assert value == pytest.approx(missed / wanted + dc * means, rel=1e-4)
    found = slope(lambda wave: time_loss(wave, target, weight, pre_emphasis, dc)[0], y, direction, np.float32(0.5))
    assert np.sum(gradient * direction) == pytest.approx(found, rel=2e-3)  # the loss is quadratic: float32's own error


def test_evenly_counts_a_quiet_lane_as_much_as_a_loud_one():
    """An error of the same share in both: the quiet lane's has a tenth of the loud one's power, but counts for half."""
    target = sounds((1, 40, 2)) * np.array([1.0, 0.3], np.float32)
    for evenly, least, most in ((False, 0.05, 0.15), (True, 0.3, 0.6)):
        _, gradient = total_loss(1.1 * target, target, Options(dc=0.0, evenly=evenly))
        by_share = [np.sum(gradient[..., lane] * target[..., lane]) for lane in (0, 1)]
        assert least < by_share[1] / by_share[0] < most


def test_spectral_loss():
    y, target, direction = (sounds((2, 1100, 2), seed).astype(np.float64) for seed in (3, 4, 5))
    _, gradient = spectral_loss(y, target)
    found = slope(lambda wave: spectral_loss(wave, target)[0], y, direction, 1e-6)
    assert np.sum(gradient * direction) == pytest.approx(found, rel=1e-4)
    assert spectral_loss(target, target)[0] < 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize(("cell", "hidden"), [("lstm", 6), ("gru", 5)])
def test_back_propagation(cell, hidden, skip):
    net = RecurrentLearner(cell, hidden, 2, Options(skip=skip), seed=1)
    x, target = sounds((30, 2, 16), 6), sounds((1, 30, 16), 7)
    begin = sounds(net._rest(16).shape, 8) * np.float32(0.3)

    def loss(values):
        net.optimiser.values[:] = values
        state = begin.copy()
        out, tape = net._run(x, state, 0)
        value, by_y = total_loss(out[None], target, net.options)
        return value, tape, state, by_y[0]

    values = net.optimiser.values.copy()
    _, tape, state, by_y = loss(values)
    gradient = net._gradient(x, tape, state, by_y)
    for i, (part, where) in enumerate(zip(net._cut(gradient), net._cut(np.arange(values.size)), strict=True)):
        if cell == "lstm" and i == 3:
            assert not part.any()  # its second bias does not learn
            continue
        direction = np.zeros_like(values)
        direction[where.ravel()] = sounds(where.size, int(where.flat[0]))
        found = slope(lambda v: loss(v)[0], values, direction, np.float32(4e-3))
        assert np.sum(part.ravel() * direction[where.ravel()]) == pytest.approx(found, rel=0.02, abs=2e-4)


@pytest.mark.parametrize("name", ["lstm", "gru"])
@pytest.mark.parametrize("knobs", [(), (Knob("gain"), Knob("tone"))])
def test_the_exported_model_is_the_net_that_learnt(name, knobs):
    net = RecurrentLearner(name, 7, 1 + len(knobs), seed=2)
    x = 0.5 * sounds((1 + len(knobs), 600), 9)
    for row in range(1, 1 + len(knobs)):
        x[row] = 0.3 * row
    spec = net.spec("mine", 48000.0, knobs, {})
    found = evaluate(spec, x[0], {knob.name: float(row[0]) for knob, row in zip(knobs, x[1:], strict=True)}, cold=True)
    assert np.abs(net.predict(x) - found[0]).max() < 2e-6 * np.abs(found).max() + 2e-6


def test_two_parts_learn_what_one_would():
    """A batch split over threads takes the step that the whole batch takes."""
    x, y = 0.3 * sounds((4, 1, 1600), 10), 0.3 * sounds((4, 1600), 11)
    nets = [RecurrentLearner("lstm", 5, 1, seed=3) for _ in range(2)]
    nets[1]._each = lambda parts, work: [work(p) for p in range(parts)]
    losses = [net.step(x, y) for net in nets]
    assert losses[0] == losses[1]
    assert np.array_equal(nets[0].optimiser.values, nets[1].optimiser.values)
    odd = RecurrentLearner("lstm", 5, 1, seed=3)
    odd.step(x[:3], y[:3])  # a batch that cannot be halved
    assert not np.array_equal(odd.optimiser.values, nets[0].optimiser.values)


@pytest.mark.parametrize("cell", ["lstm", pytest.param("gru", marks=pytest.mark.slow)])  # each compiles for seconds
def test_a_gradient_that_is_not_finite_is_passed_over(cell):
    net = RecurrentLearner(cell, 4, 1, seed=0)
    before = net.optimiser.values.copy()
    net.step(np.full((2, 1, 1600), np.nan, np.float32), np.zeros((2, 1600), np.float32))
    assert np.array_equal(net.optimiser.values, before)
