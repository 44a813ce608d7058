"""The meter of rendered files: against the standard's own figures, `loading.loudness`, and peaks between samples."""

import math

import numpy as np
import pytest
import soxr

from rtfx.host.meter import Meter
from rtfx.loading.loudness import guitars, loudness


def measured(x, rate=48000.0, blocks=(8192,)):
    meter = Meter(rate, x.shape[1])
    place = turn = 0
    while place < len(x):
        size = blocks[turn % len(blocks)]
        meter.add(x[place : place + size].astype(np.float32))
        place, turn = place + size, turn + 1
    return meter


def sine(hertz, level_db, seconds=5.0, rate=48000.0, phase=0.0, channels=1):
    t = np.arange(round(seconds * rate)) / rate
    return np.repeat((10.0 ** (level_db / 20.0) * np.sin(2.0 * np.pi * hertz * t + phase))[:, None], channels, axis=1)


@pytest.mark.parametrize("rate", [44100.0, 48000.0, 96000.0])
def test_a_stereo_sine_of_1_khz_at_minus_23_dbfs_has_minus_23_lufs(rate):
    """EBU Tech 3341, case 1."""
    assert measured(sine(1000.0, -23.0, rate=rate, channels=2), rate).lufs == pytest.approx(-23.0, abs=0.1)
    assert measured(sine(1000.0, -23.0, rate=rate), rate).lufs == pytest.approx(-26.0, abs=0.1)


def test_the_gates_leave_out_pauses():
    """EBU Tech 3341, case 4: of -72, -36, -23, -36 and -72 dBFS only the loudest counts."""
    parts = [(-72.0, 10.0), (-36.0, 10.0), (-23.0, 60.0), (-36.0, 10.0), (-72.0, 10.0)]
    audio = np.concatenate([sine(1000.0, level, seconds, channels=2) for level, seconds in parts])
    assert measured(audio).lufs == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("blocks", [(48000,), (1000, 1, 64, 4801)])
def test_a_guitar_in_blocks_of_any_size_is_as_loud_as_in_one_piece(blocks):
    x = guitars(48000.0)[: 5 * 48000, None]
    assert measured(x, blocks=blocks).lufs == pytest.approx(loudness(x, 48000.0), abs=0.02)


def test_silence_and_short_clips():
    assert measured(np.zeros((48000, 1))).lufs == -math.inf == measured(np.zeros((100, 1))).true_peak_dbtp
    short = sine(1000.0, -20.0, 0.2)
    assert measured(short).lufs == pytest.approx(-23.0, abs=0.3)


@pytest.mark.parametrize(("hertz", "phase"), [(12000.0, 45.0), (8000.0, 60.0), (6000.0, 67.5), (997.0, 0.0)])
def test_peaks_between_samples(hertz, phase):
    """EBU Tech 3341, cases 15 to 19: a sine whose samples miss its peaks; within +0.2 and -0.4 dB."""
    x = sine(hertz, -6.0, 1.0, phase=math.radians(phase))
    ramp = np.minimum(1.0, np.minimum(np.arange(len(x)), np.arange(len(x))[::-1]) / 1000.0)[:, None]
    assert -6.4 < measured(x * ramp, blocks=(777,)).true_peak_dbtp < -5.8


def test_peaks_of_a_guitar_are_those_of_an_oversampled_one():
    x = guitars(48000.0)[: 5 * 48000, None]
    high = 20.0 * math.log10(np.abs(soxr.resample(x[:, 0].astype(np.float64), 48000, 384000, "VHQ")).max())
    assert measured(x).true_peak_dbtp == pytest.approx(high, abs=0.1)
