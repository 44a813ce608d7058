"""Draws how a training went: its errors, the spectra of target and net, and both waveforms over each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import ModelError
from .dataset import SETTLE_FRAMES, Dataset
from .fit import Report
from .learner import Learner

SHOWN_SECONDS = 0.015
BINS = 4096


def draw(path: Path, learner: Learner, data: Dataset, reports: Sequence[Report], sample_rate: int) -> str:
    """Draw on what was held back; return "" or why there is no picture.

    Raises
    ------
    ModelError
        The file cannot be written.
    """
    try:
        import matplotlib
    except ImportError:
        return "no plots: matplotlib is missing, pip install matplotlib"
    matplotlib.use("Agg")  # a file, whatever the screen
    from matplotlib import pyplot

    settle = max(learner.warm_up, SETTLE_FRAMES)
    x, y = data.segments(data.checks, settle)
    loudest = int(np.argmax(np.mean(y**2, axis=1)))
    found, wanted = learner.predict(x[loudest])[settle:], y[loudest, settle:]
    figure, (errors, spectra, waves) = pyplot.subplots(3, 1, figsize=(9, 11), layout="constrained")

    minutes = [report.seconds / 60.0 for report in reports]
    errors.semilogy(minutes, [100.0 * report.esr for report in reports], label="held back")
    errors.semilogy(minutes, [100.0 * report.esr_emphasised for report in reports], label="held back, pre-emphasised")
    errors.semilogy(minutes, [100.0 * report.loss for report in reports], label="loss on what was learnt", alpha=0.5)
    errors.set(xlabel="minutes", ylabel="%", title=f"error-to-signal ratio, best {100 * reports[-1].best:.3f} %")
    errors.legend()

    hertz = np.fft.rfftfreq(BINS, 1.0 / sample_rate)
    for wave, label in ((wanted, "target"), (found, "net"), (found - wanted, "error")):
        spectra.semilogx(hertz[1:], _decibels(wave)[1:], label=label)
    spectra.set(xlabel="Hz", ylabel="dB", xlim=(20.0, sample_rate / 2), title="spectra of the loudest piece")
    spectra.legend()

    frames = int(SHOWN_SECONDS * sample_rate)
    begin = int(np.clip(np.argmax(np.abs(wanted)) - frames // 4, 0, max(0, wanted.size - frames)))
    shown = slice(begin, begin + frames)
    time = 1000.0 * np.arange(wanted[shown].size) / sample_rate
    waves.plot(time, wanted[shown], label="target")
    waves.plot(time, found[shown], "--", label="net")
    waves.set(xlabel="ms", title="waveforms where it is loudest")
    waves.legend()
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: the plots cannot be written: {error}") from error
    finally:
        pyplot.close(figure)
    return ""


def _decibels(wave: np.ndarray) -> np.ndarray:
    """Return the mean power spectrum of (frames,) in dB, `BINS` to a window."""
    padded = np.pad(wave, (0, max(0, BINS - wave.size)))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, BINS)[:: BINS // 2] * np.hanning(BINS)
    return 10.0 * np.log10(np.mean(np.abs(np.fft.rfft(pieces)) ** 2, axis=0) + 1e-12)
