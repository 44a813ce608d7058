"""PyTorch's CPU random numbers and initialisations without PyTorch, and the activations, for random nets.

The same seed gives the same weights as in PyTorch, to 2e-7. Names are those of RONN's plugin and of its research code.
Source: ATen's CPUGeneratorImpl and DistributionTemplates (MT19937, 24-bit uniforms, Box-Muller).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

BLOCK = 16  # tensors of at least this size get their normals in blocks: 8 cosines, then 8 sines
RRELU_SLOPE = 11 / 48  # mean of the training slopes 1/8 and 1/3: PyTorch uses it in evaluation mode
# name -> kind and slope of nodes.Activation; "linear" has no activation
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
PYTHON_LEAKY_SLOPE = 0.01  # the plugin uses 0.2
OFFSET_ACTIVATIONS = ("sigmoid", "softplus")  # f(0) is not 0


class TorchGenerator:
    """The default CPU generator after ``torch.manual_seed(seed)``."""

    def __init__(self, seed: int):
        self._bits = np.random.MT19937()
        self._bits._legacy_seeding(seed)  # NumPy's name for the classic 32-bit seeding
        self._spare: float | None = None  # the second number of a pair, which the next tensor gets

    def uniform(self, shape: tuple[int, ...], low: float, high: float) -> np.ndarray:
        """Return float32 numbers in [low, high), as ``Tensor.uniform_``."""
        mantissas = (self._bits.random_raw(math.prod(shape)) & 0xFFFFFF).astype(np.float32)
        unit = mantissas * np.float32(2.0**-24)
        return (unit * np.float32(high - low) + np.float32(low)).reshape(shape)

    def normal(self, shape: tuple[int, ...], deviation: float) -> np.ndarray:
        """Return float32 normal numbers of mean 0, as ``Tensor.normal_``."""
        size = math.prod(shape)
        if size < BLOCK:
            numbers = np.array([self._one_normal() for _ in range(size)])
            return (numbers * deviation).astype(np.float32).reshape(shape)
        numbers = self.uniform((size,), 0.0, 1.0)
        whole = size - size % BLOCK
        numbers[:whole] = _pairs(numbers[:whole])
        if size % BLOCK:
            numbers[-BLOCK:] = _pairs(self.uniform((BLOCK,), 0.0, 1.0))
        return (numbers * np.float32(deviation)).reshape(shape)

    def _one_normal(self) -> float:
        """Return one normal number in double precision; numbers come in pairs, a cosine and then a sine."""
        if self._spare is not None:
            number, self._spare = self._spare, None
            return number
        angle = 2.0 * math.pi * self._double()
        radius = math.sqrt(-2.0 * math.log1p(-self._double()))
        self._spare = radius * math.sin(angle)
        return radius * math.cos(angle)

    def _double(self) -> float:
        """Return a 53-bit uniform number in [0, 1)."""
        high, low = (int(word) for word in self._bits.random_raw(2))
        return ((high << 32 | low) & ((1 << 53) - 1)) * 2.0**-53


def _pairs(uniform: np.ndarray) -> np.ndarray:
    """Turn blocks of 16 uniforms into normals: the first 8 are radii, the last 8 angles."""
    blocks = uniform.reshape(-1, 2, BLOCK // 2)
    radius = np.sqrt(np.float32(-2.0) * np.log(np.float32(1.0) - blocks[:, 0]))
    angle = np.float32(2.0 * math.pi) * blocks[:, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)


def symmetric(generator: TorchGenerator, shape: tuple[int, ...], bound: float) -> np.ndarray:
    """Return float32 numbers in [-bound, bound)."""
    return generator.uniform(shape, -bound, bound)


def orthogonal(generator: TorchGenerator, shape: tuple[int, ...], *fans: int) -> np.ndarray:
    """Return the matrix of ``torch.nn.init.orthogonal_``: its rows, or columns, are orthogonal."""
    rows, columns = shape[0], math.prod(shape[1:])
    numbers = generator.normal((rows, columns), 1.0)
    q, r = np.linalg.qr(numbers.T if rows < columns else numbers)
    q = q * np.sign(np.diag(r))
    return (q.T if rows < columns else q).reshape(shape)


# in the order of the plugin's switch statement: as shipped, it falls through from the chosen case to the last
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


Draw = Callable[[TorchGenerator, tuple[int, ...], int, int], np.ndarray]  # generator, shape, fan_in, fan_out
