"""The command that each key runs during play; the help page and the manual are made from this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import RtfxError
from ..live.knobs import IN_GAIN, OUT_GAIN

if TYPE_CHECKING:
    from ..live.stream import Stream

PAGE, QUIT = "page", "quit"  # the page itself does these


class Quit(Exception):
    """The player wants to stop."""


@dataclass(frozen=True)
class Keys:
    """Keys that belong together: one line of the help page.

    Parameters
    ----------
    label, summary : str
        At most 10 and 26 characters.
    lines : mapping
        Key, as `keyboard` names it, to the command of `live.commands` that it runs, or to `PAGE` or `QUIT`.
    """

    label: str
    summary: str
    lines: Mapping[str, str]


KEYS = (
    Keys("1-9", "preset", {number: f"preset {number}" for number in "123456789"}),
    Keys("n PgDn", "next preset", dict.fromkeys(("n", "pagedown", "right", "down"), "preset next")),
    Keys("p PgUp", "preset before", dict.fromkeys(("p", "pageup", "left", "up"), "preset previous")),
    Keys("e", "next scene", {"e": "scene next"}),
    Keys("space", "bypass", {" ": "bypass"}),
    Keys("m", "mute", {"m": "mute"}),
    Keys("t T", "tuner, muted or heard", {"t": "tuner mute", "T": "tuner"}),
    Keys("c", "next input channel", {"c": "input next"}),
    Keys("i o", "input gain, output gain", {"i": f"knob {IN_GAIN}", "o": f"knob {OUT_GAIN}"}),
    Keys("Tab", "next block, Shift: before", {"tab": "block next", "backtab": "block previous"}),
    Keys("j k", "next knob, knob before", {"j": "knob next", "k": "knob previous"}),
    Keys("+ -", "turn it", {"+": "turn 1", "=": "turn 1", "-": "turn -1", "_": "turn -1"}),
    Keys(". ,", "turn it finely", {".": "turn 1 fine", ",": "turn -1 fine"}),
    Keys("0", "its default", {"0": "reset"}),
    Keys("u U", "undo last turn, redo", {"u": "undo", "U": "redo"}),
    Keys("a b", "slot A or B, to compare", {"a": "slot A", "b": "slot B"}),
    Keys("r", "save the last minute", {"r": "take"}),
    Keys("s", "save changes as a scene", {"s": "save"}),
    Keys("R", "next seed of a random net", {"R": "seed"}),
    Keys("x", "clear clips, worst, xruns", {"x": "clear"}),
    Keys("?", "this page, or back", {"?": PAGE, "h": PAGE}),
    Keys("q", "quit", {"q": QUIT, "Q": QUIT}),
)
BY_KEY = {key: line for keys in KEYS for key, line in keys.lines.items()}


def press(stream: Stream, key: str) -> str:
    """Run the command of a key and return a line to show, "" for a key without one.

    Raises
    ------
    Quit
        The key ends the session.
    """
    line = BY_KEY.get(key, "")
    if line == QUIT:
        raise Quit
    if line in ("", PAGE):
        return ""
    try:
        return stream.do(line)
    except RtfxError as error:  # shown, not raised, so that the sound continues
        return str(error)


def shows_help(key: str, shown: bool) -> bool:
    """Return whether the help page is shown after a key: ``?`` opens and closes it, any other key closes it."""
    return BY_KEY.get(key) == PAGE and not shown
