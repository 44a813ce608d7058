"""Print the tables of sample-rates.md: ``python docs/measurements/sample_rates.py [MODEL]...``.

Without a name, it measures the shipped models.

A model plays four seconds of the riff at its own rate. The same four seconds, brought to another rate by soxr at its
best quality, are played there by every method; the outcome, earlier by the latency that the plan states, is brought to
the lower of both rates and compared. Half a second is left out at each end. Figures are error-to-signal ratios in dB.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
import soxr

from rtfx.effects.table import BLOCKS
from rtfx.engine.offline import Offline
from rtfx.errors import UsageError
from rtfx.model.load import load
from rtfx.model.spec import ModelSpec
from rtfx.plan.block import ReadyBlock
from rtfx.plan.chain import plan_chain
from rtfx.plan.rates import choose_method, fitted

RATES = (44100, 48000, 88200, 96000, 192000)
RIFF = Path(__file__).parents[2] / "models" / "riff.flac"
START, SECONDS = 2.0, 4.0
SINE_HZ, SINE_LEVEL = 2489, 0.25  # a prime: what folds back misses the harmonics
HEARD_HZ = 20000


def play(spec: ModelSpec, rate: float, x: np.ndarray, method: str = "auto", phase: str = "linear") -> np.ndarray:
    """Return what a model makes of mono audio in a stream of `rate` Hz, its latency taken off."""
    block = ReadyBlock("model", BLOCKS["model"], {}, spec, bare=True, resample_phase=phase)
    block = replace(block, values={parameter.name: parameter.default for parameter in block.parameters})
    block, _ = fitted(block, rate, method)
    plan = plan_chain([block], rate)
    y = Offline(plan, limiter=False).process(x[:, None].astype(np.float32))[:, 0].astype(np.float64)
    return np.concatenate([y[plan.latency_frames :], np.zeros(plan.latency_frames)])


def convert(x: np.ndarray, old: float, new: float) -> np.ndarray:
    """Return audio at another rate."""
    return x if old == new else soxr.resample(x, old, new, quality="VHQ")


def earlier(x: np.ndarray, frames: float) -> np.ndarray:
    """Return audio moved by part of a frame, as a band-limited signal."""
    size = 1 << (len(x) + 8192).bit_length()
    turn = np.exp(2j * np.pi * frames * np.fft.rfftfreq(size))
    return np.fft.irfft(np.fft.rfft(x, size) * turn, size)[: len(x)]


def ratio_db(wanted: np.ndarray, found: np.ndarray) -> float:
    """Return the error-to-signal ratio."""
    return 10.0 * np.log10(np.sum((wanted - found) ** 2) / np.sum(wanted**2))


def inner(x: np.ndarray, rate: float) -> np.ndarray:
    """Return audio without its first and last half second."""
    return x[int(rate / 2) : int((SECONDS - 0.5) * rate)]


def magnitudes(x: np.ndarray) -> np.ndarray:
    """Return the magnitudes of the spectra of windows of 2048 frames, half over each other."""
    windows = np.lib.stride_tricks.sliding_window_view(x, 2048)[::1024] * np.hanning(2048)
    return np.abs(np.fft.rfft(windows))


def errors(spec: ModelSpec, x: np.ndarray, y: np.ndarray, rate: float) -> str:
    """Return one row of the first table, from the method on."""
    home = float(spec.sample_rate or rate)
    low = min(home, rate)
    wanted, driven = inner(convert(y, home, low), low), convert(x, home, rate)

    def found(method: str, phase: str = "linear") -> np.ndarray:
        return inner(convert(play(spec, rate, driven, method, phase), rate, low), low)

    cells = [choose_method(spec, rate).method]
    stretch = "delay" if spec.recurrent else "dilate"
    try:
        fits = choose_method(spec, rate, stretch).method == stretch
    except UsageError:
        fits = False
    cells.append(f"{ratio_db(wanted, found(stretch)):.0f}" if fits else "-")
    cells.append(f"{ratio_db(wanted, found('resample')):.0f}")
    early = found("resample", "minimum")
    cells.append(f"{ratio_db(wanted, early):.0f}")
    cells.append(f"{ratio_db(magnitudes(wanted), magnitudes(early)):.0f}")
    return " | ".join(cells)


def folded_db(y: np.ndarray, rate: float) -> float:
    """Return what lies between a sine's harmonics below 20 kHz, over all; the last second of `y`."""
    power = np.abs(np.fft.rfft(y[-int(rate) :])) ** 2
    power = power[1:HEARD_HZ]
    harmonic = np.arange(1, len(power) + 1) % SINE_HZ == 0
    return 10.0 * np.log10(power[~harmonic].sum() / power.sum())


def main(names: list[str]) -> None:
    """Print both tables."""
    specs = [load(name) for name in names or ("klon", "amp")]
    specs = [replace(spec, sample_rate=spec.sample_rate or 44100.0) for spec in specs]
    riff, riff_rate = soundfile.read(RIFF)
    riff = riff[int(START * riff_rate) : int((START + SECONDS) * riff_rate)]
    print("| model (kHz) | stream kHz | auto takes | delay or dilate | linear | minimum | its magnitudes | itself |")
    print("|---|---|---|---|---|---|---|---|")
    for spec in specs:
        home = float(spec.sample_rate or 0.0)
        x = convert(riff, riff_rate, home)
        y = play(spec, home, x)
        moved = earlier(play(spec, home, earlier(x, -0.5)), 0.5)
        itself = f"{ratio_db(inner(y, home), inner(moved, home)):.0f}"
        for rate in RATES:
            if rate != home:
                print(
                    f"| {spec.name} ({home / 1000:g}) | {rate / 1000:g} | {errors(spec, x, y, rate)} | {itself} |",
                    flush=True,
                )
    print(
        "\n| model | at its own rate | at twice that, as auto plays it | at twice that, resampled |\n|---|---|---|---|"
    )
    for spec in specs:
        home = float(spec.sample_rate or 0.0)
        cells = []
        for rate, method in ((home, "auto"), (2 * home, "auto"), (2 * home, "resample")):
            sine = SINE_LEVEL * np.sin(2.0 * np.pi * SINE_HZ * np.arange(int(1.5 * rate)) / rate)
            y = play(spec, rate, np.append(sine, np.zeros(256)), method)  # the end lacks the latency
            cells.append(f"{folded_db(y[: len(sine) - 256], rate):.0f}")
        print(f"| {spec.name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
