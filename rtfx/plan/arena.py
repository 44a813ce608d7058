"""The arena of a plan: one block of memory that holds its records, states and buffers; addresses inside are relative.

::

    RIG | STEP x n | CELL x n | three parameter tables | BUFFER x n, DOMAIN x n | states | audio buffers
                                                       ^ image: a copy of the rest, taken after the prewarm, restores a
                                                         rig that produced a non-finite block

`Builder` collects steps, buffers, cells and weights, then lays the arena out. The weights are in a separate block.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from ..kernels.conv import OVERHANG
from ..kernels.kernel import Kernel
from ..kernels.resample import Ratio
from ..kernels.state import STATE, VERSION
from ..model.values import CHANNELS

ALIGNMENT = 64
MAX_BLOCK = 512  # frames; longer callbacks are split
GLIDE_SECONDS = 0.020
CONTINUES = 1  # flag in the engine's mailbox: the rig begins with the state of the one that plays
FRESH = 4  # flag in a mailbox: the table in it has not been read
TABLE_SHIFT = 3  # a mailbox holds the table's index, FRESH, and above them the table's number
MAX_CHANNELS = CHANNELS
RING_BYTES = 256 * 1024  # a larger buffer is a mirrored ring, as moving its history would make single blocks slow

RIG = np.dtype(
    [
        ("steps", np.int64),  # byte offsets in the arena
        ("step_count", np.int64),
        ("buffers", np.int64),
        ("buffer_count", np.int64),
        ("domains", np.int64),
        ("domain_count", np.int64),
        ("cells", np.int64),
        ("cell_count", np.int64),
        ("tables", np.int64),
        ("mailbox", np.int64),  # parameter table on its way: index, plus FRESH; exchanged by both threads
        ("held", np.int64),  # table index the audio thread holds
        ("parameter_buffer", np.int64),
        ("input_buffer", np.int64),
        ("output_buffer", np.int64),
        ("inputs", np.int64),
        ("outputs", np.int64),
        ("glide_frames", np.int64),
        ("tail_frames", np.int64),
        ("gap_frames", np.int64),  # for which it may be silent before it sounds again
        ("prime_frames", np.int64),  # frames of input that it processes without output before it fades in
        ("graph", np.int64),  # rigs of equal value differ in weights and parameters only: equal-gain crossfade
        ("layout", np.int64),  # if equal, the state of one rig is valid in the other
        ("weights", np.int64),  # absolute address
        ("image", np.int64),  # absolute address of the prewarmed copy, or 0
        ("image_offset", np.int64),
        ("image_bytes", np.int64),
        ("loudest_bits", np.int64),  # of a guarded block's samples: from these on, as bits of a float32, it is muted
        ("faults", np.int64),  # blocks muted so far
        ("fault_block", np.int64),  # chain index of the last one
        ("number", np.int64),  # serial number of its publication
        ("table_number", np.int64),  # of the parameter table taken last
    ],
    align=True,
)

STEP = np.dtype(
    [
        ("kernel", np.int64),  # absolute address
        ("state", np.int64),
        ("weights", np.int64),  # bytes into the weights block
        ("source", np.int32),  # buffer, row
        ("source_row", np.int32),
        ("target", np.int32),
        ("target_row", np.int32),
        ("extra", np.int32, (2,)),  # -1: none
        ("extra_row", np.int32, (2,)),
        ("block", np.int32),  # index in the chain
        ("guarded", np.int32),  # rows of the target to check for non-finite values
        ("domain", np.int32),  # whose frames it is called for
        ("spare", np.int32),
    ],
    align=True,
)

BUFFER = np.dtype(
    [
        ("cursor", np.int64),  # byte offset of row 0, frame 0 of the current block
        ("start", np.int64),  # where the cursor begins
        ("end", np.int64),  # the block must end at or before it, else the rows move back to the start
        ("stride", np.int64),  # floats between rows
        ("rows", np.int64),
        ("history", np.int64),  # floats kept before the cursor
        ("ring", np.int64),  # frames of a mirrored ring, or 0
        ("slides", np.int64),  # 1: keeps history
        ("domain", np.int64),
    ],
    align=True,
)

# A sample rate inside the rig: the stream's is domain 0; one of another rate holds up / down times as many frames.
DOMAIN = np.dtype(
    [
        ("up", np.int64),
        ("down", np.int64),
        ("time", np.int64),  # stream frames so far, modulo down
        ("frames", np.int64),  # of the current block
    ],
    align=True,
)

CELL = np.dtype(
    [("value", np.float32), ("goal", np.float32), ("step", np.float32), ("left", np.int32)],
    align=True,
)


def aligned(size: int) -> int:
    """Round a byte count up to the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def allocate(size: int) -> np.ndarray:
    """Return `size` zero bytes on a 64-byte boundary, their pages already touched."""
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    memory[::4096] = 0
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size]


@dataclass(frozen=True)
class Signal:
    """Rows of a buffer: `width` of them, from `row` on."""

    buffer: int
    row: int
    width: int

    def rows(self, first: int, width: int) -> Signal:
        """Return a part of the rows."""
        return Signal(self.buffer, self.row + first, width)


class Mark(NamedTuple):
    """A place in a plan under construction: how many steps, buffers and domains it has there."""

    steps: int
    buffers: int
    domains: int


@dataclass
class _Step:
    kernel: Kernel
    dtype: np.dtype
    source: Signal
    target: Signal
    extra: tuple[Signal, ...]
    weights: int
    block: int
    fields: dict
    domain: int
    node: str
    guarded: bool = False


@dataclass
class _Buffer:
    rows: int
    domain: int
    history: int = 0


@dataclass
class Builder:
    """A plan under construction. [control thread]

    Attributes
    ----------
    block : int
        The index in the chain to which new steps and buffers belong.
    domain : int
        The sample rate of new steps and buffers: 0 the stream's, else one that `at_rate` gave.
    node : str
        The kind of node that new steps compute, "" outside models.
    alike : set of int
        Blocks that sound alike with any of their steps; rigs that differ only there crossfade with equal gain.
    """

    steps: list[_Step] = field(default_factory=list)
    buffers: list[_Buffer] = field(default_factory=list)
    owners: list[int] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)
    weight_bytes: int = 0
    offsets: dict[bytes, int] = field(default_factory=dict)
    cells: list[float] = field(default_factory=list)
    domains: list[Ratio] = field(default_factory=lambda: [Ratio(1, 1)])
    block: int = -1
    domain: int = 0
    node: str = ""
    alike: set[int] = field(default_factory=set)

    def buffer(self, rows: int) -> Signal:
        """Return a new buffer of `rows` rows."""
        self.buffers.append(_Buffer(rows, self.domain))
        self.owners.append(self.block)
        return Signal(len(self.buffers) - 1, 0, rows)

    def at_rate(self, ratio: Ratio) -> int:
        """Return a new domain of `ratio` times the stream's sample rate."""
        self.domains.append(ratio)
        return len(self.domains) - 1

    def remember(self, signal: Signal, frames: int) -> None:
        """Keep at least `frames` frames before every block of the signal's buffer."""
        buffer = self.buffers[signal.buffer]
        buffer.history = max(buffer.history, frames)

    def cell(self, value: float) -> Signal:
        """Return a parameter cell as a signal: one value per frame."""
        self.cells.append(value)
        return Signal(0, len(self.cells) - 1, 1)

    def step(self, kernel, source, target, extra=(), weights=None, dtype=STATE, **fields) -> Signal:
        """Append one call of a kernel and return its target.

        Parameters
        ----------
        kernel : Kernel
        source, target : Signal
        extra : sequence of Signal
            Two further inputs at most.
        weights : float32 array, optional
        dtype : numpy.dtype
            Of the kernel's state.
        **fields
            Values of fields of that state; the others begin at zero.
        """
        offset = self._weights_offset(weights) if weights is not None and weights.size else 0
        owner = (self.block, fields, self.domain, self.node)
        self.steps.append(_Step(kernel, dtype, source, target, tuple(extra), offset, *owner))
        return target

    def _weights_offset(self, weights: np.ndarray) -> int:
        """Return where the weights lie, in bytes; equal ones, as for the channels of one model, are stored once."""
        key = weights.tobytes()
        if key not in self.offsets:
            self.offsets[key] = self.weight_bytes
            self.weights.append(weights)
            self.weight_bytes += aligned(weights.nbytes)
        return self.offsets[key]

    def mark(self) -> Mark:
        """Return the present number of steps, buffers and domains."""
        return Mark(len(self.steps), len(self.buffers), len(self.domains))

    def repeat(self, first: Mark, last: Mark, moved: Mapping[int, int]) -> None:
        """Append a copy of everything between two marks, with the same kernels and weights but separate states.

        Parameters
        ----------
        moved : mapping of int to int
            Buffer older than the first mark -> by how many rows its signals move; in other old buffers they stay.
        """
        buffers, domains = len(self.buffers) - first.buffers, len(self.domains) - first.domains

        def signal(old: Signal) -> Signal:
            if old.buffer >= first.buffers:
                return replace(old, buffer=old.buffer + buffers)
            return replace(old, row=old.row + moved.get(old.buffer, 0))

        def domain(old: int) -> int:
            return old + domains if old >= first.domains else old

        for buffer in self.buffers[first.buffers : last.buffers]:
            self.buffers.append(replace(buffer, domain=domain(buffer.domain)))
        self.owners += self.owners[first.buffers : last.buffers]
        self.domains += self.domains[first.domains : last.domains]
        for step in self.steps[first.steps : last.steps]:
            source, target, extra = signal(step.source), signal(step.target), tuple(map(signal, step.extra))
            self.steps.append(replace(step, source=source, target=target, extra=extra, domain=domain(step.domain)))

    def guard(self) -> None:
        """Let the engine check the output of the last step for values that are too large or not finite."""
        self.steps[-1].guarded = True

    def finish(self, source: Signal, target: Signal, glide_frames: int, tail_frames: int):
        """Return (arena, weights): the arena as bytes with every offset in place, the weights as float32."""
        self.buffers[0].rows = max(len(self.cells), 1)
        offsets: dict[str, int] = {}
        size = aligned(RIG.itemsize)
        for name, count, kind in (
            ("steps", len(self.steps), STEP),
            ("cells", len(self.cells), CELL),
            ("tables", 3 * len(self.cells), np.dtype(np.float32)),
            ("buffers", len(self.buffers), BUFFER),
            ("domains", len(self.domains), DOMAIN),
        ):
            offsets[name] = size
            size += aligned(count * kind.itemsize)
        image = offsets["buffers"]
        states = []
        for step in self.steps:
            states.append(size)
            size += aligned(step.dtype.itemsize)
        places = np.zeros(len(self.buffers), BUFFER)
        for index, buffer in enumerate(self.buffers):
            places[index], size = _place(buffer, size, self.domains[buffer.domain])
        size += 4 * OVERHANG + ALIGNMENT
        arena = np.zeros(size, np.uint8)
        rig = arena[: RIG.itemsize].view(RIG)[0]
        for name, offset in offsets.items():
            rig[name] = offset
        rig["step_count"], rig["buffer_count"], rig["cell_count"] = len(self.steps), len(self.buffers), len(self.cells)
        rig["mailbox"], rig["held"] = 1, 0
        rig["parameter_buffer"], rig["input_buffer"], rig["output_buffer"] = 0, source.buffer, target.buffer
        rig["inputs"], rig["outputs"] = source.width, target.width
        rig["glide_frames"], rig["tail_frames"] = glide_frames, tail_frames
        rig["graph"], rig["layout"] = graph_number(self), layout_number(self)
        rig["image_offset"], rig["image_bytes"] = image, size - image
        rig["fault_block"] = -1
        _view(arena, offsets["buffers"], len(places), BUFFER)[:] = places
        domains = _view(arena, offsets["domains"], len(self.domains), DOMAIN)
        rig["domain_count"] = len(self.domains)
        domains["up"], domains["down"] = np.array(self.domains).T
        cells = _view(arena, offsets["cells"], len(self.cells), CELL)
        cells["value"] = cells["goal"] = self.cells
        _view(arena, offsets["tables"], 3 * len(self.cells), np.dtype(np.float32))[:] = np.tile(self.cells, 3)
        rows = _view(arena, offsets["steps"], len(self.steps), STEP)
        for row, step, state in zip(rows, self.steps, states, strict=True):
            _write_step(row, step, state)
            _write_state(arena[state : state + step.dtype.itemsize].view(step.dtype)[0], step, places)
        weights = np.zeros(max(self.weight_bytes // 4, 1), np.float32)
        offset = 0
        for blob in self.weights:
            weights[offset // 4 : offset // 4 + blob.size] = blob
            offset += aligned(blob.nbytes)
        return arena, weights


def _view(arena, offset, count, kind):
    return arena[offset : offset + count * kind.itemsize].view(kind)


def _write_step(row, step: _Step, state: int) -> None:
    row["kernel"], row["state"], row["weights"], row["block"] = step.kernel.address, state, step.weights, step.block
    row["source"], row["source_row"] = step.source.buffer, step.source.row
    row["target"], row["target_row"] = step.target.buffer, step.target.row
    row["extra"] = -1
    for i, signal in enumerate(step.extra):
        row["extra"][i], row["extra_row"][i] = signal.buffer, signal.row
    row["guarded"] = step.target.width if step.guarded else 0
    row["domain"] = step.domain


def _write_state(state, step: _Step, places) -> None:
    state["version"] = VERSION
    state["inputs"], state["outputs"] = step.source.width, step.target.width
    state["in_stride"], state["out_stride"] = places["stride"][[step.source.buffer, step.target.buffer]]
    state["parameter_stride"] = places["stride"][0]
    for i, signal in enumerate(step.extra):
        state["extra_stride"][i] = places["stride"][signal.buffer]
    for name, value in step.fields.items():
        state[name] = value


def _place(buffer: _Buffer, start: int, ratio: Ratio):
    """Return the BUFFER record of a buffer that begins at byte `start`, and the first byte after it.

    Rows are an odd multiple of 64 bytes apart: with a multiple of 4 KiB all would use the same set of the cache.
    Without history the cursor stays. With a short history it slides: each row overwrites the past that the next row no
    longer needs, and when the slack is used up, all rows are moved back together. A long history is in a ring, whose
    frames are written twice, a ring length apart, so that any window is contiguous and nothing has to be moved.
    """
    history = -(-buffer.history // 16) * 16
    block = ratio.model_frames(MAX_BLOCK) if buffer.domain else MAX_BLOCK
    window = history + block + OVERHANG
    stride = _odd_lines(window)
    slack = max(4 * block, buffer.rows * stride // 2) if history else 0
    ring = 0
    if 4 * buffer.rows * stride > RING_BYTES and history:
        ring = _odd_lines(window)
        stride, slack = _odd_lines(2 * ring + block + OVERHANG), 0
        first = start + 4 * ring
        end = first + 4 * ring
    else:
        first = start + 4 * history
        end = first + 4 * (slack + block)
    behind = aligned(start + 4 * (buffer.rows * stride + slack))
    return (first, first, end, stride, buffer.rows, history, ring, int(history > 0), buffer.domain), behind


def _odd_lines(floats: int) -> int:
    """Round up to an odd number of 64-byte lines, in floats."""
    return (-(-floats // 16) | 1) * 16


def graph_number(builder: Builder) -> int:
    """Return a number that is equal for two rigs if they differ only in weights and parameters."""
    places: dict[int, int] = {}  # buffers, numbered in the order in which the counted steps use them
    facts = [
        (s.kernel.name, [(places.setdefault(b.buffer, len(places)), b.row) for b in (s.source, s.target, *s.extra)])
        + (sorted(map(str, s.fields)),)
        for s in builder.steps
        if s.block not in builder.alike
    ]
    return _number([facts, sorted(builder.alike)])


def layout_number(builder: Builder) -> int:
    """Return a number that is equal for two rigs if a state of one is valid in the other, at the same addresses."""
    steps = [
        (s.kernel.name, s.dtype.itemsize, s.source, s.target, s.extra, s.domain, s.block, s.guarded)
        + tuple(
            (name, value) for name, value in sorted(s.fields.items()) if np.ndim(value) == 0 or isinstance(value, tuple)
        )
        for s in builder.steps
    ]
    return _number([steps, builder.buffers, builder.domains, len(builder.cells)])


def digest(kernels: Iterable[Kernel]) -> str:
    """Return eight hexadecimal digits that differ for different sets of kernels."""
    names = "\n".join(sorted(kernel.name for kernel in kernels))
    return hashlib.sha256(names.encode()).hexdigest()[:8]


def _number(facts: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(facts).encode()).digest()[:7], "little")
