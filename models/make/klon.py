"""Makes models/klon.json: a GRU of eight units that has learnt the gain stage of klon_circuit.py with its gain knob.

Input 1 is a guitar at digital full scale; the output is in units of `VOLTS`. ``python models/make/klon.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from klon_circuit import klon

SEED = 11
VOLTS = 1.6  # of the circuit's output, per unit of the model's
POSITIONS = (0.0, 0.25, 0.5, 0.75, 1.0, 0.12, 0.37, 0.62, 0.87, 0.93, 0.97, 1.0)  # the top end bends most


def dataset(seed: int, clips: int, positions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return input, knob and output, (frames,) each, for every position of the knob in turn."""
    import signals

    xs, knobs, ys = [], [], []
    for i, position in enumerate(positions):
        x = signals.training_set(seed + i, clips)
        xs.append(x)
        knobs.append(np.full(x.size, position))
        ys.append(klon(x, position) / VOLTS)
    return np.concatenate(xs), np.concatenate(knobs), np.concatenate(ys)


def main(minutes: float) -> None:
    """Train and write the model."""
    from train import Net, export, fit, segments

    data = segments(*dataset(SEED, 3, POSITIONS))
    check = segments(*dataset(SEED + 50, 1, (0.05, 0.5, 0.95)))
    path = Path(__file__).parents[1] / "klon.json"
    net = Net("gru", 8, SEED)
    about = {"teacher": "models/make/klon_circuit.py", "training_seed": SEED, "volts_per_unit": VOLTS}

    def keep(net):
        export(net, path, "klon", "pedal", "gain", about)

    best = fit(net, data, check, 60.0 * minutes, SEED, keep=keep)
    export(net, path, "klon", "pedal", "gain", about | {"check_esr": round(best, 6)})
    print(f"{path.name}: ESR {100 * best:.2f} % on unheard music of the training generator")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 20.0)
