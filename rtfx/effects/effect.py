"""What an effect is: a table of parameters, a function from values to cells, and a kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ..kernels.kernel import Kernel
from ..kernels.state import STATE
from ..rig.blocks import Router
from ..rig.parameters import BPM, ON, Parameter

# Kernels with such a long memory that it would take too long to run them until they rest. The values are the dtype of
# their state and a function ``rest(state, constant, cells)``, which sets the state to that of rest at a constant input.
RESTS: dict[Kernel, tuple[np.dtype, Callable]] = {}


@dataclass(frozen=True)
class Effect:
    """A compiled effect.

    The control thread turns parameter values (dB, Hz, ms) into *cells*, plain float32 numbers that the kernel works
    with (gains, coefficients). The engine glides each cell linearly over 20 ms and hands the kernel one row per cell,
    one value per frame, so a kernel knows neither units nor smoothing and its sound does not depend on the block size.

    Parameters
    ----------
    type : str
        The name in set lists.
    parameters : tuple of Parameter
        With their ranges and units. `rig.parameters.ON` is added to them, and `BPM` if a value may be a note.
    cells : callable
        ``cells(values, sample_rate) -> sequence of float``; always the same length.
    kernel : callable or None
        A `kernels.kernel.Loop`; None for blocks that `plan` builds from layers (model, cab).
    state : numpy.dtype
        Record that begins with the common header; zero is its initial value.
    tail : callable
        ``tail(values, sample_rate) -> int``, frames that ring on after the input ends.
    gap : callable
        ``gap(sample_rate) -> int``, frames for which it may be silent before it sounds again, as between two echoes. A
        tail that is silent for longer has ended.
    file : str
        The kind of file that the block plays: "" (none), "model" (which brings knobs of its own) or "audio".
    idle : callable
        ``idle(values) -> bool``: at these values the output is the input, bit by bit. An offline plan, in which nothing
        is turned, leaves such a block out.
    net : str
        A shipped model that plays a part of the block where its `mode` is "neural".
    summary : str
        What it does, for ``rtfx info --blocks``.
    channels : str
        How many channels one call of the kernel takes. "each": one; the kernel is called for each channel, with a state
        of its own. "linked": all; the header has their number, and as many come out. "stereo": one or two, and two come
        out. "mono": all, and one comes out.
    constants : callable
        ``constants(sample_rate) -> dict``: values of fields of the state that never change.
    memory : callable
        ``memory(sample_rate) -> int``: float32 numbers behind the state, at ``state + dtype.itemsize``, for delay
        lines. They begin at zero.
    latency : callable
        ``latency(sample_rate) -> int``: frames by which the output is late. The plan delays what plays beside it.
    rings : bool
        Whether the block rings on when it is switched off, as delays and reverbs do. Then `cells` must treat the value
        `on`: with 0 no input reaches the delay lines and the input leaves unchanged. Any other block is faded over to
        its input by the plan.
    key : bool
        Whether another signal can control it: the key `key` of the block names it. The kernel finds the address of its
        first row in ``extra[0]`` (0 if there is none), as many rows as inputs, ``extra_stride[0]`` floats apart.
    """

    type: str
    parameters: tuple[Parameter, ...]
    cells: Callable[[Mapping, float], list[float]]
    kernel: object = None
    state: np.dtype = STATE
    tail: Callable[[Mapping, float], int] = lambda values, sample_rate: 0
    gap: Callable[[float], int] = lambda sample_rate: 0
    file: str = ""
    net: str = ""
    summary: str = ""
    idle: Callable[[Mapping], bool] = lambda values: False
    channels: str = "each"
    constants: Callable[[float], dict] = lambda sample_rate: {}
    memory: Callable[[float], int] = lambda sample_rate: 0
    latency: Callable[[float], int] = lambda sample_rate: 0
    rings: bool = False
    key: bool = False

    def __post_init__(self) -> None:
        tempo = (BPM,) if any(parameter.note for parameter in self.parameters) else ()
        added = tuple(parameter for parameter in (*tempo, ON) if parameter not in self.parameters)
        object.__setattr__(self, "parameters", (*self.parameters, *added))

    def of(self, router: Router | None) -> Effect:
        """Return the effect with the parameters of its paths; only routing blocks have any."""
        return self

    def state_at(self, sample_rate: float) -> np.dtype:
        """Return the record of the state with the memory behind it, at `sample_rate` in Hz."""
        size = 4 * self.memory(sample_rate)
        if not size:
            return self.state
        fields = [(name, *place[:2]) for name, place in (self.state.fields or {}).items()]
        names, kinds, offsets = (list(each) for each in zip(*fields, strict=True))
        size += self.state.itemsize
        return np.dtype({"names": names, "formats": kinds, "offsets": offsets, "itemsize": size})

    def complete(self, values: Mapping) -> dict:
        """Return `values` with the default of every parameter that is not among them."""
        return {parameter.name: parameter.default for parameter in self.parameters} | dict(values)
