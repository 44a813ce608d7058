"""One table of commands, which `Stream.do` and the keys look up."""

import pytest

from rtfx.errors import UsageError
from rtfx.live.commands import COMMANDS

from .fake_stream import FakeStream


@pytest.mark.parametrize(
    ("line", "said", "what", "value"),
    [
        ("preset next", "preset 2: crunch", "preset", 1),
        ("preset previous", "preset 3: lead", "preset", 2),
        ("preset 3", "preset 3: lead", "preset", 2),
        ("preset  crunch ", "preset 2: crunch", "preset", 1),
        ("bypass", "bypass on: the dry guitar", "bypass", True),
        ("bypass off", "bypass off", "bypass", False),
        ("mute on", "muted", "mute", True),
        ("set out_gain_db -3", "out_gain_db -3.0 dB", "out_gain_db", -3.0),
        ("set amp.drive 0.7", "amp.drive 0.7", "drive", 0.7),
        ("set amp.bright on", "amp.bright on", "bright", "on"),
        ("toggle amp.bright", "amp.bright on", "bright", "on"),
        ("toggle amp.drive", "amp.drive 1", "drive", 1.0),
        ("scene solo", "scene solo", "drive", 0.9),
    ],
)
def test_commands(line, said, what, value):
    stream = FakeStream()
    stream.scenes = {"solo": {"amp.drive": 0.9}}
    assert stream.do(line) == said
    assert {**{name.partition(".")[2]: v for name, v in stream.values.items()}, **vars(stream)}[what] == value


def test_toggle_goes_back():
    stream = FakeStream()
    assert [stream.do("toggle amp.bright") for _ in range(3)] == ["amp.bright on", "amp.bright off", "amp.bright on"]


def test_the_chosen_knob_is_turned_and_reset():
    stream = FakeStream()
    for line in ("knob amp.drive", "turn 3", "turn -1 fine"):
        assert stream.do(line) == ""
    assert stream.values["amp.drive"] == pytest.approx(0.558)
    stream.clock += 5.0  # else it is one turn of the hand
    stream.do("reset")
    assert stream.values["amp.drive"] == 0.5
    assert (stream.do("undo"), stream.do("redo")) == ("undone: amp.drive 0.558", "again: amp.drive 0.5")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("presets next", "no command 'presets'.*did you mean 'preset'.*expected one of: preset, scene"),
        ("", "no command ''"),
        ("preset 4", "there is no preset 4: 3 in all"),
        ("preset crnch", "did you mean 'crunch'"),
        ("preset", "expected: clean, crunch, lead"),
        ("bypass maybe", "bypass: found 'maybe', expected \\[on or off\\]"),
        ("turn far", "turn: found 'far', expected STEPS"),
        ("turn 1 coarse", "expected STEPS \\[fine\\]"),
        ("slot C", "slot: found 'C', expected A or B"),
        ("block last", "expected next or previous"),
        ("set amp.drive", "expected BLOCK.PARAMETER VALUE"),
        ("set fuzz.sustain 1", "no parameter"),
        ("knob fuzz.sustain", "no parameter"),
        ("undo twice", "undo: found 'twice', expected nothing behind it"),
        ("input 3", "there is no input 3: the device has 2"),
    ],
)
def test_mistakes_are_named_and_change_nothing(line, said):
    stream = FakeStream()
    before = dict(stream.values), stream.preset, stream.mute, stream.bypass, stream.in_channel
    with pytest.raises(UsageError, match=said):
        stream.do(line)
    assert (dict(stream.values), stream.preset, stream.mute, stream.bypass, stream.in_channel) == before


def test_every_command_says_what_it_does():
    for name, command in COMMANDS.items():
        assert command.name == name and " " not in name
        assert command.help and len(command.help) <= 60 and command.help[-1] != "."
