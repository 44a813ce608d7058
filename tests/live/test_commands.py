"""One table of commands, which `Stream.do` and the keys look up."""

import json
import threading

import numpy as np
import pytest

import rtfx
from rtfx.errors import UsageError
from rtfx.live.commands import COMMANDS
from rtfx.loading.preset import Knob
from rtfx.rig.parameters import Parameter

from .eventually import eventually
from .fake_stream import FakeStream


@pytest.mark.parametrize(
    ("line", "said", "what", "value"),
    [
        ("preset next", "preset 2: crunch", "preset", 1),
        ("preset previous", "preset 3: lead", "preset", 2),
        ("preset 3", "preset 3: lead", "preset", 2),
        ("next", "preset 2: crunch", "preset", 1),
        ("previous", "preset 3: lead", "preset", 2),
        ("amp.drive 0.7", "amp.drive 0.7", "drive", 0.7),
        ("amp.drive", "amp.drive 0.5", "drive", 0.5),
        ("out_gain_db  -3", "out_gain_db -3.0 dB", "out_gain_db", -3.0),
        ("preset  crunch ", "preset 2: crunch", "preset", 1),
        ("bypass", "bypass on: the dry guitar", "bypass", True),
        ("bypass off", "bypass off", "bypass", False),
        ("mute on", "muted", "mute", True),
        ("set out_gain_db -3", "out_gain_db -3.0 dB", "out_gain_db", -3.0),
        ("set amp.drive 0.7", "amp.drive 0.7", "drive", 0.7),
        ("set amp.bright on", "amp.bright on", "bright", "on"),
        ("toggle amp.bright", "amp.bright on", "bright", "on"),
        ("toggle amp.drive", "amp.drive 1", "drive", 1.0),
        ("mute toggle", "muted", "mute", True),
        ("mute", "muted", "mute", True),
        ("set amp.drive 70%", "amp.drive 0.7", "drive", 0.7),
        ("set amp.bright 100%", "amp.bright on", "bright", "on"),
        ("get amp.drive", "amp.drive 0.5", "drive", 0.5),
        ("nudge amp.drive 3", "amp.drive 0.56", "drive", 0.56),
        ("nudge amp.drive -1 fine", "amp.drive 0.498", "drive", 0.498),
        ("reset out_gain_db", "out_gain_db +0.0 dB", "out_gain_db", 0.0),
        ("scene", "scene solo", "drive", 0.9),
        ("scene previous", "scene solo", "drive", 0.9),
        ("input", "input 2 of 2", "in_channel", 2),
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
        ("presets next", "no command 'presets'.*did you mean 'preset'.*expected one of: preset, next"),
        ("", "no command ''"),
        ("preset 4", "there is no preset 4: 3 in all"),
        ("preset crnch", "did you mean 'crunch'"),
        ("preset", "expected: clean, crunch, lead"),
        ("bypass maybe", "bypass: found 'maybe', expected \\[on, off or toggle\\]"),
        ("turn far", "turn: found 'far', expected STEPS"),
        ("turn 1 coarse", "expected STEPS \\[fine\\]"),
        ("slot C", "slot: found 'C', expected \\[A, B or other\\]"),
        ("block last", "expected next or previous"),
        ("set amp.drive", "expected BLOCK.PARAMETER VALUE"),
        ("set fuzz.sustain 1", "no parameter"),
        ("knob fuzz.sustain", "no parameter"),
        ("undo twice", "undo: found 'twice', expected nothing behind it"),
        ("nudge amp.drive", "nudge: found '', expected BLOCK.PARAMETER STEPS"),
        ("get", "get: found '', expected BLOCK.PARAMETER"),
        ("toggle fuzz", "no parameter"),
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


def test_a_block_is_switched_by_its_name():
    stream, values = FakeStream(), {"on": 1.0}
    stream.knobs["delay.on"] = Knob("delay.on", Parameter("on", 1.0, kind="switch"), values)
    stream.set_many = lambda turned: values.update({address.partition(".")[2]: v for address, v in turned.items()})
    assert [(stream.do("toggle delay") and values["on"]) for _ in range(2)] == [0.0, 1.0]


def test_the_slot_that_does_not_play_is_played():
    stream = FakeStream()
    assert [stream.do("slot")[:6] for _ in range(3)] == ["slot B", "slot A", "slot B"]


def test_defaults_are_arguments_that_the_command_takes():
    for command in COMMANDS.values():
        assert not command.default or (command.arguments[0] == "[" and command.default in command.arguments)


@pytest.fixture
def playing():
    rig = rtfx.Rig([{"type": "gain", "gain_db": -6.0}])
    with rig.play(device="null", input=np.zeros(100 * 48000, np.float32), sample_rate=48000) as stream:
        yield stream


def test_panic_mutes_and_starts_the_preset_from_rest(playing):
    before = playing.controller.playing
    assert playing.do("panic").startswith("muted")
    assert playing.mute
    eventually(lambda: playing.controller.playing is not before)


def test_the_state_is_printed_as_json(playing):
    assert json.loads(playing.do("state")).keys() == playing.snapshot().keys()
    assert json.loads(playing.do("state preset")) == 1
    with pytest.raises(UsageError, match="did you mean 'presets'"):
        playing.do("state presents")


def test_quit_ends_the_stream(playing):
    assert playing.do("quit") == "fading out"
    assert playing.wait(20.0) and playing.ended


def test_commands_of_several_threads_take_turns_but_do_not_wait_for_a_disk(playing):
    with playing.turns:
        for line, waits in (("mute", True), ("take /nowhere", False)):
            thread = threading.Thread(target=playing.do, args=(line,), daemon=True)
            thread.start()
            thread.join(0.3 if waits else 20.0)
            assert thread.is_alive() == waits
    eventually(lambda: playing.mute)
