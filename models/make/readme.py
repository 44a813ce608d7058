"""Measures every model of the shelf and writes models/README.md and its pictures: ``python models/make/readme.py``.
The text is in readme.md.

Needs matplotlib. Error: `held_out.curve`. Aliasing: a sine of 5 001 Hz at half of full scale, the knob at three
quarters; the energy that lies at no multiple of its frequency, in dB of all that is not constant.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import held_out
import klon
import numpy as np
import shelf
import soundfile

import rtfx

FOLDER = Path(__file__).parents[1]
PICTURES = FOLDER.parent / "docs/measurements/pictures"
RATE = 48000
SINE_HZ, SINE_SIZE, PLACE = 5001, 0.5, 0.75
POSITIONS = (0.0, 0.25, 0.5, 0.75, 1.0)
STEPS = tuple(round(0.05 * step, 2) for step in range(21))
RATES = (44100, 48000, 96000)


def teachers() -> dict[str, tuple]:
    """Return circuit and knob of every trained model that has one."""
    turned = {name: (recipe.circuit, recipe.knob) for name, recipe in shelf.RECIPES.items() if recipe.at is None}
    return {"klon": (klon.teacher, "gain"), **turned}


def snapshots() -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Return the circuit, at its training knob position, of every trained model without a knob."""
    return {name: partial(_at, recipe) for name, recipe in shelf.RECIPES.items() if recipe.at is not None}


def _at(recipe: shelf.Recipe, x: np.ndarray) -> np.ndarray:
    return recipe.circuit(x, recipe.at)


def aliasing(output: np.ndarray) -> float:
    """Return the share of energy at no multiple of `SINE_HZ`, dB, in the last of the output's seconds."""
    power = np.abs(np.fft.rfft(output[-RATE:] * np.blackman(RATE))) ** 2  # bins are 1 Hz apart
    power[:5] = 0.0
    every = power.sum()
    for harmonic in range(SINE_HZ, RATE // 2, SINE_HZ):
        power[harmonic - 4 : harmonic + 5] = 0.0
    return float(10.0 * np.log10(power.sum() / every + 1e-20))


def sine() -> np.ndarray:
    """Return two seconds of the test sine."""
    return SINE_SIZE * np.sin(2.0 * np.pi * SINE_HZ * np.arange(2 * RATE) / RATE)


def played(name: str, x: np.ndarray, position: float = PLACE) -> np.ndarray:
    """Return the output of a model of the shelf for x."""
    knobs = {teachers()[name][1]: position} if name in teachers() else {}
    return rtfx.load(FOLDER / f"{name}.json", **knobs)(x, RATE, bare=True)


def picture(name: str, x: np.ndarray) -> Path:
    """Draw the spectrogram of a model's output for x."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    y = played(name, x)
    figure, axes = pyplot.subplots(figsize=(5.0, 1.8), dpi=72)
    axes.specgram(y / np.abs(y).max(), NFFT=1024, Fs=RATE, noverlap=512, vmin=-130, vmax=-50, cmap="gray_r")
    axes.set_ylim(0, 12000)
    axes.set_title(name, fontsize=8)
    axes.tick_params(labelsize=6)
    figure.tight_layout(pad=0.3)
    path = PICTURES / f"{name}.png"
    figure.savefig(path, metadata={"Software": None})
    pyplot.close(figure)
    return path


def per_cent(values) -> str:
    return " | ".join(f"{100 * value:.2f}" for value in values)


def main() -> None:
    """Measure, draw and write."""
    PICTURES.mkdir(exist_ok=True)
    riff = soundfile.read(FOLDER / "riff.flac", frames=6 * RATE)[0]
    table, rates = [], []
    for name, (circuit, knob) in teachers().items():
        found = held_out.curve(FOLDER / f"{name}.json", circuit, knob, POSITIONS)
        folded = [aliasing(y) for y in (played(name, sine()), circuit(sine(), PLACE))]
        table.append(f"| `{name}.json` {knob} | {per_cent(found.values())} | {folded[0]:.0f} | {folded[1]:.0f} |")
        print(table[-1], flush=True)
    still = []
    for name, circuit in snapshots().items():
        heard = held_out.audio()
        found, wanted = (wave[held_out.WARM_UP :] for wave in (played(name, heard), circuit(heard)))
        esr = np.sum((wanted - found) ** 2) / np.sum(wanted**2)
        folded = [aliasing(y) for y in (played(name, sine()), circuit(sine()))]
        still.append(f"| `{name}.json` | {100 * esr:.2f} | {folded[0]:.0f} | {folded[1]:.0f} |")
        print(still[-1], flush=True)
    path, circuit = FOLDER / "klon.json", klon.teacher
    steps = held_out.curve(path, circuit, "gain", STEPS)
    print(per_cent(steps.values()), "worst", max(steps.values()), flush=True)
    halves = [list(steps.items())[:11], list(steps.items())[11:]]
    whole = "\n\n".join(
        f"| gain | {' | '.join(f'{g:.2f}' for g, _ in half)} |\n|{'---|' * (len(half) + 1)}\n"
        f"| ESR, % | {per_cent(v for _, v in half)} |"
        for half in halves
    )
    for rate in RATES:
        found = held_out.curve(path, circuit, "gain", POSITIONS, rate=rate)
        rates.append(f"| {rate} | {per_cent(found.values())} |")
    names = [*teachers(), *snapshots(), "ronn-42"]
    drawn = [picture(name, riff) for name in names]
    pictures = "\n".join(f"![{path.stem}](../docs/measurements/pictures/{path.name})" for path in drawn)
    seeds = ", ".join(str(seed) for seed in (klon.SEED, *(r.seed for r in shelf.RECIPES.values())))
    text = Path(__file__).with_suffix(".md").read_text().format(
        seed=held_out.SEED, seeds=seeds, sine=SINE_HZ, place=PLACE, table="\n".join(table), still="\n".join(still),
        whole=whole, rates="\n".join(rates), pictures=pictures,
    )  # fmt: skip
    (FOLDER / "README.md").write_text(text)


if __name__ == "__main__":
    sys.exit(main())
