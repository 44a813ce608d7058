"""Activations and initialisations of random nets, by the names of RONN's plugin and of its research code."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .torch_numbers import TorchGenerator

RRELU_SLOPE = 11 / 48  # the mean of its training slopes, 1/8 and 1/3: what PyTorch takes where it does not train
# name: nodes.Activation's kind and slope; linear is none
ACTIVATIONS: dict[str, tuple[str, float] | None] = {
    "linear": None,
    "leaky_relu": ("leaky_relu", 0.2),
    "tanh": ("tanh", 1.0),
    "sigmoid": ("sigmoid", 1.0),
    "relu": ("relu", 1.0),
    "elu": ("elu", 1.0),
    "selu": ("selu", 1.0),
    "gelu": ("gelu", 1.0),
    "rrelu": ("leaky_relu", RRELU_SLOPE),
    "softplus": ("softplus", 1.0),
    "softshrink": ("softshrink", 0.5),
    "sine": ("sine", 1.0),
    "sine30": ("sine", 30.0),
}
PYTHON_LEAKY_SLOPE = 0.01  # where the plugin has 0.2
OFFSET_ACTIVATIONS = ("sigmoid", "softplus")  # f(0) is not 0
Draw = Callable[[TorchGenerator, tuple[int, ...], int, int], np.ndarray]  # generator, shape, fan_in, fan_out


def symmetric(generator: TorchGenerator, shape: tuple[int, ...], bound: float) -> np.ndarray:
    """Return float32 numbers in [-bound, bound)."""
    return generator.uniform(shape, -bound, bound)


def orthogonal(generator: TorchGenerator, shape: tuple[int, ...], *fans: int) -> np.ndarray:
    """Return what ``torch.nn.init.orthogonal_`` makes: rows, or columns, at right angles."""
    rows, columns = shape[0], math.prod(shape[1:])
    numbers = generator.normal((rows, columns), 1.0)
    q, r = np.linalg.qr(numbers.T if rows < columns else numbers)
    q = q * np.sign(np.diag(r))
    return (q.T if rows < columns else q).reshape(shape)


# in the order of the plugin's own switch: as shipped it falls through from the one asked for to the last
INITS: dict[str, Draw] = {
    "normal": lambda g, shape, fan_in, fan_out: g.normal(shape, 1.0),
    "uniform1": lambda g, shape, fan_in, fan_out: symmetric(g, shape, 0.25),
    "uniform2": lambda g, shape, fan_in, fan_out: symmetric(g, shape, 1.0),
    "xavier_normal": lambda g, shape, fan_in, fan_out: g.normal(shape, math.sqrt(2 / (fan_in + fan_out))),
    "xavier_uniform": lambda g, shape, fan_in, fan_out: symmetric(g, shape, math.sqrt(6 / (fan_in + fan_out))),
    "kaiming_normal": lambda g, shape, fan_in, fan_out: g.normal(shape, math.sqrt(2 / fan_in)),
    "kaiming_uniform": lambda g, shape, fan_in, fan_out: symmetric(g, shape, math.sqrt(6 / fan_in)),
}
# of the research code alone
PYTHON_INITS: dict[str, Draw] = {
    "uniform": lambda g, shape, fan_in, fan_out: symmetric(g, shape, 0.1),
    "orthogonal": orthogonal,
}
DRAWS = INITS | PYTHON_INITS


def activation(name: str, python: bool = False) -> tuple[str, float] | None:
    """Return kind and slope of an activation, None for linear."""
    return ("leaky_relu", PYTHON_LEAKY_SLOPE) if python and name == "leaky_relu" else ACTIVATIONS[name]


def drawn(init: str, generator: TorchGenerator, shape: tuple[int, ...]) -> np.ndarray:
    """Return weights of a dense or convolution layer, float32."""
    taps = math.prod(shape[2:])
    return DRAWS[init](generator, shape, shape[1] * taps, shape[0] * taps)
