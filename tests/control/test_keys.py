"""What the keys do."""

import pytest

from rtfx.control import keys
from rtfx.control.keyboard import SEQUENCES
from rtfx.control.keys import ACTIONS, BY_KEY, Quit, press

from .fake_stream import FakeStream


@pytest.mark.parametrize(
    ("pressed", "preset"),
    [
        ("1", 0),
        ("3", 2),
        ("4", 0),
        ("n", 1),
        ("nnn", 0),
        ("p", 2),
        ("2p", 0),
        (("pagedown",), 1),
        (("pageup", "pageup"), 1),
    ],
)
def test_presets(pressed, preset):
    stream = FakeStream()
    for key in pressed:
        press(stream, key)
    assert stream.preset == preset


def test_help_fits_into_80_columns_and_says_how_to_quit():
    line = press(FakeStream(), "?")
    assert len(line) < 80 and line.endswith("q quit")


def test_unknown_preset_is_told():
    assert press(FakeStream(), "9") == "there is no preset 9: 3 in all"


def test_bypass_and_mute_toggle():
    stream = FakeStream()
    assert (press(stream, " "), stream.bypass) == ("bypass on: the dry guitar", True)
    assert (press(stream, " "), stream.bypass) == ("bypass off", False)
    assert (press(stream, "m"), stream.mute) == ("muted", True)
    assert (press(stream, "m"), stream.mute) == ("mute off", False)


def test_level_stays_in_its_range():
    stream = FakeStream()
    press(stream, "+")
    press(stream, "=")
    press(stream, "-")
    assert stream.out_gain_db == 1.0
    for _ in range(100):
        press(stream, "+")
    assert stream.out_gain_db == keys.LEVEL_DB[1]


def test_next_input_is_remembered_by_device(monkeypatch):
    told = []
    monkeypatch.setattr(keys, "remember_channel", lambda name, channel: told.append((name, channel)))
    stream = FakeStream(inputs=2)
    assert press(stream, "c") == "input 2 of 2"
    assert press(stream, "c") == "input 1 of 2"
    assert told == [("Scarlett", 2), ("Scarlett", 1)]
    mono = FakeStream(inputs=1)
    press(mono, "c")
    assert mono.in_channel == 1
    assert len(told) == 2


def test_clip_lights_go_out():
    stream = FakeStream()
    stream.clip_in = True
    press(stream, "x")
    assert not stream.clip_in


def test_help_names_every_action():
    text = press(FakeStream(), "?")
    assert all(f"{action.label} {action.summary}" in text for action in ACTIONS if action.summary)
    assert all(f" {key} " in text for key in "np")


def test_quit():
    with pytest.raises(Quit):
        press(FakeStream(), "q")


def test_other_keys_mean_nothing():
    stream = FakeStream()
    before = dict(vars(stream))
    assert press(stream, "z") == press(stream, "escape") == ""
    assert vars(stream) == before


def test_each_key_has_one_action_and_can_be_typed():
    assert len(BY_KEY) == sum(len(action.keys) for action in ACTIONS)
    assert all(len(key) == 1 or key in SEQUENCES.values() for key in BY_KEY)
