"""Makes models/klon.json: a small GRU that has learnt the gain stage of klon_circuit.py with its gain knob.

What the knob does to the circuit is told to the net, not learnt: beside the guitar it hears the guitar times the gain
of the amp stage, and that gain. The gain as a function of the knob is a fit of three hyperbolic tangents, so that the
whole is an ordinary graph. Input 1 is a guitar at digital full scale; the output is in units of `VOLTS`.

``python models/make/klon.py [MINUTES [FILE [again]]]``; with ``again`` the net in FILE is trained further, on other
music and with more of it at the top of the knob.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
from klon_circuit import R11, R12, klon, leg
from scipy.optimize import least_squares

from rtfx.model.load import load
from rtfx.model.spec import Activation, Concat, Dense, Gru, Input, Knob, ModelSpec, Mul

SEED = 11
HIDDEN = 10
VOLTS = 2.0  # of the circuit's output, per unit of the model's
SEGMENT, WARM_UP, PRE_ROLL = 24000, 2000, 6000  # frames; C10 discharges in 2300


def drive(gain: np.ndarray) -> np.ndarray:
    """Return the amp stage's gain at the bass end of its band, relative to the knob at 1."""
    return np.array([1.0 + R12 / (R11 + leg(g)) for g in np.atleast_1d(gain)]) / (1.0 + R12 / (R11 + leg(1.0)))


@cache
def fitted_drive() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return weight and bias of two layers with a hyperbolic tangent between, which together are near `drive`."""
    knob = np.linspace(0.0, 1.0, 201)
    wanted = drive(knob)

    def value(p):
        return np.tanh(np.outer(knob, p[:3]) + p[3:6]) @ p[6:9] + p[9]

    start = np.array([2.0, 5.0, 10.0, -1.0, -4.5, -10.0, 0.3, 0.3, 0.3, 0.5])
    p = least_squares(lambda p: value(p) / wanted - 1.0, start).x
    p = np.array([float(f"{v:.6g}") for v in p])
    return p[:3, None], p[3:6], p[None, 6:9], p[9:]


def inputs(x: np.ndarray, knob: np.ndarray) -> np.ndarray:
    """Return what the GRU hears, ``(4, frames)``: the guitar, the guitar times the drive, the drive, the knob."""
    w1, b1, w2, b2 = fitted_drive()
    driven = (np.tanh(np.outer(knob, w1[:, 0]) + b1) @ w2[0]) + b2[0]
    return np.stack([x, x * driven, driven, knob])


def dataset(seed: int, sets: int, clips: int, top: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (SEGMENT, 4, n) and targets (SEGMENT, n), each segment at its own position of the knob.

    `top` is the share of segments with the knob above 0.88.
    """
    import signals

    rng = np.random.default_rng(seed)
    xs, ys = [], []
    for i in range(sets):
        music = signals.training_set(seed + i, clips)
        for start in range(PRE_ROLL, music.size - SEGMENT, SEGMENT):
            place = rng.random()
            position = 0.5 - 0.5 * np.cos(np.pi * place)  # more at the ends, where the sound changes most
            if rng.random() < top:
                position = 1.0 - 0.12 * place
            target = klon(music[start - PRE_ROLL : start + SEGMENT], position, oversampling=2)[PRE_ROLL:] / VOLTS
            xs.append(inputs(music[start : start + SEGMENT], np.full(SEGMENT, position)).T.astype(np.float32))
            ys.append(target.astype(np.float32))
    return np.ascontiguousarray(np.stack(xs, axis=2)), np.ascontiguousarray(np.stack(ys, axis=1))


def export(net, path: Path, metadata: dict) -> ModelSpec:
    """Write the net as rtfx JSON."""
    from rtfx.model.rtfx_json import save

    w_ih, w_hh, b_ih, b_hh, w_out, b_out = (np.vectorize(lambda v: float(f"{v:.9g}"))(w) for w in net.weights)
    w1, b1, w2, b2 = fitted_drive()
    nodes = (
        Input(()),
        Input((), "knob", "gain"),
        Dense((1,), w1, b1),
        Activation((2,), "tanh"),
        Dense((3,), w2, b2),
        Mul((0, 4)),
        Concat((0, 5, 4, 1)),
        Gru((6,), w_ih, w_hh, b_ih, b_hh),
        Dense((7,), w_out, b_out),
    )
    spec = ModelSpec("rtfx", nodes, "klon", 48000.0, "file", (Knob("gain"),), "pedal", metadata=metadata)
    save(spec, path)
    return spec


def main(minutes: float, path: Path, again: bool) -> None:
    """Train and write the model."""
    from train import Net, fit

    data = dataset(SEED + 100, 5, 3, 0.35) if again else dataset(SEED, 6, 3)
    check = dataset(SEED + 50, 1, 2)
    print(f"{data[0].shape[2]} segments, largest output {np.abs(data[1]).max():.2f}", flush=True)
    net = Net("gru", HIDDEN, SEED, inputs=4)
    span = np.geomspace(2.0, 2000.0, HIDDEN)  # frames that the units remember at first
    net.weights[2][HIDDEN : 2 * HIDDEN] = np.log(span - 1.0)
    if again:
        cell, output = load(path).nodes[7:]
        known = cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh, output.weight, output.bias
        net.weights = [np.ascontiguousarray(w, np.float32) for w in known]
    about = {"teacher": "models/make/klon_circuit.py", "training_seed": SEED, "volts_per_unit": VOLTS}

    def keep(net):
        export(net, path, about)

    speed = 2e-3 if again else 5e-3
    best = fit(net, data, check, 60.0 * minutes, SEED, rate=speed, keep=keep, warm_up=WARM_UP)
    export(net, path, about | {"check_esr": round(best, 6)})
    print(f"{path.name}: ESR {100 * best:.2f} % on unheard music of the training generator")


if __name__ == "__main__":
    where = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parents[1] / "klon.json"
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 40.0, where, sys.argv[3:] == ["again"])
