"""Replaces a model's weights by those of a PyTorch module, a state_dict, another model or arrays of the same shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import ShapeMismatch, UsageError
from .nodes import Affine, Conv1d, Dense, Gru, Lstm, Node, PRelu, Rnn
from .spec import ModelSpec

BATCHNORM_EPSILON = 1e-5  # PyTorch's; a state_dict does not hold it
OWN_NAME = re.compile(r"node(\d+)\.(\w+)")
RECURRENT_NAME = re.compile(r"(.*?)(weight_ih|weight_hh|bias_ih|bias_hh)(_l\d+(?:_reverse)?)")
CELLS: dict[int, type[Node]] = {4: Lstm, 3: Gru, 1: Rnn}  # by the number of gates
PARTS = ("weight", "bias", "running_mean", "running_var")
RECURRENT_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def with_weights(spec: ModelSpec, source: Any) -> ModelSpec:
    """Return the model with the weights of another one of the same shapes; all else stays.

    Parameters
    ----------
    source : ModelSpec, or anything that has one as `spec`; a mapping of name to tensor or array; or a module
        A mapping is a PyTorch state_dict, whose layers are taken in their order, or a result of `weights_of`. For a
        module, its ``state_dict()`` is read. Tensors are copied, so the caller may change them afterwards.

    Raises
    ------
    ShapeMismatch
        The source has a layer or tensor that the model does not have, or lacks one; the message names it.
    NonFiniteWeights
        A weight is NaN or infinite.
    UsageError
        `source` is none of these.
    """
    source = getattr(source, "spec", source)
    if isinstance(source, ModelSpec):
        return _transplanted(spec, source)
    if not isinstance(source, Mapping) and callable(getattr(source, "state_dict", None)):
        source = source.state_dict()
    if not isinstance(source, Mapping):
        raise UsageError(
            f"update got {type(source).__name__}, expected a module, a state_dict, or a model of the same shapes"
        )
    if spec.sizes:
        raise UsageError(f"{spec.name}: a net of several sizes takes its weights from another model only")
    arrays = {str(name): _array(str(name), value) for name, value in source.items()}
    if arrays and all(OWN_NAME.fullmatch(name) for name in arrays):
        return _by_own_names(spec, arrays)
    return _in_order(spec, arrays)


def weights_of(spec: ModelSpec) -> dict[str, np.ndarray]:
    """Return all arrays of the model, float64, by names like ``node3.weight``; `with_weights` accepts the result."""
    return {f"node{i}.{name}": array.copy() for i, n in enumerate(spec.nodes) for name, array in n.tensors.items()}


def _array(name: str, value: Any) -> np.ndarray:
    """Return a copy as float64."""
    if hasattr(value, "detach"):
        value = value.detach().cpu().double().numpy()
    try:
        return np.array(value, np.float64)
    except (TypeError, ValueError):
        raise UsageError(f"{name} is {type(value).__name__}, expected a tensor or an array of numbers") from None


def _transplanted(spec: ModelSpec, other: ModelSpec) -> ModelSpec:
    """Return `spec` with the tensors of a graph of the same kinds and shapes."""
    kinds = [[type(node).__name__.lower() for node in each.nodes] for each in (spec, other)]
    if kinds[0] != kinds[1]:
        place = next(
            (i for i, pair in enumerate(zip(*kinds, strict=False)) if pair[0] != pair[1]), min(map(len, kinds))
        )
        found, expected = (each[place] if place < len(each) else "nothing" for each in (kinds[1], kinds[0]))
        raise ShapeMismatch(f"{spec.name}: update has {found} as node {place}, expected {expected}: load it anew")
    if [limit for limit, _ in spec.sizes] != [limit for limit, _ in other.sizes]:
        raise ShapeMismatch(f"{spec.name}: update has {len(other.sizes)} sizes, expected {len(spec.sizes)}")
    nodes = [_with(spec, i, node.tensors) for i, node in enumerate(other.nodes)]
    sizes = tuple(
        (limit, _transplanted(own, new)) for (limit, own), (_, new) in zip(spec.sizes, other.sizes, strict=True)
    )
    return replace(spec, nodes=tuple(nodes), sizes=sizes)


def _with(spec: ModelSpec, index: int, arrays: Mapping[str, np.ndarray]) -> Node:
    """Return a node with new tensors of the same shapes."""
    node = spec.nodes[index]
    own = node.tensors
    for name, array in arrays.items():
        if name not in own or own[name].shape != array.shape:
            expected = f"{own[name].shape}" if name in own else f"one of: {', '.join(own) or 'no tensors'}"
            raise ShapeMismatch(
                f"{spec.name}: node {index} ({type(node).__name__.lower()}): update has {name} of shape "
                f"{array.shape}, expected {expected}: another shape is another model, load it anew"
            )
    return replace(node, **{name: arrays[name].copy() for name in arrays})


def _by_own_names(spec: ModelSpec, arrays: Mapping[str, np.ndarray]) -> ModelSpec:
    given: dict[int, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        number, name = OWN_NAME.fullmatch(key).groups()  # type: ignore[union-attr]
        if int(number) >= len(spec.nodes):
            raise ShapeMismatch(f"{spec.name}: update has {key}, expected nodes 0 to {len(spec.nodes) - 1}")
        given.setdefault(int(number), {})[name] = array
    nodes = [_with(spec, i, given[i]) if i in given else node for i, node in enumerate(spec.nodes)]
    return replace(spec, nodes=tuple(nodes))


def _in_order(spec: ModelSpec, arrays: Mapping[str, np.ndarray]) -> ModelSpec:
    """Give each layer of a state_dict to the first node of its kind and shapes that has no layer yet."""
    nodes = list(spec.nodes)
    open_places = [i for i, node in enumerate(nodes) if node.tensors]
    for title, layer in _layers(arrays).items():
        for place in open_places:
            fitted = _fitted(nodes[place], layer)
            if fitted is not None:
                nodes[place] = fitted
                open_places.remove(place)
                break
        else:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in layer.items())
            left = "; ".join(_described(spec, i) for i in open_places) or "nothing more"
            raise ShapeMismatch(f"{spec.name}: update has {title or 'a layer'} ({shapes}), expected {left}")
    for place in open_places:
        if not isinstance(nodes[place], Affine):  # a fixed gain is not a layer of the module
            raise ShapeMismatch(f"{spec.name}: update lacks {_described(spec, place)}: give it all weights")
    return replace(spec, nodes=tuple(nodes))


def _described(spec: ModelSpec, index: int) -> str:
    shapes = ", ".join(f"{name} {array.shape}" for name, array in spec.nodes[index].tensors.items())
    return f"node {index} ({type(spec.nodes[index]).__name__.lower()}: {shapes})"


def _layers(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Return the tensors by layer, in the order of the state_dict."""
    layers: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        prefix, _, name = key.rpartition(".")
        found = RECURRENT_NAME.fullmatch(key)
        if found and not found[3].endswith("_reverse"):
            layers.setdefault(f"{found[1].rstrip('.')}{found[3]}", {})[found[2]] = array
        elif name in PARTS:
            layers.setdefault(prefix, {})[name] = array
        elif name != "num_batches_tracked":
            raise ShapeMismatch(
                f"update has {key}, expected weights and biases of linear, convolution, recurrent, batch norm and "
                "PReLU layers: give it a model of the same shapes"
            )
    return layers


def _fitted(node: Any, layer: dict[str, np.ndarray]) -> Node | None:
    """Return the node with the layer's tensors, or None if it is of another kind or shape."""
    new: dict[str, np.ndarray] = {}
    if "weight_hh" in layer and "weight_ih" in layer:
        rows, hidden = layer["weight_hh"].shape
        if not isinstance(node, CELLS.get(rows // hidden, PRelu)) or set(layer) - set(RECURRENT_PARTS):
            return None
        zeros = np.zeros(rows)
        biases = layer.get("bias_ih", zeros), layer.get("bias_hh", zeros)
        new = {"weight_ih": layer["weight_ih"], "weight_hh": layer["weight_hh"]}
        new |= (
            {"bias_ih": biases[0], "bias_hh": biases[1]} if isinstance(node, Gru) else {"bias": biases[0] + biases[1]}
        )
    elif "running_var" in layer:
        if not isinstance(node, Affine):
            return None
        mean, variance = layer["running_mean"], layer["running_var"]
        scale = layer.get("weight", np.ones_like(mean)) / np.sqrt(variance + BATCHNORM_EPSILON)
        new = {"scale": scale, "shift": layer.get("bias", np.zeros_like(mean)) - mean * scale}
    elif "weight" in layer:
        weight = layer["weight"]
        if isinstance(node, PRelu) and weight.ndim == 1:
            new = {"alpha": np.broadcast_to(weight, node.alpha.shape) if weight.size == 1 else weight}
        elif isinstance(node, Dense | Conv1d) and weight.ndim in (2, 3):
            if weight.ndim == 3 and weight.shape[2] == 1 and isinstance(node, Dense):
                weight = weight[:, :, 0]
            if "bias" not in layer and node.bias.any():
                return None
            new = {"weight": weight, "bias": layer.get("bias", np.zeros(weight.shape[0]))}
    own = node.tensors
    if not new or any(own[name].shape != array.shape for name, array in new.items()):
        return None
    return replace(node, **{name: np.array(array, np.float64) for name, array in new.items()})
