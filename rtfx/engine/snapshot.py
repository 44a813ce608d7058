"""The whole state of a running engine at one frame, copied between two callbacks: the audio thread does not wait."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..kernels.jit import kernel
from ..kernels.memory import fence, integers, load_acquire, move_bytes
from ..plan.layout import CELL, RIG
from .engine import Engine
from .layout import ENGINE, OFFSET
from .rig import EngineRig

TURN = OFFSET["turn"]
STATE_BYTES = OFFSET["dry_rows"]  # behind it nothing outlives a block
ATTEMPTS = 500
PAUSE_SECONDS = 20e-6
_FIELDS: Any = ENGINE.fields


def _copy(turn, moves, count):
    """Copy (source, target, bytes) triples; return 0 if a callback was under way meanwhile. [control thread]"""
    triples = integers(moves, 3 * count)
    before = load_acquire(turn)
    if before % 2 == 1:
        return 0
    fence()
    for i in range(count):
        move_bytes(triples[3 * i + 1], triples[3 * i], triples[3 * i + 2])
    fence()
    return 1 if load_acquire(turn) == before else 0


COPY = kernel(_copy, "int64(int64, int64, int64)")


@dataclass(frozen=True)
class Snapshot:
    """An engine at a stream frame.

    Parameters
    ----------
    frame : int
    engine : (STATE_BYTES,) uint8
        The head of an ENGINE record.
    arenas : dict
        Number of the publication to the arena of each rig that has a slot.
    numbers : tuple of int
        The number of the rig in each slot, 0 for none.
    """

    frame: int
    engine: np.ndarray
    arenas: dict[int, np.ndarray]
    numbers: tuple[int, ...]

    @property
    def size(self) -> int:
        """Memory it takes."""
        return self.engine.nbytes + sum(arena.nbytes for arena in self.arenas.values())


def snapshot(engine: Engine, still: bool = False) -> Any:
    """Return the engine's state now, or None if no pause between two callbacks was long enough. [control thread]

    Parameters
    ----------
    still : bool
        The audio has not begun: nothing need be compiled for it.
    """
    rigs = list(engine.rigs.values())  # held here: the control thread may free them meanwhile
    copy = np.empty(STATE_BYTES, np.uint8)
    arenas = [np.empty(rig.memory.size, np.uint8) for rig in rigs]
    pairs = [(engine.memory, copy), *((rig.memory, arena) for rig, arena in zip(rigs, arenas, strict=True))]
    moves = np.array([(s.ctypes.data, t.ctypes.data, t.nbytes) for s, t in pairs], np.int64)
    if still:
        copy[:] = engine.memory[:STATE_BYTES]
    else:
        for _ in range(ATTEMPTS):
            if COPY(engine.address + TURN, moves.ctypes.data, len(moves)):
                break
            time.sleep(PAUSE_SECONDS)
        else:
            return None
    places = {rig.address: index for index, rig in enumerate(rigs)}
    found, numbers = {}, []
    for address in part(copy, "slots")["rig"]:
        if address and int(address) not in places:
            return None  # published after the list was made
        number = 0
        if address:
            arena = arenas[places[int(address)]]
            number = int(arena[: RIG.itemsize].view(RIG)[0]["number"])
            found[number] = arena
        numbers.append(number)
    return Snapshot(int(part(copy, "clock")[0]), copy, found, tuple(numbers))


def part(engine: np.ndarray, name: str) -> np.ndarray:
    """Return a view of one field in an engine's copied bytes, as an array."""
    kind, place = _FIELDS[name][:2]
    return engine[place : place + kind.itemsize].view(kind.base)


def packed(arena: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (CELL records, image, layout's name) of an arena: all that a rig of the same layout needs to go on."""
    rig = arena[: RIG.itemsize].view(RIG)[0]
    cells = arena[rig["cells"] : rig["cells"] + CELL.itemsize * rig["cell_count"]]
    image = arena[rig["image_offset"] : rig["image_offset"] + rig["image_bytes"]]
    return cells, image, np.array(rig["layout"])


def unpack(rig: EngineRig, cells: np.ndarray, image: np.ndarray, layout: np.ndarray) -> bool:
    """Give a rig a state that was `packed`; return False, and change nothing, if it is of another layout."""
    own_cells, own_image, own_layout = packed(rig.memory)
    if own_layout != layout or own_cells.size != cells.size or own_image.size != image.size:
        return False
    own_cells[:], own_image[:] = cells, image
    return True


def restore(engine: Engine, copy: np.ndarray, rigs: dict[int, EngineRig], numbers: list[int]) -> None:
    """Put an engine that has not played yet into a copied state.

    Parameters
    ----------
    copy : uint8
        `Snapshot.engine`.
    rigs : dict
        Number to rig, unpacked already.
    numbers : list of int
        The number of the rig in each slot, 0 for none.
    """
    own = {name: np.copy(engine.record[name]) for name in KEPT}
    engine.memory[:STATE_BYTES] = copy
    for name, value in own.items():
        engine.record[name] = value
    engine.record["retire_tail"] = engine.record["retire_head"]
    for name in ("in_gain", "out_gain", "wet", "open"):
        engine.record[name]["target"] = engine.record[name]["goal"]
    for slot, number in zip(engine.record["slots"], numbers, strict=True):
        slot["rig"] = rigs[number].address if number else 0
        if number:
            engine.rigs[rigs[number].address] = rigs[number]


# what belongs to this engine and its memory, not to the state
KEPT = (
    "pending", "inputs", "outputs", "device_inputs", "device_outputs", "in_channel", "in_step",
    "out_channel", "out_step", "out_count", "source", "dry_ring", "wet_ring",
    "ring_frames", "log", "log_size", "turn", "run_rig",
)  # fmt: skip
