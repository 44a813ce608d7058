"""Makes models/klon.json: a small GRU that has learnt the gain stage of klon_circuit.py with its gain knob.

What the knob does to the circuit is told to the net, not learnt: beside the guitar it hears the guitar times the gain
of the amp stage, the guitar times the share of it that the knob's other half passes around the diodes, both these
numbers and the knob. Both are fits of four hyperbolic tangents, so that the whole is an ordinary graph. Input 1 is a
guitar at digital full scale; the output is in units of `VOLTS`.

``python models/make/klon.py [MINUTES [FILE [again]]]``; with ``again`` the net in FILE is trained further, at a lower
rate and through longer times.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
from klon_circuit import R11, R12, VOLTS_PER_UNIT, klon, leg, pot
from lanes import Gru
from learn import Music, fit, fresh, music, pieces, rounded, turned
from scipy.signal import resample_poly

from rtfx.effects.klon_circuit import CIRCUIT_STATE, KERNEL
from rtfx.model.load import load
from rtfx.model.rtfx_json import save
from rtfx.model.spec import Activation, Concat, Dense, Knob, ModelSpec, Mul
from rtfx.model.spec import Gru as GruNode
from rtfx.model.spec import Input as InputNode

SEED = 11
HIDDEN = 16
VOLTS = 2.0  # of the circuit's output, per unit of the model's
SLOPES, PLACES = np.array([6.212, 1.487, 12.635, 2.694]), np.array([-8.76, -3.489, 2.499, 2.078])  # by least squares


def drive(gain: float) -> float:
    """Return the amp stage's gain at the bass end of its band, relative to the knob at 1."""
    return (1.0 + R12 / (R11 + leg(gain))) / (1.0 + R12 / (R11 + leg(1.0)))


def around(gain: float) -> float:
    """Return the voltage at the wiper of the knob's other half by that at its top, at middle frequencies."""
    top, bottom = pot(gain)
    below = 1.0 / (1.0 / bottom + 1.0 / 27e3 + 1.0 / 12e3 + 1.0 / (22e3 + 47e3))
    return below / (below + top)


@cache
def fitted() -> tuple[np.ndarray, np.ndarray]:
    """Return weight (2, 4) and bias (2,) that make `drive` and `around` of the tangents: errors 0.3 and 0.7 %."""
    knob = np.concatenate([np.linspace(0.0, 1.0, 201), np.linspace(0.0, 0.1, 60), np.linspace(0.9, 1.0, 60)])
    base = np.column_stack([np.tanh(np.outer(knob, SLOPES) + PLACES), np.ones(knob.size)])
    wanted = np.array([drive(g) for g in knob]), np.array([around(g) for g in knob])
    driven = np.linalg.lstsq(base / wanted[0][:, None], np.ones(knob.size), rcond=None)[0]
    passed = np.linalg.lstsq(base, wanted[1], rcond=None)[0]
    both = np.vectorize(lambda v: float(f"{v:.9g}"))(np.stack([driven, passed]))
    return both[:, :4], both[:, 4]


def inputs(x: np.ndarray, knob: np.ndarray) -> np.ndarray:
    """Return what the GRU hears, ``(frames, 6, batch)``, for x and knob (frames, batch)."""
    weight, bias = fitted()
    bends = np.tanh(SLOPES * knob[..., None] + PLACES)
    driven, passed = (bends @ weight[i] + bias[i] for i in (0, 1))
    return np.stack([x, x * driven, x * passed, driven, passed, knob], axis=1).astype(np.float32)


def teacher(x: np.ndarray, gain: float, oversampling: int = 4) -> np.ndarray:
    """Return what the net is to answer, ``(frames,)``."""
    return klon(x, gain, oversampling=oversampling) / VOLTS


def moving(x: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Return what the net is to answer while the knob turns, ``(frames,)``: by the circuit of the effect `klon`."""
    rate, most = 96000, 512
    up = np.float32(resample_poly(x * VOLTS_PER_UNIT, 2, 1))
    rows = np.zeros((4, most), np.float32)
    rows[3] = 0.5 / rate
    turns = np.repeat(np.float32(gain), 2)
    state, y = np.zeros(1, CIRCUIT_STATE), np.empty_like(up)
    state[0]["parameters"], state[0]["parameter_stride"] = rows.ctypes.data, most
    for start in range(0, up.size, most):
        size = min(most, up.size - start)
        rows[0, :size] = turns[start : start + size]
        KERNEL(state.ctypes.data, up.ctypes.data + 4 * start, y.ctypes.data + 4 * start, size)
    return resample_poly(y.astype(float), 1, 2) / VOLTS


def export(net: Gru, path: Path, metadata: dict) -> ModelSpec:
    """Write the net as rtfx JSON."""
    w_ih, w_hh, b_ih, b_hh, w_out, b_out = rounded(net)
    weight, bias = fitted()
    nodes = (
        InputNode(()),
        InputNode((), "knob", "gain"),
        Dense((1,), SLOPES[:, None], PLACES),
        Activation((2,), "tanh"),
        Dense((3,), weight, bias),
        Concat((0, 0)),
        Mul((5, 4)),
        Concat((0, 6, 4, 1)),
        GruNode((7,), w_ih, w_hh, b_ih, b_hh),
        Dense((8,), w_out, b_out),
    )
    spec = ModelSpec("rtfx", nodes, "klon", 48000.0, "file", (Knob("gain"),), "pedal", metadata=metadata)
    save(spec, path)
    return spec


def main(minutes: float, path: Path, again: bool) -> None:
    """Train and write the model."""

    def circuit(x: np.ndarray, gain: float) -> np.ndarray:
        return teacher(x, gain, oversampling=2)

    heard = pieces(SEED, 6, 3)
    data = music(circuit, heard, SEED, 3)
    data = Music(*map(np.concatenate, zip(data, turned(moving, heard, SEED + 1), strict=True)))
    check = music(circuit, pieces(SEED + 50, 1, 3), SEED + 50, 3)
    print(f"{len(data.knob)} segments, largest output {np.abs(data.y).max():.2f}", flush=True)
    net = fresh(HIDDEN, 6, SEED)
    if again:
        cell, output = load(path).nodes[8:]
        net = Gru([cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh, output.weight, output.bias])
    about = {"teacher": "models/make/klon_circuit.py", "training_seed": SEED, "volts_per_unit": VOLTS}
    how = {"rate": 1.5e-3, "chunk": 500} if again else {}

    def keep(net: Gru) -> None:
        export(net, path, about)

    best = fit(net, data, check, inputs, 60.0 * minutes, SEED, keep=keep, **how)
    export(net, path, about | {"check_esr": round(best, 6)})
    print(f"{path.name}: ESR {100 * best:.3f} % on unheard music of the training generator")


if __name__ == "__main__":
    where = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[1] / "klon.json"
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0, where, sys.argv[3:] == ["again"])
