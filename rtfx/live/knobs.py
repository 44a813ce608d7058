"""Knobs: the chosen knob, the size of its steps, undo and redo, the slots A and B, and the next scene."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..loading.preset import Knob, Value
from ..rig.parameters import Parameter
from ..rig.set_list import GLOBALS

if TYPE_CHECKING:
    from .stream import Stream

IN_GAIN, OUT_GAIN = (parameter.name for parameter in GLOBALS)
DB_STEP = WHOLE_STEP = 1.0
STEPS_IN_RANGE = 50
FINE = 10  # fine steps in a step
LOGARITHMIC_RATIO = 50.0  # steps are ratios if maximum / minimum is at least this
SEMITONE = 2.0 ** (1.0 / 12.0)
DEPTH = 200  # changes that can be undone
ONE_TURN_SECONDS = 1.0  # changes of the same knobs that follow each other faster are undone together
TAPS = 5
LONGEST_BEAT = 3.0  # seconds: 20 beats a minute
DIGITS = 4  # significant digits of a value on a logarithmic range


def chosen(stream: Stream) -> Knob:
    """Return the knob that `turn` acts on; it is the output gain if the preset lacks the chosen knob."""
    return stream.knobs.get(stream.selection.knob) or stream.knobs[OUT_GAIN]


def choose_knob(stream: Stream, step: int) -> Knob:
    """Choose the next knob, or with -1 the previous one; the last is followed by the first."""
    every = list(stream.knobs.values())
    knob = every[(every.index(chosen(stream)) + step) % len(every)]
    stream.selection.knob = knob.address
    return knob


def choose_block(stream: Stream, step: int) -> Knob:
    """Choose the first knob of the next block, or with -1 of the previous one."""
    first: dict[str, Knob] = {}
    for knob in stream.knobs.values():
        first.setdefault(knob.block, knob)
    blocks = list(first)
    knob = first[blocks[(blocks.index(chosen(stream).block) + step) % len(blocks)]]
    stream.selection.knob = knob.address
    return knob


def nudge(stream: Stream, knob: Knob, steps: int, fine: bool = False) -> None:
    """Turn a knob by a number of steps, within its range."""
    stream.set_many({knob.address: turned(knob.parameter, knob.value, steps, fine)})


def undo(stream: Stream, again: bool = False) -> list[Knob]:
    """Undo the last change, or with `again` redo the change undone last; return the knobs that moved."""
    move = stream.history.redo if again else stream.history.undo
    change = move(stream.presets[stream.preset], {address: knob.value for address, knob in stream.knobs.items()})
    if change is None:
        return []
    target = change.after if again else change.before
    stream.set_many(target, remember=False)
    return [knob for address, knob in stream.knobs.items() if address in target]


def turned(parameter: Parameter, value: float | str, steps: int, fine: bool = False) -> float | str:
    """Return `value` moved by a number of steps.

    Notes
    -----
    A step is 1 dB; a semitone on wide ranges of Hz and ms; the next choice or whole number; else a fiftieth of the
    range, rounded. A fine step is a tenth of a step, except for choices and whole numbers.
    """
    if parameter.choices:
        place = parameter.choices.index(str(value)) + steps
        return parameter.choices[min(max(place, 0), len(parameter.choices) - 1)]
    value = parameter.number(value)
    low, high, step = parameter.minimum, parameter.maximum, step_of(parameter)
    if step is None:
        moved = float(value) * SEMITONE ** (steps / FINE if fine else steps)
        moved = float(f"{moved:.{DIGITS}g}")
    else:
        grid = step if _counted(parameter) else step / FINE
        moved = round(round((float(value) + steps * (grid if fine else step)) / grid) * grid, 9)
    return parameter.check(min(max(moved, low), high))


def step_of(parameter: Parameter) -> float | None:
    """Return the size of a step; None if steps are ratios or choices."""
    if parameter.choices or logarithmic(parameter):
        return None
    if _counted(parameter):
        return WHOLE_STEP
    return DB_STEP if parameter.unit == "dB" else round_step((parameter.maximum - parameter.minimum) / STEPS_IN_RANGE)


def _counted(parameter: Parameter) -> bool:
    """Return whether there is nothing between two whole numbers."""
    return parameter.whole or parameter.kind == "switch"


def logarithmic(parameter: Parameter) -> bool:
    """Return whether steps of a parameter are ratios, as on wide ranges of Hz and ms."""
    return (
        not parameter.whole and parameter.minimum > 0.0 and parameter.maximum / parameter.minimum >= LOGARITHMIC_RATIO
    )


def norm_of(knob: Knob) -> float | None:
    """Return the place of a knob's value in its range, 0 to 1, as a fader shows it; None if it has none."""
    parameter, value = knob.parameter, knob.value
    if parameter.choices:
        last = len(parameter.choices) - 1
        return parameter.choices.index(value) / last if last and value in parameter.choices else None
    if isinstance(value, str):
        return None
    low, high = parameter.minimum, parameter.maximum
    if logarithmic(parameter):
        place = math.log(max(float(value), low) / low) / math.log(high / low)
    else:
        place = (float(value) - low) / (high - low) if high > low else 0.0
    return min(max(place, 0.0), 1.0)


def value_at(parameter: Parameter, norm: float) -> Value:
    """Return the value at a place in a parameter's range, 0 to 1: the inverse of `norm_of`.

    Whole numbers, choices and switches get the nearest one.
    """
    norm = min(max(norm, 0.0), 1.0)
    if parameter.choices:
        return parameter.choices[round(norm * (len(parameter.choices) - 1))]
    low, high = parameter.minimum, parameter.maximum
    if logarithmic(parameter):
        return min(max(low * (high / low) ** norm, low), high)
    value = low + norm * (high - low)
    return float(round(value)) if parameter.whole or parameter.kind == "switch" else value


def round_step(size: float) -> float:
    """Return the largest number not above `size` that is 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(size) + 1e-9)
    return next(factor * power for factor in (5.0, 2.0, 1.0) if size >= 0.999 * factor * power)


@dataclass
class Change:
    """The values before and after a change, by address; `preset` is None for the input and output gain."""

    preset: str | None
    before: Mapping[str, Value]
    after: Mapping[str, Value]
    time: float


Playing = Callable[[Change], Mapping[str, Value]]  # the values that a change left in effect


class History:
    """The changes of all presets, newest last. [any thread]"""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._done: list[Change] = []
        self._undone: list[Change] = []
        self._closed = False

    def note(self, preset: str | None, before: Mapping[str, Value], after: Mapping[str, Value]) -> None:
        """Add a change that has just been made; undone changes can no longer be redone."""
        now = self._clock()
        with self._lock:
            last = self._done[-1] if self._done else None
            if (
                last
                and not self._closed
                and (last.preset, last.before.keys()) == (preset, before.keys())
                and now - last.time < ONE_TURN_SECONDS
            ):
                last.after, last.time = dict(after), now
            else:
                self._done.append(Change(preset, dict(before), dict(after), now))
                del self._done[:-DEPTH]
            self._undone.clear()
            self._closed = False

    def close(self) -> None:
        """Keep the next change separate, even if it soon follows a change of the same knobs."""
        with self._lock:
            self._closed = True

    def undo(self, preset: str, current: Mapping[str, Value]) -> Change | None:
        """Return the last change that is in effect in `preset`, which the caller undoes; None if there is none.

        Parameters
        ----------
        preset : str
            Changes of other presets are not considered.
        current : mapping
            The value of every knob. A change whose values are not in effect, such as one in the other slot, is skipped.
        """
        with self._lock:
            return self._move(self._done, self._undone, preset, current, lambda change: change.after)

    def redo(self, preset: str, current: Mapping[str, Value]) -> Change | None:
        """Return the change that was undone last, which the caller makes again; None if there is none."""
        with self._lock:
            return self._move(self._undone, self._done, preset, current, lambda change: change.before)

    def available(self, preset: str, current: Mapping[str, Value]) -> tuple[bool, bool]:
        """Return whether `undo` and `redo` would find a change."""
        with self._lock:
            undo = _last(self._done, preset, current, lambda change: change.after)
            redo = _last(self._undone, preset, current, lambda change: change.before)
        return undo is not None, redo is not None

    def _move(
        self,
        source: list[Change],
        target: list[Change],
        preset: str,
        current: Mapping[str, Value],
        playing: Playing,
    ) -> Change | None:
        self._closed = True
        place = _last(source, preset, current, playing)
        if place is None:
            return None
        target.append(source.pop(place))
        return target[-1]


def _last(source: list[Change], preset: str, current: Mapping[str, Value], playing: Playing) -> int | None:
    """Return the place of the newest change of a preset whose `playing` values are in effect."""
    for place in range(len(source) - 1, -1, -1):
        change = source[place]
        if change.preset not in (None, preset) or change.before == change.after:
            continue
        if all(current.get(address) == value for address, value in playing(change).items()):
            return place
    return None


@dataclass
class Pair:
    """The two slots of one preset; the values of the current slot are those that play."""

    current: str = "A"
    kept: dict[str, dict[str, Value]] = field(default_factory=dict)


class Slots:
    """The slots of all presets, by name."""

    def __init__(self) -> None:
        self._pairs: dict[str, Pair] = {}

    def current(self, preset: str) -> str:
        """Return "A" or "B"."""
        return self._pairs[preset].current if preset in self._pairs else "A"

    def used(self, preset: str) -> bool:
        """Return whether the preset's other slot holds values to compare with."""
        return preset in self._pairs

    def switch(self, stream: Stream, slot: str) -> str:
        """Store the playing values and play those of `slot`; an empty slot starts as a copy. Return a line to show."""
        preset = stream.presets[stream.preset]
        if slot == self.current(preset):
            return f"slot {slot}"
        pair = self._pairs.setdefault(preset, Pair())
        playing = {address: knob.value for address, knob in stream.knobs.items() if address not in stream.gains}
        pair.kept[pair.current] = playing
        pair.current = slot
        stream.history.close()
        if slot not in pair.kept:
            return f"slot {slot}: a copy of what played; turn it, and compare with a and b"
        other = pair.kept[slot]
        changed = {address: other[address] for address, value in playing.items() if other.get(address, value) != value}
        if changed:
            stream.set_many(changed, remember=False)
        return f"slot {slot}"


def next_scene(stream: Stream, current: str, step: int = 1) -> str:
    """Play the scene after `current`, or with -1 the one before; after the last scene comes the preset as written.

    Return the scene's name, or "" for the preset as written.

    First every parameter that any scene sets returns to the preset's own value, so that a scene always sounds the same.
    """
    names = ["", *stream.scenes]
    name = names[(names.index(current) + step) % len(names)] if current in names else names[-1]
    moved = {address for scene in stream.scenes.values() for address in scene}
    values: dict[str, Value] = {}
    for address in moved & stream.knobs.keys():
        written = stream.knobs[address].written
        values |= {} if written is None else {address: written}
    values |= stream.scenes.get(name, {})
    if values:
        stream.set_many(values)
    return name


@dataclass
class Taps:
    """The taps of a foot or a finger, and the tempo that they give."""

    times: list[float] = field(default_factory=list)

    def tap(self, now: float) -> float | None:
        """Return the beats a minute of the last taps, at `now` in seconds; None at the first one.

        A tap after a pause of more than `LONGEST_BEAT` seconds is a first one. The mean of at most `TAPS` taps counts.
        """
        if self.times and not 0.0 < now - self.times[-1] <= LONGEST_BEAT:
            self.times.clear()
        self.times.append(now)
        del self.times[:-TAPS]
        beats = len(self.times) - 1
        return 60.0 * beats / (now - self.times[0]) if beats else None


@dataclass
class Selection:
    """The player's choices. It holds no reference to the stream, so that a deleted stream ends at once.

    Parameters
    ----------
    knob : str
        The address of the knob that `turn` acts on.
    scenes : dict
        For each preset, the scene that was chosen last.
    set_list : str
        The new set list in which scenes are saved, if one had to be made.
    """

    knob: str = OUT_GAIN
    slots: Slots = field(default_factory=Slots)
    taps: Taps = field(default_factory=Taps)
    scenes: dict[str, str] = field(default_factory=dict)
    set_list: str = ""
