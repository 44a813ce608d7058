"""Compressor: a feed-forward one that works in decibels, after Giannoulis, Massberg and Reiss.

"Digital dynamic range compressor design: a tutorial and analysis", J. Audio Eng. Soc. 60(6), 2012: the gain computer
with a soft knee (their equation 4), and the smooth decoupled peak detector behind it (equation 17), which smooths the
reduction in dB:

    over = level - threshold
    reduction = 0                                           if over < -knee / 2
                slope (over + knee / 2)**2 / (2 knee)       in the knee
                slope over                                  above it;             slope = 1 - 1 / ratio
    held = max(reduction, held + release (reduction - held))
    smooth = smooth + attack (held - smooth)
    output = input 10**((make-up - smooth) / 20)

`attack` and `release` are the shares in which one-pole filters of those time constants follow in one frame. The level
is that of the loudest channel: its absolute value, or its mean square over `RMS_SECONDS` twice as large, so that a
sine has the same level in both detectors, that of its peak. The key, if there is one, is measured instead of the input,
and its bass is removed by a Butterworth filter of 12 dB an octave. All channels have one gain.

The automatic make-up is half of the reduction of a signal at 0 dBFS.
"""

from __future__ import annotations

import math

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records, row
from ..kernels.state import state_dtype
from ..model.values import CHANNELS
from ..rig.parameters import Parameter
from .effect import Effect

PEAK, RMS = "peak", "rms"
PARAMETERS = (
    Parameter("threshold_db", -24.0, -60.0, 0.0, "dB", summary="peak level from which it turns down"),
    Parameter("ratio", 4.0, 1.0, 50.0, "", summary="dB more at the input for one dB more at the output"),
    Parameter("knee_db", 6.0, 0.0, 24.0, "dB", summary="width in which the ratio comes in"),
    Parameter("attack_ms", 10.0, 0.05, 250.0, "ms", summary="time constant of turning down"),
    Parameter("release_ms", 120.0, 5.0, 2500.0, "ms", summary="time constant of coming back"),
    Parameter("detector", PEAK, kind="structural", choices=(PEAK, RMS), summary="what it measures: peaks or power"),
    Parameter("key_low_cut_hz", 0.0, 0.0, 1000.0, "Hz", summary="bass below it does not turn down; 0 is off"),
    Parameter("auto_makeup", 0.0, kind="switch", summary="gives back half of what 0 dBFS would lose"),
    Parameter("makeup_db", 0.0, -24.0, 36.0, "dB", summary="gain after it"),
    Parameter("mix", 1.0, summary="share of the compressed sound; the rest is the input"),
)  # fmt: skip

RMS_SECONDS = 0.01
LOWEST_CUT_HZ = 5.0
HIGHEST_CUT = 0.45  # as a share of the sample rate
DAMPING = math.sqrt(2.0)  # of a Butterworth filter
SILENCE = 1e-30  # power below which no level is computed: -300 dB
POWER_RUNAWAY = 1e30  # no guitar has such a power; a larger value, or NaN, is reset to 0
REDUCTION_RUNAWAY = 1e4  # dB
TINY_DB = 1e-9  # a smaller reduction changes no bit: it is 0, so that it cannot become denormal
DB_OF_POWER = 10.0 / math.log(10.0)
DB_OF_GAIN = math.log(10.0) / 20.0

COMP_STATE = state_dtype(
    ("power", np.float64),
    ("held", np.float64),
    ("smooth", np.float64),
    ("band", np.float64, (CHANNELS,)),
    ("low", np.float64, (CHANNELS,)),
)


def reduction_db(over: float, ratio: float, knee: float) -> float:
    """Return by how many dB a steady level, `over` dB above the threshold, is turned down."""
    slope = 1.0 - 1.0 / ratio
    if 2.0 * abs(over) < knee:
        return slope * (over + 0.5 * knee) ** 2 / (2.0 * knee)
    return slope * max(over, 0.0)


def share(seconds: float, sample_rate: float) -> float:
    """Return the share in which a one-pole filter of a time constant follows in one frame."""
    return -math.expm1(-1.0 / (seconds * sample_rate))


def cells(values, sample_rate: float) -> list[float]:
    """Return [threshold, slope, knee, attack, release, power's share, filtered, its tangent, make-up in dB, mix]."""
    threshold, ratio, knee = values["threshold_db"], values["ratio"], values["knee_db"]
    cut = values["key_low_cut_hz"]
    frequency = min(max(cut, LOWEST_CUT_HZ), HIGHEST_CUT * sample_rate)
    return [
        threshold,
        1.0 - 1.0 / ratio,
        knee,
        share(values["attack_ms"] / 1000.0, sample_rate),
        share(values["release_ms"] / 1000.0, sample_rate),
        share(RMS_SECONDS, sample_rate) if values["detector"] == RMS else 1.0,
        float(cut > 0.0),
        math.tan(math.pi * frequency / sample_rate),
        values["makeup_db"] + 0.5 * values["auto_makeup"] * reduction_db(-threshold, ratio, knee),
        values["mix"],
    ]


def idle(values) -> bool:
    """Return whether the output is the input."""
    return values["mix"] <= 0.0 or (values["ratio"] <= 1.0 and values["makeup_db"] == 0.0)


def process(state, source, target, frames):
    s = records(state, 1, COMP_STATE)[0]
    channels = np.int64(s.inputs)
    x = floats(source, frames)
    y = floats(target, frames)
    key, key_stride = x, np.int64(s.in_stride)
    if s.extra[0] != 0:
        key, key_stride = floats(s.extra[0], frames), np.int64(s.extra_stride[0])
    threshold = row(s.parameters, s.parameter_stride, 0, frames)
    slope = row(s.parameters, s.parameter_stride, 1, frames)
    knee_row = row(s.parameters, s.parameter_stride, 2, frames)
    attack = row(s.parameters, s.parameter_stride, 3, frames)
    release = row(s.parameters, s.parameter_stride, 4, frames)
    follow = row(s.parameters, s.parameter_stride, 5, frames)
    filtered = row(s.parameters, s.parameter_stride, 6, frames)
    tangent = row(s.parameters, s.parameter_stride, 7, frames)
    makeup = row(s.parameters, s.parameter_stride, 8, frames)
    mix = row(s.parameters, s.parameter_stride, 9, frames)
    power = s.power if abs(s.power) < POWER_RUNAWAY else 0.0
    held = s.held if abs(s.held) < REDUCTION_RUNAWAY else 0.0
    smooth = s.smooth if abs(s.smooth) < REDUCTION_RUNAWAY else 0.0
    for channel in range(channels):
        if not (abs(s.band[channel]) < POWER_RUNAWAY and abs(s.low[channel]) < POWER_RUNAWAY):
            s.band[channel], s.low[channel] = 0.0, 0.0
    for n in range(frames):
        square = 0.0
        for channel in range(channels):
            sample = np.float64(key[channel * key_stride + n])
            if filtered[n] != 0.0:
                g = np.float64(tangent[n])
                rest = sample - s.low[channel]
                a1 = 1.0 / (1.0 + g * (g + DAMPING))
                band = a1 * (s.band[channel] + g * rest)
                low = s.low[channel] + g * band
                s.band[channel] = 2.0 * band - s.band[channel]
                s.low[channel] = 2.0 * low - s.low[channel]
                sample -= np.float64(filtered[n]) * (DAMPING * band + low)
            else:
                s.band[channel], s.low[channel] = 0.0, 0.0
            square = max(square, sample * sample)
        if follow[n] < 1.0:
            square *= 2.0  # the peak of a sine whose mean square this is
        power += np.float64(follow[n]) * (square - power)
        reduction = 0.0
        if power < SILENCE:
            power = 0.0
        else:
            over = DB_OF_POWER * math.log(power) - np.float64(threshold[n])
            half = 0.5 * np.float64(knee_row[n])
            if over >= half:
                reduction = np.float64(slope[n]) * over
            elif over > -half:
                reduction = np.float64(slope[n]) * (over + half) * (over + half) / (4.0 * half)
        held = max(reduction, held + np.float64(release[n]) * (reduction - held))
        smooth += np.float64(attack[n]) * (held - smooth)
        if held < TINY_DB:
            held = 0.0
            if smooth < TINY_DB:
                smooth = 0.0
        gain = math.exp(DB_OF_GAIN * (np.float64(makeup[n]) - smooth))
        gain = 1.0 + np.float64(mix[n]) * (gain - 1.0)
        for channel in range(channels):
            y[channel * s.out_stride + n] = np.float32(np.float64(x[channel * s.in_stride + n]) * gain)
    s.power, s.held, s.smooth = power, held, smooth
    return 0


KERNEL = Loop(process)
COMP = Effect(
    "comp",
    PARAMETERS,
    cells,
    KERNEL,
    COMP_STATE,
    summary="a compressor: turns down what is above a threshold",
    idle=idle,
    channels="linked",
    key=True,
)
