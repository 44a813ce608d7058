"""The pitch of strings with known pitch: accuracy, the first reading, hum, noise, other strings, silence."""

import math

import numpy as np
import pytest

from rtfx.pitch import WINDOW_SECONDS, find_pitch

from .strings import RATE, additive, hum, karplus_strong, noise

SILENCE = 0.3  # seconds before the note
PITCHES = [27.5, 30.87, 41.2, 55.0, 82.41, 110.0, 146.83, 196.0, 246.94, 329.63, 523.25, 783.99, 1046.5, 1396.9]


def played(string, seconds, rate=RATE, more=0.0):
    """Return (pitch, cents off) of a string after `seconds` of it, with silence before it and other sound `more`."""
    audio, truth = string
    heard = np.concatenate([np.zeros(round(SILENCE * rate)), 0.4 * audio]) + more
    end = round((SILENCE + seconds) * rate)
    found = find_pitch(heard[max(end - round(WINDOW_SECONDS * rate), 0) : end], rate)
    if found is None:
        return None, math.inf
    true = truth[round((seconds - found.seconds_ago) * rate)]
    return found, 1200.0 * math.log2(found.hertz / true)


def frames(string, rate=RATE):
    return len(string[0]) + round(SILENCE * rate)


@pytest.mark.parametrize("hertz", PITCHES)
@pytest.mark.parametrize("b", [0.0, 1e-4, 5e-4])
def test_a_stiff_string_with_noise_is_read_within_a_tenth_of_a_cent(hertz, b):
    string = additive(hertz, b)
    found, cents = played(string, 0.5, more=noise(frames(string), -48.0))  # 40 dB below the string
    assert abs(cents) < 0.1
    assert found.inharmonicity == pytest.approx(b, abs=1e-4) or hertz > 500.0  # few partials tell little of it


@pytest.mark.parametrize("hertz", PITCHES)
def test_the_first_reading_comes_before_150_ms_and_is_within_half_a_cent(hertz):
    string = additive(hertz * 1.013, seed=3)
    _, cents = played(string, 0.11, more=noise(frames(string), -48.0))  # 40 ms lie between two readings
    assert abs(cents) < 0.5


@pytest.mark.parametrize("hertz", PITCHES)
def test_karplus_and_strong(hertz):
    _, cents = played(karplus_strong(hertz), 0.3)
    assert abs(cents) < 0.2


@pytest.mark.parametrize("mains", [50.0, 60.0])
@pytest.mark.parametrize("hertz", PITCHES)
def test_hum_of_the_mains(mains, hertz):
    string = additive(hertz)
    _, cents = played(string, 0.5, more=hum(mains, frames(string), db=-48.0))  # 40 dB below the string's peak
    assert abs(cents) < 0.5


@pytest.mark.parametrize("hertz", PITCHES)
def test_a_pluck_that_glides_is_read_where_it_is(hertz):
    _, cents = played(additive(hertz, glide_cents=20.0), 0.3)
    assert abs(cents) < 0.3


@pytest.mark.parametrize("rate", [44100.0, 96000.0, 192000.0])
@pytest.mark.parametrize("hertz", [27.5, 110.0, 1396.9])
def test_any_sample_rate(rate, hertz):
    _, cents = played(additive(hertz, rate=rate), 0.5, rate)
    assert abs(cents) < 0.1


@pytest.mark.parametrize("hertz", PITCHES)
def test_a_softer_string_that_rings_too_moves_the_reading_by_less_than_a_cent(hertz):
    string, other = additive(hertz), additive(hertz * 4.0 / 3.0 * 1.005, seed=1)[0]
    more = np.concatenate([np.zeros(round(SILENCE * RATE)), 0.04 * other])  # 20 dB softer
    _, cents = played(string, 0.5, more=more)
    assert abs(cents) < 1.0


@pytest.mark.parametrize("interval", [4.0 / 3.0, 3.0 / 2.0])
@pytest.mark.parametrize("hertz", PITCHES)
def test_two_strings_never_read_as_a_third_one_below(interval, hertz):
    string, other = additive(hertz), additive(hertz * interval * 1.003, seed=1)[0]
    found, cents = played(string, 0.5, more=np.concatenate([np.zeros(round(SILENCE * RATE)), 0.3 * other]))
    assert found is None or abs(cents) < 100.0 or abs(cents - 1200.0 * math.log2(interval)) < 100.0


def test_a_new_note_over_an_old_one_is_read_alone():
    old, new = additive(110.0, seconds=1.5)[0], additive(146.83, seconds=1.5)
    mixed = np.concatenate([0.4 * old[: round(RATE)] * np.linspace(1.0, 0.05, round(RATE)), 0.4 * new[0]])
    end = round(1.13 * RATE)
    found = find_pitch(mixed[end - round(WINDOW_SECONDS * RATE) : end], RATE)
    assert found and abs(1200.0 * math.log2(found.hertz / 146.83)) < 0.5


def test_phase_and_level():
    t = np.arange(round(0.4 * RATE)) / RATE
    found = find_pitch(0.5 * np.cos(2.0 * np.pi * (200.0 * t + 0.2)), RATE)
    middle = 0.4 - 1.0 / RATE - found.seconds_ago
    assert (found.cycles - 0.2 - 200.0 * middle + 0.5) % 1.0 - 0.5 == pytest.approx(0.0, abs=1e-3)
    assert found.level == pytest.approx(0.5 / math.sqrt(2.0), rel=0.01)


@pytest.mark.parametrize(
    "audio",
    [
        np.zeros(20000),
        np.full(20000, 0.5),
        noise(20000, -20.0),
        np.zeros(10),
        np.zeros(0),
        1e-4 * np.sin(np.arange(2e4)),
    ],
    ids=["silence", "direct current", "noise", "ten frames", "nothing", "too soft"],
)
def test_what_is_no_string_has_no_pitch(audio):
    assert find_pitch(audio, RATE) is None
