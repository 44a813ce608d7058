"""Captures damaged on purpose: each damage is named in one sentence, and a good capture passes."""

import numpy as np
import pytest
import soundfile

from rtfx.train.capture import align, look_through, read_capture, shifted
from tests.train.pedal import RATE, pedal, playing


@pytest.fixture(scope="module")
def dry():
    quiet = np.zeros(RATE // 2, np.float32)
    return np.concatenate([playing(32.0, 5), quiet])


@pytest.fixture(scope="module")
def wet(dry):
    return pedal(dry)


def said(capture, kind):
    assert not (kind == "warnings" and capture.errors), capture.errors
    return " | ".join(getattr(capture, kind))


def test_a_good_capture_passes_and_stays_as_it_is(dry, wet):
    found = look_through(dry, wet, RATE)
    assert not found.errors and not found.warnings
    assert np.array_equal(found.dry, dry) and np.array_equal(found.wet, wet)
    assert "is kept" in said(found, "notes")


@pytest.mark.parametrize("delay", [-33.4, 61.0, 437.73, 12345.25])
def test_the_delay_is_found_and_taken_back(dry, wet, delay):
    own = align(dry, wet, RATE).delay
    late = shifted(wet, -delay)
    assert align(dry, late, RATE).delay - own == pytest.approx(delay, abs=0.02)
    found = look_through(dry, late, RATE)
    assert not found.errors and f"{own + delay:.2f} frames late" in said(found, "notes")
    goal = shifted(wet, own)[: found.wet.size]
    middle = slice(2000, goal.size - 2000)
    assert np.sum((found.wet - goal)[middle] ** 2) < 1e-5 * np.sum(goal[middle] ** 2)


def test_a_shift_and_back_is_nothing(dry):
    there = shifted(shifted(dry, 3.3), -3.3)
    assert np.abs(there - dry)[100:-100].max() < 1e-4


def damaged(wet, how):
    n = np.arange(wet.size)
    noise = np.random.default_rng(0).standard_normal(wet.size)
    return {
        "silent": 1e-6 * noise,
        "nan": np.where(n == 5000, np.nan, wet),
        "clipped": np.clip(8.0 * wet, -1.0, 1.0),
        "other": pedal(playing(wet.size / RATE, 6)),
        "lost": np.concatenate([wet[: wet.size // 2], wet[wet.size // 2 + 130 :]]),
        "two clocks": np.interp(n * (1.0 + 3e-5), n, wet),
        "inverted": -wet,
        "noisy": wet + 0.03 * np.sqrt(np.mean(wet**2)) * 2.0 * noise,
        "quiet": wet * (0.01 / np.abs(wet).max()),
        "offset": wet + 0.05,
        "short": wet[: -5 * RATE],
        "touched": np.where((n > 48000) & (n < 48004), 1.0, wet),
        "slow clock": np.interp(n * (1.0 + 6e-6), n, wet),
    }[how].astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("silent", "errors", "is silent"),
        ("nan", "errors", "NaN"),
        ("clipped", "errors", "clips at full scale in"),
        ("other", "errors", "does not follow"),
        ("lost", "errors", "frames against dry before"),
        ("two clocks", "errors", "two clocks"),
        ("inverted", "warnings", "polarity"),
        ("noisy", "warnings", "no net comes below an ESR of 0.3"),
        ("quiet", "warnings", "record louder"),
        ("offset", "warnings", "constant offset of +0.05"),
        ("short", "warnings", "wet is 5.0 s shorter than dry"),
        ("touched", "warnings", "clips at full scale in 1 place, first at 1.00 s"),
        ("slow clock", "warnings", "drifts"),
    ],
)
def test_a_damaged_capture_is_told(dry, wet, how, kind, words):
    assert words in said(look_through(dry, damaged(wet, how), RATE), kind)


def test_files_of_other_rates_and_channels(tmp_path, dry, wet):
    import soxr

    x, y = dry[: 6 * RATE], wet[: 6 * RATE]
    soundfile.write(tmp_path / "dry.wav", x, RATE, subtype="FLOAT")
    other = soxr.resample(y, RATE, 44100).astype(np.float32)
    soundfile.write(tmp_path / "wet.wav", np.stack([0.1 * other[::-1], other], 1), 44100, subtype="FLOAT")
    found = read_capture(tmp_path / "dry.wav", tmp_path / "wet.wav")
    text = said(found, "warnings")
    assert "resampled" in text and "channel 2, the loudest" in text and "only 6 s of audio" in text
    middle = slice(1000, found.wet.size - 1000)
    assert np.sum((found.wet - y[: found.wet.size])[middle] ** 2) < 1e-4 * np.sum(y**2)
