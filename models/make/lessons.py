"""The training data of the shelf's nets: pieces of music and a circuit's output, with the knob at any position.

Audio is input 0 of a take, the knob input 1. Every piece is a take of its own, so net and circuit get the
same input before the frames that count.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import lfilter

from rtfx.train.dataset import Dataset, Span, Take

SEGMENT, PRE_ROLL = 24000, 6000  # frames: those that count, and those that the circuit gets before them
GLIDE = 960  # frames in which a knob moves to a new position, as in the engine
TOP, NEAR_TOP, ENDS = 0.15, 0.2, 0.08  # share of the knob's travel at its top, of segments there, exactly at an end

Circuit = Callable[[np.ndarray, float], np.ndarray]
Moving = Callable[[np.ndarray, np.ndarray], np.ndarray]


def dataset(learnt: list[Take], judged_by: list[Take]) -> Dataset:
    """Return the takes to train on, with takes of other seeds to validate on."""
    spans = [Span(i, PRE_ROLL, PRE_ROLL + SEGMENT) for i in range(len(learnt) + len(judged_by))]
    return Dataset((*learnt, *judged_by), tuple(spans[: len(learnt)]), tuple(spans[len(learnt) :]))


def position(rng: np.random.Generator) -> float:
    """Return a random knob position, more often at the ends, where most circuits change fastest."""
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
    """Return a piece that in three of eight cases begins or ends with silence, so that the net learns silence."""
    kind, cut = rng.random(), int(rng.uniform(0.2, 0.7) * piece.size)
    open_ = np.clip((np.arange(piece.size) - cut) / 100.0, 0.0, 1.0)
    return piece * (open_ if kind < 0.25 else 1.0 - open_ if kind < 0.375 else 1.0)


def take(x: np.ndarray, knob: np.ndarray | float, y: np.ndarray) -> Take:
    """Return a piece with the knob beside it."""
    return Take(np.stack([x, np.broadcast_to(knob, x.shape)]).astype(np.float32), y.astype(np.float32))


def music(circuit: Circuit, pieces: np.ndarray, seed: int, times: int, at: float | None = None) -> list[Take]:
    """Return pieces (n, PRE_ROLL + SEGMENT) as they are, then varied, so many times in all, the knob at any place.

    If `at` fixes the position, the net does not get the knob as an input.
    """
    rng = np.random.default_rng(seed)
    takes = []
    for turn in range(times):
        for piece in pieces:
            heard = varied(rng, piece, pieces[rng.integers(len(pieces))]) if turn else piece
            heard = interrupted(rng, heard)
            place = position(rng) if at is None else at
            learnt = take(heard, place, circuit(heard, place))
            takes.append(learnt if at is None else Take(learnt.x[:1], learnt.y))
    return takes


def turned(circuit: Moving, pieces: np.ndarray, seed: int) -> list[Take]:
    """Return pieces (n, PRE_ROLL + SEGMENT) with the knob on its way to another place ten times a second."""
    rng = np.random.default_rng(seed)
    frames = np.arange(PRE_ROLL + SEGMENT)
    takes = []
    for piece in pieces:
        heard = interrupted(rng, varied(rng, piece, pieces[rng.integers(len(pieces))]))
        corners = np.sort(rng.uniform(0, frames.size, 6))
        times = np.stack([corners, corners + GLIDE], axis=1).ravel()
        places = np.repeat([position(rng) for _ in range(7)], 2)[1:-1]
        path = np.interp(frames, np.maximum.accumulate(times), places)
        takes.append(take(heard, path, circuit(heard, path)))
    return takes


def pieces(seed: int, sets: int, clips: int) -> np.ndarray:
    """Return (n, PRE_ROLL + SEGMENT) of the training generator's music, `sets` times so many clips."""
    import signals

    cut = []
    for i in range(sets):
        played = signals.training_set(seed + i, clips)
        cut += [played[s - PRE_ROLL : s + SEGMENT] for s in range(PRE_ROLL, played.size - SEGMENT, SEGMENT)]
    return np.stack(cut)
