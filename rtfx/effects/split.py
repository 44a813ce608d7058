"""Routing blocks: several paths side by side, and what joins them again.

`split` gives every path the same signal; `crossover` gives each its band; `mid_side` gives the first path what both
channels share, and the second their difference. The join adds the paths, each with level, polarity, mute and solo, and
where the set list says so with pan and delay. The plan delays paths that are early, so that all are in time.

The bands of the crossover are Linkwitz-Riley filters of the 4th order (S. Linkwitz, "Active crossover networks for
noncoincident drivers", JAES 1976): two Butterworth filters of the 2nd order in series. Low and high band of one
frequency add up to an allpass of the 2nd order; a lower band passes through the allpass of each higher frequency, so
the sum of all bands is flat. The sections are state-variable filters with trapezoidal integrators, as in eq.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..rig.blocks import PATHS, Router
from ..rig.parameters import Parameter
from ..units import gain_from_db
from .effect import Effect

ALL_OF_TWO_PATHS = Router(2, panned=True, delayed=True)  # for lists of parameters
LONGEST_DELAY_MS = 50.0
HIGHEST = 0.45  # largest crossover frequency, as a share of the sample rate
DAMPING = math.sqrt(2.0)  # of a Butterworth filter of the 2nd order
BLEND, LAW = "blend", "blend_law"
OFF, POWER, GAIN = "off", "power", "gain"


@dataclass(frozen=True)
class Routing(Effect):
    """A routing block; its parameters depend on the number of its paths and on what the set list says about them."""

    def of(self, router: Router | None) -> Effect:
        """Return the block with the parameters of each path."""
        return _with_paths(self.type, router) if router else self


@lru_cache(maxsize=256)
def _with_paths(kind: str, router: Router) -> Routing:
    base = ROUTING[kind]
    parameters: list[Parameter] = []
    each = range(1, router.paths + 1)
    for n in each:
        parameters.append(Parameter(f"level{n}_db", 0.0, -60.0, 24.0, "dB", summary=f"level of path {n}"))
    if router.panned and kind != "mid_side":
        about = "-1 left, 1 right; each side has the middle's power"
        parameters += [Parameter(f"pan{n}", 0.0, -1.0, 1.0, summary=f"place of path {n}: {about}") for n in each]
    if router.delayed:
        longest = LONGEST_DELAY_MS
        parameters += [Parameter(f"delay{n}_ms", 0.0, 0.0, longest, "ms", summary=f"delay of path {n}") for n in each]
    for word, about in (("invert", "turns its polarity"), ("mute", "silences it"), ("solo", "silences the others")):
        parameters += [Parameter(f"{word}{n}", 0.0, kind="switch", summary=f"path {n}: {about}") for n in each]
    if kind == "split" and router.paths == 2:
        laws = (OFF, POWER, GAIN)
        parameters += [
            Parameter(BLEND, 0.5, summary="0 is the first path alone, 1 the second"),
            Parameter(LAW, POWER if router.blended else OFF, kind="stepped", choices=laws,
                      summary="power: for paths that differ; gain: for like ones; off: both play in full"),
        ]  # fmt: skip
    if kind == "crossover":
        for n in range(1, router.paths):
            default = float(f"{100.0 * 100.0 ** (n / router.paths):.2g}")  # evenly between 100 Hz and 10 kHz
            about = f"where path {n} ends and path {n + 1} begins"
            parameters.append(Parameter(f"freq{n}_hz", default, 40.0, 16000.0, "Hz", summary=about))

    def cells(values: Any, sample_rate: float) -> list[float]:
        """Return [left gain, right gain, delay in frames] of each path, then a coefficient for each frequency."""
        result: list[float] = []
        alone = any(values[f"solo{n}"] for n in each)
        blend = _blend(values) if LAW in values else (1.0, 1.0)
        for n in each:
            gain = gain_from_db(values[f"level{n}_db"]) * (-1.0 if values[f"invert{n}"] else 1.0)
            plays = values[f"solo{n}"] if alone else not values[f"mute{n}"]
            gain *= blend[n - 1] if LAW in values else 1.0
            gain = gain if plays else 0.0
            angle = math.pi / 4.0 * (1.0 + values.get(f"pan{n}", 0.0))
            left, right = math.sqrt(2.0) * math.cos(angle), math.sqrt(2.0) * math.sin(angle)
            if kind == "mid_side":
                left, right = 1.0, 1.0 if n == 1 else -1.0
            result += [gain * left, gain * right, values.get(f"delay{n}_ms", 0.0) * sample_rate / 1000.0]
        for n in range(1, router.paths) if kind == "crossover" else ():
            share = min(values[f"freq{n}_hz"] / sample_rate, HIGHEST)
            result.append(math.tan(math.pi * share))
        return result

    def tail(values: Any, sample_rate: float) -> int:
        longest = max(values.get(f"delay{n}_ms", 0.0) for n in each)
        return math.ceil(longest * sample_rate / 1000.0)

    return Routing(kind, tuple(parameters), cells, tail=tail, summary=base.summary)


def _blend(values: Any) -> tuple[float, float]:
    """Return the gains of the two paths of a blend."""
    share, law = values[BLEND], values[LAW]
    if law == OFF:
        return 1.0, 1.0
    if law == GAIN:
        return 1.0 - share, share
    return math.cos(math.pi / 2.0 * share), math.sin(math.pi / 2.0 * share)


CELLS = 3  # of a path: left and right gain, delay in frames
PATH = state_dtype(("first", np.int64), ("delayed", np.int64))


def add_path(state, source, target, frames):
    """Write the first path to the target, or add another one; a mono path goes to both channels."""
    s = records(state, 1, PATH)[0]
    delay = row(s.parameters, s.parameter_stride, 2, frames)
    for channel in range(s.outputs):
        gain = row(s.parameters, s.parameter_stride, channel & 1, frames)
        x = floats(source + 4 * np.int64(s.in_stride) * min(channel, np.int64(s.inputs) - 1), frames)
        y = floats(target + 4 * np.int64(s.out_stride) * channel, frames)
        for n in range(frames):
            value = x[n]
            if s.delayed != 0:
                whole = np.int64(delay[n])
                part = delay[n] - np.float32(whole)
                value = x[n - whole] + (x[n - whole - 1] - x[n - whole]) * part
            value *= gain[n]
            y[n] = value if s.first != 0 else y[n] + value
    return 0


LATE = state_dtype(("frames", np.int64))


def be_late(state, source, target, frames):
    """Copy one row from some frames ago."""
    s = records(state, 1, LATE)[0]
    x = floats(source - 4 * s.frames, frames)
    y = floats(target, frames)
    for n in range(frames):
        y[n] = x[n]
    return 0


def to_mid_side(state, source, target, frames):
    """Write half the sum and half the difference of two channels; of one channel, itself and silence."""
    s = records(state, 1, LATE)[0]
    left = floats(source, frames)
    right = floats(source + 4 * np.int64(s.in_stride) * (np.int64(s.inputs) - 1), frames)
    mid = floats(target, frames)
    side = floats(target + 4 * np.int64(s.out_stride), frames)
    for n in range(frames):
        mid[n] = np.float32(0.5) * (left[n] + right[n])
        side[n] = np.float32(0.5) * (left[n] - right[n])
    return 0


SPLITS = PATHS[-1] - 1
SECTIONS = 3 + SPLITS  # of a frequency: shared low and high, low again, high again, and an allpass for each lower band
BANDS = state_dtype(
    ("step", np.int64),  # rows between the bands of this channel
    ("count", np.int64),
    ("band", np.float64, (SPLITS * SECTIONS,)),
    ("low", np.float64, (SPLITS * SECTIONS,)),
)
RUNAWAY = 1e30


def to_bands(state, source, target, frames):
    """Write each band of one channel to a row of its own, the lowest first."""
    s = records(state, 1, BANDS)[0]
    x = floats(source, frames)
    for i in range(SPLITS * SECTIONS):
        if not abs(s.band[i]) + abs(s.low[i]) < RUNAWAY:
            s.band[i] = 0.0
            s.low[i] = 0.0
    for n in range(frames):
        rest = np.float64(x[n])
        for k in range(s.count - 1):
            g = np.float64(row(s.parameters, s.parameter_stride, k, frames)[n])
            scale = 1.0 / (1.0 + g * (DAMPING + g))
            first = k * SECTIONS
            low, high = rest, rest
            for section in range(3):
                place = first + section
                given = low if section < 2 else high
                above = (given - (DAMPING + g) * s.band[place] - s.low[place]) * scale
                middle = g * above + s.band[place]
                below = g * middle + s.low[place]
                s.band[place] = g * above + middle
                s.low[place] = g * middle + below
                if section == 0:
                    low, high = below, above
                elif section == 1:
                    low = below
                else:
                    high = above
            for lower in range(k):
                place = first + 3 + lower
                y = floats(target + 4 * np.int64(s.out_stride) * s.step * lower, frames)
                given = np.float64(y[n])
                above = (given - (DAMPING + g) * s.band[place] - s.low[place]) * scale
                middle = g * above + s.band[place]
                below = g * middle + s.low[place]
                s.band[place] = g * above + middle
                s.low[place] = g * middle + below
                y[n] = np.float32(given - 2.0 * DAMPING * middle)
            floats(target + 4 * np.int64(s.out_stride) * s.step * k, frames)[n] = np.float32(low)
            rest = high
        floats(target + 4 * np.int64(s.out_stride) * s.step * (s.count - 1), frames)[n] = np.float32(rest)
    return 0


ADD_PATH, BE_LATE, TO_MID_SIDE, TO_BANDS = Loop(add_path), Loop(be_late), Loop(to_mid_side), Loop(to_bands)


def _no_cells(values: Any, sample_rate: float) -> list[float]:
    return []


SPLIT = Routing("split", (), _no_cells, summary="two to eight paths side by side, added again")
CROSSOVER = Routing("crossover", (), _no_cells, summary="a path for each band of the sound, added again")
MID_SIDE = Routing("mid_side", (), _no_cells, summary="a path for what both channels share, one for their difference")
ROUTING = {each.type: each for each in (SPLIT, CROSSOVER, MID_SIDE)}
