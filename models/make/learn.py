"""Trains a net to follow a circuit with a knob, with the learners and the loop of `rtfx train`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rtfx.model.nodes import Dense, Gru, Node
from rtfx.model.rtfx_json import save
from rtfx.model.spec import Knob, ModelSpec
from rtfx.train.dataset import Dataset
from rtfx.train.fit import Checkpoint, Plan, Report, fit
from rtfx.train.learner import Learner, Options
from rtfx.train.recurrent_learner import RecurrentLearner

OPTIONS = Options(pre_emphasis=0.5, dc=0.0, evenly=True)
WARM_UP = 2000  # frames
BATCH, FRAMES = 64, 22000  # segments a step, frames of each

Features = Callable[[np.ndarray], np.ndarray]
Nodes = Callable[[str], Sequence[Node]]


class KnobGru(RecurrentLearner):
    """A GRU whose inputs are computed by fixed nodes from audio and knob.

    Parameters
    ----------
    features : callable
        Returns the GRU's inputs (batch, inputs, frames) for audio and knob (batch, 2, frames).
    nodes : callable
        Returns the same as nodes of a graph, for the knob's name; the GRU reads the last node's output.
    """

    def __init__(self, hidden: int, features: Features, nodes: Nodes, seed: int):
        super().__init__("gru", hidden, features(np.zeros((1, 2, 1), np.float32)).shape[1], OPTIONS, seed)
        self.features, self.nodes, self.warm_up = features, nodes, WARM_UP

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        return super().step(self.features(x), y)

    def predict_batch(self, x: np.ndarray) -> np.ndarray:
        return super().predict_batch(self.features(x))

    def spec(self, name: str, sample_rate: float, knobs: tuple[Knob, ...], metadata: dict[str, Any]) -> ModelSpec:
        before = self.nodes(knobs[0].name)
        nodes = (*before, *self.layers(len(before) - 1))
        return ModelSpec("rtfx", nodes, name, sample_rate, "file", knobs, "unknown", metadata=metadata)

    def take(self, spec: ModelSpec) -> None:
        """Continue from the weights of a `ModelSpec` that `spec` returned."""
        cell, out = spec.nodes[-2:]
        assert isinstance(cell, Gru) and isinstance(out, Dense)
        known = (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh, out.weight, out.bias)
        for weight, value in zip(self.weights, known, strict=True):
            weight[:] = value


def learn(
    learner: Learner, data: Dataset, plan: Plan, path: Path, knobs: Sequence[str], kind: str, about: dict
) -> float:
    """Train, write every better net to `path`, and return the error-to-signal ratio of the best on the music held back.

    Parameters
    ----------
    knobs, kind : sequence of str, str
        Their names; pedal or amp.
    about : dict
        What the file says of its making.
    """

    def keep(report: Report, checkpoint: Checkpoint) -> None:
        print(f"{report.seconds:.0f} s ESR {100 * report.esr:.3f} % best {100 * report.best:.3f} %", flush=True)
        if report.better:
            metadata = about | {"check_esr": round(report.esr, 6)}
            save(replace(learner.spec(path.stem, 48000.0, tuple(map(Knob, knobs)), metadata), kind=kind), path)

    done, _ = fit(learner, data, plan, after=keep)
    return done.esr
