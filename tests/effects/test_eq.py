"""Equaliser: no change when flat, the Audio EQ Cookbook's own formulas otherwise, and no click during a change."""

import numpy as np
import pytest
import scipy.signal

from rtfx.effects.eq import EQ

from .harness import RATE, Run, constant, glide, guitar, run


def cookbook(kind, frequency, sample_rate, gain_db=0.0, q=0.5**0.5) -> np.ndarray:
    """Return b0, b1, b2, a0, a1, a2 as the cookbook prints them (alpha and cos of the digital frequency)."""
    a = 10 ** (gain_db / 40)
    w0 = 2 * np.pi * frequency / sample_rate
    cos, alpha = np.cos(w0), np.sin(w0) / (2 * q)
    side = 2 * np.sqrt(a) * alpha
    up, down = a + 1, a - 1
    return np.array(
        {
            "low_cut": [(1 + cos) / 2, -(1 + cos), (1 + cos) / 2, 1 + alpha, -2 * cos, 1 - alpha],
            "high_cut": [(1 - cos) / 2, 1 - cos, (1 - cos) / 2, 1 + alpha, -2 * cos, 1 - alpha],
            "bell": [1 + alpha * a, -2 * cos, 1 - alpha * a, 1 + alpha / a, -2 * cos, 1 - alpha / a],
            "low_shelf": [
                a * (up - down * cos + side), 2 * a * (down - up * cos), a * (up - down * cos - side),
                up + down * cos + side, -2 * (down + up * cos), up + down * cos - side,
            ],
            "high_shelf": [
                a * (up + down * cos + side), -2 * a * (down + up * cos), a * (up + down * cos - side),
                up - down * cos + side, 2 * (down - up * cos), up - down * cos - side,
            ],
        }[kind]
    )  # fmt: skip


CASES = {
    "low cut": ({"low_cut_hz": 80.0}, [("low_cut", 80.0)]),
    "lowest low cut": ({"low_cut_hz": 20.0}, [("low_cut", 20.0)]),
    "high cut": ({"high_cut_hz": 5000.0}, [("high_cut", 5000.0)]),
    "low shelf": ({"low_shelf_hz": 150.0, "low_shelf_db": 9.0}, [("low_shelf", 150.0, 9.0)]),
    "low shelf down": ({"low_shelf_hz": 20.0, "low_shelf_db": -18.0}, [("low_shelf", 20.0, -18.0)]),
    "high shelf": ({"high_shelf_hz": 3000.0, "high_shelf_db": -12.0}, [("high_shelf", 3000.0, -12.0)]),
    "bell": ({"bell1_hz": 700.0, "bell1_db": 12.0, "bell1_q": 2.0}, [("bell", 700.0, 12.0, 2.0)]),
    "low sharp bell": ({"bell2_hz": 40.0, "bell2_db": -12.0, "bell2_q": 10.0}, [("bell", 40.0, -12.0, 10.0)]),
    "all": (
        {
            "low_cut_hz": 60.0, "low_shelf_db": 3.0, "bell1_db": -5.0, "bell2_db": 4.0, "bell2_q": 1.5,
            "high_shelf_db": 6.0, "high_cut_hz": 9000.0,
        },
        [
            ("low_cut", 60.0), ("low_shelf", 120.0, 3.0), ("bell", 400.0, -5.0, 0.7), ("bell", 1600.0, 4.0, 1.5),
            ("high_shelf", 4000.0, 6.0), ("high_cut", 9000.0),
        ],
    ),
}  # fmt: skip


def sections(case: str, sample_rate: float) -> np.ndarray:
    result = np.array([cookbook(kind, frequency, sample_rate, *rest) for kind, frequency, *rest in CASES[case][1]])
    return result / result[:, 3:4]


@pytest.mark.parametrize("sample_rate", [44100, 48000, 192000])
@pytest.mark.parametrize("case", CASES)
def test_magnitude(case, sample_rate):
    frequencies = np.array([25.0, 40.0, 100.0, 400.0, 700.0, 1600.0, 5000.0, 10000.0, 18000.0])
    x = np.zeros(3 * sample_rate, np.float32)
    x[0] = 1.0
    y = run(EQ, x, CASES[case][0], sample_rate=sample_rate).astype(float)
    t = np.arange(y.size) / sample_rate
    measured = np.array([abs(np.sum(y * np.exp(-2j * np.pi * f * t))) for f in frequencies])
    expected = abs(scipy.signal.sosfreqz(sections(case, sample_rate), frequencies, fs=sample_rate)[1])
    np.testing.assert_allclose(20 * np.log10(measured), 20 * np.log10(expected), atol=0.005)


@pytest.mark.parametrize("case", CASES)
def test_error_against_float64(case):
    x = np.random.default_rng(2).standard_normal(RATE).astype(np.float32)
    expected = scipy.signal.sosfilt(sections(case, RATE), x.astype(float))
    error = run(EQ, x, CASES[case][0]) - expected
    assert 20 * np.log10(np.abs(error).max() / np.abs(expected).max()) < -110.0


@pytest.mark.parametrize("sample_rate", [22050, 44100, 48000, 192000])
def test_flat_is_bit_transparent(sample_rate):
    x = guitar(10000)
    moved = {"bell1_hz": 5000.0, "bell2_q": 9.0, "low_shelf_hz": 30.0, "high_shelf_hz": 15000.0}
    np.testing.assert_array_equal(run(EQ, x, moved, sample_rate=sample_rate), x)


def test_low_cut_removes_dc_entirely():
    y = run(EQ, np.ones(RATE, np.float32), {"low_cut_hz": 40.0})
    assert np.abs(y[-1000:]).max() < 1e-6


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"bell1_db": 18.0, "bell1_hz": 300.0, "bell1_q": 5.0}),
        ({"high_cut_hz": 500.0}, {}),
        ({"low_cut_hz": 1000.0}, {"low_cut_hz": 0.0}),
        ({}, {"low_cut_hz": 80.0}),
        ({"bell2_hz": 500.0, "bell2_db": 12.0, "bell2_q": 2.0}, {"bell2_hz": 5000.0, "bell2_db": 12.0, "bell2_q": 2.0}),
    ],
)
def test_glide_does_not_click(before, after):
    """A glide adds almost nothing far above a 100 Hz sine; a jump to the new setting, the control, adds much more."""
    x = 0.1 * np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)
    high = scipy.signal.butter(4, 4000, "high", fs=RATE, output="sos")

    def click(length):
        effect = Run(EQ)
        settled = effect(x, constant(EQ, before, RATE))
        moving = effect(x, glide(EQ, before, after, RATE, 2400, length))
        return np.abs(scipy.signal.sosfilt(high, np.concatenate([settled, moving])))[RATE:].max()

    assert click(960) < 2e-4  # -54 dB below the sine
    if before:
        assert click(1) > 3 * click(960)
    else:  # a flat section is at rest: even a jump begins without a click
        assert click(1) < 2e-4


@pytest.mark.parametrize("before", [1000.0, 300.0, 80.0])
@pytest.mark.parametrize("after", [0.0, 20.0, 40.0])
def test_opening_the_low_cut_does_not_thump(before, after):
    """With a biquad in direct form a sine of 0.1 jumped to 0.84 here, because its states count more at a low corner.

    Any high-pass may overshoot when a sine is let in at an unlucky phase, but to no more than twice the sine.
    """
    effect = Run(EQ)
    x = 0.1 * np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)
    effect(x, constant(EQ, {"low_cut_hz": before}, RATE))
    y = effect(x, glide(EQ, {"low_cut_hz": before}, {"low_cut_hz": after}, RATE, 2400))
    assert np.abs(y).max() < 0.2


def test_recovers_from_a_runaway_state():
    effect = Run(EQ)
    effect.state["band"] = np.inf
    effect.state["low"] = np.nan
    x = guitar(6000)
    rows = constant(EQ, {"bell1_db": 6.0}, x.size)
    effect(x, rows)
    assert np.isfinite(effect(x, rows)).all()


@pytest.mark.parametrize("values", [{"bell1_hz": 30.0, "bell1_db": 12.0, "bell1_q": 10.0}, {"low_cut_hz": 30.0}])
def test_tail_is_the_time_to_ring_out(values):
    length = EQ.tail(EQ.complete(values), RATE)
    x = np.zeros(length + RATE // 2, np.float32)
    x[: RATE // 4] = np.sin(2 * np.pi * 30 * np.arange(RATE // 4) / RATE)
    y = np.abs(run(EQ, x, values))
    assert y[RATE // 4 + length :].max() < 2e-3 * y.max()
    assert EQ.tail(EQ.complete({}), RATE) == 0
