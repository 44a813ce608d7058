"""What an effect is: a table of parameters, a function from values to cells, and a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..kernels.kernel import Kernel
from ..kernels.state import STATE
from ..rig.parameters import Parameter

# Kernels with such a long memory that it would take too long to run them until they rest. The values are the dtype of
# their state and a function ``rest(state, constant, cells)``, which sets the state to that of rest at a constant input.
RESTS: dict[Kernel, tuple[np.dtype, Callable]] = {}


@dataclass(frozen=True)
class Effect:
    """A compiled mono effect.

    The control thread turns parameter values (dB, Hz, ms) into *cells*, plain float32 numbers that the kernel works
    with (gains, coefficients). The engine glides each cell linearly over 20 ms and hands the kernel one row per cell,
    one value per frame, so a kernel knows neither units nor smoothing and its sound does not depend on the block size.

    Parameters
    ----------
    type : str
        The name in set lists.
    parameters : tuple of Parameter
        With their ranges and units.
    cells : callable
        ``cells(values, sample_rate) -> sequence of float``; always the same length.
    kernel : callable or None
        A `kernels.kernel.Loop`; None for blocks that `plan` builds from layers (model, cab).
    state : numpy.dtype
        Record that begins with the common header; zero is its initial value.
    tail : callable
        ``tail(values, sample_rate) -> int``, frames that ring on after the input ends.
    file : str
        The kind of file that the block plays: "" (none), "model" (which brings knobs of its own) or "audio".
    idle : callable
        ``idle(values) -> bool``: at these values the output is the input, bit by bit. An offline plan, in which nothing
        is turned, leaves such a block out.
    net : str
        A shipped model that plays a part of the block where its `mode` is "neural".
    summary : str
        What it does, for ``rtfx info --blocks``.
    """

    type: str
    parameters: tuple[Parameter, ...]
    cells: Callable[[Mapping, float], list[float]]
    kernel: object = None
    state: np.dtype = STATE
    tail: Callable[[Mapping, float], int] = lambda values, sample_rate: 0
    file: str = ""
    net: str = ""
    summary: str = ""
    idle: Callable[[Mapping], bool] = lambda values: False

    def complete(self, values: Mapping) -> dict:
        """Return `values` with the default of every parameter that is not among them."""
        return {parameter.name: parameter.default for parameter in self.parameters} | dict(values)
