"""Times single layers, on the grid of RTNeural-compare (Chowdhury 2021).

Every output is written to memory and compared with the reference before any time is measured, so no compiler can omit
work. Every candidate computes the same layer of n features to n. The input is a signal, not a constant, and the state
is kept from call to call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rtfx.bench import CHUNK_FRAMES, ROUNDS, USUAL_RATE, Player, check_blocks, in_turns
from rtfx.engine.timing import TIMED_CALLS, measured_peak
from rtfx.errors import UsageError
from rtfx.kernels.activations import code_of
from rtfx.kernels.conv import OVERHANG
from rtfx.kernels.elementwise import pack, rows_kernel
from rtfx.kernels.processor import lanes
from rtfx.kernels.state import STATE
from rtfx.model.nodes import Activation, Conv1d, Dense, Gru, Input, Lstm
from rtfx.model.reference import evaluate
from rtfx.model.spec import ModelSpec
from rtfx.plan.lowering.linear import conv_layer
from rtfx.plan.lowering.recurrent import recurrent_layer
from rtfx.plan.self_check import Layer

from .models import Other
from .peers import AGREES_DB, CallPlayer, check_installed, difference_db, played, stream

SIZES = (4, 8, 16, 32, 64)
KINDS = ("dense", "conv1d", "gru", "lstm", "tanh", "relu", "sigmoid")
FRAMES = CHUNK_FRAMES
COMPARED_FRAMES = 512


@dataclass(frozen=True)
class LayerRow:
    """The time of one layer, `size` features to `size`, called alone at one block size; times in ns.

    `error_db` is the largest difference from the reference over its peak, `realtime_x` at 48 kHz.
    """

    layer: str
    size: int
    block: int
    ns_per_sample: float
    realtime_x: float
    percent_of_peak: float
    error_db: float
    kernel: str
    against: dict[str, Other]

    @property
    def panel(self) -> str:
        """Its title in a plot."""
        return f"{self.layer} {self.size}"


def layer_spec(kind: str, size: int) -> ModelSpec:
    """Return a model of one layer with random weights, `size` features to `size`; a conv1d has `size` - 1 taps.

    Raises
    ------
    UsageError
        An unknown kind.
    """
    r = np.random.default_rng([size, *kind.encode()])

    def uniform(*shape: int) -> np.ndarray:
        return r.uniform(-1.0, 1.0, shape) / np.sqrt(np.prod(shape[1:]) or size)

    node: Dense | Conv1d | Gru | Lstm | Activation
    if kind == "dense":
        node = Dense((0,), uniform(size, size), uniform(size))
    elif kind == "conv1d":
        node = Conv1d((0,), uniform(size, size, size - 1), uniform(size))
    elif kind == "gru":
        node = Gru((0,), uniform(3 * size, size), uniform(3 * size, size), uniform(3 * size), uniform(3 * size))
    elif kind == "lstm":
        node = Lstm((0,), uniform(4 * size, size), uniform(4 * size, size), uniform(4 * size))
    elif kind in KINDS:
        node = Activation((0,), kind)
    else:
        raise UsageError(f"layer {kind!r}: expected one of {', '.join(KINDS)}")
    return ModelSpec(family="rtfx", name=f"{kind} {size}", nodes=(Input((), channels=size), node))


def _layer(node: Any, width: int) -> Layer:
    """Return the kernel that a plan would call."""
    if isinstance(node, Dense | Conv1d):
        return conv_layer(node, None)
    if isinstance(node, Gru | Lstm):
        return recurrent_layer(node, None)
    return Layer(rows_kernel(code_of(node.kind), width, lanes()), STATE, pack(node.constants), {})


class LayerPlayer(Player):
    """A layer's kernel, called block by block along a signal; the clock is read only before and after a run.

    Parameters
    ----------
    spec : ModelSpec
        Of one layer.
    block : int
    """

    def __init__(self, spec: ModelSpec, block: int):
        super().__init__()
        node: Any = spec.nodes[1]
        self.layer = _layer(node, spec.outputs)
        self.history = node.weight.shape[2] - 1 if isinstance(node, Conv1d) else 0
        self.block, self.count = block, FRAMES // block
        self.frames = block * self.count
        self.x = np.zeros((spec.inputs, self.history + FRAMES + OVERHANG), np.float32)
        self.y = np.zeros((spec.outputs, FRAMES + OVERHANG), np.float32)
        r = np.random.default_rng(1)
        self.x[:, self.history :] = r.uniform(-1.0, 1.0, (spec.inputs, FRAMES + OVERHANG))
        self.state = self.layer.state(self.x.shape[1], self.y.shape[1])
        self.first = np.array(self.state)

    def run(self) -> np.ndarray:
        state, source, target = self.state.ctypes.data, self.x.ctypes.data + 4 * self.history, self.y.ctypes.data
        spent = TIMED_CALLS(self.layer.kernel.address, state, source, target, self.block, self.count)
        return np.array([spent])

    def output(self) -> np.ndarray:
        """Return the output of one run from the initial state."""
        self.state[:] = self.first
        self.run()
        return self.y[:, : self.frames]


def bench_layers(
    blocks: Sequence[int],
    kinds: Sequence[str] = KINDS,
    sizes: Sequence[int] = SIZES,
    seconds: float = 0.1,
    against: Sequence[str] = (),
) -> list[LayerRow]:
    """Return one row per kind, size and block.

    Parameters
    ----------
    blocks : sequence of int
        Frames per call; 1 is a call per sample.
    seconds : float
        Time spent on each row by each candidate, about.
    against : sequence of str
        As for `models.bench_models`.

    Raises
    ------
    UsageError
        A block longer than a run, an unknown kind, or a library that is not installed.
    """
    check_blocks(blocks)
    for name in against:
        check_installed(name)
    cells = [(kind, size, block) for kind in kinds for size in sizes for block in blocks]
    peak = measured_peak()
    return [_row(kind, size, block, seconds, against, peak) for kind, size, block in cells]


def _row(kind: str, size: int, block: int, seconds: float, against: Sequence[str], peak: float) -> LayerRow:
    spec = layer_spec(kind, size)
    ours = LayerPlayer(spec, block)
    right = evaluate(spec, ours.x[:, ours.history : ours.history + COMPARED_FRAMES], cold=True)
    error = difference_db(right, ours.output()[:, :COMPARED_FRAMES])
    others: dict[str, Player] = {}
    errors: dict[str, float] = {}
    for name in against:
        process = stream(name, spec, block, USUAL_RATE)
        x = np.ascontiguousarray(ours.x[:, ours.history : ours.history + ours.frames])
        got = played(process, x[:, : max(COMPARED_FRAMES, block)], block)
        compared = min(got.shape[1], COMPARED_FRAMES)
        errors[name] = difference_db(right[:, :compared], got[:, :compared])
        if errors[name] <= AGREES_DB:
            others[name] = CallPlayer(process, x, block)
    in_turns([ours, *others.values()], ROUNDS, seconds / ROUNDS)
    said = {name: Other(error_db=error, why="plays something else") for name, error in errors.items()}
    said |= {name: Other(p.best, p.best / ours.best, errors[name]) for name, p in others.items()}
    return LayerRow(
        layer=kind,
        size=size,
        block=block,
        ns_per_sample=ours.best,
        realtime_x=1e9 / USUAL_RATE / ours.best,
        percent_of_peak=100.0 * spec.macs_per_sample / (ours.best * 1e-9) / peak,
        error_db=error,
        kernel=ours.layer.kernel.name,
        against=said,
    )
