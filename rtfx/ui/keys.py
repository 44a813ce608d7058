"""What each key does while it plays: a table from keys to actions on a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import RtfxError
from ..host.remember import remember_channel
from ..live import knobs
from ..live.save import save_scene
from ..live.slots import next_scene

if TYPE_CHECKING:
    from ..live.stream import Stream


class Quit(Exception):
    """The player wants to stop."""


@dataclass(frozen=True)
class Action:
    """`keys` as `keyboard` names them; `act` gets the stream and the key and returns a line to show.

    The help page has a line of `label` and `summary` for each: at most 10 and 26 characters.
    """

    keys: tuple[str, ...]
    label: str
    summary: str
    act: Callable[[Stream, str], str]


def _number(stream: Stream, key: str) -> str:
    return _select(stream, int(key) - 1)


def _next(stream: Stream, key: str) -> str:
    return _step(stream, 1)


def _previous(stream: Stream, key: str) -> str:
    return _step(stream, -1)


def _step(stream: Stream, direction: int) -> str:
    """Select the nearest preset in a direction that can play: the current one can."""
    index, passed = stream.preset, []
    while (index := (index + direction) % len(stream.presets)) in stream.unplayable:
        passed.append(str(index + 1))
    left_out = f" (passed over {', '.join(passed)}, which cannot play)" if passed else ""
    return _select(stream, index) + left_out


def _select(stream: Stream, index: int) -> str:
    names = stream.presets
    if index >= len(names):
        return f"there is no preset {index + 1}: {len(names)} in all"
    if index != stream.preset:
        stream.select(index)
    return f"preset {index + 1}: {names[index]}"


def _scene(stream: Stream, key: str) -> str:
    preset = stream.presets[stream.preset]
    if not stream.scenes:
        return f"{preset} has no scenes: turn its knobs, then s saves one"
    name = next_scene(stream, stream.selection.scenes.get(preset, ""))
    stream.selection.scenes[preset] = name
    return f"scene {name}" if name else "no scene: the preset as it is written"


def _bypass(stream: Stream, key: str) -> str:
    stream.bypass = not stream.bypass
    return "bypass on: the dry guitar" if stream.bypass else "bypass off"


def _mute(stream: Stream, key: str) -> str:
    stream.mute = not stream.mute
    return "muted" if stream.mute else "mute off"


def _channel(stream: Stream, key: str) -> str:
    count = stream.in_channel_choices
    if count < 2:
        return f"there is no other input: {stream.input_channels} of {stream.input_channels} channels play"
    stream.in_channel = stream.in_channel % count + 1
    remember_channel(stream.stats.input_device, stream.in_channel)
    return f"input {stream.in_channel} of {count}"


def _block(stream: Stream, key: str) -> str:
    knobs.choose_block(stream, 1 if key == "tab" else -1)
    return ""


def _knob(stream: Stream, key: str) -> str:
    knobs.choose_knob(stream, 1 if key == "j" else -1)
    return ""


def _gain(stream: Stream, key: str) -> str:
    stream.selection.knob = knobs.IN_GAIN if key == "i" else knobs.OUT_GAIN
    return ""


def _turn(stream: Stream, key: str) -> str:
    knobs.turn(stream, 1 if key in ("+", "=", ".") else -1, key in (".", ","))
    return ""


def _reset(stream: Stream, key: str) -> str:
    knobs.reset(stream)
    return ""


def _undo(stream: Stream, key: str) -> str:
    moved = knobs.undo(stream, key == "U")
    what = "again" if key == "U" else "undone"
    return f"{what}: {', '.join(map(str, moved))}" if moved else f"nothing to {'redo' if key == 'U' else 'undo'}"


def _slot(stream: Stream, key: str) -> str:
    return stream.selection.slots.switch(stream, key.upper())


def _save(stream: Stream, key: str) -> str:
    return save_scene(stream)


def _reseed(stream: Stream, key: str) -> str:
    return stream.reseeder.next(knobs.chosen(stream).block) if stream.reseeder else ""


def _take(stream: Stream, key: str) -> str:
    try:
        return f"saving {stream.takes.save().name}"
    except (RtfxError, OSError) as error:
        return f"no take: {error}"


def _clear(stream: Stream, key: str) -> str:
    stream.clear_clips()
    return "clip lights, worst load and xruns start again"


def _help(stream: Stream, key: str) -> str:
    stream.selection.help = not stream.selection.help
    return ""


def _quit(stream: Stream, key: str) -> str:
    raise Quit


ACTIONS = (
    Action(tuple("123456789"), "1-9", "preset", _number),
    Action(("n", "pagedown", "right", "down"), "n PgDn", "next preset", _next),
    Action(("p", "pageup", "left", "up"), "p PgUp", "preset before", _previous),
    Action(("e",), "e", "next scene", _scene),
    Action((" ",), "space", "bypass", _bypass),
    Action(("m",), "m", "mute", _mute),
    Action(("c",), "c", "next input channel", _channel),
    Action(("i", "o"), "i o", "input gain, output gain", _gain),
    Action(("tab", "backtab"), "Tab", "next block, Shift: before", _block),
    Action(("j", "k"), "j k", "next knob, knob before", _knob),
    Action(("+", "=", "-", "_"), "+ -", "turn it", _turn),
    Action((".", ","), ". ,", "turn it finely", _turn),
    Action(("0",), "0", "its default", _reset),
    Action(("u", "U"), "u U", "undo last turn, redo", _undo),
    Action(("a", "b"), "a b", "slot A or B, to compare", _slot),
    Action(("r",), "r", "save the last minute", _take),
    Action(("s",), "s", "save changes as a scene", _save),
    Action(("R",), "R", "next seed of a random net", _reseed),
    Action(("x",), "x", "clear clips, worst, xruns", _clear),
    Action(("?", "h"), "?", "this page, or back", _help),
    Action(("q", "Q"), "q", "quit", _quit),
)
BY_KEY = {key: action for action in ACTIONS for key in action.keys}


def press(stream: Stream, key: str) -> str:
    """Do what `key` stands for and return a line to show, empty for a key without meaning.

    Any key but ``?`` also turns the help page away.

    Raises
    ------
    Quit
        The key ends the session.
    """
    action = BY_KEY.get(key)
    if stream.selection.help and (action is None or action.act is not _help):
        stream.selection.help = False
    try:
        return action.act(stream, key) if action else ""
    except RtfxError as error:  # said, not raised: the sound goes on
        return str(error)
