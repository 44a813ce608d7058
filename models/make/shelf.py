"""Makes the shelf's other nets: GRUs of sixteen units that have learnt a circuit with one knob.

Beside the guitar each hears the guitar times the knob, and the knob. ``python models/make/shelf.py NAME [MINUTES]``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from amp import amp, combo
from clippers import rodent, screamer
from lanes import Gru
from learn import fit, fresh, music, pieces, rounded

from rtfx.model.rtfx_json import save
from rtfx.model.spec import Concat, Dense, Knob, ModelSpec, Mul
from rtfx.model.spec import Gru as GruNode
from rtfx.model.spec import Input as InputNode

HIDDEN = 16
FOLDER = Path(__file__).parents[1]


class Recipe(NamedTuple):
    """A circuit ``f(x, knob)`` at 48 kHz, its file, its knob's name, what it is, the seed of its training music."""

    circuit: Callable[[np.ndarray, float], np.ndarray]
    source: str
    knob: str
    kind: str
    seed: int


RECIPES = {
    "amp": Recipe(amp, "amp.py", "drive", "amp", 21),
    "combo": Recipe(combo, "amp.py", "volume", "amp", 31),
    "screamer": Recipe(screamer, "clippers.py", "drive", "pedal", 41),
    "rodent": Recipe(rodent, "clippers.py", "gain", "pedal", 51),
}


def inputs(x: np.ndarray, knob: np.ndarray) -> np.ndarray:
    """Return what the GRU hears, ``(frames, 3, batch)``, for x and knob (frames, batch)."""
    return np.stack([x, x * knob, knob], axis=1).astype(np.float32)


def export(net: Gru, name: str, metadata: dict) -> ModelSpec:
    """Write the net as rtfx JSON."""
    w_ih, w_hh, b_ih, b_hh, w_out, b_out = rounded(net)
    recipe = RECIPES[name]
    nodes = (
        InputNode(()),
        InputNode((), "knob", recipe.knob),
        Mul((0, 1)),
        Concat((0, 2, 1)),
        GruNode((3,), w_ih, w_hh, b_ih, b_hh),
        Dense((4,), w_out, b_out),
    )
    spec = ModelSpec("rtfx", nodes, name, 48000.0, "file", (Knob(recipe.knob),), recipe.kind, metadata=metadata)
    save(spec, FOLDER / f"{name}.json")
    return spec


def main(name: str, minutes: float) -> None:
    """Train and write a model."""
    recipe = RECIPES[name]
    data = music(recipe.circuit, pieces(recipe.seed, 2, 4), recipe.seed, 4)
    check = music(recipe.circuit, pieces(recipe.seed + 500, 1, 2), recipe.seed + 500, 2)
    print(f"{len(data.knob)} segments, largest output {np.abs(data.y).max():.2f}", flush=True)
    about = {"teacher": f"models/make/{recipe.source}", "training_seed": recipe.seed}
    net = fresh(HIDDEN, 3, recipe.seed)

    def keep(net: Gru) -> None:
        export(net, name, about)

    best = fit(net, data, check, inputs, 60.0 * minutes, recipe.seed, rate=4e-3, chunk=400, keep=keep)
    export(net, name, about | {"check_esr": round(best, 6)})
    print(f"{name}.json: ESR {100 * best:.3f} % on unheard music of the training generator")


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 8.0)
