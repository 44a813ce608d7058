"""Computes a model's graph in PyTorch, differentiable with respect to its weights, and trains it.

rtfx plays the same graph that is trained. Signals are (features, batch, frames), so a layer is one matrix product over
all frames of all segments. A node computes only those last frames that later nodes read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..errors import UsageError
from ..model.nodes import (
    Activation,
    Add,
    Affine,
    Concat,
    Conv1d,
    Dense,
    Gru,
    Hold,
    Input,
    Lstm,
    Mul,
    Node,
    PRelu,
    Recurrent,
    Rnn,
    Slice,
)
from ..model.nodes.activation import SELU_ALPHA, SELU_SCALE, SOFTPLUS_LINEAR
from ..model.spec import SIZE, Knob, ModelSpec
from .learner import Options
from .loss import SILENCE, Adam, total_loss
from .untrained import untrained

Tensors = Mapping[str, Any]
ACTIVATIONS: dict[str, Callable[..., Any]] = {
    "tanh": lambda x, *constants: torch.tanh(x),
    "relu": lambda x, *constants: torch.relu(x),
    "leaky_relu": lambda x, slope, *constants: torch.nn.functional.leaky_relu(x, slope),
    "sigmoid": lambda x, *constants: torch.sigmoid(x),
    "softmax": lambda x, *constants: torch.softmax(x, dim=0),
    "elu": lambda x, slope, *constants: torch.where(x >= 0, x, slope * torch.expm1(x.clamp(max=0.0))),
    "sine": lambda x, slope, *constants: torch.sin(slope * x),
    "silu": lambda x, *constants: torch.nn.functional.silu(x),
    "hardswish": lambda x, *constants: torch.nn.functional.hardswish(x),
    "softsign": lambda x, *constants: x / (1.0 + x.abs()),
    "selu": lambda x, *constants: SELU_SCALE * ACTIVATIONS["elu"](x, SELU_ALPHA),
    "gelu": lambda x, *constants: torch.nn.functional.gelu(x),
    "softplus": lambda x, *constants: torch.nn.functional.softplus(x, threshold=SOFTPLUS_LINEAR),
    "softshrink": lambda x, slope, *constants: torch.nn.functional.softshrink(x, slope),
}
LEARNT = (Dense, Conv1d, Lstm, Gru, Rnn, PRelu)  # nodes that are trained; not Affine, which is a fixed level
STATES = ("h0", "c0")
RATE, AGAIN_RATE = 1e-2, 5e-4  # learning rates of untrained and of trained nets
RECURRENT_WARM_UP, RECURRENT_PIECE = 1000, 1000  # frames
BATCH_FRAMES = 24000  # target frames per step of the optimiser
PREDICTED = 1 << 16  # frames that are predicted at a time


def _hardtanh(x, slope, slope_high, low, high):
    above = torch.where(x > high, high + slope_high * (x - high), x)
    return torch.where(x < low, low + slope * (x - low), above)


def _fasttanh(x, *constants):
    q, square = x.abs(), x * x
    above = x * (2.45550750702956 * (1 + q) + (0.893229853513558 + 0.821226666969744 * q) * square)
    return above / (2.44506634652299 + (2.44506634652299 + square) * (x + 0.814642734961073 * x * q).abs())


ACTIVATIONS |= {"hardtanh": _hardtanh, "fasttanh": _fasttanh}


def run(spec: ModelSpec, weights: Tensors, x: Any, frames: int) -> Any:
    """Return the last `frames` of the model's output, (outputs, batch, frames), from zeros in every history.

    Parameters
    ----------
    spec : ModelSpec
    weights : mapping of str to torch.Tensor
        Tensors that replace the spec's own, named as in `model.update.weights_of`: ``node3.weight``.
    x : torch.Tensor
        (batch, inputs, all frames): audio channels, then knobs in the order of `spec.knobs`.
    """
    whole = x.shape[2]
    needs = _needs(spec, frames, whole)
    signals: list[Any] = []
    last_used = {s: i for i, node in enumerate(spec.nodes) for s in node.sources}
    rows = x.transpose(0, 1)
    knobs = [knob.name for knob in spec.knobs if not (spec.sizes and knob.name == SIZE)]
    channel = 0
    for i, node in enumerate(spec.nodes):
        sources = [signals[s] for s in node.sources]
        if isinstance(node, Input):
            if node.role == "audio":
                y = rows[channel : channel + node.channels]
                channel += node.channels
            elif node.role == "knob":
                place = spec.inputs + knobs.index(node.name)
                y = rows[place : place + 1]
            else:
                y = torch.full_like(rows[:1], 1.0 / (spec.sample_rate or 48000.0))
        else:
            tensors = {
                name: weights[key] if (key := f"node{i}.{name}") in weights else _tensor(value, x)
                for name, value in vars(node).items()
                if isinstance(value, np.ndarray)
            }
            y = COMPUTE[type(node)](node, tensors, sources, needs[i])
        signals.append(y[..., y.shape[2] - needs[i] :])
        for s in set(node.sources):
            if last_used[s] == i:  # frees memory: otherwise each node would keep a copy as long as the audio
                signals[s] = None
    return signals[-1]


def _tensor(value: np.ndarray, like: Any) -> Any:
    return torch.as_tensor(value, dtype=like.dtype)


def _needs(spec: ModelSpec, frames: int, whole: int) -> list[int]:
    """Return, for every node, the number of its last frames that later nodes read."""
    needs = [0] * len(spec.nodes)
    needs[-1] = min(frames, whole)
    for i in range(len(spec.nodes) - 1, -1, -1):
        node, reach = spec.nodes[i], 0
        if isinstance(node, Conv1d):
            reach = (node.weight.shape[2] - 1) * node.dilation
        elif isinstance(node, (Recurrent, Hold)):
            reach = whole
        for s in node.sources:
            needs[s] = max(needs[s], min(needs[i] + reach, whole))
    return needs


def _common(sources: Sequence[Any], frames: int) -> list[Any]:
    return [x[..., x.shape[2] - frames :] for x in sources]


def _dense(node: Dense, w: Tensors, sources: list[Any], frames: int) -> Any:
    (x,) = _common(sources, frames)
    return torch.addmm(w["bias"][:, None], w["weight"], x.reshape(x.shape[0], -1)).view(-1, *x.shape[1:])


def _conv1d(node: Conv1d, w: Tensors, sources: list[Any], frames: int) -> Any:
    (x,) = sources
    (outputs, inputs, taps), groups, d = w["weight"].shape, node.groups, node.dilation
    missing = frames + (taps - 1) * d - x.shape[2]
    if missing > 0:  # before the first frame there was silence
        x = torch.nn.functional.pad(x, (missing, 0))
    start = x.shape[2] - frames - (taps - 1) * d
    shifted = [x[..., start + k * d : start + k * d + frames] for k in range(taps)]
    batch = x.shape[1]
    if groups == 1:
        weight = w["weight"].permute(0, 2, 1).reshape(outputs, taps * inputs)
        return torch.addmm(w["bias"][:, None], weight, torch.cat(shifted).view(taps * inputs, -1)).view(
            -1, batch, frames
        )
    weight = w["weight"].view(groups, outputs // groups, inputs, taps).transpose(2, 3).flatten(2)
    stacked = torch.stack([part.reshape(groups, inputs, batch * frames) for part in shifted], dim=1)
    return (weight @ stacked.flatten(1, 2)).view(outputs, batch, frames) + w["bias"][:, None, None]


def _recurrent(node: Lstm | Gru | Rnn, w: Tensors, sources: list[Any], frames: int) -> Any:
    (x,) = sources
    if isinstance(node, Gru):
        biases = [w["bias_ih"], w["bias_hh"]]
    else:
        biases = [w["bias"], torch.zeros_like(w["bias"])]
    state = _tensor(node.stored_state(np.float64), x).view(-1, 1, 1, node.width)
    starts = [part.expand(1, x.shape[1], -1).contiguous() for part in state]
    step: Any = {Lstm: torch.lstm, Gru: torch.gru, Rnn: torch.rnn_tanh}[type(node)]
    first = starts if isinstance(node, Lstm) else starts[0]
    options = True, 1, 0.0, False, False, False  # biases, layers, dropout, training, both directions, batch first
    return step(x.permute(2, 1, 0).contiguous(), first, [w["weight_ih"], w["weight_hh"], *biases], *options)[0].permute(
        2, 1, 0
    )


def _activation(node: Activation, w: Tensors, sources: list[Any], frames: int) -> Any:
    return ACTIVATIONS[node.kind](_common(sources, frames)[0], *node.constants)


def _prelu(node: PRelu, w: Tensors, sources: list[Any], frames: int) -> Any:
    (x,) = _common(sources, frames)
    return torch.where(x >= 0, x, w["alpha"][:, None, None] * x)


def _affine(node: Affine, w: Tensors, sources: list[Any], frames: int) -> Any:
    (x,) = _common(sources, frames)
    return w["scale"][:, None, None] * x + w["shift"][:, None, None]


def _add(node: Add, w: Tensors, sources: list[Any], frames: int) -> Any:
    total, *others = _common(sources, frames)
    for other in others:
        total = total + other
    return total


def _mul(node: Mul, w: Tensors, sources: list[Any], frames: int) -> Any:
    product, *others = _common(sources, frames)
    for other in others:
        product = product * other
    return product


def _concat(node: Concat, w: Tensors, sources: list[Any], frames: int) -> Any:
    return torch.cat(_common(sources, frames))


def _slice(node: Slice, w: Tensors, sources: list[Any], frames: int) -> Any:
    return _common(sources, frames)[0][node.start : node.stop]


def _hold(node: Hold, w: Tensors, sources: list[Any], frames: int) -> Any:
    (x,) = sources
    now = torch.arange(x.shape[2])
    age = (now - node.phase) % node.stride
    sounds = (now >= age) & ((age == 0) | (node.between == "last"))
    return torch.where(sounds, x[..., (now - age).clamp(min=0)], torch.zeros((), dtype=x.dtype))


COMPUTE: dict[type[Node], Callable[..., Any]] = {
    Dense: _dense,
    Conv1d: _conv1d,
    Lstm: _recurrent,
    Gru: _recurrent,
    Rnn: _recurrent,
    Activation: _activation,
    PRelu: _prelu,
    Affine: _affine,
    Add: _add,
    Mul: _mul,
    Concat: _concat,
    Slice: _slice,
    Hold: _hold,
}


def learner(name: str, inputs: int, options: Options, seed: int) -> TorchLearner:
    """Return an untrained net of one of `learner.TORCH_NETS`."""
    return TorchLearner(untrained(name, inputs, seed, bool(options.skip)), options, RATE)


def again(spec: ModelSpec, options: Options) -> TorchLearner:
    """Return a learner that starts from a model's weights; any graph is accepted, a slimmable net at full size."""
    knobs = tuple(knob for knob in spec.knobs if not (spec.sizes and knob.name == SIZE))
    about = {"loudness_db": None, "level_db": 0.0, "parameters": None, "sizes": (), "knobs": knobs}
    return TorchLearner(replace(spec, family="rtfx", **about), options, AGAIN_RATE)  # type: ignore[arg-type]


class TorchLearner:
    """A model's graph and its optimiser, see `Learner`.

    It trains the tensors of layers, except biases of zeros: a file that leaves them out could not store them.
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
        self._vector = torch.from_numpy(self.optimiser.values).requires_grad_()  # shares the optimiser's memory
        self._shapes = {name: tensor.shape for name, tensor in found.items()}

    def step(self, x: np.ndarray, y: np.ndarray) -> float:
        """Learn from x (batch, inputs, frames) and y (batch, frames), part by part; return the mean loss."""
        losses, whole = [], self._power(y[:, self.warm_up :])
        for segments, wanted in self._parts(x, y):
            share = np.float32(self._power(wanted) / whole)  # so a quiet part, whose ratio is worse, counts less
            out = run(self.model, self._weights(), torch.from_numpy(segments), wanted.shape[1])[0]
            value, gradient = total_loss(_lanes(out.detach().numpy()), _lanes(wanted), self.options)
            out.backward(torch.from_numpy(np.ascontiguousarray(share * gradient[0].T)))
            self.optimiser.step(np.asarray(self._vector.grad), self.rate)
            self._vector.grad = None
            losses.append(share * value)
        return float(np.mean(losses))

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return (frames,) for x (inputs, frames), after the model's prewarm of zeros."""
        quiet = np.repeat(x[:, :1], self.model.prewarm_frames, axis=1)
        quiet[: self.model.inputs] = 0.0
        padded = torch.from_numpy(np.concatenate([quiet, x], axis=1, dtype=np.float32)[None])
        frames, before = x.shape[1], quiet.shape[1]
        piece = frames if self.model.recurrent or self.model.period > 1 else PREDICTED
        y = np.empty(frames, np.float32)
        with torch.no_grad():
            for start in range(0, frames, piece):
                stop = min(start + piece, frames)
                part = padded[:, :, 0 if piece == frames else start : before + stop]
                y[start:stop] = run(self.model, self._weights(), part, stop - start)[0, 0].numpy()
        return y

    def spec(self, name: str, sample_rate: float, knobs: tuple[Knob, ...], metadata: dict[str, Any]) -> ModelSpec:
        """Return the model with the present weights, rounded to nine digits, which are enough for float32."""
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
        """Return copies of the weights and the optimiser's state."""
        return self.optimiser.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Set weights and optimiser to a result of `state`."""
        self.optimiser.restore(state)

    def _power(self, wanted: np.ndarray) -> float:
        """Return the mean square that divides a loss; it is the same for all parts if they count equally."""
        if self.options.evenly:
            return 1.0
        return float(np.mean((wanted[:, 1:] - self.options.pre_emphasis * wanted[:, :-1]) ** 2) + SILENCE)

    def _items(self) -> Iterator[tuple[str, Any]]:
        """Yield the name of each tensor and the tensor, a view of the vector of all weights."""
        sizes = [int(np.prod(shape)) for shape in self._shapes.values()]
        parts = self._vector.split(sizes)
        for (name, shape), part in zip(self._shapes.items(), parts, strict=True):
            yield name, part.view(shape)

    def _weights(self) -> dict[str, Any]:
        return dict(self._items())

    def _parts(self, x: np.ndarray, y: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield input with warm-up and target of every step; a recurrent net gets many short pieces in parallel.

        PyTorch calls a library for each frame, which is fast only if each call processes many pieces.
        """
        whole = y.shape[1] - self.warm_up
        piece = min(RECURRENT_PIECE, whole) if self.model.recurrent else whole
        count = max(1, BATCH_FRAMES // piece)
        places = [(lane, start) for start in range(0, whole - piece + 1, piece) for lane in range(len(x))]
        for i in range(0, len(places), count):
            taken = places[i : i + count]
            segments = np.stack([x[lane, :, start : start + self.warm_up + piece] for lane, start in taken])
            first = self.warm_up
            yield segments, np.stack([y[lane, first + start : first + start + piece] for lane, start in taken])


def _lanes(wave: np.ndarray) -> np.ndarray:
    """Return (1, frames, batch) for (batch, frames), the layout of the losses."""
    return np.ascontiguousarray(wave.T)[None]
