"""Compressor: its static curve, its times, its key and its make-up, against a loop written from the paper."""

import numpy as np
import pytest
import scipy.signal

from rtfx.effects.comp import COMP, RMS_SECONDS, reduction_db

from .harness import RATE, Run, constant, glide, guitar, run

SETTING = {"threshold_db": -30.0, "ratio": 3.0, "knee_db": 10.0, "attack_ms": 4.0, "release_ms": 60.0}


def curve(level, threshold, ratio, knee):
    """Return the output level of equation 4 of the paper, in dB."""
    over = level - threshold
    above = threshold + over / ratio
    inside = level + (1.0 / ratio - 1.0) * (over + knee / 2) ** 2 / (2 * knee) if knee else above
    return np.where(2 * over < -knee, level, np.where(2 * over > knee, above, inside))


def oracle(x, key, detector, threshold_db, ratio, knee_db, attack_ms, release_ms, makeup_db=0.0):
    """Return the output for (channels, frames), in float64, from the paper's equations 4 and 17."""
    attack, release = (np.exp(-1000.0 / (ms * RATE)) for ms in (attack_ms, release_ms))
    square = np.square(np.float64(key)).max(axis=0)
    if detector == "rms":
        pole = np.exp(-1.0 / (RMS_SECONDS * RATE))
        square = 2.0 * scipy.signal.lfilter([1.0 - pole], [1.0, -pole], square)
    level = 10.0 * np.log10(np.maximum(square, 1e-40))
    reduction = level - curve(level, threshold_db, ratio, knee_db)
    held = smooth = 0.0
    gain = np.empty(len(level))
    for n, wanted in enumerate(reduction):
        held = max(wanted, release * held + (1.0 - release) * wanted)
        smooth = attack * smooth + (1.0 - attack) * held
        gain[n] = makeup_db - smooth
    return x * 10.0 ** (gain / 20.0)


@pytest.mark.parametrize("detector", ["peak", "rms"])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_is_the_paper(detector, channels):
    x = np.stack([guitar(24000), 0.7 * guitar(24000, 5)[::-1]])[:channels]
    y = run(COMP, x, SETTING | {"detector": detector, "makeup_db": 5.0})
    expected = oracle(np.float64(x), x, detector, **SETTING, makeup_db=5.0)
    assert np.abs(y - expected).max() < 3e-7 * np.abs(expected).max()


@pytest.mark.parametrize("knee", [0.0, 6.0, 24.0])
@pytest.mark.parametrize("detector", ["peak", "rms"])
def test_a_steady_sine_comes_out_at_the_level_of_the_curve(detector, knee):
    t = np.arange(RATE) / RATE
    for level in (-50.0, -33.0, -28.0, -20.0, -3.0):
        x = 10 ** (level / 20) * np.sin(2 * np.pi * 1000 * t)
        setting = {"threshold_db": -30, "ratio": 5, "knee_db": knee, "detector": detector, "release_ms": 500.0}
        y = run(COMP, x, setting)[RATE // 2 :]
        found = 20 * np.log10(np.sqrt(2 * np.mean(np.float64(y) ** 2)))
        assert found == pytest.approx(float(curve(np.float64(level), -30, 5, knee)), abs=0.05), level


def test_reduction_of_one_level_agrees_with_the_curve():
    for over in np.linspace(-20, 30, 51):
        for knee in (0.0, 8.0):
            assert reduction_db(over, 4.0, knee) == pytest.approx(float(over - curve(over, 0.0, 4.0, knee)), abs=1e-12)


def test_attack_and_release_are_time_constants():
    x = np.full(2 * RATE, 1e-3)
    x[RATE // 2 : RATE] = 1.0
    setting = {"threshold_db": -20.0, "ratio": 2.0, "knee_db": 0.0, "attack_ms": 20.0, "release_ms": 200.0}
    reduction = -20 * np.log10(run(COMP, x, setting) / x)
    assert reduction[RATE // 2 + 960] == pytest.approx(10 * (1 - np.exp(-1)), rel=2e-3)
    after = reduction[RATE + 9600]  # a one-pole of 20 ms behind one of 200 ms
    assert after == pytest.approx(10 * (200 * np.exp(-1) - 20 * np.exp(-10)) / 180, rel=2e-3)


def test_the_key_turns_down_and_the_input_does_not():
    x, key = np.full(24000, 0.25, np.float32), guitar(24000)
    y = Run(COMP)(x, constant(COMP, SETTING, x.size), key=key)
    expected = oracle(np.float64(x)[None], key[None], "peak", **SETTING)[0]
    assert np.abs(y - expected).max() < 1e-7 and np.ptp(y) > 0.05


@pytest.mark.parametrize("cut", [80.0, 200.0, 1000.0])
@pytest.mark.parametrize("detector", ["peak", "rms"])
def test_the_low_cut_of_the_key_is_butterworth(cut, detector):
    x = guitar(24000)
    sections = scipy.signal.butter(2, cut, "high", fs=RATE, output="sos")
    key = scipy.signal.sosfilt(sections, np.float64(x))
    expected = oracle(np.float64(x)[None], key[None], detector, **SETTING)[0]
    y = run(COMP, x, SETTING | {"detector": detector, "key_low_cut_hz": cut})
    assert np.abs(y - expected).max() < 1e-6 and np.abs(run(COMP, x, SETTING) - y).max() > 1e-3


def test_automatic_makeup_gives_back_half_of_what_full_scale_loses():
    for ratio, knee in ((4.0, 0.0), (20.0, 24.0)):
        setting = {"threshold_db": -40.0, "ratio": ratio, "knee_db": knee, "auto_makeup": 1.0}
        quiet = np.full(1000, 1e-4)
        gain = 20 * np.log10(run(COMP, quiet, setting)[-1] / 1e-4)
        assert gain == pytest.approx(0.5 * (0.0 - float(curve(np.float64(0.0), -40, ratio, knee))), abs=1e-4)


def test_mix_adds_the_input():
    x = guitar(12000)
    dry, wet = run(COMP, x, SETTING | {"mix": 0.0}), run(COMP, x, SETTING)
    np.testing.assert_array_equal(dry, x)
    half = run(COMP, x, SETTING | {"mix": 0.5})
    np.testing.assert_allclose(half, 0.5 * (x + np.float64(wet)), atol=1e-7)


def test_a_level_below_the_knee_keeps_every_bit():
    x = np.float32(10 ** (-36 / 20)) * np.sin(np.arange(9000) / 9).astype(np.float32)
    np.testing.assert_array_equal(run(COMP, x, SETTING), x)


def test_turning_knobs_makes_no_step():
    """A steady level moves from 0.002 to 0.75 in 20 ms: 0.0008 a frame on average, and nowhere five times as fast."""
    x = np.full(RATE, 0.3, np.float32)
    before = SETTING | {"threshold_db": -60.0, "ratio": 10.0}
    after = {"threshold_db": 0.0, "ratio": 1.0, "makeup_db": 12.0, "knee_db": 24.0, "mix": 0.5, "key_low_cut_hz": 500.0}
    y = Run(COMP)(x, glide(COMP, before, before | after, x.size, start=RATE // 2))
    assert y[-1] > 0.7 and np.abs(np.diff(y[RATE // 4 :])).max() < 0.004
