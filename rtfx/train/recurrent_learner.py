"""Trains one GRU or LSTM with a linear output by truncated back-propagation through time on two threads.

After a warm-up without gradient, Adam takes one step every `CHUNK` frames, and the state is kept between steps. For the
small nets of pedals these compiled loops are about 100 times faster than a framework that calls a library for each time
step, because the vector lanes hold the segments of the batch.

Arrays are float32: x (frames, inputs, batch), y and its gradient (frames,
batch), states (hidden, batch), time leading. Gates and weights are in PyTorch's order: GRU r, z, n with two biases;
LSTM i, f, g, o with the second bias zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..model.nodes import Add, Concat, Dense, Gru, Input, Lstm, Node
from ..model.spec import Knob, ModelSpec
from .compiled import compiled_as_written as compiled
from .learner import Options
from .loss import Adam, total_loss
from .tiles import gru_gates, gru_slopes, lstm_gates, lstm_slopes, outer, tile

FLOAT = 4  # bytes
STEPS = 8  # frames whose gradients are summed at a time: their intermediate results fit the level-1 cache
WARM_UP = 1000  # frames after which the initial state no longer matters
CHUNK = 500  # frames of back-propagation
LONG_CHUNK = 2048  # used with spectra: several of the longest windows must fit
PARTS = 2  # parts of a batch, one thread each; equal on all machines, because the order of sums depends on it
PREDICTED = 256  # frames that are predicted at a time
RATE = 1e-2
LONGEST_MEMORY = 2000.0  # frames: longest memory of an untrained unit


@compiled
def at(array):
    """Return an array's address; the caller must keep a reference to the array."""
    return np.int64(array.ctypes.data)


@compiled
def add_product(y, weight, x, rows, terms, w_row, w_term, lanes):
    """Compute y += weight x, with weight[r, k] at the offset r w_row + k w_term."""
    whole = lanes // 16 * 16
    for b in range(0, whole, 16):
        r = 0
        while r + 8 <= rows:
            place = y + FLOAT * (r * lanes + b)
            tile(weight + FLOAT * r * w_row, 0, x + FLOAT * b, place, terms, w_row, w_term, lanes, 8, 16, 0)
            r += 8
        while r < rows:
            place = y + FLOAT * (r * lanes + b)
            tile(weight + FLOAT * r * w_row, 0, x + FLOAT * b, place, terms, w_row, w_term, lanes, 1, 16, 0)
            r += 1
    for b in range(whole, lanes):
        for r in range(rows):
            place = y + FLOAT * (r * lanes + b)
            tile(weight + FLOAT * r * w_row, 0, x + FLOAT * b, place, terms, w_row, w_term, lanes, 1, 1, 0)


@compiled
def put_product(y, bias, weight, x, rows, terms, lanes):
    """Compute y = bias + weight x, with the weight stored row by row."""
    whole = lanes // 16 * 16
    for b in range(0, whole, 16):
        r = 0
        while r + 8 <= rows:
            w, first, place = weight + FLOAT * r * terms, bias + FLOAT * r, y + FLOAT * (r * lanes + b)
            tile(w, first, x + FLOAT * b, place, terms, terms, 1, lanes, 8, 16, 1)
            r += 8
        while r < rows:
            w, first, place = weight + FLOAT * r * terms, bias + FLOAT * r, y + FLOAT * (r * lanes + b)
            tile(w, first, x + FLOAT * b, place, terms, terms, 1, lanes, 1, 16, 1)
            r += 1
    for b in range(whole, lanes):
        for r in range(rows):
            w, first, place = weight + FLOAT * r * terms, bias + FLOAT * r, y + FLOAT * (r * lanes + b)
            tile(w, first, x + FLOAT * b, place, terms, terms, 1, lanes, 1, 1, 1)


@compiled
def gather(total, left, right, rows, columns, frames, l_frame, r_frame, lanes):
    """Add the sum over frames and vectors of left[r] right[k] to total (rows, columns, 16).

    The last lanes, which fill no vector, are added to lane 0.
    """
    whole = lanes // 16 * 16
    r = 0
    while r < rows:
        high = 4 if r + 4 <= rows else 1
        k = 0
        while k < columns:
            wide = 4 if high == 4 and k + 4 <= columns else 1
            place = total + FLOAT * 16 * (r * columns + k)
            for b in range(0, whole, 16):
                a, c = left + FLOAT * (r * lanes + b), right + FLOAT * (k * lanes + b)
                if wide == 4:
                    outer(a, c, place, frames, l_frame, r_frame, lanes, columns, 4, 4, 16)
                elif high == 4:
                    outer(a, c, place, frames, l_frame, r_frame, lanes, columns, 4, 1, 16)
                else:
                    outer(a, c, place, frames, l_frame, r_frame, lanes, columns, 1, 1, 16)
            for b in range(whole, lanes):
                for i in range(high):
                    for j in range(wide):
                        a, c = left + FLOAT * ((r + i) * lanes + b), right + FLOAT * ((k + j) * lanes + b)
                        one = total + FLOAT * 16 * ((r + i) * columns + k + j)
                        outer(a, c, one, frames, l_frame, r_frame, lanes, columns, 1, 1, 1)
            k += wide
        r += high


@compiled
def gather_output(total, total_bias, d_y, tape, last, first, stop, per, hidden, lanes, ones):
    """Add frames `first` to `stop` to the output's gradients, (hidden, 16) and (1, 16).

    `last` is the state after the last frame, which the tape does not hold.
    """
    within = min(stop, tape.shape[0] - 1)
    left, row = at(d_y), FLOAT * lanes
    gather(
        total,
        left + first * row,
        at(tape) + FLOAT * (first + 1) * per,
        1,
        hidden,
        within - first,
        lanes,
        per,
        lanes,
    )
    if stop == tape.shape[0]:
        gather(total, left + within * row, last, 1, hidden, 1, 0, 0, lanes)
    gather(total_bias, left + first * row, ones, 1, 1, stop - first, lanes, 0, lanes)


@compiled
def gru_forward(x, w_ih, w_hh, b_ih, b_hh, w_out, b_out, state, tape, y):
    """Run the GRU from `state`, which becomes the last state.

    The tape (frames, 5 hidden, batch) gets the previous h, r, z, n and the product's second factor U_n h + b.
    """
    hidden, inputs, lanes, frames = w_hh.shape[1], x.shape[1], x.shape[2], x.shape[0]
    both = b_ih + b_hh
    size = hidden * lanes
    group, row = FLOAT * size, FLOAT * lanes
    bend = 2 * hidden * FLOAT  # from the first bias to those of n
    tape[0, :hidden] = state
    for t in range(frames):
        h = at(tape) + t * 5 * group
        source = at(x) + t * inputs * row
        put_product(h + group, at(both), at(w_ih), source, 2 * hidden, inputs, lanes)
        add_product(h + group, at(w_hh), h, 2 * hidden, hidden, hidden, 1, lanes)
        put_product(h + 3 * group, at(b_ih) + bend, at(w_ih) + bend * inputs, source, hidden, inputs, lanes)
        put_product(h + 4 * group, at(b_hh) + bend, at(w_hh) + bend * hidden, h, hidden, hidden, lanes)
        after = h + 5 * group if t + 1 < frames else at(state)
        gru_gates(h, after, size)
        put_product(at(y) + t * row, at(b_out), at(w_out), after, 1, hidden, lanes)


@compiled
def gru_backward(x, w_ih, w_hh, w_out, tape, last, d_y, g_ih, g_hh, g_bih, g_bhh, g_out, g_bout):
    """Add to the gradients of all weights; `last` is the state after the last frame."""
    frames, hidden, lanes, inputs = x.shape[0], w_hh.shape[1], x.shape[2], x.shape[1]
    size, row = hidden * lanes, FLOAT * lanes
    group = FLOAT * size
    d_h, ones = np.zeros(size, np.float32), np.ones(lanes, np.float32)
    d_a, d_c = np.empty((STEPS, 3 * size), np.float32), np.empty((STEPS, 3 * size), np.float32)
    s_ih, s_hh = np.zeros((3 * hidden, inputs, 16), np.float32), np.zeros((3 * hidden, hidden, 16), np.float32)
    s_bih, s_bhh = np.zeros((3 * hidden, 16), np.float32), np.zeros((3 * hidden, 16), np.float32)
    s_out, s_bout = np.zeros((hidden, 16), np.float32), np.zeros((1, 16), np.float32)
    stop = frames
    while stop > 0:
        first = max(stop - STEPS, 0)
        for t in range(stop - 1, first - 1, -1):
            a, c = at(d_a) + (t - first) * 3 * group, at(d_c) + (t - first) * 3 * group
            add_product(at(d_h), at(w_out), at(d_y) + t * row, hidden, 1, 1, 1, lanes)
            gru_slopes(at(tape) + t * 5 * group, at(d_h), a, c, size)
            add_product(at(d_h), at(w_hh), c, hidden, 3 * hidden, 1, hidden, lanes)
        n, h = stop - first, at(tape) + first * 5 * group
        a, c, source = at(d_a), at(d_c), at(x) + first * inputs * row
        gather(at(s_ih), a, source, 3 * hidden, inputs, n, 3 * size, inputs * lanes, lanes)
        gather(at(s_hh), c, h, 3 * hidden, hidden, n, 3 * size, 5 * size, lanes)
        gather(at(s_bih), a, at(ones), 3 * hidden, 1, n, 3 * size, 0, lanes)
        gather(at(s_bhh), c, at(ones), 3 * hidden, 1, n, 3 * size, 0, lanes)
        outs = at(s_out), at(s_bout)
        gather_output(outs[0], outs[1], d_y, tape, at(last), first, stop, 5 * size, hidden, lanes, at(ones))
        stop = first
    g_ih += s_ih.sum(axis=2)
    g_hh += s_hh.sum(axis=2)
    g_bih += s_bih.sum(axis=1)
    g_bhh += s_bhh.sum(axis=1)
    g_out[0] += s_out.sum(axis=1)
    g_bout += s_bout.sum(axis=1)


@compiled
def lstm_forward(x, w_ih, w_hh, b_ih, b_hh, w_out, b_out, state, tape, y):
    """Run the LSTM from `state` (h, then c), which becomes the last state.

    The tape (frames, 7 hidden, batch) gets the previous h and c, i, f, g, o and tanh(c).
    """
    hidden, inputs, lanes, frames = w_hh.shape[1], x.shape[1], x.shape[2], x.shape[0]
    both = b_ih + b_hh
    size = hidden * lanes
    group, row = FLOAT * size, FLOAT * lanes
    tape[0, : 2 * hidden] = state
    for t in range(frames):
        h = at(tape) + t * 7 * group
        source = at(x) + t * inputs * row
        put_product(h + 2 * group, at(both), at(w_ih), source, 4 * hidden, inputs, lanes)
        add_product(h + 2 * group, at(w_hh), h, 4 * hidden, hidden, hidden, 1, lanes)
        after = h + 7 * group if t + 1 < frames else at(state)
        lstm_gates(h, after, size)
        put_product(at(y) + t * row, at(b_out), at(w_out), after, 1, hidden, lanes)


@compiled
def lstm_backward(x, w_ih, w_hh, w_out, tape, last, d_y, g_ih, g_hh, g_bih, g_bhh, g_out, g_bout):
    """Add to the gradients of all weights; the second bias has no gradient."""
    frames, hidden, lanes, inputs = x.shape[0], w_hh.shape[1], x.shape[2], x.shape[1]
    size, row = hidden * lanes, FLOAT * lanes
    group = FLOAT * size
    d_h, d_c, ones = np.zeros(size, np.float32), np.zeros(size, np.float32), np.ones(lanes, np.float32)
    d_a = np.empty((STEPS, 4 * size), np.float32)
    s_ih, s_hh = np.zeros((4 * hidden, inputs, 16), np.float32), np.zeros((4 * hidden, hidden, 16), np.float32)
    s_bias = np.zeros((4 * hidden, 16), np.float32)
    s_out, s_bout = np.zeros((hidden, 16), np.float32), np.zeros((1, 16), np.float32)
    stop = frames
    while stop > 0:
        first = max(stop - STEPS, 0)
        for t in range(stop - 1, first - 1, -1):
            a = at(d_a) + (t - first) * 4 * group
            add_product(at(d_h), at(w_out), at(d_y) + t * row, hidden, 1, 1, 1, lanes)
            lstm_slopes(at(tape) + t * 7 * group, at(d_h), at(d_c), a, size)
            add_product(at(d_h), at(w_hh), a, hidden, 4 * hidden, 1, hidden, lanes)
        n, h = stop - first, at(tape) + first * 7 * group
        a, source = at(d_a), at(x) + first * inputs * row
        gather(at(s_ih), a, source, 4 * hidden, inputs, n, 4 * size, inputs * lanes, lanes)
        gather(at(s_hh), a, h, 4 * hidden, hidden, n, 4 * size, 7 * size, lanes)
        gather(at(s_bias), a, at(ones), 4 * hidden, 1, n, 4 * size, 0, lanes)
        outs = at(s_out), at(s_bout)
        gather_output(outs[0], outs[1], d_y, tape, at(last), first, stop, 7 * size, hidden, lanes, at(ones))
        stop = first
    g_ih += s_ih.sum(axis=2)
    g_hh += s_hh.sum(axis=2)
    g_bih += s_bias.sum(axis=1)
    g_out[0] += s_out.sum(axis=1)
    g_bout += s_bout.sum(axis=1)


FORWARD: dict[str, Callable[..., Any]] = {"gru": gru_forward, "lstm": lstm_forward}
BACKWARD: dict[str, Callable[..., Any]] = {"gru": gru_backward, "lstm": lstm_backward}
TAPE = {"gru": 5, "lstm": 7}  # values stored on the tape for each hidden unit
STATE = {"gru": 1, "lstm": 2}
GATES = {"gru": 3, "lstm": 4}


class RecurrentLearner:
    """A recurrent net and its optimiser; weights in PyTorch's order, see `Learner`.

    The audio is added to the output only if `Options.skip` is true: without it, the error for a pedal and an amp was
    smaller after the same training time (`docs/guide/training.md`).
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
        # biases of z or f that give the units memories of 2 to LONGEST_MEMORY frames (Tallec and Ollivier 2018)
        memory = np.log(np.geomspace(2.0, LONGEST_MEMORY, hidden) - 1.0)
        self.weights[2][hidden : 2 * hidden] = memory
        if self.cell == "lstm":
            self.weights[2][:hidden] = -memory
            self.weights[3][:] = 0.0  # the second bias is redundant

    def _cut(self, vector: np.ndarray) -> list[np.ndarray]:
        """Return the tensors as views of the vector that holds all of them."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])
        return [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), self.shapes, strict=True)]

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """Learn from x (batch, inputs, frames) and y (batch, frames); return the mean loss of the chunks."""
        parts = PARTS if x.shape[0] % PARTS == 0 else 1
        x_lanes = np.ascontiguousarray(np.moveaxis(x.reshape(parts, -1, *x.shape[1:]), 1, 3).swapaxes(1, 2), np.float32)
        wanted = np.ascontiguousarray(np.moveaxis(y.reshape(parts, -1, y.shape[1]), 1, 2), np.float32)
        lanes, frames = wanted.shape[2], wanted.shape[1]
        states = [self._rest(lanes) for _ in range(parts)]
        self._each(parts, lambda p: self._run(x_lanes[p, : self.warm_up], states[p], p))
        chunk = min(LONG_CHUNK if self.options.spectra else CHUNK, frames - self.warm_up)
        losses = []
        for t in range(self.warm_up, frames - chunk + 1, chunk):
            losses.append(self._chunk(x_lanes[:, t : t + chunk], wanted[:, t : t + chunk], states))
        return float(np.mean(losses))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return (frames,) for x (inputs, frames), from the initial state."""
        return self.predict_batch(x[None])[0]

    def predict_batch(self, x: np.ndarray) -> np.ndarray:
        """Return (batch, frames) for x (batch, inputs, frames), from the initial state."""
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
        """Return the cell, which reads node `source`, and the dense layer, in nine digits: enough for float32."""
        w_ih, w_hh, b_ih, b_hh, w_out, b_out = (np.vectorize(lambda v: float(f"{v:.9g}"))(w) for w in self.weights)
        lstm = self.cell == "lstm"
        cell: Node = Lstm((source,), w_ih, w_hh, b_ih + b_hh) if lstm else Gru((source,), w_ih, w_hh, b_ih, b_hh)
        return cell, Dense((source + 1,), w_out, b_out)

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of the weights and the optimiser's state."""
        return self.optimiser.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Set weights and optimiser to a result of `state`."""
        self.optimiser.restore(state)

    def _each(self, parts: int, work: Callable[[int], Any]) -> list[Any]:
        """Return the result of `work` for every part; the parts run in parallel."""
        return list(self._threads.map(work, range(parts))) if parts > 1 else [work(0)]

    def _rest(self, lanes: int) -> np.ndarray:
        return np.zeros((STATE[self.cell] * self.hidden, lanes), np.float32)

    def _run(self, x: np.ndarray, state: np.ndarray, part: int) -> tuple[np.ndarray, np.ndarray]:
        """Return output (frames, lanes) and tape for x (frames, inputs, lanes); `state` becomes the last state.

        The next run of the same part overwrites the tape: allocating a new one would take as long as the arithmetic.
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
        """Return the gradient of all weights as one vector, from the gradient of the output (frames, lanes)."""
        vector = np.zeros_like(self.optimiser.values)
        known = self.weights[0], self.weights[1], self.weights[4]
        BACKWARD[self.cell](x, *known, tape, state, by_y, *self._cut(vector))
        return vector

    def _chunk(self, x_lanes: np.ndarray, wanted: np.ndarray, states: list[np.ndarray]) -> float:
        """Take one step of the optimiser over x_lanes (parts, frames, inputs, lanes); return the loss before it."""
        parts = len(states)
        runs = self._each(parts, lambda p: self._run(x_lanes[p], states[p], p))
        value, gradient = total_loss(np.stack([out for out, _ in runs]), np.ascontiguousarray(wanted), self.options)
        found = self._each(parts, lambda p: self._gradient(x_lanes[p], runs[p][1], states[p], gradient[p]))
        self.optimiser.step(np.sum(found, axis=0), self.rate)
        return value
