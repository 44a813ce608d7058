"""Makes the shelf's other nets, which have learnt a circuit with a knob: ``python models/make/shelf.py NAME [MINUTES]``

GRUs of sixteen units, whose inputs are the guitar, the guitar times the knob, and the knob; and nets of an architecture
of `rtfx train`, which have no knob: they learn one position of the circuit's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from amp import amp, combo, stack
from clippers import rodent, screamer
from learn import BATCH, FRAMES, OPTIONS, KnobGru, learn
from lessons import dataset, music, pieces

from rtfx.model.nodes import Concat, Input, Mul, Node
from rtfx.train.dataset import Dataset
from rtfx.train.fit import Plan
from rtfx.train.learner import Learner, make

HIDDEN = 16
RATE = 4e-3
FOLDER = Path(__file__).parents[1]


class Recipe(NamedTuple):
    """A circuit ``f(x, knob)`` at 48 kHz, its file, its knob's name, what it is, the seed of its training music.

    `arch` is an architecture of `rtfx train`, "" for the GRU; `at` is the knob position of a net without a knob.
    """

    circuit: Callable[[np.ndarray, float], np.ndarray]
    source: str
    knob: str
    kind: str
    seed: int
    arch: str = ""
    at: float | None = None


RECIPES = {
    "amp": Recipe(amp, "amp.py", "drive", "amp", 21),
    "combo": Recipe(combo, "amp.py", "volume", "amp", 31),
    "screamer": Recipe(screamer, "clippers.py", "drive", "pedal", 41),
    "rodent": Recipe(rodent, "clippers.py", "gain", "pedal", 51),
    "stack": Recipe(stack, "amp.py", "gain", "amp", 61, "nam-feather", 0.7),
}


def features(x: np.ndarray) -> np.ndarray:
    """Return the GRU's inputs ``(batch, 3, frames)`` for audio and knob (batch, 2, frames)."""
    return np.stack([x[:, 0], x[:, 0] * x[:, 1], x[:, 1]], axis=1)


def nodes(knob: str) -> tuple[Node, ...]:
    """Return the same as nodes."""
    return Input(()), Input((), "knob", knob), Mul((0, 1)), Concat((0, 2, 1))


def untrained(recipe: Recipe) -> Learner:
    """Return the net that is to learn."""
    return make(recipe.arch, 1, OPTIONS, recipe.seed) if recipe.arch else KnobGru(HIDDEN, features, nodes, recipe.seed)


def lessons(recipe: Recipe, heard: np.ndarray, judged: np.ndarray, times: int = 4) -> Dataset:
    """Return pieces to learn from, so many times in all, and pieces to judge by."""
    taught = music(recipe.circuit, heard, recipe.seed, times, recipe.at)
    return dataset(taught, music(recipe.circuit, judged, recipe.seed + 500, 2, recipe.at))


def main(name: str, data: Dataset, plan: Plan, folder: Path = FOLDER) -> float:
    """Train and write a model; return its error on the held-out music."""
    recipe = RECIPES[name]
    about = {"teacher": f"models/make/{recipe.source}", "training_seed": recipe.seed}
    about |= {"architecture": recipe.arch, recipe.knob: recipe.at} if recipe.arch else {}
    path, knobs = folder / f"{name}.json", () if recipe.arch else (recipe.knob,)
    return learn(untrained(recipe), data, plan, path, knobs, recipe.kind, about)


if __name__ == "__main__":
    name, minutes = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 8.0
    plan = Plan(minutes, batch=BATCH, segment=FRAMES, rate=RATE)
    seed = RECIPES[name].seed
    esr = main(name, lessons(RECIPES[name], pieces(seed, 2, 4), pieces(seed + 500, 1, 2)), plan)
    print(f"{name}.json: ESR {100 * esr:.3f} % on unheard music of the same generator")
