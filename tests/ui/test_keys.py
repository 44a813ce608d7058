"""What the keys do."""

from pathlib import Path

import pytest

from rtfx.live import commands
from rtfx.rig.set_list import GLOBALS
from rtfx.ui.keyboard import CONTROLS, SEQUENCES
from rtfx.ui.keys import BY_KEY, KEYS, PAGE, QUIT, Quit, press, shows_help
from rtfx.ui.page import LABEL, SUMMARY, help_lines

from ..live.fake_stream import FakeStream


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


def test_unknown_preset_is_told():
    assert press(FakeStream(), "9") == "there is no preset 9: 3 in all"


def test_bypass_and_mute_toggle():
    stream = FakeStream()
    assert (press(stream, " "), stream.bypass) == ("bypass on: the dry guitar", True)
    assert (press(stream, " "), stream.bypass) == ("bypass off", False)
    assert (press(stream, "m"), stream.mute) == ("muted", True)
    assert (press(stream, "m"), stream.mute) == ("mute off", False)


def test_plus_and_minus_set_the_level_and_stay_in_its_range():
    stream = FakeStream()
    for key in ("+", "=", "-"):
        press(stream, key)
    assert stream.out_gain_db == 1.0
    for _ in range(100):
        press(stream, "+")
    assert stream.out_gain_db == GLOBALS[1].maximum


def test_any_knob_can_be_chosen_and_turned():
    stream = FakeStream()
    for key in ("tab", "+", "+", "."):
        press(stream, key)
    assert stream.values["amp.drive"] == pytest.approx(0.542)
    press(stream, ",")
    press(stream, "j")
    press(stream, "+")
    assert (stream.values["amp.drive"], stream.values["amp.bright"]) == (pytest.approx(0.54), "on")
    press(stream, "k")
    press(stream, "0")
    assert stream.values["amp.drive"] == 0.5
    press(stream, "backtab")
    press(stream, "-")
    assert stream.out_gain_db == -1.0
    for key in ("i", "+", "+", "o", "-"):
        press(stream, key)
    assert (stream.in_gain_db, stream.out_gain_db) == (2.0, -2.0)


def test_undo_and_redo():
    stream = FakeStream()
    assert press(stream, "u") == "nothing to undo"
    for key in ("tab", "+", "+"):
        press(stream, key)
    assert press(stream, "u") == "undone: amp.drive 0.5"
    assert stream.values["amp.drive"] == 0.5
    assert press(stream, "U") == "again: amp.drive 0.54"
    assert press(stream, "U") == "nothing to redo"


def test_scenes_come_one_after_the_other_and_sound_the_same_from_anywhere():
    stream = FakeStream()
    assert "has no scenes" in press(stream, "e")
    stream.scenes = {"solo": {"amp.drive": 0.9}, "loud": {"gain.gain_db": 6.0}}
    assert press(stream, "e") == "scene solo"
    assert press(stream, "e") == "scene loud"
    assert (stream.values["amp.drive"], stream.values["gain.gain_db"]) == (0.5, 6.0)
    press(stream, "u")
    assert (stream.values["amp.drive"], stream.values["gain.gain_db"]) == (0.5, 0.0), "one turn of the hand"
    stream.clock += 5.0
    assert press(stream, "e") == "no scene: the preset as it is written"
    assert stream.values == stream.written


def test_an_error_is_said_and_not_raised(monkeypatch):
    stream = FakeStream()
    monkeypatch.setattr(commands, "save_scene", lambda stream, name: stream.set_many({"nobody.knows": 1.0}))
    assert press(stream, "s") == "no parameter 'nobody.knows'"


def test_next_input_is_remembered_by_device(monkeypatch):
    told = []
    monkeypatch.setattr(commands, "remember_channel", lambda name, channel: told.append((name, channel)))
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


def test_help_opens_and_any_key_closes_it():
    for key in ("?", "h"):
        assert shows_help(key, False) and not shows_help(key, True)
    assert not any(shows_help(key, shown) for key in ("m", "escape", "q") for shown in (True, False))


@pytest.mark.parametrize("size", [(80, 24), (60, 24), (120, 40)])
def test_the_help_page_names_every_key(size):
    lines = [line.plain for line in help_lines(*size)]
    assert len(lines) <= size[1] and all(len(line) < size[0] for line in lines)
    for keys in KEYS:
        assert keys.summary and any(keys.summary in line for line in lines), keys.label
        assert len(keys.label) <= LABEL and len(keys.summary) <= SUMMARY


def test_quit():
    with pytest.raises(Quit):
        press(FakeStream(), "q")


def test_other_keys_mean_nothing():
    stream = FakeStream()
    before = dict(vars(stream))
    assert press(stream, "z") == press(stream, "escape") == ""
    assert vars(stream) == before


def test_each_key_has_one_command_that_exists_and_can_be_typed():
    assert len(BY_KEY) == sum(len(keys.lines) for keys in KEYS)
    assert {line.partition(" ")[0] for line in BY_KEY.values()} <= {*commands.COMMANDS, PAGE, QUIT}
    assert all(len(key) == 1 or key in (*SEQUENCES.values(), *CONTROLS.values()) for key in BY_KEY)


def test_the_documentation_names_every_key():
    text = (Path(__file__).parents[2] / "docs/guide/playing.md").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith("| `")] == [
        f"| `{keys.label}` | {keys.summary} |" for keys in KEYS
    ]
