"""An instance of a plan that can play: it has a prewarmed arena and a mailbox for parameters."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..kernels.kernel import Loop
from ..kernels.memory import exchange
from ..plan.arena import CELL, FRESH, RIG, TABLE_SHIFT, allocate
from ..plan.chain import Plan
from .rest import Rested, settle
from .run_rig import MAILBOX


def _exchange(address, value):
    """Swap an int64 at an address. [control thread]"""
    return exchange(address, value)


TABLES_KEPT = 1024  # tables of values that are remembered, as the audio thread may still log their numbers
EXCHANGE = Loop(_exchange, "int64(int64, int64)")


class EngineRig:
    """One instance of a plan. All methods are for the control thread.

    Parameters
    ----------
    plan : Plan
    cold : bool
        Skip the prewarm: start from the state stored in the model file, else from zeros. Models with `quiet_past` are
        prewarmed nevertheless.
    template : EngineRig, optional
        An instance of the same plan, or of a plan with the same layout. Its prewarmed state is copied, which saves the
        prewarm.

    Attributes
    ----------
    origin : object
        Describes how to build the same rig again; set by the caller, None by default.
    tables : deque
        The last (number, table of parameter values) pairs that were published, at most `TABLES_KEPT`.
    rested : Rested
        What was run to bring the rig to rest.
    """

    origin: Any = None
    image: np.ndarray
    rested: Rested

    def __init__(self, plan: Plan, cold: bool = False, template: EngineRig | None = None):
        self.plan = plan
        self.memory = allocate(plan.arena.size)
        self.address = self.memory.ctypes.data
        self._free_table = 2
        self._table = 0
        self.tables: deque[tuple[int, Sequence[Mapping]]] = deque(maxlen=TABLES_KEPT)
        self.cold: bool = template.cold if template else cold
        self.prewarmed: bool = template is None or (template.prewarmed and plan is template.plan)  # with these weights
        if template is None:
            self.memory[:] = plan.arena
            self.weights = allocate(plan.weights.nbytes).view(np.float32)
            self.weights[:] = plan.weights
            self.record["weights"] = self.weights.ctypes.data
            self._settle()
        else:
            self.memory[:] = plan.arena
            self.weights, self.image, self.rested = template.weights, template.image, template.rested
            if plan is not template.plan:
                self.weights = allocate(plan.weights.nbytes).view(np.float32)
                self.weights[:] = plan.weights
            self.record["weights"] = self.weights.ctypes.data
            self.memory[self.record["image_offset"] :] = self.image
        self.record["image"] = self.image.ctypes.data

    @property
    def record(self):
        """The RIG record at the start of the arena."""
        return self.memory[: RIG.itemsize].view(RIG)[0]

    def table(self, offset: int, count: int, kind: np.dtype) -> np.ndarray:
        """Return a view of `count` items of dtype `kind` in the arena, from `offset` in bytes."""
        return self.memory[offset : offset + count * kind.itemsize].view(kind)

    @property
    def cells(self) -> np.ndarray:
        """The CELL records; when the rig plays, only the audio thread writes them."""
        return self.table(self.record["cells"], self.record["cell_count"], CELL)

    def start_at(self, values: Sequence[Mapping]) -> None:
        """Set parameter values without a glide, before the rig is published, and bring the rig to rest at them.

        Parameters
        ----------
        values : one mapping of parameter values per block of the chain
        """
        numbers = self._cell_values(values)
        cells = self.cells
        turned = any(
            (cells["goal"] != numbers)[block.first_cell : block.first_cell + len(block.source.parameters)].any()
            for block, run in zip(self.plan.blocks, self.rested.run, strict=True)
            if run
        )
        cells["value"] = cells["goal"] = numbers
        cells["left"] = 0
        self.table(self.record["tables"], 3 * cells.size, np.dtype(np.float32))[:] = np.tile(numbers, 3)
        if turned:
            first = int(self.record["image_offset"])
            self.memory[first:] = self.plan.arena[first:]
            self._settle()

    def _settle(self) -> None:
        """Bring the rig to rest at the current parameter values; after a fault it restarts from this state."""
        self.rested = settle(self)
        self.image = self.memory[int(self.record["image_offset"]) :].copy()
        self.record["image"] = self.image.ctypes.data

    def glide_to(self, values: Sequence[Mapping]) -> None:
        """Publish a table of all parameter values; the rig glides to them. [control thread]

        A later table replaces one that the audio thread has not taken yet.
        """
        numbers = self._cell_values(values)
        offset = int(self.record["tables"]) + 4 * numbers.size * self._free_table
        self.table(offset, numbers.size, np.dtype(np.float32))[:] = numbers
        self._table += 1
        self.tables.append((self._table, values))
        word = self._table << TABLE_SHIFT | FRESH | self._free_table
        self._free_table = EXCHANGE(self.address + MAILBOX, word) & (FRESH - 1)

    def _cell_values(self, values: Sequence[Mapping]) -> np.ndarray:
        numbers = self.cells["goal"].copy()
        for block, block_values in zip(self.plan.blocks, values, strict=True):
            cells = block.source.cells(block_values, self.plan.sample_rate)
            numbers[block.first_cell : block.first_cell + len(cells)] = cells
        return numbers
