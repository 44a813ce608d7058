"""Divides recordings into frames for training and frames held back for checks, and cuts both into segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import AudioFileError

HELD_BACK = 0.1  # share of every take
CHECK_FRAMES = 24000  # of each held-back piece: half a second; the pieces are spread over the take
SETTLE_FRAMES = 4800  # before a piece: supply sag and coupling capacitors settle in this time


@dataclass(frozen=True)
class Take:
    """One recording: x (inputs, frames), audio first, then knobs; y (frames,); float32."""

    x: np.ndarray
    y: np.ndarray


class Span(NamedTuple):
    """Frames `start` to `stop` of a take whose targets count."""

    take: int
    start: int
    stop: int


@dataclass(frozen=True)
class Dataset:
    """Takes with the same inputs; some of their frames are for training, the others are held back for checks."""

    takes: tuple[Take, ...]
    training: tuple[Span, ...]
    checks: tuple[Span, ...]

    @property
    def inputs(self) -> int:
        return self.takes[0].x.shape[0]

    @property
    def training_frames(self) -> int:
        return sum(span.stop - span.start for span in self.training)

    def segments(self, spans: Sequence[Span], warm_up: int) -> tuple[np.ndarray, np.ndarray]:
        """Return x (spans, inputs, warm_up + frames) and y (spans, warm_up + frames) for spans of one length.

        The warm-up holds the frames before the span, or zeros before the start of the take.
        """
        frames = warm_up + spans[0].stop - spans[0].start
        x = np.zeros((len(spans), self.inputs, frames), np.float32)
        y = np.zeros((len(spans), frames), np.float32)
        for i, (take, start, stop) in enumerate(spans):
            begin = max(0, start - warm_up)
            x[i, :, frames - (stop - begin) :] = self.takes[take].x[:, begin:stop]
            x[i, 1:, : frames - (stop - begin)] = self.takes[take].x[1:, :1]  # knobs had their first value before
            y[i, frames - (stop - begin) :] = self.takes[take].y[begin:stop]
        return x, y

    def draw(self, rng: np.random.Generator, count: int, frames: int) -> list[Span]:
        """Return `count` training spans of `frames` each, spread evenly over all training frames, in random order."""
        lengths = np.array([max(0, span.stop - span.start - frames + 1) for span in self.training])
        ends = np.cumsum(lengths)
        places = (np.arange(count) + rng.random(count)) / count * ends[-1]
        drawn = []
        for place in rng.permutation(np.minimum(places.astype(np.int64), ends[-1] - 1)):
            i = int(np.searchsorted(ends, place, side="right"))
            start = self.training[i].start + int(place - (ends[i] - lengths[i]))
            drawn.append(Span(self.training[i].take, start, start + frames))
        return drawn


def dataset(takes: Sequence[Take]) -> Dataset:
    """Hold back `HELD_BACK` of every take, in pieces spread evenly over it.

    Parameters
    ----------
    takes : sequence of Take
        All with the same number of inputs.

    Raises
    ------
    AudioFileError
        A take is too short to be divided.
    """
    shortest = min(take.y.size for take in takes)
    piece = min(CHECK_FRAMES, int(shortest * HELD_BACK))
    if piece < 100:
        raise AudioFileError(f"a take of {shortest} frames is too short to learn from, expected seconds")
    training, checks = [], []
    for number, take in enumerate(takes):
        pieces = max(1, round(take.y.size * HELD_BACK / piece))
        space, end = take.y.size / pieces, 0
        for k in range(pieces):
            start = int((k + 1) * space) - piece  # at the end of its share: the frames before settle the net
            training.append(Span(number, end, start))
            checks.append(Span(number, start, end := start + piece))
    return Dataset(tuple(takes), tuple(training), tuple(checks))
