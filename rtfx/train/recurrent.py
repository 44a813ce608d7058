"""One GRU or LSTM with a linear output as a learner, by truncated back-propagation through time on two threads.

After a warm-up without gradient one step of Adam is taken every `CHUNK` frames, the state carried on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..model.nodes import Add, Concat, Dense, Gru, Input, Lstm, Node
from ..model.spec import Knob, ModelSpec
from .adam import Adam
from .bptt import BACKWARD, FORWARD, GATES, STATE, TAPE
from .learner import Options
from .loss import total_loss

WARM_UP = 1000  # frames in which a state of rest is forgotten
CHUNK = 500  # frames of back-propagation
LONG_CHUNK = 2048  # with spectra, whose longest window must fit several times
PARTS = 2  # of a batch, each on its own thread; a number of the method, not of the machine: sums depend on it
PREDICTED = 256  # frames at a time
RATE = 1e-2
LONGEST_MEMORY = 2000.0  # frames, of a unit before it has learnt


class RecurrentLearner:
    """A recurrent net and its optimiser; weights in PyTorch's order, see `Learner`.

    The audio is not added to the output unless `Options.skip` says so: a pedal and an amp were learnt to a smaller
    error without it in the same time (`docs/guide/training.md`).
    """

    def __init__(self, cell: str, hidden: int, inputs: int, options: Options | None = None, seed: int = 0):
        self.options = options or Options()
        self.cell, self.hidden, self.inputs = cell, hidden, inputs
        self.skip = bool(self.options.skip)
        self.warm_up, self.rate = WARM_UP, RATE
        rows = GATES[cell] * hidden
        shapes = ((rows, inputs), (rows, hidden), (rows,), (rows,), (1, hidden), (1,))
        self.optimiser = Adam(np.zeros(sum(int(np.prod(shape)) for shape in shapes), np.float32))
        self.shapes = shapes
        self.weights = self._cut(self.optimiser.values)
        self._start(np.random.default_rng(seed))
        self._tapes = [np.empty(0, np.float32)] * PARTS
        self._threads = ThreadPoolExecutor(PARTS, "rtfx train")

    def _start(self, rng: np.random.Generator) -> None:
        bound, hidden = self.hidden**-0.5, self.hidden
        for weight in self.weights[:-1]:
            weight[:] = rng.uniform(-bound, bound, weight.shape)
        # frames that the units remember at first, and as much less of what is new (Tallec and Ollivier 2018)
        memory = np.log(np.geomspace(2.0, LONGEST_MEMORY, hidden) - 1.0)
        self.weights[2][hidden : 2 * hidden] = memory
        if self.cell == "lstm":
            self.weights[2][:hidden] = -memory
            self.weights[3][:] = 0.0  # the second bias says nothing that the first does not

    def _cut(self, vector: np.ndarray) -> list[np.ndarray]:
        """Return the tensors as views of a vector of all."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])
        return [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), self.shapes, strict=True)]

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """Learn from x (batch, inputs, frames) and y (batch, frames); return the mean loss of the chunks."""
        parts = PARTS if x.shape[0] % PARTS == 0 else 1
        heard = np.ascontiguousarray(np.moveaxis(x.reshape(parts, -1, *x.shape[1:]), 1, 3).swapaxes(1, 2), np.float32)
        wanted = np.ascontiguousarray(np.moveaxis(y.reshape(parts, -1, y.shape[1]), 1, 2), np.float32)
        lanes, frames = wanted.shape[2], wanted.shape[1]
        states = [self._rest(lanes) for _ in range(parts)]
        self._each(parts, lambda p: self._run(heard[p, : self.warm_up], states[p], p))
        chunk = min(LONG_CHUNK if self.options.spectra else CHUNK, frames - self.warm_up)
        losses = []
        for t in range(self.warm_up, frames - chunk + 1, chunk):
            losses.append(self._chunk(heard[:, t : t + chunk], wanted[:, t : t + chunk], states))
        return float(np.mean(losses))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return (frames,) for x (inputs, frames), from rest."""
        return self.predict_batch(x[None])[0]

    def predict_batch(self, x: np.ndarray) -> np.ndarray:
        """Return (batch, frames) for x (batch, inputs, frames), from rest."""
        parts = PARTS if x.shape[0] % PARTS == 0 else 1
        y = np.empty((x.shape[0], x.shape[2]), np.float32)
        lanes = x.shape[0] // parts

        def run(p: int) -> None:
            mine, state = slice(p * lanes, (p + 1) * lanes), self._rest(lanes)
            for t in range(0, x.shape[2], PREDICTED):
                piece = np.ascontiguousarray(x[mine, :, t : t + PREDICTED].transpose(2, 1, 0), np.float32)
                y[mine, t : t + PREDICTED] = self._run(piece, state, p)[0].T

        self._each(parts, run)
        return y

    def spec(self, name: str, sample_rate: float, knobs: tuple[Knob, ...], metadata: dict[str, Any]) -> ModelSpec:
        """Return the net as a model."""
        nodes: list[Node] = [Input(()), *(Input((), "knob", knob.name) for knob in knobs)]
        if knobs:
            nodes.append(Concat(tuple(range(len(nodes)))))
        nodes += self.layers(len(nodes) - 1)
        if self.skip:
            nodes.append(Add((len(nodes) - 1, 0)))
        return ModelSpec("rtfx", tuple(nodes), name, sample_rate, "file", knobs, "unknown", metadata=metadata)

    def layers(self, source: int) -> tuple[Node, Node]:
        """Return the cell, which hears node `source`, and the dense layer; nine digits, as many as a float32 needs."""
        w_ih, w_hh, b_ih, b_hh, w_out, b_out = (np.vectorize(lambda v: float(f"{v:.9g}"))(w) for w in self.weights)
        lstm = self.cell == "lstm"
        cell: Node = Lstm((source,), w_ih, w_hh, b_ih + b_hh) if lstm else Gru((source,), w_ih, w_hh, b_ih, b_hh)
        return cell, Dense((source + 1,), w_out, b_out)

    def state(self) -> dict[str, np.ndarray]:
        """Return weights and optimiser."""
        return self.optimiser.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        self.optimiser.restore(state)

    def _each(self, parts: int, work: Callable[[int], Any]) -> list[Any]:
        """Return what `work` returns for every part, computed side by side."""
        return list(self._threads.map(work, range(parts))) if parts > 1 else [work(0)]

    def _rest(self, lanes: int) -> np.ndarray:
        return np.zeros((STATE[self.cell] * self.hidden, lanes), np.float32)

    def _run(self, x: np.ndarray, state: np.ndarray, part: int) -> tuple[np.ndarray, np.ndarray]:
        """Return output (frames, lanes) and tape for x (frames, inputs, lanes); `state` moves on.

        The tape is the part's own until its next run: fresh memory would cost as much as the arithmetic.
        """
        shape = x.shape[0], TAPE[self.cell] * self.hidden, x.shape[2]
        if self._tapes[part].size < math.prod(shape):
            self._tapes[part] = np.empty(math.prod(shape), np.float32)
        tape = self._tapes[part][: math.prod(shape)].reshape(shape)
        y = np.empty((x.shape[0], x.shape[2]), np.float32)
        FORWARD[self.cell](x, *self.weights, state, tape, y)
        if self.skip:
            y += x[:, 0]
        return y, tape

    def _gradient(self, x: np.ndarray, tape: np.ndarray, state: np.ndarray, by_y: np.ndarray) -> np.ndarray:
        """Return the gradient of all weights as one vector, for a gradient by the output (frames, lanes)."""
        vector = np.zeros_like(self.optimiser.values)
        known = self.weights[0], self.weights[1], self.weights[4]
        BACKWARD[self.cell](x, *known, tape, state, by_y, *self._cut(vector))
        return vector

    def _chunk(self, heard: np.ndarray, wanted: np.ndarray, states: list[np.ndarray]) -> float:
        """Take one step of the optimiser over heard (parts, frames, inputs, lanes); return the loss before it."""
        parts = len(states)
        runs = self._each(parts, lambda p: self._run(heard[p], states[p], p))
        value, gradient = total_loss(np.stack([out for out, _ in runs]), np.ascontiguousarray(wanted), self.options)
        found = self._each(parts, lambda p: self._gradient(heard[p], runs[p][1], states[p], gradient[p]))
        self.optimiser.step(np.sum(found, axis=0), self.rate)
        return value
