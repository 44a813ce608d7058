"""A pedal that is cheap to compute and to learn, and a signal to play through it."""

import numpy as np

from rtfx.train.dataset import Take

RATE = 48000


def playing(seconds: float, seed: int) -> np.ndarray:
    """Plucked partials at changing strength, ``(frames,)`` float32, peak 0.7."""
    rng = np.random.default_rng(seed)
    y = np.zeros(int(seconds * RATE))
    for start in np.arange(0, y.size, RATE // 4):
        t = np.arange(min(RATE // 2, y.size - start)) / RATE
        edges = np.minimum(1.0, np.minimum(t / 0.002, (t[-1] - t) / 0.02))
        hertz, force = rng.uniform(80.0, 500.0), 10.0 ** rng.uniform(-1.0, 0.0)
        for k in range(1, 8):
            phase = 2.0 * np.pi * hertz * k * t + rng.uniform(0.0, 6.0)
            y[start : start + t.size] += force / k * np.exp(-(3.0 + k) * t) * np.sin(phase) * edges
    return (0.7 * y / np.abs(y).max()).astype(np.float32)


def pedal(x: np.ndarray, gain: float = 0.5) -> np.ndarray:
    """A soft clipper behind a high-pass of 150 Hz, darkened by a one-pole: float32, the length of x."""
    from scipy.signal import lfilter

    drive = 1.0 + 6.0 * gain
    high = lfilter([1.0, -1.0], [1.0, -0.98], x)
    clipped = np.tanh(drive * high + 0.1) - np.tanh(0.1)
    return lfilter([0.4], [1.0, -0.5], clipped).astype(np.float32)


def take(seconds: float, seed: int, gain: float | None = None) -> Take:
    """A recording of the pedal; with a gain, its knob is an input."""
    x = playing(seconds, seed)
    rows = [x] if gain is None else [x, np.full_like(x, gain)]
    return Take(np.stack(rows), pedal(x, 0.5 if gain is None else gain))
