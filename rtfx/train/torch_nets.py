"""One learner for every graph, through PyTorch: the named architectures, and models that were trained before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..errors import UsageError
from ..model.nodes import Conv1d, Dense, Gru, Input, Lstm, PRelu, Rnn
from ..model.spec import SIZE, Knob, ModelSpec
from .adam import Adam
from .graph_net import run
from .learner import Options
from .loss import SILENCE, total_loss
from .untrained import untrained

LEARNT = (Dense, Conv1d, Lstm, Gru, Rnn, PRelu)  # what is fixed in an Affine is a level, no layer
STATES = ("h0", "c0")
RATE, AGAIN_RATE = 1e-2, 5e-4  # of new nets, and of those that know something
RECURRENT_WARM_UP, RECURRENT_PIECE = 1000, 1000  # frames
BATCH_FRAMES = 24000  # of targets that one step of the optimiser is taken for
PREDICTED = 1 << 16  # frames at a time


def learner(name: str, inputs: int, options: Options, seed: int) -> TorchLearner:
    """Return an untrained net of one of `learner.TORCH_NETS`."""
    return TorchLearner(untrained(name, inputs, seed, bool(options.skip)), options, RATE)


def again(spec: ModelSpec, options: Options) -> TorchLearner:
    """Return a learner that goes on from a model's weights: any graph; of a slimmable net the full size."""
    knobs = tuple(knob for knob in spec.knobs if not (spec.sizes and knob.name == SIZE))
    about = {"loudness_db": None, "level_db": 0.0, "parameters": None, "sizes": (), "knobs": knobs}
    return TorchLearner(replace(spec, family="rtfx", **about), options, AGAIN_RATE)  # type: ignore[arg-type]


class TorchLearner:
    """A model's graph and its optimiser, see `Learner`.

    Learnt are the tensors of layers, but for biases of zeros: a file that leaves them out has no place for them.
    """

    def __init__(self, model: ModelSpec, options: Options, rate: float):
        self.model, self.options, self.rate = model, options, rate
        reach = sum((n.weight.shape[2] - 1) * n.dilation for n in model.nodes if isinstance(n, Conv1d))
        field = model.receptive_field
        self.warm_up = min(reach, model.prewarm_frames) + RECURRENT_WARM_UP if field is None else field - 1
        found = {
            f"node{i}.{name}": tensor
            for i, node in enumerate(model.nodes)
            if isinstance(node, LEARNT)
            for name, tensor in node.tensors.items()
            if name not in STATES and tensor.any()
        }
        self.optimiser = Adam(np.concatenate([tensor.ravel() for tensor in found.values()]).astype(np.float32))
        self._vector = torch.from_numpy(self.optimiser.values).requires_grad_()  # one memory, both see every step
        self._shapes = {name: tensor.shape for name, tensor in found.items()}

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """Learn from x (batch, inputs, frames) and y (batch, frames), a part at a time; return the mean loss."""
        losses, whole = [], self._power(y[:, self.warm_up :])
        for heard, wanted in self._parts(x, y):
            share = np.float32(self._power(wanted) / whole)  # else a quiet part, whose own ratio is bad, counts as much
            out = run(self.model, self._weights(), torch.from_numpy(heard), wanted.shape[1])[0]
            value, gradient = total_loss(_lanes(out.detach().numpy()), _lanes(wanted), self.options)
            out.backward(torch.from_numpy(np.ascontiguousarray(share * gradient[0].T)))
            self.optimiser.step(np.asarray(self._vector.grad), self.rate)
            self._vector.grad = None
            losses.append(share * value)
        return float(np.mean(losses))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return (frames,) for x (inputs, frames), after the zeros that the model asks for."""
        quiet = np.repeat(x[:, :1], self.model.prewarm_frames, axis=1)
        quiet[: self.model.inputs] = 0.0
        heard = torch.from_numpy(np.concatenate([quiet, x], axis=1, dtype=np.float32)[None])
        frames, before = x.shape[1], quiet.shape[1]
        piece = frames if self.model.recurrent or self.model.period > 1 else PREDICTED
        y = np.empty(frames, np.float32)
        with torch.no_grad():
            for start in range(0, frames, piece):
                stop = min(start + piece, frames)
                part = heard[:, :, 0 if piece == frames else start : before + stop]
                y[start:stop] = run(self.model, self._weights(), part, stop - start)[0, 0].numpy()
        return y

    def spec(self, name: str, sample_rate: float, knobs: tuple[Knob, ...], metadata: dict[str, Any]) -> ModelSpec:
        """Return the model as it is now, its numbers with the nine digits that a float32 needs."""
        learnt = {key: np.vectorize(lambda v: float(f"{v:.9g}"))(w.detach().numpy()) for key, w in self._items()}
        if len(knobs) != len(self.model.knobs):
            raise UsageError(f"{self.model.name} has {len(self.model.knobs)} knobs, what it learns from {len(knobs)}")
        names = {old.name: new.name for old, new in zip(self.model.knobs, knobs, strict=True)}
        nodes = []
        for i, node in enumerate(self.model.nodes):
            given = {key.split(".")[1]: value for key, value in learnt.items() if key.startswith(f"node{i}.")}
            if isinstance(node, Input) and node.role == "knob":
                given = {"name": names[node.name]}
            nodes.append(replace(node, **given))
        about = {"name": name, "sample_rate": sample_rate, "rate_source": "file", "knobs": knobs, "metadata": metadata}
        return replace(self.model, nodes=tuple(nodes), **about)  # type: ignore[arg-type]

    def state(self) -> dict[str, np.ndarray]:
        """Return weights and optimiser."""
        return self.optimiser.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` returned."""
        self.optimiser.restore(state)

    def _power(self, wanted: np.ndarray) -> float:
        """Return the mean square that a loss is relative to, the same for all where every part counts alike."""
        if self.options.evenly:
            return 1.0
        return float(np.mean((wanted[:, 1:] - self.options.pre_emphasis * wanted[:, :-1]) ** 2) + SILENCE)

    def _items(self) -> Iterator[tuple[str, Any]]:
        """Yield name and tensor, a view of the vector of all."""
        sizes = [int(np.prod(shape)) for shape in self._shapes.values()]
        parts = self._vector.split(sizes)
        for (name, shape), part in zip(self._shapes.items(), parts, strict=True):
            yield name, part.view(shape)

    def _weights(self) -> dict[str, Any]:
        return dict(self._items())

    def _parts(self, x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield input with warm-up and wanted output of every step: of recurrent nets many short pieces side by side.

        A framework that calls a library at every frame is fast only for many of them at once.
        """
        whole = y.shape[1] - self.warm_up
        piece = min(RECURRENT_PIECE, whole) if self.model.recurrent else whole
        count = max(1, BATCH_FRAMES // piece)
        places = [(lane, start) for start in range(0, whole - piece + 1, piece) for lane in range(len(x))]
        for i in range(0, len(places), count):
            taken = places[i : i + count]
            heard = np.stack([x[lane, :, start : start + self.warm_up + piece] for lane, start in taken])
            first = self.warm_up
            yield heard, np.stack([y[lane, first + start : first + start + piece] for lane, start in taken])


def _lanes(wave: np.ndarray) -> np.ndarray:
    """Return (1, frames, batch) for (batch, frames), as losses take it."""
    return np.ascontiguousarray(wave.T)[None]
