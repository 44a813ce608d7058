"""Trains a GRU to follow a circuit with a knob: music, the loop, and the net as rtfx JSON.

Truncated back-propagation: a warm-up without gradient, then one step of Adam (Kingma and Ba 2015) every `chunk` frames
with the state carried on. The loss is the error-to-signal ratio after a mild pre-emphasis, every segment by its own
power, so that no position of the knob counts less for being quieter. What is kept is the running mean of the weights
where that is better, judged by music of other seeds.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from lanes import LANES, Gru
from scipy.signal import lfilter

SEGMENT, WARM_UP, PRE_ROLL = 24000, 2000, 6000  # frames: what counts, what does not, what the circuit has heard before
PRE_EMPHASIS = np.float32(0.5)
LONGEST = 0.3  # of a gradient
FLOOR = 0.3  # of the mean power, added to each segment's: silence is not to count for ever
RUNNING = 0.01  # share of the newest weights in their running mean, every ten steps
LAST_RATE = 0.003  # of the first, at the end of the cosine
GLIDE = 960  # frames that a knob takes from place to place, as in the engine
TOP, NEAR_TOP, ENDS = 0.15, 0.2, 0.08  # share of the knob's travel at its top, of segments there, exactly at an end

Circuit = Callable[[np.ndarray, float], np.ndarray]
Moving = Callable[[np.ndarray, np.ndarray], np.ndarray]
Inputs = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Music(NamedTuple):
    """x (segments, SEGMENT) of guitar, and y what becomes of it with the knob at knob (segments, SEGMENT)."""

    x: np.ndarray
    y: np.ndarray
    knob: np.ndarray

    def batch(self, part: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return x, y and the knob, (SEGMENT, batch) each."""
        x, y, knob = (np.ascontiguousarray(rows[part].T) for rows in self)
        return x, y, knob


def position(rng: np.random.Generator) -> float:
    """Return a place for the knob: more at the ends, where the sound of most circuits changes fastest."""
    kind, place = rng.random(), rng.random()
    if kind < 2 * ENDS:
        return float(kind < ENDS)
    if kind < 2 * ENDS + NEAR_TOP:
        return 1.0 - TOP * place
    return 0.5 - 0.5 * np.cos(np.pi * place)


def varied(rng: np.random.Generator, piece: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return a piece mixed with another, dulled, at a level from -35 to -13 dB RMS: denser than one guitar plays."""
    mixed = lfilter([1.0], [1.0, -rng.uniform(0.0, 0.85)], piece + rng.uniform(0.0, 1.0) * other)
    rms, peak = float(np.sqrt(np.mean(mixed**2))), float(np.abs(mixed).max())
    return mixed * min(10.0 ** (rng.uniform(-35.0, -13.0) / 20.0) / (rms + 1e-9), 1.0 / (peak + 1e-9))


def interrupted(rng: np.random.Generator, piece: np.ndarray) -> np.ndarray:
    """Return a piece that in three of eight cases begins or ends with silence: what does the net do with nothing?"""
    kind, cut = rng.random(), int(rng.uniform(0.2, 0.7) * piece.size)
    open_ = np.clip((np.arange(piece.size) - cut) / 100.0, 0.0, 1.0)
    return piece * (open_ if kind < 0.25 else 1.0 - open_ if kind < 0.375 else 1.0)


def music(circuit: Circuit, pieces: np.ndarray, seed: int, times: int) -> Music:
    """Return pieces (n, PRE_ROLL + SEGMENT) as they are, then varied, so many times in all, the knob at any place."""
    rng = np.random.default_rng(seed)
    x, y, knob = [], [], []
    for turn in range(times):
        for piece in pieces:
            heard = varied(rng, piece, pieces[rng.integers(len(pieces))]) if turn else piece
            heard = interrupted(rng, heard)
            place = position(rng)
            knob.append(np.full(SEGMENT, place, np.float32))
            x.append(heard[PRE_ROLL:].astype(np.float32))
            y.append(circuit(heard, place)[PRE_ROLL:].astype(np.float32))
    return Music(np.stack(x), np.stack(y), np.stack(knob))


def turned(circuit: Moving, pieces: np.ndarray, seed: int) -> Music:
    """Return pieces (n, PRE_ROLL + SEGMENT) with the knob on its way to another place ten times a second."""
    rng = np.random.default_rng(seed)
    frames = np.arange(PRE_ROLL + SEGMENT)
    x, y, knob = [], [], []
    for piece in pieces:
        heard = interrupted(rng, varied(rng, piece, pieces[rng.integers(len(pieces))]))
        corners = np.sort(rng.uniform(0, frames.size, 6))
        times = np.stack([corners, corners + GLIDE], axis=1).ravel()
        places = np.repeat([position(rng) for _ in range(7)], 2)[1:-1]
        path = np.interp(frames, np.maximum.accumulate(times), places)
        x.append(heard[PRE_ROLL:].astype(np.float32))
        y.append(circuit(heard, path)[PRE_ROLL:].astype(np.float32))
        knob.append(path[PRE_ROLL:].astype(np.float32))
    return Music(np.stack(x), np.stack(y), np.stack(knob))


def pieces(seed: int, sets: int, clips: int) -> np.ndarray:
    """Return (n, PRE_ROLL + SEGMENT) of the training generator's music, `sets` times so many clips."""
    import signals

    cut = []
    for i in range(sets):
        played = signals.training_set(seed + i, clips)
        cut += [played[s - PRE_ROLL : s + SEGMENT] for s in range(PRE_ROLL, played.size - SEGMENT, SEGMENT)]
    return np.stack(cut)


def fresh(hidden: int, inputs: int, seed: int) -> Gru:
    """Return an untrained net whose units remember from 2 to 3000 frames."""
    rng, bound = np.random.default_rng(seed), hidden**-0.5
    shapes = ((3 * hidden, inputs), (3 * hidden, hidden), (3 * hidden,), (3 * hidden,), (1, hidden), (1,))
    net = Gru([rng.uniform(-bound, bound, shape) for shape in shapes])
    net.weights[2][hidden : 2 * hidden] = np.log(np.geomspace(2.0, 3000.0, hidden) - 1.0)
    return net


def judged(net: Gru, check: Music, inputs: Inputs) -> float:
    """Return the error-to-signal ratio, the mean over segments, each by its own power and the floor."""
    count = len(check.knob) // LANES * LANES
    x, y, knob = check.batch(np.arange(count))
    heard, state = net.widened(inputs(x, knob)), np.zeros((net.hidden, count), np.float32)
    error = np.concatenate([net.run(heard[t : t + 1000], state)[0] - y[t : t + 1000] for t in range(0, SEGMENT, 1000)])[
        WARM_UP:
    ]
    power = np.mean(y**2, axis=0)
    return float(np.mean(np.mean(error**2, axis=0) / (power + FLOOR * power.mean())))


def gradient(y: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the gradient by y (frames, batch) of the sum of weight times the squared, pre-emphasised error."""
    error = y - target
    shaped = error.copy()
    shaped[1:] -= PRE_EMPHASIS * error[:-1]
    shaped *= weight
    slope = shaped.copy()
    slope[:-1] -= PRE_EMPHASIS * shaped[1:]
    return slope


class Adam:
    """The optimiser of a list of arrays, and their running mean."""

    def __init__(self, weights: list[np.ndarray]):
        self.weights, self.mean = weights, [w.copy() for w in weights]
        self.first, self.second = ([np.zeros_like(w) for w in weights] for _ in range(2))
        self.steps = 0

    def step(self, gradients: list[np.ndarray], rate: float) -> bool:
        """Take a step; False, and none, for a gradient that has exploded."""
        length = float(np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients)))
        if not length < 1e4:
            return False
        self.steps += 1
        clip = np.float32(min(1.0, LONGEST / (length + 1e-9)))
        rate = np.float32(rate / (1.0 - 0.9**self.steps))
        fair = np.float32(1.0 / (1.0 - 0.999**self.steps))
        for w, g, m, v in zip(self.weights, gradients, self.first, self.second, strict=True):
            m += np.float32(0.1) * (clip * g - m)
            v += np.float32(0.001) * ((clip * g) ** 2 - v)
            w -= rate * m / (np.sqrt(fair * v) + np.float32(1e-8))
        if self.steps % 10 == 0:
            share = np.float32(max(RUNNING, 10.0 / (self.steps + 10.0)))
            for w, mean in zip(self.weights, self.mean, strict=True):
                mean += share * (w - mean)
        return True


def fit(
    net: Gru,
    data: Music,
    check: Music,
    inputs: Inputs,
    seconds: float,
    seed: int,
    rate: float = 6e-3,
    chunk: int = 250,
    keep: Callable[[Gru], None] | None = None,
) -> float:
    """Train for so many seconds; leave the best weights in `net` and return their error by `check`."""
    rng, adam = np.random.default_rng(seed), Adam(net.weights)
    best, kept, begun, told = np.inf, [w.copy() for w in net.weights], time.time(), 0.0
    every = float(np.mean(data.y**2))
    while (elapsed := time.time() - begun) < seconds:
        order = rng.permutation(len(data.knob))[: 16 * LANES]
        for start in range(0, order.size - LANES + 1, LANES):
            x, y, knob = data.batch(order[start : start + LANES])
            weight = (2.0 / (chunk * LANES) / (np.mean(y**2, axis=0) + FLOOR * every)).astype(np.float32)
            heard, state = net.widened(inputs(x, knob)), np.zeros((net.hidden, LANES), np.float32)
            net.run(heard[:WARM_UP], state)
            for t in range(WARM_UP, SEGMENT - chunk + 1, chunk):
                out, tape = net.run(heard[t : t + chunk], state)
                falling = 0.5 * (1.0 + np.cos(np.pi * min((time.time() - begun) / seconds, 1.0)))
                speed = rate * (LAST_RATE + (1.0 - LAST_RATE) * falling) * min(1.0, adam.steps / 500.0)
                if not adam.step(net.gradients(tape, gradient(out, y[t : t + chunk], weight)), speed):
                    break
        if elapsed - told < min(30.0, seconds / 4.0) and time.time() - begun < seconds:
            continue
        told = elapsed
        tried = [(judged(Gru(w), check, inputs), w) for w in (net.weights, adam.mean)]
        now, weights = min(tried, key=lambda pair: pair[0])
        if now < best:
            best, kept = now, [w.copy() for w in weights]
            if keep:
                keep(Gru(kept))
        print(f"{elapsed:.0f} s {adam.steps} steps ESR {100 * now:.3f} % best {100 * best:.3f} %", flush=True)
    net.weights = kept
    return best


def rounded(net: Gru) -> list[np.ndarray]:
    """Return the weights with the nine digits that a float32 needs."""
    return [np.vectorize(lambda v: float(f"{v:.9g}"))(w) for w in net.weights]
