"""The knob in the player's hand: which one the keys turn, by how much, and how a turn is taken back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..rig.parameters import Parameter
from ..rig.set_list import GLOBALS

if TYPE_CHECKING:
    from .stream import Stream

IN_GAIN, OUT_GAIN = (parameter.name for parameter in GLOBALS)
GAIN_BLOCK = "level"  # where the two gains around every chain stand in the view
DB_STEP = WHOLE_STEP = 1.0
STEPS_IN_RANGE = 50
FINE = 10  # fine steps in a step
LOGARITHMIC_RATIO = 50.0  # a range of positive numbers as wide as this is walked by ratios
SEMITONE = 2.0 ** (1.0 / 12.0)
DIGITS = 4  # significant, of a value on a logarithmic range


@dataclass(frozen=True)
class Knob:
    """A parameter of the current preset, or one of the two gains, and where it stands."""

    address: str
    parameter: Parameter
    value: float | str

    @property
    def block(self) -> str:
        """The id of its block."""
        return self.address.partition(".")[0] if "." in self.address else GAIN_BLOCK

    def __str__(self) -> str:
        return f"{self.address} {worded(self.parameter, self.value)}"


def knobs(stream: Stream) -> list[Knob]:
    """Return the gains, then every parameter in the order of the chain."""
    gains = {IN_GAIN: stream.in_gain_db, OUT_GAIN: stream.out_gain_db}
    return [
        *(Knob(parameter.name, parameter, gains[parameter.name]) for parameter in reversed(GLOBALS)),
        *(Knob(*item) for item in stream.parameters),
    ]


def values(stream: Stream) -> dict[str, float | str]:
    """Return where every knob stands, by address."""
    return {knob.address: knob.value for knob in knobs(stream)}


def chosen(stream: Stream) -> Knob:
    """Return the knob that the keys turn: the output's level where the preset lacks the one chosen before."""
    every = knobs(stream)
    return next((knob for knob in every if knob.address == stream.selection.knob), every[0])


def named(stream: Stream, address: str) -> Knob:
    """Return the knob of an address, or of a bare name that one block alone has; UsageError if there is none."""
    every = {knob.address: knob for knob in knobs(stream)}
    return every[address] if address in every else every[stream.address(address)]


def choose_knob(stream: Stream, step: int) -> Knob:
    """Take the next knob, or with -1 the one before, round the whole chain."""
    every = knobs(stream)
    place = (every.index(chosen(stream)) + step) % len(every)
    stream.selection.knob = every[place].address
    return every[place]


def choose_block(stream: Stream, step: int) -> Knob:
    """Take the first knob of the next block, or with -1 of the one before."""
    first: dict[str, Knob] = {}
    for knob in knobs(stream):
        first.setdefault(knob.block, knob)
    blocks = list(first)
    knob = first[blocks[(blocks.index(chosen(stream).block) + step) % len(blocks)]]
    stream.selection.knob = knob.address
    return knob


def turn(stream: Stream, steps: int, fine: bool = False) -> Knob:
    """Turn the chosen knob by so many steps; it stays within its range."""
    knob = chosen(stream)
    return put(stream, {knob.address: turned(knob.parameter, knob.value, steps, fine)}, knob.address)


def reset(stream: Stream) -> Knob:
    """Turn the chosen knob to its default."""
    knob = chosen(stream)
    return put(stream, {knob.address: knob.parameter.default}, knob.address)


def put(stream: Stream, new: Mapping[str, float | str], shown: str, remember: bool = True) -> Knob:
    """Set knobs by address and return the one called `shown`."""
    before = values(stream)
    gains = {address: float(new[address]) for address in (IN_GAIN, OUT_GAIN) if address in new}
    rest = {address: value for address, value in new.items() if address not in gains}
    for address, db in gains.items():
        setattr(stream, address, db)
    if gains and remember:
        stream.history.note(None, {address: before[address] for address in gains}, gains)
    if rest:
        stream.set_many(rest, remember)
    return named(stream, shown)


def undo(stream: Stream, again: bool = False) -> list[Knob]:
    """Take the last change back, or with `again` make the one taken back once more; return what has moved."""
    move = stream.history.redo if again else stream.history.undo
    change = move(stream.presets[stream.preset], values(stream))
    if change is None:
        return []
    target = change.after if again else change.before
    put(stream, target, next(iter(target)), remember=False)
    return [knob for knob in knobs(stream) if knob.address in target]


def turned(parameter: Parameter, value: float | str, steps: int, fine: bool = False) -> float | str:
    """Return `value` moved by so many steps.

    Notes
    -----
    A step is 1 dB, a semitone on wide ranges of Hz and ms, the next choice or whole number, else a round fiftieth of
    the range; a fine step is a tenth of it, but of a choice or a whole number no less.
    """
    if parameter.choices:
        place = parameter.choices.index(str(value)) + steps
        return parameter.choices[min(max(place, 0), len(parameter.choices) - 1)]
    low, high = parameter.minimum, parameter.maximum
    if not parameter.whole and low > 0.0 and high / low >= LOGARITHMIC_RATIO:
        moved = float(value) * SEMITONE ** (steps / FINE if fine else steps)
        moved = float(f"{moved:.{DIGITS}g}")
    else:
        step = (
            WHOLE_STEP
            if parameter.whole
            else DB_STEP
            if parameter.unit == "dB"
            else round_step((high - low) / STEPS_IN_RANGE)
        )
        grid = step if parameter.whole else step / FINE
        moved = round(round((float(value) + steps * (grid if fine else step)) / grid) * grid, 9)
    return parameter.check(min(max(moved, low), high))


def round_step(size: float) -> float:
    """Return the 1, 2 or 5 times a power of ten that is next below `size`, or `size` itself if it is one."""
    power = 10.0 ** math.floor(math.log10(size) + 1e-9)
    return next(factor * power for factor in (5.0, 2.0, 1.0) if size >= 0.999 * factor * power)


def worded(parameter: Parameter, value: float | str) -> str:
    """Return a value as it is shown: with its unit, decibels with a sign."""
    if isinstance(value, str):
        return value
    if parameter.unit == "dB":
        return f"{value:+.1f} dB"
    if parameter.whole:
        return f"{value} {parameter.unit}".strip()
    return f"{value:.4g} {parameter.unit}".strip()
