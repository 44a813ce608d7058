"""Loudness against what the standard states: its filter at 48 kHz, its calibration tone, its gates."""

import math

import numpy as np
import pytest

from rtfx.loading.loudness import k_weighting, loudness

# BS.1770-4, tables 1 and 2: b0 b1 b2, a1 a2
SHELF = (1.53512485958697, -2.69169618940638, 1.19839281085285), (-1.69065929318241, 0.73248077421585)
HIGH_PASS = (1.0, -2.0, 1.0), (-1.99004745483398, 0.99007225036621)


def tone(db, seconds, hertz=997.0, rate=48000):
    return 10 ** (db / 20) * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def test_the_filter_at_48_khz_is_the_one_of_the_tables():
    hertz = np.geomspace(10, 23000, 200)
    z = np.exp(2j * np.pi * hertz / 48000)
    expected = np.ones(200, complex)
    for (b0, b1, b2), (a1, a2) in (SHELF, HIGH_PASS):
        expected *= (b0 + b1 / z + b2 / z**2) / (1 + a1 / z + a2 / z**2)
    assert np.abs(k_weighting(hertz, 48000) / expected - 1).max() < 1e-6


@pytest.mark.parametrize("rate", [44100, 48000, 96000])
def test_a_full_scale_tone_of_997_hz_is_at_minus_3_at_any_rate(rate):
    assert loudness(tone(0, 3, rate=rate), rate) == pytest.approx(-3.01, abs=0.02)


def test_low_tones_count_less_and_high_ones_more():
    assert loudness(tone(-20, 3, 25), 48000) < -30
    assert loudness(tone(-20, 3, 6000), 48000) == pytest.approx(-20 - 3.01 + 4.0 - 0.69, abs=0.2)


def test_pauses_do_not_count():
    playing = tone(-20, 4)
    assert loudness(np.concatenate([playing, np.zeros(8 * 48000)]), 48000) == pytest.approx(
        -23.01, abs=0.3
    )  # blocks half in the pause count
    quiet = tone(-36, 8)  # 16 dB below, thus more than 10 below the mean of both
    assert loudness(np.concatenate([playing, quiet]), 48000) == pytest.approx(-23.01, abs=0.3)
    assert loudness(np.concatenate([playing, tone(-26, 8)]), 48000) < -25  # this does count


def test_channels_are_averaged():
    x = tone(-20, 2)
    assert loudness(np.stack([x, x], axis=1), 48000) == pytest.approx(loudness(x, 48000), abs=1e-9)


@pytest.mark.parametrize("x", [np.zeros(48000), np.zeros(0), tone(-72, 2)], ids=["zeros", "nothing", "below the gate"])
def test_silence_has_none(x):
    assert loudness(x, 48000) == -math.inf


def test_a_short_sound_is_one_block():
    assert loudness(tone(-20, 0.2), 48000) == pytest.approx(-23.01, abs=0.1)
