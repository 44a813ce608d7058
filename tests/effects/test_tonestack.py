"""Tone stack: the formula of Yeh and Smith at every knob position and rate, and no click when knobs turn."""

import numpy as np
import pytest
import scipy.signal

from rtfx.effects.tonestack import CIRCUITS, TAPER, TONESTACK, circuit, loss, response

from .harness import RATE, Run, glide, guitar, run

POSITIONS = [(b, m, t) for b in (0.0, 0.3, 1.0) for m in (0.0, 0.5, 1.0) for t in (0.0, 0.4, 1.0)]


def formula(amp: str, l: float, m: float, t: float, frequencies) -> np.ndarray:  # noqa: E741
    """Return H(s) as the paper prints it; l, m and t are the shares of the bass, mid and treble pot."""
    r1, r2, r3, r4, c1, c2, c3 = CIRCUITS[amp]
    ccc = c1 * c2 * c3
    b1 = t * c1 * r1 + m * c3 * r3 + l * (c1 * r2 + c2 * r2) + (c1 * r3 + c2 * r3)
    b2 = (
        t * (c1 * c2 * r1 * r4 + c1 * c3 * r1 * r4) - m * m * (c1 * c3 * r3**2 + c2 * c3 * r3**2)
        + m * (c1 * c3 * r1 * r3 + c1 * c3 * r3**2 + c2 * c3 * r3**2)
        + l * (c1 * c2 * r1 * r2 + c1 * c2 * r2 * r4 + c1 * c3 * r2 * r4)
        + l * m * (c1 * c3 * r2 * r3 + c2 * c3 * r2 * r3)
        + (c1 * c2 * r1 * r3 + c1 * c2 * r3 * r4 + c1 * c3 * r3 * r4)
    )  # fmt: skip
    b3 = ccc * (
        l * m * (r1 * r2 * r3 + r2 * r3 * r4) - m * m * (r1 * r3**2 + r3**2 * r4) + m * (r1 * r3**2 + r3**2 * r4)
        + t * r1 * r3 * r4 - t * m * r1 * r3 * r4 + t * l * r1 * r2 * r4
    )  # fmt: skip
    a1 = (c1 * r1 + c1 * r3 + c2 * r3 + c2 * r4 + c3 * r4) + m * c3 * r3 + l * (c1 * r2 + c2 * r2)
    a2 = (
        m * (c1 * c3 * r1 * r3 - c2 * c3 * r3 * r4 + c1 * c3 * r3**2 + c2 * c3 * r3**2)
        + l * m * (c1 * c3 * r2 * r3 + c2 * c3 * r2 * r3) - m * m * (c1 * c3 * r3**2 + c2 * c3 * r3**2)
        + l * (c1 * c2 * r2 * r4 + c1 * c2 * r1 * r2 + c1 * c3 * r2 * r4 + c2 * c3 * r2 * r4)
        + (c1 * c2 * r1 * r4 + c1 * c3 * r1 * r4 + c1 * c2 * r3 * r4 + c1 * c2 * r1 * r3 + c1 * c3 * r3 * r4)
        + c2 * c3 * r3 * r4
    )  # fmt: skip
    a3 = ccc * (
        l * m * (r1 * r2 * r3 + r2 * r3 * r4) - m * m * (r1 * r3**2 + r3**2 * r4)
        + m * (r3**2 * r4 + r1 * r3**2 - r1 * r3 * r4) + l * r1 * r2 * r4 + r1 * r3 * r4
    )  # fmt: skip
    s = 2j * np.pi * np.asarray(frequencies)
    return (b1 * s + b2 * s**2 + b3 * s**3) / (1 + a1 * s + a2 * s**2 + a3 * s**3)


GRID = np.geomspace(20.0, 20000.0, 80)


@pytest.mark.parametrize("amp", CIRCUITS)
def test_the_nodal_analysis_is_the_formula(amp):
    for position in POSITIONS:
        np.testing.assert_allclose(response(circuit(amp, *position), GRID), formula(amp, *position, GRID), atol=1e-4)


@pytest.mark.parametrize("amp", CIRCUITS)
def test_the_matrix_is_symmetric_and_takes_energy_away(amp):
    for position in POSITIONS:
        matrix = circuit(amp, *position)[0]
        np.testing.assert_allclose(matrix, matrix.T, rtol=1e-6, atol=1e-9 * np.abs(matrix).max())
        assert np.linalg.eigvalsh(matrix).max() < 0.0


@pytest.mark.parametrize("amp", CIRCUITS)
@pytest.mark.parametrize("sample_rate", [44100, 48000, 96000, 192000])
def test_what_comes_out_has_the_response_of_the_formula(amp, sample_rate):
    """To 0.5 dB up to 20 kHz, where the circuit passes more than -40 dB of its largest gain."""
    x = np.zeros(sample_rate, np.float32)
    x[0] = 1.0
    for bass, mid, treble in POSITIONS[::2]:
        y = run(TONESTACK, x, {"amp": amp, "bass": bass, "mid": mid, "treble": treble}, sample_rate)
        found = np.abs(scipy.signal.freqz(y, worN=GRID, fs=sample_rate)[1]) * loss(amp)
        share = np.exp(TAPER * (bass - 1.0)) if bass else 0.0
        expected = np.abs(formula(amp, share, mid, treble, GRID))
        heard = expected > 0.01 * expected.max()
        assert np.abs(20 * np.log10(found / expected))[heard].max() < 0.5, (bass, mid, treble)


@pytest.mark.parametrize("amp", CIRCUITS)
def test_the_middle_is_as_loud_as_the_input(amp):
    x = np.zeros(RATE, np.float32)
    x[0] = 1.0
    y = run(TONESTACK, x, {"amp": amp})
    gain = np.abs(scipy.signal.freqz(y, worN=np.geomspace(80, 5000, 200), fs=RATE)[1])
    assert 10 * np.log10((gain**2).mean()) == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("amp", CIRCUITS)
def test_a_turning_knob_does_not_click(amp):
    x = np.float32(0.3 * np.sin(2 * np.pi * 110 * np.arange(RATE) / RATE))
    before, after = {"amp": amp, "bass": 0.0, "treble": 1.0}, {"amp": amp, "bass": 1.0, "mid": 1.0, "treble": 0.0}
    y = Run(TONESTACK)(x, glide(TONESTACK, before, after, x.size, start=RATE // 2))
    high = scipy.signal.sosfilt(scipy.signal.butter(6, 5000, "high", fs=RATE, output="sos"), y)[2000:]
    assert np.abs(high).max() < 2e-3


def test_it_is_linear():
    x = guitar(9000)
    np.testing.assert_allclose(run(TONESTACK, 0.25 * x), 0.25 * run(TONESTACK, x), atol=1e-7)
