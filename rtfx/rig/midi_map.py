"""What a pedal board's controls do: the ``midi`` section of a set list, and files of the same form.

midi:
  channel: omni
  map:
    - {cc: 11, to: wah.position, from: 0.2, at: 0.9}
    - {cc: 64, do: toggle delay}
    - {note: 60, do: mute on, release: mute off}
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import PresetError, quoted
from .yaml_marks import Marked, read_yaml

if TYPE_CHECKING:
    from .set_list import Reader

OMNI = "omni"
KINDS = ("cc", "note", "pc")
RELATIVE = ("twos", "offset", "sign")
MODES = ("absolute", "toggle", "momentary", *RELATIVE)
HIGHEST = 127
TARGETS = ("to", "do")
FLAGS = ("takeover", "feedback", "programs", "clock")
SECTION_KEYS = ("channel", "in", *FLAGS, "map")
RANGE_KEYS = ("from", "at", "low", "high", "curve")
MAPPING_KEYS = (*KINDS, "channel", "device", *TARGETS, "release", *RANGE_KEYS, "mode", "takeover")
# What each key means, for the reference.
SAID_OF_SECTION = {
    "channel": "1 to 16, or `omni` (default): which channel is heard; each mapping may name its own",
    "in": "the inputs to open: a part of a name, or a list; default all of them",
    "takeover": "`true`: a control does nothing until it passes the knob's value (default `false`)",
    "feedback": "`true`: changes are sent back to the board, for lights and motor faders (default `false`)",
    "programs": "`false`: program changes select no presets (default `true`: PC 0 is preset 1)",
    "clock": "`false`: the tempo does not follow MIDI clock (default `true`)",
    "map": "the list of mappings",
}
SAID_OF_MAPPING = {
    "cc": "the number of a controller, 0 to 127",
    "note": "the number of a note, 0 to 127",
    "pc": "the number of a program change, 0 to 127, as sent: preset 1 is PC 0",
    "channel": "1 to 16 or `omni`",
    "device": "a part of the name of one input; without it all inputs",
    "to": "the address of a parameter that the control moves: `wah.position`",
    "do": "a command that the control runs when it is pressed: `next`, `toggle delay`, `tap`",
    "release": "a command that it runs when it is let go",
    "from": "the parameter's value at the heel, in its own unit (default the lowest)",
    "at": "the parameter's value at the toe (default the highest)",
    "low": "what the pedal sends at the heel (default 0)",
    "high": "what it sends at the toe (default 127)",
    "curve": "1 is even; 2 moves slowly first, 0.5 quickly first",
    "mode": "`absolute`; `toggle` or `momentary` for switches; `twos`, `offset` or `sign` for endless encoders",
    "takeover": "as above, for this control",
}


@dataclass(frozen=True)
class Mapping:
    """What one control does; `SAID_OF_MAPPING` describes the keys.

    Parameters
    ----------
    channel : int or None
        None: every channel.
    to, do : str
        One of them is "".
    start, end : float, str or None
        The values at the heel (``from``) and the toe (``at``); None: the ends of the range.
    """

    kind: str
    number: int
    channel: int | None = None
    device: str = ""
    to: str = ""
    do: str = ""
    release: str = ""
    start: float | str | None = None
    end: float | str | None = None
    low: int = 0
    high: int = HIGHEST
    curve: float = 1.0
    mode: str = ""
    takeover: bool = False

    @property
    def control(self) -> str:
        """The control in words, such as ``CC 11`` or ``PC 0, channel 2``."""
        where = f", channel {self.channel}" if self.channel else ""
        name = self.kind if self.kind == "note" else self.kind.upper()
        return f"{name} {self.number}{where}" + (f" of {self.device}" if self.device else "")

    def place(self, value: int) -> float:
        """Return the place of a control between heel and toe, 0 to 1, bent by the curve."""
        place = (value - self.low) / (self.high - self.low)
        return float(min(max(place, 0.0), 1.0) ** self.curve)

    def sent(self, place: float) -> int:
        """Return what the control sends at a place: the inverse of `place`."""
        return round(self.low + min(max(place, 0.0), 1.0) ** (1.0 / self.curve) * (self.high - self.low))

    def written(self) -> dict[str, Any]:
        """Return the keys of a file, without defaults."""
        given = {
            "channel": self.channel,
            "device": self.device,
            "to": self.to,
            "do": self.do,
            "release": self.release,
            "from": self.start,
            "at": self.end,
            "mode": self.mode,
        }
        found = {self.kind: self.number} | {key: value for key, value in given.items() if value not in (None, "")}
        defaults = {"low": (self.low, 0), "high": (self.high, HIGHEST), "curve": (self.curve, 1.0)}
        found |= {key: value for key, (value, default) in defaults.items() if value != default}
        return found | ({"takeover": True} if self.takeover else {})


@dataclass(frozen=True)
class MidiMap:
    """A section ``midi``; `SAID_OF_SECTION` describes the keys.

    Parameters
    ----------
    inputs : tuple of str
        Parts of the names of the inputs to open; empty: all.
    feedback, programs, clock : bool or None
        None: not written.
    """

    mappings: tuple[Mapping, ...] = ()
    inputs: tuple[str, ...] = ()
    feedback: bool | None = None
    programs: bool | None = None
    clock: bool | None = None


def read_section(reader: Reader, marked: Marked) -> MidiMap:
    """Return a section; mistakes are noted by the reader, and what they concern is left out."""
    keys = reader.mapping(marked, "midi", SECTION_KEYS)
    if keys is None:
        return MidiMap()
    channel = _channel(reader, keys.get("channel"), "midi")
    flags = {name: _flag(reader, keys.get(name), f"midi: {name}") for name in FLAGS}
    inputs = keys.get("in")
    names = inputs.value if inputs and isinstance(inputs.value, list) else [inputs] if inputs else []
    found = [reader.text(name, "midi: in") for name in names]
    listed = reader.items(keys.get("map"), "midi: map", "mappings, such as {cc: 11, to: wah.position}")
    mappings = [_mapping(reader, item, place, channel, bool(flags["takeover"])) for place, item in enumerate(listed)]
    return MidiMap(
        tuple(filter(None, mappings)),
        tuple(filter(None, found)),
        flags["feedback"],
        flags["programs"],
        flags["clock"],
    )


def load_file(path: Path, reader: Reader) -> MidiMap:
    """Read a file of the form of the section.

    Raises
    ------
    PresetError
        It cannot be read, or has a mistake; the message names the line.
    """
    found = read_section(reader, read_yaml(path))
    for _, mistake in sorted(reader.mistakes):
        raise PresetError(mistake)
    return found


def joined(maps: Iterable[MidiMap]) -> MidiMap:
    """Return several maps as one: of two that map the same control the later one counts, and so with other keys."""
    result = MidiMap()
    for one in maps:
        taken = {(each.kind, each.number, each.channel, each.device) for each in one.mappings}
        kept = [each for each in result.mappings if (each.kind, each.number, each.channel, each.device) not in taken]
        result = MidiMap(
            (*kept, *one.mappings),
            one.inputs or result.inputs,
            result.feedback if one.feedback is None else one.feedback,
            result.programs if one.programs is None else one.programs,
            result.clock if one.clock is None else one.clock,
        )
    return result


def _mapping(reader: Reader, marked: Marked, place: int, channel: int | None, takeover: bool) -> Mapping | None:
    where = f"midi: map[{place}]"
    before = len(reader.mistakes)
    keys = reader.mapping(marked, where, MAPPING_KEYS)
    if keys is None or len(reader.mistakes) > before:
        return None
    kinds, targets = [name for name in KINDS if name in keys], [name for name in TARGETS if name in keys]
    if len(kinds) != 1:
        reader.wrong(marked, f"{where}: {' and '.join(kinds) or 'no control'}, expected one of: {', '.join(KINDS)}")
    if len(targets) != 1:
        reader.wrong(marked, f"{where}: {' and '.join(targets) or 'no target'}, expected to or do")
    if "release" in keys and "do" not in keys:
        reader.wrong(keys["release"], f"{where}: release without do")
    words, wholes = (*TARGETS, "release", "device"), (*KINDS, "low", "high")
    texts = {name: reader.text(keys[name], f"{where}: {name}") or "" for name in words if name in keys}
    numbers = {name: _whole(reader, keys[name], f"{where}: {name}") for name in wholes if name in keys}
    low, high = numbers.get("low", 0), numbers.get("high", HIGHEST)
    if low == high:
        reader.wrong(marked, f"{where}: low and high are both {low}, expected two values")
    mode = str(keys["mode"].plain) if "mode" in keys else ""
    if mode and mode not in MODES:
        reader.wrong(keys["mode"], f"{where}: mode is {quoted(mode)}, expected one of: {', '.join(MODES)}")
    curve = keys["curve"].plain if "curve" in keys else 1.0
    if isinstance(curve, bool) or not isinstance(curve, int | float) or not 0.05 <= curve <= 20.0:
        reader.wrong(keys["curve"], f"{where}: curve is {curve!r}, expected a number from 0.05 to 20")
    ends = {name: keys[name].plain for name in ("from", "at") if name in keys}
    for name, value in ends.items():
        if isinstance(value, bool):
            ends[name] = float(value)
        elif not isinstance(value, int | float | str):
            reader.wrong(keys[name], f"{where}: {name} is {value!r}, expected a value of the parameter")
    own = _channel(reader, keys["channel"], where) if "channel" in keys else channel
    taking = _flag(reader, keys["takeover"], f"{where}: takeover") if "takeover" in keys else takeover
    if len(reader.mistakes) > before:
        return None
    return Mapping(
        kinds[0],
        numbers[kinds[0]],
        own,
        texts.get("device", ""),
        texts.get("to", ""),
        texts.get("do", ""),
        texts.get("release", ""),
        ends.get("from"),
        ends.get("at"),
        low,
        high,
        float(curve),
        mode,
        bool(taking),
    )


def _channel(reader: Reader, marked: Marked | None, where: str) -> int | None:
    if marked is None or marked.value == OMNI:
        return None
    number = marked.value
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 16:
        reader.wrong(marked, f"{where}: channel is {number!r}, expected 1 to 16, or {OMNI}")
        return None
    return number


def _whole(reader: Reader, marked: Marked, where: str) -> int:
    number = marked.value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= HIGHEST:
        reader.wrong(marked, f"{where} is {number!r}, expected a whole number from 0 to {HIGHEST}")
        return -1
    return number


def _flag(reader: Reader, marked: Marked | None, where: str) -> bool | None:
    if marked is not None and not isinstance(marked.value, bool):
        reader.wrong(marked, f"{where} is {marked.value!r}, expected true or false")
    return marked.value if marked is not None and isinstance(marked.value, bool) else None
