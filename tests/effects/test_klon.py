"""Klon: its stages against their circuits, energy, step size, a turn of the knob, and the reference recordings."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

import rtfx
from rtfx.effects import klon, klon_circuit
from rtfx.effects.effect import Effect
from rtfx.effects.klon import KLON

from .harness import RATE, Run, constant, glide, guitar, run

STAGE = Effect("stage", klon.PARAMETERS, klon.cells, klon_circuit.KERNEL, klon_circuit.CIRCUIT_STATE)
BUFFER = Effect("buffer", klon.PARAMETERS, klon.cells, klon.INPUT, klon.STATE)
GAINS = (0.0, 0.3, 0.5, 1.0)


@pytest.fixture(scope="module")
def nodal():
    """The same gain stage by nodal analysis in state space, from a script in the folder of the models."""
    folder = str(Path(__file__).parents[2] / "models/make")
    sys.path.insert(0, folder)
    try:
        import klon_circuit as script

        yield script
    finally:
        sys.path.remove(folder)


def esr(target, found):
    return np.sum((target - found) ** 2) / np.sum(target**2)


def test_tables_agree(nodal):
    for name in ("R11", "R12", "C7", "C8", "R20", "C13", "SATURATION", "THERMAL", "POT", "WIPER", "RAIL"):
        assert getattr(klon_circuit, name) == getattr(nodal, name), name
    assert (klon_circuit.HIGH_RAIL, klon_circuit.LOW_RAIL) == (-nodal.SUM_RAILS[0], -nodal.SUM_RAILS[1])


@pytest.mark.parametrize("gain", GAINS)
def test_two_formulations_agree(gain, nodal):
    """Capacitors as voltages behind resistances, and a state space of nodal analysis: equal but for rounding."""
    x = guitar(RATE // 2)
    expected = nodal.volts(x.astype(float), np.float64(np.float32(gain)), RATE)
    assert np.abs(run(STAGE, x, {"gain": gain}) - expected).max() < 1e-6 * np.abs(expected).max()


def test_diodes_obey_their_equation():
    """From a microvolt to a hundred volts, within the bounded number of steps."""
    for source in (1e-6, 1e-3, 0.1, 1.0, 20.0, 100.0):
        v = klon_circuit.diode_voltage.function(source, 900.0)
        current = 2 * klon_circuit.SATURATION * np.sinh(v / klon_circuit.THERMAL)
        assert v + 900.0 * current == pytest.approx(source, rel=1e-9)
        assert klon_circuit.diode_voltage.function(-source, 900.0) == -v


def sine(rate, hertz=220.0, seconds=0.1, size=0.5):
    t = np.arange(int(rate * seconds)) / rate
    return size * np.sin(2 * np.pi * hertz * t) * np.minimum(1.0, 100.0 * t)


def test_it_converges_with_the_step_size():
    def output(factor):
        rate = RATE * factor
        x = np.float32(sine(rate))
        return Run(STAGE)(x, constant(STAGE, {"gain": 1.0}, x.size, rate))[::factor].astype(float)

    exact = output(32)
    errors = [esr(exact, output(factor)) for factor in (1, 2, 4)]
    assert errors[0] < 2e-4 and errors[2] < 1e-6  # audible at 48 kHz: -37 dB and below
    assert errors[0] > 8 * errors[1] > 64 * errors[2]  # second order: 16 a halving


@pytest.mark.parametrize("rate, bound", [(44100, 2e-4), (48000, 2e-4), (96000, 2e-5)])
def test_without_oversampling_it_is_near_the_oversampled_circuit(rate, bound, nodal):
    x = resample_poly(guitar(RATE // 2).astype(float), rate // 300, 160)
    found = run(STAGE, np.float32(x), {"gain": 1.0}, rate)
    assert esr(nodal.klon(x / nodal.VOLTS_PER_UNIT, 1.0, rate, 16), found) < bound


def test_passive_parts_never_gain_energy():
    """Without a source, the knob at another place each sample: the waves of pre-amp and feed-forward 2 only shrink."""
    rng = np.random.default_rng(3)
    player = Run(STAGE)
    values = {"C3": 0, "C5": 1, "C16": 2, "C4": 7, "C6": 8, "C12": 9, "C11": 10}
    capacities = np.array([getattr(klon_circuit, name) for name in values])
    places = list(values.values())
    player.state["e"][0][places] = rng.standard_normal(len(places))
    rows = constant(STAGE, {}, 400)
    rows[0] = rng.random(400)
    energies = []
    for n in range(400):
        player(np.zeros(1, np.float32), rows[:, n : n + 1], [1])
        energies.append(np.sum(capacities * player.state["e"][0][places] ** 2))
    assert np.all(np.diff(energies) <= 1e-12 * energies[0])
    assert energies[-1] < 0.9 * energies[0]


def test_it_comes_to_rest_and_keeps_to_its_rails():
    quiet = run(STAGE, np.zeros(1000, np.float32), {"gain": 1.0})
    assert np.all(quiet == 0)
    loud = np.float32(100 * np.sign(np.sin(np.arange(RATE) / 30)))
    y = run(STAGE, np.concatenate([loud, np.zeros(RATE, np.float32)]), {"gain": 0.0})
    assert np.isfinite(y).all() and klon_circuit.LOW_RAIL <= y.min() and y.max() <= klon_circuit.HIGH_RAIL
    assert np.abs(y[-100:]).max() < 1e-6


def response(block, hertz, **values):
    rate = 384000
    x = np.zeros(rate, np.float32)
    x[0] = 1e-3
    y = run(block, x, values, rate).astype(float) / 1e-3
    return np.sum(y * np.exp(-2j * np.pi * hertz * np.arange(y.size) / rate))


@pytest.mark.parametrize("hertz", [20.0, 400.0, 5000.0])
@pytest.mark.parametrize("tone", [0.0, 0.5, 1.0])
def test_tone_and_level_are_their_circuit(tone, hertz):
    s = 2j * np.pi * hertz
    bright = 1 / (klon.BRIGHT + (1 - tone) * klon.TONE_POT)
    dark = 1 / (klon.DARK + tone * klon.TONE_POT)
    branch = s * klon.C14 / (bright + dark + s * klon.C14)  # of the wiper's short-circuit current, into the amplifier
    stage = (klon.G1 + branch * bright) / (klon.G4 + branch * dark)
    divider = 0.7 * klon.LEVEL_POT / (klon.LEVEL_POT + klon.R25 + 1 / (s * klon.C15))
    found = response(KLON, hertz, tone=tone, level=0.7) * klon.VOLTS
    assert abs(found - stage * divider) < 2e-3 * abs(stage * divider)


def test_the_input_buffer_is_its_high_pass():
    for hertz in (2.0, 100.0):
        rc = 2j * np.pi * hertz * klon.C1
        expected = klon.VOLTS * rc * klon.R2 / (1 + rc * (klon.R1 + klon.R2))
        assert abs(response(BUFFER, hertz) - expected) < 1e-2 * abs(expected)


@pytest.mark.parametrize("ends", [(0.0, 1.0), (1.0, 0.0)])
def test_a_turn_of_the_gain_makes_no_zipper_noise(ends):
    """A bass note while the knob goes from end to end in 20 ms: above 8 kHz there is no more than at either end."""
    x = np.float32(sine(RATE, hertz=110.0, seconds=1.0, size=0.2))
    high = np.sin(np.pi * np.arange(-64, 65) / 129 + np.pi / 2) * np.sinc(np.arange(-64, 65) / 3) / -3
    high[64] += 1.0

    def above(rows):
        return np.abs(np.convolve(Run(STAGE)(x, rows), high, "same")[RATE // 4 : -200]).max()

    still = max(above(constant(STAGE, {"gain": g}, x.size)) for g in np.linspace(0.0, 1.0, 6))
    turned = above(glide(STAGE, {"gain": ends[0]}, {"gain": ends[1]}, x.size, start=RATE // 2))
    assert turned < 1.5 * still


@pytest.mark.parametrize("gain, name", [(0.0, "Data0"), (0.5, "Data50"), (1.0, "Data100")])
def test_it_follows_the_reference_recordings(gain, name, shared):
    """Level, polarity and delay are one number each for the three files; a capacitor's charging at their start is not
    part of the sound, so the second half is compared, an exponential and a constant apart."""
    folder = shared / "reference/klon_centaur"
    x, rate = soundfile.read(folder / "DataIn_sample42.wav")
    wanted = soundfile.read(folder / f"{name}_sample42.wav")[0]
    up = np.float32(resample_poly(x, 4, 1))
    y = run(STAGE, up, {"gain": gain}, 4 * rate).astype(float)
    frames = np.arange(12500, 22000)
    found = -0.508 * np.interp(frames - 3.55, np.arange(y.size) / 4, y)
    rest = np.stack([np.ones(frames.size), np.exp(-frames / rate / 0.047)], axis=1)
    error = wanted[frames] - found
    error -= rest @ np.linalg.lstsq(rest, error, rcond=None)[0]
    assert np.sum(error**2) / np.sum(wanted[frames] ** 2) < 0.003


@pytest.mark.parametrize(
    ("gain", "size", "most"), [(0.0, 1.0, 0.004), (0.5, 1.0, 0.002), (1.0, 0.5, 0.006), (1.0, 1.0, 0.012)]
)
def test_the_net_follows_the_circuit_on_a_recorded_guitar(gain, size, most, shared):
    """A loud recording with dull pickups and noise below its notes, unlike the output of the generators here."""
    x, rate = soundfile.read(shared / "reference/klon_centaur/DataIn_sample42.wav")
    up = np.float32(resample_poly(size * klon.VOLTS * x, 4, 1))
    wanted = resample_poly(run(STAGE, up, {"gain": gain}, 4 * rate).astype(float), 1, 4)
    net = rtfx.load("klon.json", gain=gain)
    error = net.spec.metadata["volts_per_unit"] * net(size * x, rate, bare=True) - wanted
    assert np.sum(error**2) < most * np.sum(wanted**2)


@pytest.mark.parametrize("size", [0.05, 0.2])
def test_the_net_follows_the_circuit_on_one_low_note_at_full_gain(size):
    """The net adds no buzz: there is nothing above 8 kHz."""
    x = np.float32(sine(RATE, hertz=82.4, seconds=0.6, size=size))
    wanted = run(STAGE, klon.VOLTS * x, {"gain": 1.0})[8000:].astype(float)
    net = rtfx.load("klon.json", gain=1.0)
    found = net.spec.metadata["volts_per_unit"] * net(x, RATE, bare=True)[8000:].astype(float)
    assert np.sum((found - wanted) ** 2) < 0.02 * np.sum(wanted**2)
    spectrum = np.abs(np.fft.rfft(found * np.blackman(found.size)))
    assert spectrum[np.fft.rfftfreq(found.size, 1 / RATE) > 8000].max() < 1e-4 * spectrum.max()
