"""Held-out guitar, and each model's error on it: ``python models/make/held_out.py`` prints the table of README.md.

The generator shares nothing with riff.py and signals.py: strings are sums of decaying partials (stiffness, a pluck's
triangular shape, pickup place and frequency-dependent decay), tuned a whole tone lower in drop C, other notes,
another seed.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

RATE = 48000
SEED = 77013
OPEN_HZ = tuple(440.0 * 2.0 ** ((note - 69) / 12.0) for note in (36, 43, 48, 53, 57, 62))  # C G C F A D
WARM_UP = RATE // 2  # frames left out of the figures, while circuit and net settle


def partials(rng: np.random.Generator, hertz: float, seconds: float, muted: bool) -> np.ndarray:
    """Return one plucked note, a sum of partials that go out of tune and die away as a stiff string's do."""
    t = np.arange(int(seconds * RATE)) / RATE
    place, pickup, stiffness = rng.uniform(0.08, 0.25), rng.uniform(0.1, 0.25), rng.uniform(2e-5, 1.5e-4)
    glide = 1.0 + 0.002 * np.exp(-t / 0.05)
    phase = 2.0 * math.pi * hertz * np.cumsum(glide) / RATE
    y = np.zeros(t.size)
    for k in range(1, int(min(60, 7000.0 / hertz)) + 1):
        stretched = k * math.sqrt(1.0 + stiffness * k * k)
        size = math.sin(math.pi * k * place) / k * abs(math.sin(math.pi * k * pickup))
        rate = (12.0 + 3.0 * k if muted else 0.7 + 0.1 * k + 0.004 * k * k) * (hertz / 110.0) ** 0.4
        y += size * np.exp(-rate * t) * np.sin(stretched * phase + rng.uniform(-0.3, 0.3))
    y *= np.minimum(1.0, t / 0.0015)  # s: the pick lets go
    return y * np.minimum(1.0, (seconds - t) / 0.02)


def audio(seed: int = SEED, seconds: float = 12.0) -> np.ndarray:
    """Return held-out playing: single notes, chords and mutes at changing strength, peak 0.7."""
    rng = np.random.default_rng(seed)
    y = np.zeros(int(seconds * RATE))
    at = 0.1
    while at < seconds - 1.0:
        length = float(rng.choice([0.18, 0.27, 0.41, 0.9]))
        strength, muted = 10.0 ** (rng.uniform(-14.0, 0.0) / 20.0), bool(rng.random() < 0.25)
        for string in rng.choice(6, int(rng.choice([1, 1, 2, 3, 5])), replace=False):
            hertz = OPEN_HZ[string] * 2.0 ** (rng.integers(0, 13) / 12.0)
            note = strength * partials(rng, hertz, min(length * rng.uniform(1.0, 2.0), 1.4), muted)
            start = int((at + 0.012 * rng.random()) * RATE)
            stop = min(start + note.size, y.size)
            y[start:stop] += note[: stop - start]
        at += length
    return 0.7 * y / np.abs(y).max()


def figures(path: Path, teacher, knob: str, positions, seed: int = SEED) -> dict[float, tuple[float, float]]:
    """Return the error-to-signal ratio and the same after pre-emphasis, for each position of the knob.

    Computed by rtfx's float64 reference from the file as it is shipped.
    """
    from rtfx.model.load import load
    from rtfx.model.reference import evaluate

    spec, dry = load(path), audio(seed)
    result = {}
    for position in positions:
        target = teacher(dry, position)
        found = evaluate(spec, dry, {knob: position})[0]
        pair = target[WARM_UP:], found[WARM_UP:]
        sharp = [wave[1:] - 0.85 * wave[:-1] for wave in pair]
        result[position] = tuple(float(np.sum((a - b) ** 2) / np.sum(a**2)) for a, b in (pair, sharp))
    return result


def curve(path: Path, teacher, knob: str, positions, seed: int = SEED) -> dict[float, float]:
    """Return the error-to-signal ratio for each position of the knob, as the engine plays the model."""
    import rtfx

    dry = audio(seed)
    result = {}
    for position in positions:
        target = teacher(dry, position)[WARM_UP:]
        found = rtfx.load(path, **{knob: position})(dry, RATE, bare=True)[WARM_UP:]
        result[position] = float(np.sum((target - found) ** 2) / np.sum(target**2))
    return result


def main() -> None:
    """Print a line of the table for each trained model."""
    import amp
    import klon
    from klon_circuit import klon as pedal

    print(
        f"held-out generator: this file, seed {SEED}; training generator: signals.py, seeds {klon.SEED} and {amp.SEED}"
    )
    folder = Path(__file__).parents[1]
    teachers = {"klon.json": (lambda x, gain: pedal(x, gain) / klon.VOLTS, "gain"), "amp.json": (amp.amp, "drive")}
    for name, (teacher, knob) in teachers.items():
        for position, (plain, sharp) in figures(folder / name, teacher, knob, (0.0, 0.25, 0.5, 0.75, 1.0)).items():
            print(
                f"{name} {knob} {position:4.2f}: ESR {100 * plain:.2f} %, pre-emphasised {100 * sharp:.2f} %",
                flush=True,
            )
    teacher, knob = teachers["klon.json"]
    steps = [round(0.05 * step, 2) for step in range(21)]
    for position, value in curve(folder / "klon.json", teacher, knob, steps).items():
        print(f"klon.json {knob} {position:4.2f}: ESR {100 * value:.3f} %", flush=True)


if __name__ == "__main__":
    main()
