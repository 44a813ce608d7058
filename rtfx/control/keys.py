"""What each key does while it plays: a table from keys to actions on a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..host.remember import remember_channel

if TYPE_CHECKING:
    from .stream import Stream

STEP_DB = 1.0
LEVEL_DB = (-60.0, 24.0)  # range of the output level


class Quit(Exception):
    """The player wants to stop."""


@dataclass(frozen=True)
class Action:
    """`keys` as `keyboard` names them; `act` gets the stream and the key and returns a line to show.

    The help leaves out an action without a `summary`: it must fit into one line of 80 columns.
    """

    keys: tuple[str, ...]
    label: str
    summary: str
    act: Callable[[Stream, str], str]


def _number(stream: Stream, key: str) -> str:
    return _select(stream, int(key) - 1)


def _next(stream: Stream, key: str) -> str:
    return _select(stream, (stream.preset + 1) % len(stream.presets))


def _previous(stream: Stream, key: str) -> str:
    return _select(stream, (stream.preset - 1) % len(stream.presets))


def _select(stream: Stream, index: int) -> str:
    names = stream.presets
    if index >= len(names):
        return f"there is no preset {index + 1}: {len(names)} in all"
    if index != stream.preset:
        stream.select(index)
    return f"preset {index + 1}: {names[index]}"


def _bypass(stream: Stream, key: str) -> str:
    stream.bypass = not stream.bypass
    return "bypass on: the dry guitar" if stream.bypass else "bypass off"


def _mute(stream: Stream, key: str) -> str:
    stream.mute = not stream.mute
    return "muted" if stream.mute else "mute off"


def _channel(stream: Stream, key: str) -> str:
    count = stream.input_channels
    if count < 2:
        return f"the input has {count} channel"
    stream.in_channel = stream.in_channel % count + 1
    remember_channel(stream.stats.input_device, stream.in_channel)
    return f"input {stream.in_channel} of {count}"


def _level(stream: Stream, key: str) -> str:
    step = STEP_DB if key in ("+", "=") else -STEP_DB
    stream.out_gain_db = min(max(stream.out_gain_db + step, LEVEL_DB[0]), LEVEL_DB[1])
    return f"level {stream.out_gain_db:+.0f} dB"


def _clear(stream: Stream, key: str) -> str:
    stream.clear_clips()
    return "clip lights off"


def _help(stream: Stream, key: str) -> str:
    return HELP


def _quit(stream: Stream, key: str) -> str:
    raise Quit


ACTIONS = (
    Action(tuple("123456789"), "1-9 n p", "preset", _number),
    Action(("n", "pagedown", "right", "down"), "n", "", _next),
    Action(("p", "pageup", "left", "up"), "p", "", _previous),
    Action((" ",), "space", "bypass", _bypass),
    Action(("m",), "m", "mute", _mute),
    Action(("c",), "c", "input", _channel),
    Action(("+", "=", "-", "_"), "+/-", "level", _level),
    Action(("x",), "x", "clips off", _clear),
    Action(("?", "h"), "?", "", _help),
    Action(("q", "Q"), "q", "quit", _quit),
)
HELP = "  ".join(f"{action.label} {action.summary}" for action in ACTIONS if action.summary)
BY_KEY = {key: action for action in ACTIONS for key in action.keys}


def press(stream: Stream, key: str) -> str:
    """Do what `key` stands for and return a line to show, empty for a key without meaning.

    Raises
    ------
    Quit
        The key ends the session.
    """
    action = BY_KEY.get(key)
    return action.act(stream, key) if action else ""
