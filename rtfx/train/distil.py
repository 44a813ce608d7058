"""Trains a cheaper twin of a model: the model renders the training targets at many knob positions.

The twin and the model are compared on the shipped riff, which is not in the training data, and are timed in turns.

The training inputs, called exercises, are synthetic: plucked strings at many levels, sweeps and noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..api import Model
from ..audio import read_audio
from ..bench import bench
from ..errors import UnsupportedInput
from ..loading.loudness import riff
from ..model.spec import SIZE, Knob, ModelSpec
from ..plan.resolve import DEFAULT_RATE
from ..units import gain_from_db
from .capture import OWN_DELAY
from .dataset import Take
from .loss import esr

SECONDS = 180.0  # length of the exercises
KNOB_SECONDS, KNOB_PLACES = 5.0, 8  # time at each knob position, and least number of positions
BLOCK = 64  # frames per block while both are timed
TIMED = 0.5  # s of timing for each
PROBES, PROBED_SECONDS, LONGEST_SECONDS = 12, 2.0, 0.25  # impulses; s of audio; longest delay in s
IMPULSE = 0.1  # of full scale
ANSWER = 0.1  # share of the largest change in the output, at which the response begins
SETTLED = 0.5  # s at the start that are left out of the comparison
LOWEST, HIGHEST = 73.0, 880.0  # Hz: the low D of drop-D tuning, and above the high E string's twelfth fret
PARTIALS = 40
TOP = 9000.0  # Hz, highest partial of a string
LEVELS_DB = (-36.0, 0.0)  # range of notes, sweeps and noise: the twin must match at all levels
STRUM = 0.03  # longest time in s between two strings of a chord


@dataclass(frozen=True)
class Judgement:
    """The twin's error on held-out audio, with and without pre-emphasis 0.85; both models' time per sample in ns."""

    esr: float
    esr_emphasised: float
    teacher_ns: float
    twin_ns: float

    @property
    def cheaper(self) -> float:
        """The teacher's time per sample divided by the twin's."""
        return self.teacher_ns / self.twin_ns


def lessons(
    teacher: ModelSpec, audio: Sequence[np.ndarray] = (), seconds: float = SECONDS, seed: int = 0
) -> list[Take]:
    """Return takes of the teacher's output for audio; the teacher has one audio input and one output.

    Parameters
    ----------
    teacher : ModelSpec
        A slimmable net is used at full size: the twin does not get the knob `size`.
    audio : sequence of (frames,) arrays
        At the model's rate and at a guitar's level; if there are none, `seconds` of exercises are used.
    seed : int
        Seed of exercises and knob positions: all knobs are at their ends in the first two takes, then at random values.

    Notes
    -----
    If the model delays its output, the delay is removed, see `lateness`: a net learns a delay badly, and players do
    not need it.

    Raises
    ------
    UnsupportedInput
        The model has several inputs or outputs.
    """
    if (teacher.inputs, teacher.outputs) != (1, 1):
        raise UnsupportedInput(
            f"{teacher.name} has {teacher.inputs} inputs and {teacher.outputs} outputs, a twin is made of a mono model"
        )
    rate, knobs = teacher.sample_rate or DEFAULT_RATE, knobs_of(teacher)
    played = list(audio) or [exercises(seconds, rate, seed)]
    if knobs:
        piece = int(KNOB_SECONDS * rate)
        played = [part for wave in played for part in np.array_split(wave, max(KNOB_PLACES, wave.size // piece))]
    rng = np.random.default_rng([seed, 1])
    gain, model, takes = np.float32(gain_from_db(teacher.input_db)), Model(teacher), []
    late = lateness(teacher)
    for i, wave in enumerate(played):
        places = rng.random(len(knobs)) if i > 1 else np.full(len(knobs), float(i))
        x = np.empty((1 + len(knobs), wave.size), np.float32)
        x[0] = gain * wave
        for row, knob, place in zip(x[1:], knobs, places, strict=True):
            row[:] = knob.minimum + place * (knob.maximum - knob.minimum)
            model.set(knob.name, float(row[0]))
        takes.append(Take(x[:, : wave.size - late], model(x[0], rate, bare=True)[late:]))
    return takes


def lateness(teacher: ModelSpec) -> int:
    """Return the delay of a mono model in frames; 0 if it is as short as a device's own delay.

    The model processes an exercise with and without an impulse at several places. The time after the impulse for which
    both outputs are equal is the delay, whatever the model does to the sound.
    """
    rate = teacher.sample_rate or DEFAULT_RATE
    x = np.float32(gain_from_db(teacher.input_db)) * exercises(PROBED_SECONDS, rate, 0)
    reach = int(LONGEST_SECONDS * rate)
    places = np.linspace(0, x.size - reach, PROBES + 2).astype(int)[1:-1]
    inputs = np.tile(x, (1 + PROBES, 1))
    inputs[np.arange(1, 1 + PROBES), places] += IMPULSE
    y = Model(teacher)(inputs, rate, bare=True).astype(np.float64)
    answers = np.array([(y[1 + i] - y[0])[place : place + reach] for i, place in enumerate(places)])
    change = np.sqrt(np.mean(np.diff(answers, axis=1, prepend=0.0) ** 2, axis=0))
    late = int(np.argmax(change >= ANSWER * change.max()))
    return late if late > OWN_DELAY[1] else 0


def first_channel(path: str | Path, sample_rate: float) -> np.ndarray:
    """Return the first channel of an audio file at a rate, (frames,) float32."""
    return np.ascontiguousarray(read_audio(path, sample_rate)[0][:, 0])


def knobs_of(teacher: ModelSpec) -> tuple[Knob, ...]:
    """Return the knobs that the twin is trained with."""
    return tuple(knob for knob in teacher.knobs if not (teacher.sizes and knob.name == SIZE))


def twin(learnt: ModelSpec, teacher: ModelSpec, arch: str) -> ModelSpec:
    """Return the trained net with the teacher's name, knobs, levels and metadata, and a note of its teacher."""
    about = {
        **teacher.metadata,
        **learnt.metadata,
        "twin_of": {"name": teacher.name, "family": teacher.family, "arch": arch},
    }
    return replace(
        learnt, name=f"{teacher.name} ({arch})", kind=teacher.kind, knobs=knobs_of(teacher), metadata=about,
        level_db=teacher.level_db, input_db=teacher.input_db, dc_block=teacher.dc_block,
    )  # fmt: skip


def judge(teacher: ModelSpec, twin: ModelSpec) -> Judgement:
    """Compare both on the shipped riff, knobs at their defaults, without the teacher's delay; time both in turns."""
    rate = teacher.sample_rate or DEFAULT_RATE
    x = np.float32(gain_from_db(teacher.input_db)) * riff(rate)
    models = [Model(teacher), Model(twin)]
    settled = int(SETTLED * rate)
    late = lateness(teacher)
    target, y = (model(x, rate, bare=True) for model in models)
    target, y = target[settled + late :], y[settled : y.size - late]
    names = ("teacher", "twin")
    rows = bench(list(zip(names, models, strict=True)), blocks=[BLOCK], seconds=TIMED)
    taken = {row.model: row.ns_per_sample for row in rows}
    return Judgement(esr(y, target), esr(y, target, 0.85), *(taken[name] for name in names))


def exercises(seconds: float, sample_rate: float, seed: int) -> np.ndarray:
    """Return `seconds` of audio, (frames,) float32 of peak 1 at most: two thirds strings, then sweeps and noise.

    Parameters
    ----------
    sample_rate : float
        Hz.
    seed : int
    """
    rng = np.random.default_rng(seed)
    third = int(seconds * sample_rate / 6.0)
    parts = [strings(rng, 2 * third, sample_rate), sweep(rng, third, sample_rate)]
    parts += [strings(rng, 2 * third, sample_rate), noise(rng, third, sample_rate)]
    return np.concatenate(parts).astype(np.float32)


def strings(rng: np.random.Generator, frames: int, sample_rate: float) -> np.ndarray:
    """Return single notes, chords and muted notes at random levels, made of decaying partials of stiff strings."""
    y, at = np.zeros(frames), 0
    while at < frames:
        length = int(rng.choice([0.12, 0.25, 0.4, 0.8]) * sample_rate)
        level, muted = _gain(rng), rng.random() < 0.25
        root = LOWEST * (HIGHEST / LOWEST) ** rng.random()
        steps = [0, 7, 12, 16, 19][: int(rng.choice([1, 1, 2, 3, 5]))]
        for step in steps:
            start = at + int(rng.random() * STRUM * sample_rate) * (len(steps) > 1)
            stop = min(start + int(1.5 * length), frames)
            if stop > start:
                note = _note(rng, root * 2.0 ** (step / 12.0), stop - start, sample_rate, muted)
                y[start:stop] += level * note / math.sqrt(len(steps))
        at += length
    return y / max(1.0, float(np.abs(y).max()))


def sweep(rng: np.random.Generator, frames: int, sample_rate: float) -> np.ndarray:
    """Return a sine sweep from 30 Hz to 0.4 of the sample rate whose level rises and falls."""
    t, low, high = np.arange(frames) / sample_rate, 30.0, 0.4 * sample_rate
    span = max(frames / sample_rate, 1e-3)
    phase = 2.0 * math.pi * low * span / math.log(high / low) * np.expm1(t / span * math.log(high / low))
    return np.sin(phase) * _coming_and_going(rng, t)


def noise(rng: np.random.Generator, frames: int, sample_rate: float) -> np.ndarray:
    """Return noise whose spectrum falls with frequency and whose level rises and falls."""
    t = np.arange(frames) / sample_rate
    spectrum = np.fft.rfft(rng.standard_normal(frames))
    hertz = np.fft.rfftfreq(frames, 1.0 / sample_rate)
    y = np.fft.irfft(spectrum / np.sqrt(1.0 + (hertz / 300.0) ** 2) * (hertz > 20.0), frames)
    return y / max(float(np.abs(y).max()), 1e-9) * _coming_and_going(rng, t)


def _note(rng: np.random.Generator, hertz: float, frames: int, sample_rate: float, muted: bool) -> np.ndarray:
    """Return one plucked note."""
    t = np.arange(frames) / sample_rate
    place, stiffness = rng.uniform(0.07, 0.3), rng.uniform(1e-5, 2e-4)
    y = np.zeros(frames)
    for k in range(1, int(min(PARTIALS, min(TOP, 0.45 * sample_rate) / hertz)) + 1):
        rate = (15.0 + 2.0 * k if muted else 1.0 + 0.15 * k) * (hertz / 110.0) ** 0.5
        stretched = hertz * k * math.sqrt(1.0 + stiffness * k * k)
        size = math.sin(math.pi * k * place) / k
        y += size * np.exp(-rate * t) * np.sin(2.0 * math.pi * stretched * t + rng.uniform(-0.5, 0.5))
    edges = np.minimum(1.0, t / 0.001) * np.minimum(1.0, t[::-1] / 0.01)  # attack of 1 ms, release of 10 ms
    return y * edges / max(float(np.abs(y).max()), 1e-9)


def _gain(rng: np.random.Generator) -> float:
    return float(10.0 ** (rng.uniform(*LEVELS_DB) / 20.0))


def _coming_and_going(rng: np.random.Generator, t: np.ndarray) -> np.ndarray:
    """Return a gain that moves through all levels several times a second."""
    low, high = LEVELS_DB
    wave = 0.5 - 0.5 * np.cos(2.0 * math.pi * 2.3 * t + rng.uniform(0.0, 2.0 * math.pi))
    return 10.0 ** ((low + (high - low) * wave) / 20.0)
