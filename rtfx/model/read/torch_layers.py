"""Layers of a PyTorch state_dict that was dumped as JSON: tensors by name, and the nodes that they make."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import MissingKey, NonFiniteWeights, ShapeMismatch, WeightCountMismatch
from ..limits import NODES, WIDTH, at_most
from ..nodes import Affine, Dense, Gru, Lstm, Node, PRelu, Rnn
from ..values import mapping, shown, tensor

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
BATCHNORM_EPSILON = 1e-5  # PyTorch's default


class State:
    """The tensors of a state_dict, each of which must be used.

    Parameters
    ----------
    data : dict
        Nested lists by parameter name.
    where : str
        What messages call it.
    """

    def __init__(self, data: Any, where: str = "state_dict"):
        self.data, self.where = mapping(data, where), where
        self.used: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self.data

    def take(self, name: str, shape: tuple[int, ...] | None = None, axes: int | None = None) -> np.ndarray:
        """Return a tensor that must be there, with `shape` or this number of axes."""
        if name not in self.data:
            raise MissingKey(f"{self.where} has no tensor {name!r}: re-export the model")
        self.used.add(name)
        return np.ascontiguousarray(tensor(self.data[name], f"{self.where}[{name!r}]", shape, axes))

    def optional(self, name: str, size: int) -> np.ndarray:
        """Return a vector, zeros if the layer was made without."""
        return self.take(name, (size,)) if name in self.data else np.zeros(at_most(size, 4 * WIDTH, name))

    def finish(self) -> None:
        """Raise if a tensor was not used: the network is then not what the rest of the file says."""
        unused = [name for name in self.data if name not in self.used and not name.endswith("num_batches_tracked")]
        if unused:
            raise WeightCountMismatch(
                f"{self.where} holds {len(unused)} tensors that the network has no use for, the first "
                f"{shown(unused[0])}: is the description right?"
            )


def add(nodes: list[Node], node: Node) -> int:
    """Append a node, return its index; ResourceLimit beyond `limits.NODES`."""
    at_most(len(nodes) + 1, NODES, "number of nodes")
    nodes.append(node)
    return len(nodes) - 1


def linear(state: State, prefix: str, source: int, inputs: int | None = None, outputs: int | None = None) -> Dense:
    """Return a linear layer; a size that is not given is the tensor's."""
    weight = state.take(f"{prefix}weight", axes=2)
    expected = (outputs or weight.shape[0], inputs or weight.shape[1])
    if weight.shape != expected:
        raise ShapeMismatch(f"{state.where}['{prefix}weight'] has shape {weight.shape}, expected {expected}")
    return Dense((source,), weight=weight, bias=state.optional(f"{prefix}bias", weight.shape[0]))


def recurrent(
    state: State, prefix: str, source: int, unit: str, inputs: int, hidden: int, layer: int = 0
) -> Lstm | Gru | Rnn:
    """Return one layer of a recurrent stack; `unit` is a key of `GATES`, biases that are missing are zeros."""
    rows = GATES[unit] * at_most(hidden, WIDTH, "hidden_size")
    weight_ih = state.take(f"{prefix}weight_ih_l{layer}", (rows, inputs))
    weight_hh = state.take(f"{prefix}weight_hh_l{layer}", (rows, hidden))
    bias_ih, bias_hh = (state.optional(f"{prefix}bias_{name}_l{layer}", rows) for name in ("ih", "hh"))
    if unit == "GRU":
        return Gru((source,), weight_ih=weight_ih, weight_hh=weight_hh, bias_ih=bias_ih, bias_hh=bias_hh)
    kind = Lstm if unit == "LSTM" else Rnn
    return kind((source,), weight_ih=weight_ih, weight_hh=weight_hh, bias=bias_ih + bias_hh)


def prelu(state: State, prefix: str, source: int, width: int) -> PRelu:
    """Return a PReLU of one slope a feature, or one for all."""
    alpha = state.take(f"{prefix}weight", axes=1)
    if alpha.size not in (1, width):
        raise ShapeMismatch(f"{state.where}['{prefix}weight'] has {alpha.size} slopes, expected 1 or {width}")
    return PRelu((source,), alpha=np.broadcast_to(alpha, (width,)).copy())


def batchnorm(state: State, prefix: str, source: int, width: int, epsilon: float | None = None) -> Affine:
    """Return a batch normalisation as evaluated: by the running mean and variance.

    `epsilon` is the description's; else that of the file, which some exporters add by hand, else PyTorch's.
    """
    mean, variance = (state.take(f"{prefix}running_{name}", (width,)) for name in ("mean", "var"))
    affine = f"{prefix}weight" in state
    gamma = state.take(f"{prefix}weight", (width,)) if affine else np.ones(width)
    beta = state.optional(f"{prefix}bias", width)
    stored = state.take(f"{prefix}eps", ()).item() if f"{prefix}eps" in state else BATCHNORM_EPSILON
    spread = variance + (stored if epsilon is None else epsilon)
    if not (spread > 0).all():
        raise NonFiniteWeights(f"{state.where}['{prefix}running_var'] + epsilon is not positive: re-export the model")
    scale = gamma / np.sqrt(spread)
    return Affine((source,), scale=scale, shift=beta - mean * scale)
