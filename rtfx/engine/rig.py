"""A plan made ready to play: its own arena, prewarmed, with a mailbox for parameters."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..effects import dcblock
from ..kernels.jit import kernel
from ..kernels.memory import exchange
from ..plan.chain import Plan
from ..plan.layout import BUFFER, CELL, FRESH, MAX_BLOCK, RIG, STEP, TABLE_SHIFT, allocate
from .run import MAILBOX, RUN_PART


def _exchange(address, value):
    """Swap an int64 at an address. [control thread]"""
    return exchange(address, value)


TABLES_KEPT = 1024  # tables of values whose numbers the audio thread may still log
EXCHANGE = kernel(_exchange, "int64(int64, int64)")


class EngineRig:
    """One instance of a plan. All methods are for the control thread.

    Parameters
    ----------
    plan : Plan
    cold : bool
        Skip the prewarm: start from the state stored in the model file, else zeros; but for models of a quiet past.
    template : EngineRig, optional
        An instance of the same plan, or of one of the same layout, whose prewarmed state is copied in place of
        prewarming again.

    Attributes
    ----------
    origin : object
        Set by who knows how to make the same rig again.
    published : deque
        The last tables of values and their numbers.
    """

    origin: Any = None

    def __init__(self, plan: Plan, cold: bool = False, template: EngineRig | None = None):
        self.plan = plan
        self.memory = allocate(plan.arena.size)
        self.address = self.memory.ctypes.data
        self._free_table = 2
        self._tables = 0
        self.published: deque[tuple[int, Sequence[Mapping]]] = deque(maxlen=TABLES_KEPT)
        self.cold: bool = template.cold if template else cold
        self.prewarmed: bool = template is None or (template.prewarmed and plan is template.plan)  # with these weights
        if template is None:
            self.memory[:] = plan.arena
            self.weights = allocate(plan.weights.nbytes).view(np.float32)
            self.weights[:] = plan.weights
            self.record["weights"] = self.weights.ctypes.data
            self._prewarm()
            self.image = self.memory[self.record["image_offset"] :].copy()
        else:
            self.memory[:] = plan.arena
            self.weights, self.image = template.weights, template.image
            if plan is not template.plan:
                self.weights = allocate(plan.weights.nbytes).view(np.float32)
                self.weights[:] = plan.weights
            self.record["weights"] = self.weights.ctypes.data
            self.memory[self.record["image_offset"] :] = self.image
        self.record["image"] = self.image.ctypes.data

    @property
    def record(self):
        """The RIG record at the head of the arena."""
        return self.memory[: RIG.itemsize].view(RIG)[0]

    def table(self, offset: int, count: int, kind: np.dtype) -> np.ndarray:
        """Return a view of part of the arena."""
        return self.memory[offset : offset + count * kind.itemsize].view(kind)

    @property
    def cells(self) -> np.ndarray:
        """The CELL records; written by the audio thread once the rig plays."""
        return self.table(self.record["cells"], self.record["cell_count"], CELL)

    def start_at(self, values: Sequence[Mapping]) -> None:
        """Set parameter values before the rig is published: no glide; models are prewarmed at them.

        Parameters
        ----------
        values : one mapping of parameter values per block of the chain
        """
        numbers = self._cell_values(values)
        cells = self.cells
        turned = any(
            (cells["goal"] != numbers)[block.first_cell : block.first_cell + len(block.source.parameters)].any()
            for block in self.plan.blocks
            if block.prewarm_frames
        )
        cells["value"] = cells["goal"] = numbers
        cells["left"] = 0
        self.table(self.record["tables"], 3 * cells.size, np.dtype(np.float32))[:] = np.tile(numbers, 3)
        if turned:
            first = int(self.record["image_offset"])
            self.memory[first:] = self.plan.arena[first:]
            self._prewarm()
            self.image = self.memory[first:].copy()
            self.record["image"] = self.image.ctypes.data

    def glide_to(self, values: Sequence[Mapping]) -> None:
        """Publish a whole table of parameter values; the rig glides there. Latest wins. [control thread]"""
        numbers = self._cell_values(values)
        offset = int(self.record["tables"]) + 4 * numbers.size * self._free_table
        self.table(offset, numbers.size, np.dtype(np.float32))[:] = numbers
        self._tables += 1
        self.published.append((self._tables, values))
        word = self._tables << TABLE_SHIFT | FRESH | self._free_table
        self._free_table = EXCHANGE(self.address + MAILBOX, word) & (FRESH - 1)

    def _cell_values(self, values: Sequence[Mapping]) -> np.ndarray:
        numbers = self.cells["goal"].copy()
        for block, block_values in zip(self.plan.blocks, values, strict=True):
            cells = block.source.cells(block_values, self.plan.sample_rate)
            numbers[block.first_cell : block.first_cell + len(cells)] = cells
        return numbers

    def _prewarm(self) -> None:
        """Run each model's own number of zeros through it, at the current parameter values; cold only where it must."""
        buffers = self.table(self.record["buffers"], self.record["buffer_count"], BUFFER)
        for block in self.plan.blocks:
            if self.cold and not (block.source.spec and block.source.spec.quiet_past):
                continue
            entrance = buffers[block.input.buffer]
            rows = self.table(int(entrance["cursor"]), int(entrance["stride"] * entrance["rows"]), np.dtype(np.float32))
            rows[:] = 0.0
            left = block.prewarm_frames
            while left > 0:
                frames = min(left, MAX_BLOCK)
                parts = (block.steps, block.buffers, block.domains)
                RUN_PART(self.address, *(edge for part in parts for edge in (part.start, part.stop)), frames)
                left -= frames
                if left == 0:
                    self._settle(block.steps, frames)

    def _settle(self, steps: slice, frames: int) -> None:
        """Start each DC blocker at the offset that its model has come to: getting there from zero is a thump."""
        record, floats = self.record, self.memory[: self.memory.size // 4 * 4].view(np.float32)
        buffers = self.table(record["buffers"], record["buffer_count"], BUFFER)
        for step in self.table(record["steps"], record["step_count"], STEP)[steps]:
            if step["kernel"] == dcblock.KERNEL.address:
                source = buffers[step["source"]]
                last = int(source["cursor"]) // 4 + int(source["stride"]) * int(step["source_row"]) + frames - 1
                self.table(step["state"], 1, dcblock.DCBLOCK_STATE)["mean"] = floats[last]
