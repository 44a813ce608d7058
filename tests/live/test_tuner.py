"""The tuner: names of notes, tunings, its readings of a stream and of a recording, and the command that switches it."""

import math
import time

import numpy as np
import pytest

import rtfx
from rtfx.errors import UsageError
from rtfx.live import commands
from rtfx.live.tuner import READING_SECONDS, TUNINGS, Target, frequency, nearest_note, readings
from rtfx.pitch import Pitch

from ..strings import RATE, additive
from .fake_stream import FakeStream


def pitch(hertz, cycles=0.0):
    return Pitch(hertz, 1e-4, 0.95, cycles, 0.1, 0.1)


@pytest.mark.parametrize(
    ("note", "hertz"), [("A4", 440.0), ("E2", 82.407), ("B0", 30.868), ("C4", 261.626), ("F6", 1396.91)]
)
def test_notes_and_frequencies(note, hertz):
    assert frequency(note) == pytest.approx(hertz, rel=1e-5)
    assert nearest_note(hertz * 1.02) == nearest_note(hertz / 1.02) == note
    assert frequency(note, 432.0) == pytest.approx(hertz * 432.0 / 440.0, rel=1e-5)


@pytest.mark.parametrize("name", TUNINGS)
def test_the_strings_of_every_tuning_are_notes(name):
    strings = Target(tuning=name).strings
    assert all(20.0 < frequency(each) < 700.0 for each in strings)
    assert len(set(strings)) == len(strings)


def test_a_reading_names_the_nearest_string():
    reading = Target(tuning="drop D").reading(pitch(frequency("D2") * 2.0 ** (7.0 / 1200.0)), 2.0)
    assert (reading.note, reading.string, reading.seconds) == ("D2", 1, 1.9)
    assert reading.cents == pytest.approx(7.0) and not reading.in_tune
    assert str(reading) == "D2 +7.0 cents, 73.71 Hz"
    chromatic = Target().reading(pitch(frequency("D2") * 1.0003), 2.0)
    assert (chromatic.note, chromatic.string, chromatic.in_tune) == ("D2", 0, True)
    assert Target(432.0).reading(pitch(432.0), 1.0).cents == 0.0


def test_the_strobe_turns_once_for_each_cycle_that_is_gained():
    target = Target()
    phases = [target.reading(pitch(441.0, 441.0 * t), t + 0.1).strobe for t in (0.0, 0.25, 0.5)]
    assert np.allclose(phases, [0.0, 0.25, 0.5], atol=1e-6)


@pytest.mark.parametrize(("a4", "tuning", "message"), [(500.0, "standard", "430 to 450"), (440.0, "drop-Q", "drop-D")])
def test_wrong_targets_name_what_is_allowed(a4, tuning, message):
    with pytest.raises(UsageError, match=message):
        Target(a4, tuning)


def test_readings_of_a_recording_come_25_times_a_second_and_the_first_within_150_ms():
    note = additive(82.6, seconds=1.0)[0]
    audio = np.concatenate([np.zeros(round(0.5 * RATE)), 0.3 * note])
    found = list(readings(audio, RATE, Target(tuning="standard")))
    assert {reading.note for reading in found} == {"E2"}
    assert max(abs(1200.0 * math.log2(reading.hertz / 82.6)) for reading in found) < 0.5
    made = [end for end in np.arange(READING_SECONDS, 1.5, READING_SECONDS) if end > 0.5]
    assert len(found) >= len(made) - 3  # the first comes within three steps of 40 ms after the pluck
    assert np.diff([reading.seconds for reading in found]).max() < 0.05


def test_a_stream_is_read_while_it_plays():
    audio = np.concatenate([np.zeros(4800), 0.3 * additive(110.4, seconds=3.0)[0]]).astype(np.float32)
    with rtfx.Rig([{"type": "gain"}]).play(device="null", input=audio, sample_rate=RATE, say=None) as stream:
        assert stream.tuner.reading() is None
        found = []
        deadline = time.monotonic() + 30.0
        while len(found) < 5 and time.monotonic() < deadline and stream.active:
            reading = stream.tuner.reading()
            if reading and reading not in found:
                found.append(reading)
            time.sleep(0.01)
        assert len(found) == 5
        assert all(reading.note == "A2" and abs(reading.hertz - 110.4) < 0.03 for reading in found)


def test_the_command_switches_it_and_its_mute_returns_to_what_it_was():
    stream = FakeStream()
    assert commands.do(stream, "tuner") == "tuner on, chromatic, A4 at 440 Hz" and not stream.mute
    assert commands.do(stream, "tuner off") == "tuner off" and not stream.tuner.on
    assert "muted" in commands.do(stream, "tuner mute") and stream.mute and stream.tuner.on
    assert commands.do(stream, "tuner mute") == "tuner off" and not stream.mute
    stream.mute = True
    commands.do(stream, "tuner mute")
    commands.do(stream, "tuner off")
    assert stream.mute


def test_the_command_sets_reference_and_tuning():
    stream = FakeStream()
    assert commands.do(stream, "tuner 442") == "chromatic, A4 at 442 Hz"
    assert commands.do(stream, "tuner open g") == "open-G (D2 G2 D3 G3 B3 D4), A4 at 442 Hz"
    assert not stream.tuner.on
    with pytest.raises(UsageError, match="expected 430 to 450"):
        commands.do(stream, "tuner 480")
    with pytest.raises(UsageError, match="did you mean 'DADGAD'"):
        commands.do(stream, "tuner DADGAT")
    assert stream.tuner.target == Target(442.0, "open-G")
