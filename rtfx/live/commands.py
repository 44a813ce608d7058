"""The commands that control a stream: one table, which the keys of the player and `Stream.do` look up.

A command is a line of text: its name, then its arguments. A new command is one function and one row of `COMMANDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import AudioFileError, UsageError, did_you_mean, quoted, same_accents
from ..host.choose import remember_channel
from . import knobs
from .save import save_scene

if TYPE_CHECKING:
    from .stream import Stream

STEP = {"next": 1, "previous": -1}
SWITCH = {"on": True, "off": False}


@dataclass(frozen=True)
class Command:
    """One row of the table.

    Parameters
    ----------
    name : str
    arguments : str
        The arguments as the help shows them; "" if there are none.
    help : str
        One line that says what the command does.
    run : callable
        ``run(stream, arguments) -> str`` returns a line to show, or ""; it raises RtfxError if it cannot run.
    """

    name: str
    arguments: str
    help: str
    run: Callable[[Stream, str], str]

    def expects(self, found: str) -> UsageError:
        """Return the error that says what was found in place of the arguments."""
        wanted = self.arguments or "nothing behind it"
        return UsageError(f"{self.name}: found {quoted(found)}, expected {wanted}")


def do(stream: Stream, line: str) -> str:
    """Run a command and return a line to show, "" if there is nothing to say.

    Parameters
    ----------
    line : str
        The name and its arguments, such as ``preset next`` or ``set amp.gain 0.7``.

    Raises
    ------
    UsageError
        There is no such command, or it does not take these arguments; the message says what is expected.
    RtfxError
        The command cannot be run now; nothing has changed.
    """
    name, _, arguments = line.strip().partition(" ")
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS)
        raise UsageError(f"no command {quoted(name)}{hint}, expected one of: {', '.join(COMMANDS)}")
    command, arguments = COMMANDS[name], arguments.strip()
    if arguments and not command.arguments:
        raise command.expects(arguments)
    return command.run(stream, arguments)


def _preset(stream: Stream, which: str) -> str:
    names = stream.presets
    if which in STEP:
        return _neighbour(stream, STEP[which])
    if which.isdecimal():
        return _select(stream, int(which) - 1)
    known = [same_accents(name) for name in names]
    if not which or same_accents(which) not in known:
        raise UsageError(f"no preset {quoted(which)}{did_you_mean(which, names)}, expected: {', '.join(names)}")
    return _select(stream, known.index(same_accents(which)))


def _neighbour(stream: Stream, direction: int) -> str:
    """Select the nearest playable preset in a direction; the search ends, as the current preset is playable."""
    index, passed = stream.preset, []
    while (index := (index + direction) % len(stream.presets)) in stream.unplayable:
        passed.append(str(index + 1))
    left_out = f" (passed over {', '.join(passed)}, which cannot play)" if passed else ""
    return _select(stream, index) + left_out


def _select(stream: Stream, index: int) -> str:
    names = stream.presets
    if not 0 <= index < len(names):
        raise UsageError(f"there is no preset {index + 1}: {len(names)} in all")
    if index != stream.preset:
        stream.select(index)
    return f"preset {index + 1}: {names[index]}"


def _scene(stream: Stream, name: str) -> str:
    preset = stream.presets[stream.preset]
    if name != "next":
        stream.scene(name)
    elif not stream.scenes:
        return f"{preset} has no scenes: turn its knobs, then s saves one"
    else:
        name = knobs.next_scene(stream, stream.selection.scenes.get(preset, ""))
    stream.selection.scenes[preset] = name
    return f"scene {name}" if name else "no scene: the preset as it is written"


def _switched(command: str, word: str, now: bool) -> bool:
    """Return the new state of a switch: the state that `word` names, else the opposite of `now`."""
    if word and word not in SWITCH:
        raise COMMANDS[command].expects(word)
    return SWITCH.get(word, not now)


def _bypass(stream: Stream, word: str) -> str:
    stream.bypass = _switched("bypass", word, stream.bypass)
    return "bypass on: the dry guitar" if stream.bypass else "bypass off"


def _mute(stream: Stream, word: str) -> str:
    stream.mute = _switched("mute", word, stream.mute)
    return "muted" if stream.mute else "mute off"


def _input(stream: Stream, which: str) -> str:
    count = stream.in_channel_choices
    if count < 2:
        return f"there is no other input: {stream.input_channels} of {stream.input_channels} channels play"
    wanted = stream.in_channel % count + 1 if which == "next" else _whole("input", which)
    if not 1 <= wanted <= count:
        raise UsageError(f"there is no input {wanted}: the device has {count}")
    stream.in_channel = wanted
    remember_channel(stream.stats.input_device, wanted)
    return f"input {wanted} of {count}"


def _set(stream: Stream, words: str) -> str:
    address, _, value = words.partition(" ")
    if not value.strip():
        raise COMMANDS["set"].expects(words)
    try:
        number: float | str = float(value)
    except ValueError:
        number = value.strip()
    stream.set_many({address: number})
    return str(stream.find(address))


def _toggle(stream: Stream, address: str) -> str:
    knob = stream.find(address)
    ends = knob.parameter.choices or (knob.parameter.minimum, knob.parameter.maximum)
    stream.set_many({knob.address: ends[0] if knob.value == ends[-1] else ends[-1]})
    return str(knob)


def _knob(stream: Stream, which: str) -> str:
    if which in STEP:
        knobs.choose_knob(stream, STEP[which])
    else:
        stream.selection.knob = stream.find(which).address
    return ""


def _block(stream: Stream, which: str) -> str:
    if which not in STEP:
        raise COMMANDS["block"].expects(which)
    knobs.choose_block(stream, STEP[which])
    return ""


def _turn(stream: Stream, words: str) -> str:
    steps, _, fine = words.partition(" ")
    if fine.strip() not in ("", "fine"):
        raise COMMANDS["turn"].expects(words)
    knobs.turn(stream, _whole("turn", steps), bool(fine))
    return ""


def _reset(stream: Stream, _: str) -> str:
    knobs.reset(stream)
    return ""


def _undo(stream: Stream, _: str) -> str:
    return _moved("undone", knobs.undo(stream)) or "nothing to undo"


def _redo(stream: Stream, _: str) -> str:
    return _moved("again", knobs.undo(stream, again=True)) or "nothing to redo"


def _moved(how: str, moved: Sequence[knobs.Knob]) -> str:
    return f"{how}: {', '.join(map(str, moved))}" if moved else ""


def _slot(stream: Stream, name: str) -> str:
    if name.upper() not in ("A", "B"):
        raise COMMANDS["slot"].expects(name)
    return stream.selection.slots.switch(stream, name.upper())


def _save(stream: Stream, _: str) -> str:
    return save_scene(stream)


def _seed(stream: Stream, block: str) -> str:
    return stream.reseeder.next(block or knobs.chosen(stream).block) if stream.reseeder else ""


def _take(stream: Stream, folder: str) -> str:
    try:
        return f"saving {stream.takes.save(folder or None).name}"
    except (AudioFileError, OSError) as error:
        return f"no take: {error}"


def _clear(stream: Stream, _: str) -> str:
    stream.clear_clips()
    return "clip lights, worst load and xruns start again"


def _whole(command: str, word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise COMMANDS[command].expects(word) from None


COMMANDS = {
    command.name: command
    for command in (
        Command("preset", "NUMBER, NAME, next or previous", "crossfade to a preset", _preset),
        Command("scene", "NAME or next", "set the values of a scene", _scene),
        Command("set", "BLOCK.PARAMETER VALUE", "set a parameter", _set),
        Command("toggle", "BLOCK.PARAMETER", "set a parameter to its last value, or back to its first", _toggle),
        Command("knob", "BLOCK.PARAMETER, next or previous", "choose the knob that turn and reset act on", _knob),
        Command("block", "next or previous", "choose the first knob of another block", _block),
        Command("turn", "STEPS [fine]", "turn the chosen knob", _turn),
        Command("reset", "", "set the chosen knob to its default", _reset),
        Command("undo", "", "take the last change back", _undo),
        Command("redo", "", "make the change that was taken back again", _redo),
        Command("slot", "A or B", "keep what plays in its slot and play the other one", _slot),
        Command("bypass", "[on or off]", "play the dry guitar", _bypass),
        Command("mute", "[on or off]", "silence the output", _mute),
        Command("input", "NUMBER or next", "choose the input channel", _input),
        Command("save", "", "save what was turned as a scene of the set list", _save),
        Command("take", "[FOLDER]", "save the last minute", _take),
        Command("seed", "[BLOCK]", "play the next seed of a random net", _seed),
        Command("clear", "", "clear clip lights, worst load and xruns", _clear),
    )
}
