"""The commands that control a stream: one table, from which keys, pedals, pages, scripts and `Stream.do` are fed.

A command is a line of text: its name, then its arguments. A new command is one function and one row of `COMMANDS`.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import AudioFileError, UsageError, did_you_mean, quoted, same_accents
from ..host.choose import remember_channel
from ..loading.preset import Knob, Value
from ..rig.controls import TEMPO_BPM
from . import knobs
from .save import save_scene
from .tuner import switch

if TYPE_CHECKING:
    from .stream import Learner, Stream

STEP = {"next": 1, "previous": -1}
SWITCH = {"on": True, "off": False}
TOGGLE, OTHER = "toggle", "other"


@dataclass(frozen=True)
class Command:
    """One row of the table.

    Parameters
    ----------
    name : str
    arguments : str
        The arguments as the help shows them, those that may be left out in brackets; "" if there are none.
    help : str
        One line that says what the command does.
    run : callable
        ``run(stream, arguments) -> str`` returns a line to show, or ""; it raises RtfxError if it cannot run.
    default : str
        The arguments if none are given.
    alone : bool
        Whether it takes turns with commands of other threads. Commands that wait for a disk do not: a pedal must not
        wait for them.
    """

    name: str
    arguments: str
    help: str
    run: Callable[[Stream, str], str]
    default: str = ""
    alone: bool = True

    @property
    def usage(self) -> str:
        """The name and the arguments."""
        return f"{self.name} {self.arguments}".strip()

    def expects(self, found: str) -> UsageError:
        """Return the error that says what was found in place of the arguments."""
        wanted = self.arguments or "nothing behind it"
        return UsageError(f"{self.name}: found {quoted(found)}, expected {wanted}")


def do(stream: Stream, line: str) -> str:
    """Run a command and return a line to show, "" if there is nothing to say.

    Parameters
    ----------
    line : str
        The name and its arguments, such as ``preset next`` or ``set amp.gain 0.7``. The address of a parameter with a
        value is short for ``set``, an address alone for ``get``.

    Raises
    ------
    UsageError
        There is no such command, or it does not take these arguments; the message says what is expected.
    RtfxError
        The command cannot be run now; nothing has changed.
    """
    name, _, arguments = line.strip().partition(" ")
    if name not in COMMANDS and ("." in name or name in stream.gains):
        name, arguments = ("set" if arguments.strip() else "get"), line.strip()
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS)
        raise UsageError(f"no command {quoted(name)}{hint}, expected one of: {', '.join(COMMANDS)}")
    command, arguments = COMMANDS[name], arguments.strip()
    if arguments and not command.arguments:
        raise command.expects(arguments)
    with stream.turns if command.alone else contextlib.nullcontext():
        return command.run(stream, arguments or command.default)


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
    left_out = f" (skipped {', '.join(passed)}, which cannot play)" if passed else ""
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
    if name not in STEP or name in stream.scenes:
        stream.scene(name)
    elif not stream.scenes:
        return f"{preset} has no scenes: turn its knobs, then s saves one"
    else:
        name = knobs.next_scene(stream, stream.selection.scenes.get(preset, ""), STEP[name])
    stream.selection.scenes[preset] = name
    return f"scene {name}" if name else "no scene: the preset as it is written"


def _switched(command: str, word: str, now: bool) -> bool:
    """Return the new state of a switch: the state that `word` names, or the opposite of `now`."""
    if word not in (*SWITCH, TOGGLE):
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


def _panic(stream: Stream, _: str) -> str:
    stream.mute = True
    stream.select(stream.preset)  # from rest: what rang on or went wrong is gone
    return "muted, and the preset starts from rest: mute off brings the sound back"


def _quit(stream: Stream, _: str) -> str:
    # on a thread of its own: closing waits for the threads of the surfaces, one of which runs this
    threading.Thread(target=stream.close, name="rtfx quit", daemon=True).start()
    return "fading out"


def _state(stream: Stream, key: str) -> str:
    state = stream.snapshot()
    if key and key not in state:
        raise UsageError(f"no key {quoted(key)}{did_you_mean(key, state)}, expected one of: {', '.join(state)}")
    return json.dumps(state[key] if key else state, ensure_ascii=False)


def _set(stream: Stream, words: str) -> str:
    address, _, word = words.partition(" ")
    if not word.strip():
        raise COMMANDS["set"].expects(words)
    knob = stream.find(address)
    stream.set_many({knob.address: _value(knob, word.strip())})
    return str(knob)


def _value(knob: Knob, word: str) -> Value:
    """Return the value that a word names: a number in the knob's unit, a place in its range (``70%``), or a choice."""
    try:
        return knobs.value_at(knob.parameter, float(word[:-1]) / 100.0) if word[-1] == "%" else float(word)
    except ValueError:
        return word


def _get(stream: Stream, address: str) -> str:
    if not address:
        raise COMMANDS["get"].expects(address)
    return str(stream.find(address))


def _nudge(stream: Stream, words: str) -> str:
    address, _, steps = words.partition(" ")
    knob = stream.find(address)
    knobs.nudge(stream, knob, *_steps("nudge", steps))
    return str(knob)


def _toggle(stream: Stream, address: str) -> str:
    knob = stream.knobs.get(f"{address}.on") or stream.find(address)
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
    knobs.nudge(stream, knobs.chosen(stream), *_steps("turn", words))
    return ""


def _steps(command: str, words: str) -> tuple[int, bool]:
    """Return the number of steps that words name, and whether they are fine ones."""
    steps, _, fine = words.strip().partition(" ")
    if fine.strip() not in ("", "fine"):
        raise COMMANDS[command].expects(words)
    return _whole(command, steps), bool(fine)


def _reset(stream: Stream, address: str) -> str:
    knob = stream.find(address) if address else knobs.chosen(stream)
    stream.set_many({knob.address: knob.parameter.default})
    return str(knob) if address else ""


def _undo(stream: Stream, _: str) -> str:
    return _moved("undone", knobs.undo(stream)) or "nothing to undo"


def _redo(stream: Stream, _: str) -> str:
    return _moved("again", knobs.undo(stream, again=True)) or "nothing to redo"


def _moved(how: str, moved: Sequence[knobs.Knob]) -> str:
    return f"{how}: {', '.join(map(str, moved))}" if moved else ""


def _tap(stream: Stream, _: str) -> str:
    bpm = stream.selection.taps.tap(time.monotonic())
    if bpm is None:
        return "tap again: two taps give a tempo"
    knob = stream.find(TEMPO_BPM)
    stream.set_many({knob.address: min(max(bpm, knob.parameter.minimum), knob.parameter.maximum)})
    return f"{knob.value:.1f} bpm"


def _slot(stream: Stream, name: str) -> str:
    if name == OTHER:
        name = "B" if stream.selection.slots.current(stream.presets[stream.preset]) == "A" else "A"
    if name.upper() not in ("A", "B"):
        raise COMMANDS["slot"].expects(name)
    return stream.selection.slots.switch(stream, name.upper())


def _save(stream: Stream, name: str) -> str:
    return save_scene(stream, name)


def _learn(stream: Stream, target: str) -> str:
    return _midi(stream, "learn", target).learn(target)


def _forget(stream: Stream, target: str) -> str:
    return _midi(stream, "forget", target).forget(target)


def _midi(stream: Stream, command: str, target: str) -> Learner:
    if not target:
        raise COMMANDS[command].expects(target)
    if stream.midi is None:
        raise UsageError("no MIDI input is open: start with rtfx play --midi-in all")
    return stream.midi


def _capture(stream: Stream, words: str) -> str:
    return stream.captures.play("model", words) if stream.captures else ""


def _ir(stream: Stream, words: str) -> str:
    return stream.captures.play("audio", words) if stream.captures else ""


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
        Command("next", "", "crossfade to the next preset", lambda stream, _: _neighbour(stream, 1)),
        Command("previous", "", "crossfade to the previous preset", lambda stream, _: _neighbour(stream, -1)),
        Command("scene", "[NAME, next or previous]", "set the values of a scene", _scene, default="next"),
        Command("set", "BLOCK.PARAMETER VALUE", "set a parameter to a value, or to 70% of its range", _set),
        Command("get", "BLOCK.PARAMETER", "print the value of a parameter", _get),
        Command("nudge", "BLOCK.PARAMETER STEPS [fine]", "turn a parameter by a number of steps", _nudge),
        Command("toggle", "BLOCK.PARAMETER or BLOCK", "switch a parameter, or a block, on or off", _toggle),
        Command("reset", "[BLOCK.PARAMETER]", "set a parameter, or the chosen knob, to its default", _reset),
        Command("knob", "BLOCK.PARAMETER, next or previous", "choose the knob that turn and reset act on", _knob),
        Command("block", "next or previous", "choose the first knob of another block", _block),
        Command("turn", "STEPS [fine]", "turn the chosen knob", _turn),
        Command("undo", "", "undo the last change", _undo),
        Command("redo", "", "redo the change that was undone last", _redo),
        Command("slot", "[A, B or other]", "store the sound in its slot and play the other slot", _slot, OTHER),
        Command("tap", "", "tap the tempo, two times or more", _tap),
        Command("bypass", "[on, off or toggle]", "play the dry guitar", _bypass, TOGGLE),
        Command("mute", "[on, off or toggle]", "silence the output", _mute, TOGGLE),
        Command("panic", "", "mute, and start the preset from rest", _panic),
        Command("tuner", "[on, off, mute, toggle, HZ or TUNING]", "show whether a string is in tune", switch, TOGGLE),
        Command("input", "[NUMBER or next]", "choose the input channel", _input, "next"),
        Command("save", "[NAME]", "save the changed knobs as a scene of the set list", _save, alone=False),
        Command("take", "[FOLDER]", "save the last minute", _take, alone=False),
        Command("learn", "BLOCK.PARAMETER, COMMAND or off", "map the MIDI control that moves next", _learn),
        Command("forget", "BLOCK.PARAMETER or COMMAND", "remove the MIDI control of something", _forget, alone=False),
        Command("seed", "[BLOCK]", "play the next seed of a random net", _seed),
        Command("capture", "[BLOCK] [NAME, next or previous]", "play another capture in a block", _capture, "next"),
        Command("ir", "[BLOCK] [NAME, next or previous]", "play another impulse response", _ir, "next"),
        Command("clear", "", "clear clip lights, worst load and xruns", _clear),
        Command("state", "[KEY]", "print the state of the player, or one key of it, as JSON", _state),
        Command("quit", "", "fade out and end", _quit),
    )
}
