"""The scripts that make the shipped nets: the circuits of two pedals, and a short training by each script."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from rtfx.model.load import load
from rtfx.model.nodes import Gru
from rtfx.model.reference import evaluate
from rtfx.train.fit import Plan

RATE = 48000


@pytest.fixture(scope="module")
def scripts():
    """The modules beside the models, which are no part of the package."""
    folder = str(Path(__file__).parents[1] / "models/make")
    sys.path.insert(0, folder)
    try:
        import clippers
        import klon
        import lessons
        import shelf

        yield clippers, lessons, shelf, klon
    finally:
        sys.path.remove(folder)


def error(target, found):
    return np.sum((target - found) ** 2) / np.sum(target**2)


def guitar_like(rate, seconds=0.05, size=0.3):
    t = np.arange(int(rate * seconds)) / rate
    return size * np.sin(2 * np.pi * 150 * t) * np.sin(2 * np.pi * 611 * t) * np.minimum(1.0, 200 * t)


@pytest.mark.parametrize("name, knob", [("screamer", 0.0), ("screamer", 1.0), ("rodent", 0.3), ("rodent", 1.0)])
def test_at_low_level_a_pedal_is_its_linear_circuit(name, knob, scripts):
    clippers, rate = scripts[0], 8 * RATE
    impulse = np.zeros(rate // 2)
    impulse[0] = 1e-9
    spectrum = np.fft.rfft(getattr(clippers, f"{name}_volts")(impulse, knob, rate)) / 1e-9
    for hertz in (100, 400, 1000, 3000):
        s = 2j * np.pi * hertz
        saturation, thermal = clippers.SILICON
        diodes = 2 * saturation / thermal
        if name == "screamer":
            back = 1 / (1 / (51e3 + 500e3 * knob**2) + s * 51e-12 + diodes)
            expected = 1 + back / (4.7e3 + 1 / (s * 47e-9))
            expected *= s / (s + 2 * np.pi * 16) * (1 + s * 220 * 0.22e-6) / (1 + s * 1220 * 0.22e-6)
        else:
            legs = 1 / (47 + 1 / (s * 2.2e-6)) + 1 / (560 + 1 / (s * 4.7e-6))
            noise = 1 + legs / (1 / (100e3 * knob**2) + s * 100e-12)
            expected = noise / (1 + noise * s / clippers.UNITY) * s / (s + 2 * np.pi * 15)
            expected *= 1e-3 / (1e-3 + s * 1e-9 + diodes) / (1 + hertz / 4500 * 1j)
        # the trapezoidal rule bends frequencies by (pi f / rate)^2 / 3: 0.02 % at 3 kHz
        assert abs(spectrum[hertz // 2] - expected) < 2e-3 * abs(expected), hertz


@pytest.mark.parametrize("capacitance, ohms", [(51e-12, 250e3), (1e-9, 1e3)])
def test_the_diode_node_is_the_solution_of_its_equation(capacitance, ohms, scripts):
    """The result agrees with an adaptive solver of stiff equations, which does not use the trapezoidal rule."""
    clippers, rate = scripts[0], 64 * RATE
    saturation, thermal = clippers.SILICON
    time = np.arange(rate // 500) / rate
    current = 3e-4 * np.sin(2 * np.pi * 1500 * time)
    found = clippers.diode_node(current, 1 / ohms, capacitance, saturation, thermal, float(rate))

    def slope(t, v):
        i = 3e-4 * np.sin(2 * np.pi * 1500 * t)
        return (i - v / ohms - 2 * saturation * np.sinh(v / thermal)) / capacitance

    exact = solve_ivp(slope, (0, time[-1]), [0.0], "Radau", time, rtol=1e-7, atol=1e-9).y[0]
    assert error(exact, found) < 1e-5


def test_the_diode_node_never_gives_more_than_it_got(scripts):
    """What flows in is at every moment at least what the capacitor holds: resistor and diodes only take."""
    clippers, rate = scripts[0], float(4 * RATE)
    current = 1e-3 * np.random.default_rng(0).standard_normal(4000)
    v = clippers.diode_node(current, 1e-6, 1e-9, *clippers.SILICON, rate)
    before, pushed = np.concatenate([[0.0], v[:-1]]), np.concatenate([[0.0], current[:-1]])
    given = np.cumsum(0.5 * (current + pushed) * 0.5 * (v + before)) / rate
    assert np.all(given - 0.5 * 1e-9 * v**2 > -1e-3 * given[-1])


@pytest.mark.parametrize("name", ["screamer", "rodent"])
def test_a_pedal_converges_with_the_step_size(name, scripts):
    volts = getattr(scripts[0], f"{name}_volts")

    def output(factor):
        return volts(guitar_like(RATE * factor), 0.7, RATE * factor)[::factor]

    exact = output(64)
    errors = [error(exact, output(factor)) for factor in (2, 4, 8)]
    assert errors[0] > 4 * errors[1] > 16 * errors[2] and errors[2] < 1e-4
    assert np.all(volts(np.zeros(1000), 1.0, RATE) == 0)


@pytest.fixture(scope="module")
def music(scripts):
    """Return training and validation data: some seconds each, of different seeds."""
    lessons = scripts[1]
    return lessons.pieces(7, 1, 1)[:20], lessons.pieces(8, 1, 1)[:4]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "most"), [("screamer", 0.12), ("rodent", 0.15), ("combo", 0.3), ("amp", 0.2), ("klon", 0.15)]
)
def test_a_reduced_run_of_each_script_learns_its_circuit(name, most, scripts, music, tmp_path):
    """To a stated error in seconds; and the graph that is written is the net that learnt.

    That of the script whose net learns through PyTorch is in train/torch_only.
    """
    _, _, shelf, klon = scripts
    plan = Plan(rounds=8, batch=32, segment=5000, rate=1.5e-2)
    if name == "klon":
        data = klon.lessons(*music, times=2)
        esr = klon.main(data, plan, tmp_path / "klon.json")
    else:
        data = shelf.lessons(shelf.RECIPES[name], *music, times=2)
        esr = shelf.main(name, data, plan, tmp_path)
    assert esr < most
    spec = plays_what_learnt(tmp_path / f"{name}.json", data, esr, most)
    assert [node.width for node in spec.nodes if isinstance(node, Gru)] == [16]


def plays_what_learnt(path, data, esr, most):
    """Compare the written model with the validation data; return it."""
    spec = load(path)
    assert spec.metadata["check_esr"] == pytest.approx(esr, abs=1e-6)
    takes = [data.takes[span.take] for span in data.checks]
    loudest = max(takes, key=lambda take: np.std(take.y[6000:14000]))
    knobs = {knob.name: float(loudest.x[1, 0]) for knob in spec.knobs}
    found = evaluate(spec, loudest.x[0, :14000], knobs, cold=True)[0]
    assert error(loudest.y[6000:14000], found[6000:]) < 2 * most
    return spec
