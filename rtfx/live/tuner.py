"""The tuner: what string sounds in the rig's dry input, which note that is, and how far off it is.

It reads the ring buffer that `takes.py` keeps of the input, on the thread that asks for a reading; nothing runs on the
audio thread, and nothing at all while nobody asks.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError, did_you_mean, quoted
from ..pitch import WINDOW_SECONDS, Pitch, find_pitch
from ..units import db_from_gain

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from .stream import Stream

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
A4_HZ, LOWEST_A4, HIGHEST_A4 = 440.0, 430.0, 450.0
READING_SECONDS = 0.04  # from one reading to the next: 25 a second
HOLD_SECONDS = 1.0  # how long the last reading stays after the string has become too soft
IN_TUNE_CENTS = 1.0

# name -> strings from the lowest; "chromatic" takes the nearest of all notes
TUNINGS = {
    "chromatic": "",
    "standard": "E2 A2 D3 G3 B3 E4",
    "half-step-down": "D#2 G#2 C#3 F#3 A#3 D#4",
    "full-step-down": "D2 G2 C3 F3 A3 D4",
    "drop-D": "D2 A2 D3 G3 B3 E4",
    "drop-C#": "C#2 G#2 C#3 F#3 A#3 D#4",
    "drop-C": "C2 G2 C3 F3 A3 D4",
    "drop-B": "B1 F#2 B2 E3 G#3 C#4",
    "double-drop-D": "D2 A2 D3 G3 B3 D4",
    "DADGAD": "D2 A2 D3 G3 A3 D4",
    "open-D": "D2 A2 D3 F#3 A3 D4",
    "open-E": "E2 B2 E3 G#3 B3 E4",
    "open-G": "D2 G2 D3 G3 B3 D4",
    "open-A": "E2 A2 E3 A3 C#4 E4",
    "open-C": "C2 G2 C3 G3 C4 E4",
    "7-string": "B1 E2 A2 D3 G3 B3 E4",
    "7-string-drop-A": "A1 E2 A2 D3 G3 B3 E4",
    "8-string": "F#1 B1 E2 A2 D3 G3 B3 E4",
    "baritone": "B1 E2 A2 D3 F#3 B3",
    "bass": "E1 A1 D2 G2",
    "bass-drop-D": "D1 A1 D2 G2",
    "bass-5": "B0 E1 A1 D2 G2",
    "bass-6": "B0 E1 A1 D2 G2 C3",
    "ukulele": "C4 E4 G4 A4",
    "mandolin": "G3 D4 A4 E5",
}


@dataclass(frozen=True)
class Reading:
    """One reading of the tuner.

    Parameters
    ----------
    seconds : float
        Time of the reading since the start of the stream or file: the middle of the window that was measured.
    hertz : float
        Frequency of the string's fundamental.
    note : str
        The nearest string of the tuning, or the nearest note, such as "F#2"; A4 is the reference pitch.
    target_hertz : float
        Frequency of that note.
    cents : float
        Deviation from it; positive if the string is sharp.
    string : int
        Number of the string in the tuning, from 1 for the lowest; 0 for "chromatic".
    strobe : float
        0 to 1, the phase of the fundamental against one of `target_hertz`: it stands still if the string is in tune,
        and rises once for each cycle that a sharp string gains.
    level_dbfs, clarity, inharmonicity : float
        Loudness, how periodic the sound is (0 to 1), and B of f_n = n f0 sqrt(1 + B n^2).
    """

    seconds: float
    hertz: float
    note: str
    target_hertz: float
    cents: float
    string: int
    strobe: float
    level_dbfs: float
    clarity: float
    inharmonicity: float

    @property
    def in_tune(self) -> bool:
        """Whether the deviation is at most a cent."""
        return abs(self.cents) <= IN_TUNE_CENTS

    def __str__(self) -> str:
        return f"{self.note} {self.cents:+.1f} cents, {self.hertz:.2f} Hz"


def frequency(note: str, a4: float = A4_HZ) -> float:
    """Return the frequency in Hz of a note such as "F#2" in equal temperament."""
    found = re.fullmatch(r"([A-G]#?)(-?\d)", note)
    if not found:
        raise UsageError(f"note is {quoted(note)}, expected one such as E2 or F#3")
    return a4 * 2.0 ** ((NAMES.index(found[1]) - 9) / 12.0 + int(found[2]) - 4)


def nearest_note(hertz: float, a4: float = A4_HZ) -> str:
    """Return the name of the note nearest to a frequency."""
    number = round(12.0 * math.log2(hertz / a4)) + 9 + 4 * 12
    return f"{NAMES[number % 12]}{number // 12}"


@dataclass(frozen=True)
class Target:
    """What is tuned to: a reference pitch in Hz and the name of a tuning.

    Raises
    ------
    UsageError
        The pitch is out of range, or there is no such tuning; the message names what is allowed.
    """

    a4: float = A4_HZ
    tuning: str = "chromatic"

    def __post_init__(self) -> None:
        if not LOWEST_A4 <= self.a4 <= HIGHEST_A4:
            raise UsageError(f"a4 is {self.a4:g} Hz, expected {LOWEST_A4:g} to {HIGHEST_A4:g}")
        if self.tuning not in TUNINGS:
            known = {_plain(name): name for name in TUNINGS}
            name = known.get(_plain(self.tuning))
            if name is None:
                hint = did_you_mean(self.tuning, TUNINGS)
                raise UsageError(f"no tuning {quoted(self.tuning)}{hint}, expected one of: {', '.join(TUNINGS)}")
            object.__setattr__(self, "tuning", name)

    @property
    def strings(self) -> list[str]:
        """The notes of the strings from the lowest; empty for "chromatic"."""
        return TUNINGS[self.tuning].split()

    def reading(self, pitch: Pitch, end: float) -> Reading:
        """Return the reading of a pitch that was found in audio that ends at `end`, in seconds."""
        strings = self.strings
        if strings:
            distances = [abs(math.log2(pitch.hertz / frequency(each, self.a4))) for each in strings]
            place = distances.index(min(distances))
            note = strings[place]
        else:
            place, note = -1, nearest_note(pitch.hertz, self.a4)
        target = frequency(note, self.a4)
        seconds = end - pitch.seconds_ago
        return Reading(
            seconds=seconds,
            hertz=pitch.hertz,
            note=note,
            target_hertz=target,
            cents=1200.0 * math.log2(pitch.hertz / target),
            string=place + 1,
            strobe=(pitch.cycles - target * seconds) % 1.0,
            level_dbfs=db_from_gain(pitch.level),
            clarity=pitch.clarity,
            inharmonicity=pitch.inharmonicity,
        )


def _plain(name: str) -> str:
    """Return a tuning's name as people also type it: ``Drop D`` for ``drop-D``."""
    return re.sub(r"[\s_-]+", "", name).lower()


def readings(audio: np.ndarray, sample_rate: float, target: Target) -> Iterator[Reading]:
    """Yield the readings of a recording, 25 for each second in which a string sounds.

    Parameters
    ----------
    audio : (frames,) float
    sample_rate : float
        Hz.
    """
    step, window = round(READING_SECONDS * sample_rate), round(WINDOW_SECONDS * sample_rate)
    for end in range(step, len(audio) + 1, step):
        pitch = find_pitch(audio[max(end - window, 0) : end], sample_rate)
        if pitch:
            yield target.reading(pitch, end / sample_rate)


class Tuner:
    """The tuner of a stream. All methods may be called from any thread but the audio thread.

    Attributes
    ----------
    on : bool
        Whether displays show it.
    target : Target
        The reference pitch and the tuning.
    """

    def __init__(self, engine: Engine):
        assert engine.rings is not None
        self._rings, self._rate = engine.rings, float(engine.record["sample_rate"])
        self._lock = threading.Lock()
        self._last: Reading | None = None
        self._end = 0
        self.on = False
        self.target = Target()
        self.mute_before: bool | None = None  # the state of the stream's mute to return to, if the tuner has muted it

    @property
    def state(self) -> tuple[bool, Target, bool | None]:
        """`on`, `target` and `mute_before`, for the stream that replaces this one."""
        return self.on, self.target, self.mute_before

    @state.setter
    def state(self, state: tuple[bool, Target, bool | None]) -> None:
        self.on, self.target, self.mute_before = state

    def reading(self) -> Reading | None:
        """Return the reading of now, or None if no string sounds; the last one stays for `HOLD_SECONDS`.

        It can be called as often as wanted: a new reading is made 25 times a second, which takes about 5 ms each.
        """
        with self._lock:
            end = self._rings.head
            if end - self._end < READING_SECONDS * self._rate and end >= self._end:
                return self._last
            self._end = end
            first = max(end - round(WINDOW_SECONDS * self._rate), 0)
            audio = self._rings.read(self._rings.dry, first, end)[1].mean(axis=1)
            pitch = find_pitch(audio, self._rate)
            if pitch:
                self._last = self.target.reading(pitch, end / self._rate)
            elif self._last and end / self._rate - self._last.seconds > HOLD_SECONDS:
                self._last = None
            return self._last


def switch(stream: Stream, word: str) -> str:
    """Switch the tuner of a stream on or off, or change what it tunes to; return a line to show.

    Parameters
    ----------
    word : str
        "on", "off", "toggle", "mute" (as "toggle", with the output silent while it is on), the reference pitch in Hz,
        or the name of a tuning.

    Raises
    ------
    UsageError
        The pitch is out of range, or there is no such tuning.
    """
    tuner = stream.tuner
    if word in ("on", "off", "toggle", "mute"):
        tuner.on = {"on": True, "off": False}.get(word, not tuner.on)
        if tuner.on and word == "mute" and tuner.mute_before is None:
            tuner.mute_before, stream.mute = stream.mute, True
        elif not tuner.on and tuner.mute_before is not None:
            stream.mute, tuner.mute_before = tuner.mute_before, None
        if not tuner.on:
            return "tuner off"
        return f"tuner on, {_worded(tuner.target)}{', the output is muted' if stream.mute else ''}"
    try:
        tuner.target = Target(float(word), tuner.target.tuning)
    except ValueError:
        tuner.target = Target(tuner.target.a4, word)
    return _worded(tuner.target)


def _worded(target: Target) -> str:
    strings = f" ({' '.join(target.strings)})" if target.strings else ""
    return f"{target.tuning}{strings}, A4 at {target.a4:g} Hz"
