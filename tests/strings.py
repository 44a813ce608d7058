"""Strings whose pitch is known: additive with stiffness, and the loop of Karplus and Strong."""

import numpy as np

RATE = 48000.0
PICK, PICKUP = 0.2, 0.13  # where on the string, as shares of its length


def additive(hertz, b=1e-4, seconds=1.0, rate=RATE, decay=1.5, glide_cents=0.0, seed=0):
    """A stiff string by its partials, f_n = n f0 sqrt(1 + b n^2), and the frequency of its first one at each sample.

    The pitch of a pluck starts `glide_cents` sharp and falls with a time constant of 0.3 s.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    bend = 2.0 ** (glide_cents / 1200.0 * np.exp(-t / 0.3))
    y = np.zeros(len(t))
    for n in range(1, 60):
        partial = hertz / np.sqrt(1.0 + b) * n * np.sqrt(1.0 + b * n * n)
        if partial > min(0.45 * rate, 10000.0):
            break
        size = np.sin(np.pi * n * PICK) * np.sin(np.pi * n * PICKUP) / n
        phase = 2.0 * np.pi * np.cumsum(partial * bend) / rate + rng.uniform(0.0, 2.0 * np.pi)
        y += size * np.exp(-t * (1.0 + 0.1 * n) / decay) * np.cos(phase)
    return y / np.abs(y).max(), hertz * bend


def karplus_strong(hertz, seconds=1.0, rate=RATE, seed=0):
    """A burst of noise in a loop of delay, allpass and average, and the exact frequency of its first partial.

    The loop resonates where its phase delay is one period: n + 1/2 for the delay and the average, and the allpass
    (a + 1/z) / (1 + a/z) for the rest.
    """
    length = int(rate / hertz - 0.5 - 0.3)
    rest = rate / hertz - 0.5 - length
    a = (1.0 - rest) / (1.0 + rest)

    def periods(f):
        w = 2.0 * np.pi * f / rate
        z = np.exp(-1j * w)
        return (w * (length + 0.5) - np.angle((a + z) / (1.0 + a * z))) / (2.0 * np.pi)

    low, high = 0.9 * hertz, 1.1 * hertz
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if periods(middle) < 1.0 else (low, middle)
    rng = np.random.default_rng(seed)
    y = np.zeros(round(seconds * rate))
    y[:length] = rng.uniform(-1.0, 1.0, length)
    y = y.tolist()
    passed = before = 0.0
    for i in range(length + 1, len(y)):
        now = 0.5 * (y[i - length] + y[i - length - 1])
        passed = a * now + before - a * passed
        before = now
        y[i] += 0.9995 * passed
    return np.array(y), np.full(len(y), low)


def hum(mains, frames, rate=RATE, db=-40.0, seed=0):
    """Hum of the mains with three harmonics, `db` below full scale."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames) / rate
    lines = ((1, 1.0), (2, 0.3), (3, 0.5), (5, 0.2))
    waves = [size * np.cos(2.0 * np.pi * mains * k * t + rng.uniform(0.0, 2.0 * np.pi)) for k, size in lines]
    return 10.0 ** (db / 20.0) * sum(waves)


def noise(frames, db=-40.0, seed=0):
    """White noise of an RMS `db` below full scale."""
    return 10.0 ** (db / 20.0) * np.random.default_rng(seed).standard_normal(frames)
