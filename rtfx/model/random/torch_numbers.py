"""PyTorch's CPU random numbers without PyTorch: the same seed gives the same weights, to 2e-7.

Source: ATen's CPUGeneratorImpl and DistributionTemplates (MT19937, 24-bit uniforms, Box-Muller).
"""

from __future__ import annotations

import math

import numpy as np

BLOCK = 16  # tensors of at least this size get their normals in blocks: 8 cosines, then 8 sines


class TorchGenerator:
    """The default CPU generator after ``torch.manual_seed(seed)``."""

    def __init__(self, seed: int):
        self._bits = np.random.MT19937()
        self._bits._legacy_seeding(seed)  # NumPy's name for the classic 32-bit seeding
        self._spare: float | None = None  # the second number of a pair outlives the tensor it was drawn for

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
        """Return one normal number in double precision; every second one is the sine of the pair before."""
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
