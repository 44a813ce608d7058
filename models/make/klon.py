"""Makes models/klon.json: a small GRU that has learnt the gain stage of klon_circuit.py with its gain knob.

The net does not learn the effect of the knob on the circuit; it gets it as inputs. These are the guitar, the guitar
times the gain of the amp stage, the guitar times the share that the knob's other half passes around the diodes, both
these numbers and the knob. Both are fits of four hyperbolic tangents, so that the whole is an ordinary graph. Input 1
is a guitar at digital full scale; the output is in units of `VOLTS`.

``python models/make/klon.py [MINUTES [FILE [again]]]``; with ``again`` the net in FILE is trained further, at a lower
rate and through longer times.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
from klon_circuit import R11, R12, VOLTS_PER_UNIT, klon, leg, pot
from learn import BATCH, FRAMES, KnobGru, learn
from lessons import Circuit, dataset, music, pieces, take, turned
from scipy.signal import lfilter, resample_poly

from rtfx.effects.klon_circuit import CIRCUIT_STATE, KERNEL
from rtfx.model.load import load
from rtfx.model.nodes import Activation, Concat, Dense, Input, Mul, Node
from rtfx.train.dataset import Dataset, Take
from rtfx.train.fit import Plan

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


def features(x: np.ndarray) -> np.ndarray:
    """Return the GRU's inputs ``(batch, 6, frames)`` for audio and knob (batch, 2, frames)."""
    weight, bias = fitted()
    audio, knob = x[:, 0], x[:, 1]
    bends = np.tanh(SLOPES * knob[..., None] + PLACES)
    driven, passed = (bends @ weight[i] + bias[i] for i in (0, 1))
    return np.stack([audio, audio * driven, audio * passed, driven, passed, knob], axis=1).astype(np.float32)


def nodes(knob: str) -> tuple[Node, ...]:
    """Return the same as nodes."""
    weight, bias = fitted()
    return (
        Input(()),
        Input((), "knob", knob),
        Dense((1,), SLOPES[:, None], PLACES),
        Activation((2,), "tanh"),
        Dense((3,), weight, bias),
        Concat((0, 0)),
        Mul((5, 4)),
        Concat((0, 6, 4, 1)),
    )


def teacher(x: np.ndarray, gain: float, oversampling: int = 4) -> np.ndarray:
    """Return the target output of the net, ``(frames,)``."""
    return klon(x, gain, oversampling=oversampling) / VOLTS


def moving(x: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Return the target output while the knob turns, ``(frames,)``: by the circuit of the effect `klon`."""
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


def lessons(heard: np.ndarray, judged: np.ndarray, times: int = 3) -> Dataset:
    """Return pieces to learn from, so many times in all and once with the knob turning, and pieces to judge by."""

    def circuit(x: np.ndarray, gain: float) -> np.ndarray:
        return teacher(x, gain, oversampling=2)

    taught = music(circuit, heard, SEED, times) + turned(moving, heard, SEED + 1)
    for seed in (SEED + 2, SEED + 3):
        taught += music(circuit, hot(heard, seed), seed, 1)
    taught += near_top(circuit, hot(heard, SEED + 4), SEED + 4)
    by = music(circuit, judged, SEED + 50, times) + music(circuit, hot(judged, SEED + 52), SEED + 52, 1)
    return dataset(taught, by)


def near_top(circuit: Circuit, pieces: np.ndarray, seed: int) -> list[Take]:
    """Return pieces with the knob at 0.85 to 1, half of them at 1, where the circuit is most nonlinear."""
    places = np.minimum(np.random.default_rng(seed).uniform(0.85, 1.15, len(pieces)), 1.0)
    return [take(piece, place, circuit(piece, place)) for piece, place in zip(pieces, places, strict=True)]


def hot(pieces: np.ndarray, seed: int) -> np.ndarray:
    """Return pieces as a loud guitar with dull pickups plays them: up to 1.5 of full scale, slow noise beneath."""
    rng, made = np.random.default_rng(seed), []
    for piece in pieces:
        pole, noise = rng.uniform(0.3, 0.93), lfilter([1.0], [1.0, -0.998], rng.standard_normal(piece.size))
        poles = np.convolve([1.0, -pole], [1.0, -pole * rng.random()])
        dull = lfilter([1.0], poles, piece + rng.random() * pieces[rng.integers(len(pieces))])
        dull = dull / (dull.std() + 1e-9) + 10.0 ** rng.uniform(-3.0, -1.3) * noise / noise.std()
        made.append(dull * min(10.0 ** (rng.uniform(-30.0, -9.0) / 20.0), 1.5 / np.abs(dull).max()))
    return np.stack(made)


def main(data: Dataset, plan: Plan, path: Path, again: bool = False) -> float:
    """Train and write the model; return its error on the held-out music."""
    net = KnobGru(HIDDEN, features, nodes, SEED)
    if again:
        net.take(load(path))
    about = {"teacher": "models/make/klon_circuit.py", "training_seed": SEED, "volts_per_unit": VOLTS}
    return learn(net, data, plan, path, ("gain",), "pedal", about)


if __name__ == "__main__":
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    where = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[1] / "klon.json"
    again = sys.argv[3:] == ["again"]
    plan = Plan(minutes, batch=BATCH, segment=FRAMES, rate=1.5e-3 if again else 6e-3)
    esr = main(lessons(pieces(SEED, 6, 3), pieces(SEED + 50, 1, 3)), plan, where, again)
    print(f"{where.name}: ESR {100 * esr:.3f} % on unheard music of the same generator")
