"""Candidates take turns: what the machine does meanwhile hits all of them.

Each turn is a short run, and a candidate's figure is the best of all: a run of a millisecond is rarely disturbed, a run
of seconds always is.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from ..engine.offline import Offline
from ..engine.timing import time_blocks, time_run

CHUNK_FRAMES = 8192
CALLS = 128  # of a function of Python in one run: they take microseconds each


class Player(ABC):
    """Something that plays the same frames again and again.

    Attributes
    ----------
    frames : int
        Of one run.
    best : float
        Nanoseconds per frame of the best run so far.
    times : list of arrays
        Nanoseconds of each block, of all runs.
    """

    frames: int

    def __init__(self) -> None:
        self.best = np.inf
        self.times: list[np.ndarray] = []

    @abstractmethod
    def run(self) -> np.ndarray:
        """Play `frames` frames; return the nanoseconds of each block."""

    def turn(self, seconds: float) -> None:
        """Run for about so long, at least once, after a run that only warms the caches."""
        self.run()
        spent = 0.0
        while True:
            times = self.run()
            total = float(times.sum())
            spent += total
            self.best = min(self.best, total / self.frames)
            self.times.append(times)
            if spent >= seconds * 1e9:
                return


class EnginePlayer(Player):
    """A plan in the engine, block by block as live: once as a whole for `best`, once with a clock for `times`.

    Parameters
    ----------
    player : Offline
    x : (inputs, frames) float32
    """

    def __init__(self, player: Offline, x: np.ndarray):
        super().__init__()
        self.player, self.x = player, np.ascontiguousarray(x.T, np.float32)
        self.y = np.zeros((len(self.x), player.plan.outputs), np.float32)
        self.frames = len(self.x) // player.block * player.block

    def run(self) -> np.ndarray:
        work = self.player.engine.address, self.x, self.y, self.player.block
        self.best = min(self.best, time_run(*work) / self.frames)
        return time_blocks(*work)


class CallPlayer(Player):
    """A function of Python, called block by block.

    Parameters
    ----------
    process : callable
        (inputs, block) float32 -> (outputs, block): the next block; it keeps its own state.
    x : (inputs, frames) float32
    block : int
    """

    def __init__(self, process: Callable[[np.ndarray], np.ndarray], x: np.ndarray, block: int):
        super().__init__()
        self.process = process
        count = min(x.shape[1] // block, CALLS)
        self.blocks = [np.ascontiguousarray(x[:, block * i : block * (i + 1)]) for i in range(count)]
        self.frames = count * block

    def run(self) -> np.ndarray:
        times = np.zeros(len(self.blocks), np.int64)
        for i, part in enumerate(self.blocks):
            begin = time.perf_counter_ns()
            self.process(part)
            times[i] = time.perf_counter_ns() - begin
        return times


def in_turns(players: Sequence[Player], rounds: int, seconds: float = 0.0) -> None:
    """Give every player a turn of about `seconds` in every round."""
    for _ in range(rounds):
        for player in players:
            player.turn(seconds)
