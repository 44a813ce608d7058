"""The training loop: checks the held-back frames after each round and keeps the best weights, also if interrupted."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from .dataset import SETTLE_FRAMES, Dataset
from .learner import Learner
from .loss import esr

Stopped = Literal["finished", "good enough", "no better", "interrupted"]
LAST_RATE = 0.01  # learning rate at the end of the cosine, relative to the first


@dataclass(frozen=True)
class Plan:
    """Length and settings of a training.

    Parameters
    ----------
    minutes : float
        Wall-clock time after the first step, which compiles; the learning rate falls along half a cosine.
    rounds : int, optional
        Number of rounds in place of `minutes`, however long they take: every run then gives the same result.
    batch : int
        Segments per batch.
    segment : int
        Frames of a segment whose targets count; those of the warm-up come before.
    round_frames : int
        Frames between two checks, at most.
    until : float
        Training stops at this error-to-signal ratio.
    patience : int
        Training stops after this number of rounds without a better check, if they are also a third of the plan.
    seed : int
        Seed of the order of segments.
    rate : float, optional
        The first learning rate, in place of the learner's own.
    """

    minutes: float = 5.0
    rounds: int | None = None
    batch: int = 32
    segment: int = 11000
    round_frames: int = 8_000_000
    until: float = 0.0
    patience: int = 25
    seed: int = 0
    rate: float | None = None


@dataclass(frozen=True)
class Report:
    """One round: `loss` on training frames, `esr` and `esr_emphasised` on held-back frames, `best` ESR so far.

    `better` is true if the best ESR is that of this round.
    """

    round: int
    seconds: float
    progress: float
    rate: float
    loss: float
    esr: float
    esr_emphasised: float
    best: float
    better: bool


@dataclass
class Checkpoint:
    """All data to resume a training: the learner's state, its state at the best check, and the reports."""

    learner: dict[str, np.ndarray] = field(default_factory=dict)
    best: dict[str, np.ndarray] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)

    @property
    def esr(self) -> float:
        """The best error-to-signal ratio."""
        return self.reports[-1].best if self.reports else math.inf


def fit(
    learner: Learner,
    data: Dataset,
    plan: Plan | None = None,
    begin: Checkpoint | None = None,
    after: Callable[[Report, Checkpoint], None] | None = None,
    tick: Callable[[float, float], None] | None = None,
) -> tuple[Checkpoint, Stopped]:
    """Train, and leave the best weights in the learner.

    Parameters
    ----------
    learner : Learner
    data : Dataset
        With the same number of inputs as the learner.
    plan : Plan
    begin : Checkpoint, optional
        The end of an earlier run, from which the learner continues.
    after : callable, optional
        Called after every round; the learner's weights are those of the report, `Report.better` tells whether they
        are the best so far. An interrupt waits for it.
    tick : callable, optional
        Called after every batch with the progress from 0 to 1 and the batch's loss.

    Returns
    -------
    Checkpoint
        The best weights, and all data to resume.
    str
        The reason why the training stopped, one of `Stopped`.

    Raises
    ------
    KeyboardInterrupt
        An interrupt before the first check, when there are no weights to keep.
    """
    plan = plan or Plan()
    done = begin or Checkpoint()
    own_rate, rounds = learner.rate, len(done.reports)
    first_rate = plan.rate or own_rate
    if done.reports:
        learner.restore(done.learner)
    started = time.monotonic() - (done.reports[-1].seconds if done.reports else 0.0)
    frames = min(plan.segment, max(span.stop - span.start for span in data.training))
    batches = max(1, min(data.training_frames, plan.round_frames) // (frames * plan.batch))
    stopped: Stopped = "finished"
    fresh = True

    def progress(part: float) -> float:
        if plan.rounds is not None:
            return min(1.0, (rounds + part) / plan.rounds)
        return min(1.0, (time.monotonic() - started) / (60.0 * plan.minutes))

    try:
        while (now := progress(0.0)) < 1.0:
            losses = []
            drawn = data.draw(np.random.default_rng((plan.seed, rounds)), batches * plan.batch, frames)
            for k in range(batches):
                learner.rate = first_rate * (LAST_RATE + (1.0 - LAST_RATE) * 0.5 * (1.0 + math.cos(math.pi * now)))
                x, y = data.segments(drawn[k * plan.batch : (k + 1) * plan.batch], learner.warm_up)
                began = time.monotonic()
                losses.append(learner.step(x, y))
                if fresh:
                    started += (
                        time.monotonic() - began
                    )  # the first step compiles, which does not count as training time
                    fresh = False
                now = progress((k + 1) / batches)
                if tick:
                    tick(now, losses[-1])
                if now >= 1.0:
                    break
            rounds += 1
            plain, sharp = check(learner, data)
            best, seconds = plain if plain < done.esr else done.esr, time.monotonic() - started
            loss, better = float(np.mean(losses)), plain < done.esr
            report = Report(rounds, seconds, now, learner.rate, loss, plain, sharp, best, better)
            state = learner.state()
            with uninterrupted():  # the kept state and the written model are of the same round
                done = Checkpoint(state, state if report.better else done.best, [*done.reports, report])
                if after:
                    after(report, done)
            if best <= plan.until:
                stopped = "good enough"
                break
            if _no_better(done.reports, plan.patience):
                stopped = "no better"
                break
    except KeyboardInterrupt:
        if not done.reports:
            raise
        stopped = "interrupted"
    finally:
        learner.rate = own_rate
        if done.best:
            learner.restore(done.best)
    return done, stopped


def check(learner: Learner, data: Dataset) -> tuple[float, float]:
    """Return the error-to-signal ratio on the held-back frames, and the same after pre-emphasis 0.85."""
    settle = max(learner.warm_up, SETTLE_FRAMES)
    x, target = data.segments(data.checks, settle)
    together = getattr(learner, "predict_batch", None)
    y = together(x) if together else np.stack([learner.predict(piece) for piece in x])
    pair = y[:, settle:], target[:, settle:]
    return esr(*pair), esr(*pair, pre_emphasis=0.85)


def _no_better(reports: list[Report], patience: int) -> bool:
    """Return whether the last `patience` checks were no better, and a third of the plan has passed since the best."""
    best = max((i for i, report in enumerate(reports) if report.better), default=0)
    since = len(reports) - 1 - best
    return since >= patience and reports[-1].progress - reports[best].progress >= 1.0 / 3.0


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay an interrupt until the block has ended; only the main thread receives interrupts."""
    own = signal.getsignal(signal.SIGINT) is not None  # None: a C handler, which Python could not restore
    if not own or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple] = []
    before = signal.signal(signal.SIGINT, lambda *event: came.append(event))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(*came[0])
