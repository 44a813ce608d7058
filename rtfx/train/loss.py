"""Losses with their gradients, and the optimiser Adam, which minimises them.

The losses are the error-to-signal ratio (ESR) after pre-emphasis, the error of the mean (DC), both of Wright, Damskägg,
Juvela and Välimäki 2020, and the distance of spectra of Yamamoto, Song and Kim 2020. Arrays are (parts, frames, lanes):
the lanes of all parts together are the batch. Adam (Kingma and Ba 2015) updates one vector of all weights; the gradient
is clipped to a length of 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .compiled import compiled
from .learner import Options

RESOLUTIONS = (256, 512, 1024)  # frames of the windows; the hop is a quarter of a window
FLOOR = 0.3  # share of the batch's mean square added to a lane's: limits the weight of silence
SILENCE = np.float32(1e-7)  # mean square, -70 dBFS, added to a target's: a silent batch must not outweigh the others
KEPT, KEPT_SQUARE = 0.9, 0.999  # decay per step of the running means of the gradient and of its square
LONGEST_GRADIENT = 1.0  # longer gradients are scaled down to this length


@compiled
def time_loss(y, target, weight, pre_emphasis, dc):
    """Return the loss of y in the time domain, and its gradient: ESR after 1 - pre_emphasis/z, plus dc times DC.

    In the ratio the squares of each lane are multiplied by the lane's weight; `weight` is (parts, lanes) of mean 1.
    """
    parts, frames, lanes = y.shape
    gradient = np.zeros_like(y)
    power, wanted, missed, mean_square = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    for p in range(parts):
        for t in range(frames):
            for b in range(lanes):
                power += target[p, t, b] * target[p, t, b]
        for t in range(1, frames):
            for b in range(lanes):
                sharp = target[p, t, b] - pre_emphasis * target[p, t - 1, b]
                wanted += weight[p, b] * sharp * sharp
    count = np.float32(y.size)
    scale = np.float32(1.0) / (wanted + SILENCE * count)
    dc_scale = dc / ((power / count + SILENCE) * np.float32(parts * lanes))
    for p in range(parts):
        mean = np.zeros(lanes, np.float32)
        for t in range(frames):
            for b in range(lanes):
                mean[b] += (y[p, t, b] - target[p, t, b]) / np.float32(frames)
        for b in range(lanes):
            mean_square += mean[b] * mean[b]
        for t in range(frames):
            for b in range(lanes):
                gradient[p, t, b] = np.float32(2.0) * dc_scale * mean[b] / np.float32(frames)
        for t in range(1, frames):
            for b in range(lanes):
                before = y[p, t - 1, b] - target[p, t - 1, b]
                sharp = y[p, t, b] - target[p, t, b] - pre_emphasis * before
                slope = weight[p, b] * sharp
                missed += slope * sharp
                gradient[p, t, b] += np.float32(2.0) * scale * slope
                gradient[p, t - 1, b] -= np.float32(2.0) * scale * pre_emphasis * slope
    return scale * missed + dc_scale * mean_square, gradient


def total_loss(y: np.ndarray, target: np.ndarray, options: Options) -> tuple[float, np.ndarray]:
    """Return the loss of (parts, frames, lanes) that the options select, and its gradient with respect to y."""
    weight = evened(target) if options.evenly else np.ones((y.shape[0], y.shape[2]), np.float32)
    value, gradient = time_loss(y, target, weight, np.float32(options.pre_emphasis), np.float32(options.dc))
    if options.spectra:
        more, by_y = spectral_loss(y, target)
        value += options.spectra * more
        gradient += (options.spectra * by_y).astype(np.float32)
    return float(value), gradient


def evened(target: np.ndarray) -> np.ndarray:
    """Return weights, (parts, lanes) of mean 1, that balance loud and quiet lanes of (parts, frames, lanes)."""
    power = np.mean(target * target, axis=1)
    weight = 1.0 / (power + FLOOR * power.mean() + SILENCE)
    return (weight / weight.mean()).astype(np.float32)


def spectral_loss(y: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the distance of magnitude spectra and its gradient with respect to y; (parts, frames, lanes) each.

    It is the mean, over the resolutions that fit, of spectral convergence |M - M'| / |M| plus the mean
    |log M - log M'|.
    """
    gradient, total = np.zeros_like(y), 0.0
    sizes = [size for size in RESOLUTIONS if size <= y.shape[1]]
    for size in sizes:
        hop, window = size // 4, np.hanning(size + 1)[:-1].astype(np.float32)
        found, goal = (spectra(wave, size, hop, window) for wave in (y, target))
        m, n = np.abs(found), np.abs(goal)
        floor = 1e-3 * np.sqrt(np.mean(n * n)) + 1e-6  # -60 dB of the target's mean: errors below are inaudible
        difference = m - n
        off, length = np.sqrt(np.sum(difference**2)), np.sqrt(np.sum(n * n)) + 1e-6
        logs = np.log((m + floor) / (n + floor))
        total += float(off / length + np.mean(np.abs(logs))) / len(sizes)
        by_m = difference / ((off + 1e-9) * length) + np.sign(logs) / ((m + floor) * logs.size)
        by_spectrum = by_m * found / (m + 1e-9)
        by_spectrum[..., 1:-1] *= 0.5  # irfft counts these twice
        pieces = size * np.fft.irfft(by_spectrum, size) * (window / len(sizes))
        for k in range(pieces.shape[1]):
            gradient[:, k * hop : k * hop + size] += np.moveaxis(pieces[:, k], -1, 1)
    return total, gradient


def spectra(wave: np.ndarray, size: int, hop: int, window: np.ndarray) -> np.ndarray:
    """Return (parts, windows, lanes, bins) complex for (parts, frames, lanes)."""
    pieces = np.lib.stride_tricks.sliding_window_view(wave, size, axis=1)[:, ::hop]
    return np.fft.rfft(pieces * window)


def esr(y: np.ndarray, target: np.ndarray, pre_emphasis: float = 0.0) -> float:
    """Return the error-to-signal ratio over the last axis and all before it, after 1 - pre_emphasis/z."""
    y, target = (np.asarray(wave, np.float64) for wave in (y, target))
    if pre_emphasis:
        y, target = (wave[..., 1:] - pre_emphasis * wave[..., :-1] for wave in (y, target))
    return float(np.sum((y - target) ** 2) / (np.sum(target**2) + 1e-20))


class Adam:
    """Adam's optimiser for one vector; it changes `values` in place."""

    def __init__(self, values: np.ndarray):
        self.values = values
        self.first, self.second, self.steps = np.zeros_like(values), np.zeros_like(values), 0

    def step(self, gradient: np.ndarray, rate: float) -> None:
        """Take one step; a gradient that is not finite is ignored."""
        length = float(np.sqrt(np.sum(gradient * gradient)))
        if not np.isfinite(length):
            return
        gradient = gradient * np.float32(min(1.0, LONGEST_GRADIENT / (length + 1e-9)))
        self.steps += 1
        self.first += (1.0 - KEPT) * (gradient - self.first)
        self.second += (1.0 - KEPT_SQUARE) * (gradient * gradient - self.second)
        mean = self.first / (1.0 - KEPT**self.steps)
        size = np.sqrt(self.second / (1.0 - KEPT_SQUARE**self.steps)) + 1e-8
        self.values -= (rate * mean / size).astype(self.values.dtype)

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of the values and the running means."""
        kept = {"values": self.values, "first": self.first, "second": self.second}
        return {**{name: value.copy() for name, value in kept.items()}, "steps": np.array(self.steps)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Set values and running means to a result of `state`."""
        self.values[:], self.first[:], self.second[:] = state["values"], state["first"], state["second"]
        self.steps = int(state["steps"])
