"""Values that users give: parameters with ranges and units, channels of a device, and options of a rig."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any

from ..errors import UsageError, did_you_mean

RATE_METHODS = ("auto", "delay", "dilate", "resample")
PHASES = ("linear", "minimum")
HIGHEST_CHANNEL = 256
CHANNELS_EXPECTED = f"a channel from 1 to {HIGHEST_CHANNEL}, or two with a comma between, such as 1,2"
NOTE = re.compile(r"\s*(\d{1,2})/(\d{1,2})([.dt]?)\s*", re.ASCII)  # 1/8 plain, 1/8. or 1/8d dotted, 1/8t a triplet
DOTTED, TRIPLET = 1.5, 2.0 / 3.0
DEFAULT_BPM = 120.0
SWITCHED = {"on": 1.0, "true": 1.0, "yes": 1.0, "off": 0.0, "false": 0.0, "no": 0.0}
CHANNEL_WORDS = re.compile(r"\s*(\d{1,4})\s*(?:,\s*(\d{1,4})\s*)?", re.ASCII)


@dataclass(frozen=True)
class Parameter:
    """One control of a block, in its own unit.

    Parameters
    ----------
    kind : str
        "continuous" (glides), "switch" (1 on, 0 off; glides between them), "stepped" (one of `choices`) or "structural"
        (a change needs a new plan).
    whole : bool
        Whether values are whole numbers.
    note : bool
        Whether a value may also be the length of a note, such as ``1/8.``: a time in ms, or the rate in Hz of
        something that happens once in that time.
    """

    name: str
    default: float | str
    minimum: float = 0.0
    maximum: float = 1.0
    unit: str = ""
    kind: str = "continuous"
    choices: tuple[str, ...] = ()
    summary: str = ""
    whole: bool = False
    note: bool = False

    def check(self, value: Any) -> Any:
        """Return `value` as this parameter stores it, or raise UsageError naming what is allowed."""
        if self.kind == "switch":
            word = str(value).strip().lower()
            if word not in SWITCHED and value not in (0, 1):
                raise UsageError(f"{self.name} is {value!r}, expected true or false")
            return SWITCHED[word] if word in SWITCHED else float(value)
        if self.note and isinstance(value, str) and NOTE.fullmatch(value):
            beats_of(value)
            return value.strip()
        if self.choices:
            choice = str(value).lower() if isinstance(value, bool | int) else value
            if choice not in self.choices:
                raise UsageError(f"{self.name} is {value!r}, expected one of: {', '.join(self.choices)}")
            return choice
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        outside = not self.minimum <= number <= self.maximum
        if isinstance(value, bool) or outside or (self.whole and number != int(number)):
            unit = f" {self.unit}" if self.unit else ""
            kind = "a whole number" if self.whole else "a number"
            note = ", or a note such as 1/8 or 1/4t" if self.note else ""
            allowed = f"{kind} from {self.minimum:.10g} to {self.maximum:.10g}{unit}{note}"
            raise UsageError(f"{self.name} is {value!r}, expected {allowed}")
        return int(number) if self.whole else number

    def worded(self, value: float | str) -> str:
        """Return a value as text with its unit; decibels have a sign."""
        if isinstance(value, str):
            return value
        if self.kind == "switch":
            return "on" if value else "off"
        if self.unit == "dB":
            return f"{value:+.1f} dB"
        return f"{value if self.whole else format(value, '.4g')} {self.unit}".strip()

    def number(self, value: float | str, bpm: float = DEFAULT_BPM) -> float:
        """Return a value in the parameter's unit, within its range; a note has its length at `bpm` beats a minute."""
        if not isinstance(value, str):
            return float(value)
        seconds = beats_of(value) * 60.0 / bpm
        return min(max(1.0 / seconds if self.unit == "Hz" else 1000.0 * seconds, self.minimum), self.maximum)

    def norm(self, value: float) -> float:
        """Return the position of `value` in the range, 0 to 1."""
        return (value - self.minimum) / (self.maximum - self.minimum)


ON = Parameter("on", 1.0, kind="switch", summary="false takes the block out of the sound; it fades over 20 ms")


BPM = Parameter(
    "bpm", DEFAULT_BPM, 20.0, 400.0, "bpm", summary="tempo of values that are notes: quarter notes a minute"
)
OVERSAMPLE = Parameter(
    "oversample", "1", kind="structural", choices=("1", "2", "4", "8", "16"),
    summary="how many times the sample rate it runs at: less aliasing for more load",
)  # fmt: skip
PHASE = Parameter(
    "phase", "minimum", kind="structural", choices=("minimum", "linear"),
    summary="of the filters around an oversampled block: linear adds latency",
)  # fmt: skip


def beats_of(note: str) -> float:
    """Return the length of a note in beats, which are quarter notes: 0.5 for ``1/8``, 0.75 for ``1/8.``.

    Raises
    ------
    UsageError
        It is not the length of a note.
    """
    match = NOTE.fullmatch(note)
    if not match or not int(match[1]) or not int(match[2]):
        raise UsageError(f"the note is {note!r}, expected a length such as 1/4, 1/8. (dotted) or 1/4t (triplet)")
    return 4.0 * int(match[1]) / int(match[2]) * {"": 1.0, "t": TRIPLET}.get(match[3], DOTTED)


@dataclass(frozen=True)
class Options:
    """The options of a rig. The command or function that the user calls makes them; other functions pass them on.

    Parameters
    ----------
    bare : bool
        Run only the models' own functions: no levels, DC blocker or cabinet.
    cold : bool
        Do not prewarm models: they start from the state stored in the file, else from zeros.
    cab : str or None
        The impulse response of the cabinet, or "none"; None: amps get the default one.
    level : str or None
        The level of every model: "normal", "plugin", "none" or the name of one of its plugins; None: as the preset
        states.
    rate_method : str
        How a model runs if its rate differs from the rig's: one of `RATE_METHODS`.
    resample_phase : str
        Phase of the resampling filters: one of `PHASES`.
    oversample : str or None
        How many times the sample rate every model runs at, one of `OVERSAMPLE.choices`; None: as the preset states.
    phase : str or None
        Phase of the filters around oversampled models, one of `PHASE.choices`; None: as the preset states.
    interface_dbu : float, optional
        The input level, in dBu, at which the audio interface reaches full scale. Models that state such a level get a
        gain that corrects the difference.
    """

    bare: bool = False
    cold: bool = False
    cab: str | None = None
    level: str | None = None
    rate_method: str = "auto"
    resample_phase: str = "linear"
    oversample: str | None = None
    phase: str | None = None
    interface_dbu: float | None = None

    def __post_init__(self):
        for name, known in (("rate_method", RATE_METHODS), ("resample_phase", PHASES)):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} is {getattr(self, name)!r}, expected one of: {', '.join(known)}")

    def but(self, **named: Any) -> Options:
        """Return a copy with the named options replaced; UsageError for an unknown name."""
        known = [each.name for each in fields(self)]
        for name in named:
            if name not in known:
                raise UsageError(f"no option {name!r}{did_you_mean(name, known)}, expected one of: {', '.join(known)}")
        return replace(self, **named) if named else self


def channels_of(value: Any) -> tuple[int, ...] | None:
    """Return one or two channels, from 1; None if the value is anything else.

    Parameters
    ----------
    value : int, str or sequence of int
        ``2``, ``"1,2"`` or ``[1, 2]``; two channels must differ.
    """
    if isinstance(value, str):
        match = CHANNEL_WORDS.fullmatch(value)
        value = [int(number) for number in match.groups() if number] if match else []
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    whole = all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
    if not whole or len(set(numbers)) != len(numbers) or not 1 <= len(numbers) <= 2:
        return None
    return tuple(numbers) if all(1 <= number <= HIGHEST_CHANNEL for number in numbers) else None


def channels_text(channels: tuple[int, ...]) -> str:
    """Return channels as the user types them, such as ``1,2``."""
    return ",".join(map(str, channels))
