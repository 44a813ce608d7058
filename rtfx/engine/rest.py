"""Brings a rig to rest before it sounds, so that silence at its input is silence at its output from the first frame.

The blocks run one after another, each on the constant output of the block before it. A model first gets the prewarm of
its own definition, a number of zeros; a bare model gets nothing else. In any other rig a block then runs on in units of
`UNIT` frames until its output rests:

- filters whose state follows from a constant input (`RESTS`) do not run until they rest: after each unit they are set
  to the state to which the mean of their input leads;
- a unit is at rest if its output spans at most `STILL`;
- a net that hisses or oscillates by itself is at rest when its output only repeats. The two halves of each unit tell a
  hiss from a drift, which gives them different means; a steady height tells it from ringing, which falls;
- no block runs for longer than `LONGEST_SECONDS`.

An effect starts at zero and rests there if its input is silent, so it does not run: only models that are not at rest
cost time. At the end, where blocks follow one that ran, the whole rig runs until its output rests, in the same way: a
chain of high gain would turn the remainders of its blocks into a click.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..effects.effect import RESTS
from ..plan.arena import BUFFER, MAX_BLOCK, STEP
from ..plan.block import ReadyBlock
from ..plan.chain import PlannedBlock
from .run_rig import PART, RUN_RIG

if TYPE_CHECKING:
    from .engine_rig import EngineRig

UNIT = MAX_BLOCK  # frames
STILL = 3e-6  # -110 dBFS: what follows may be an amp that raises it by 40 dB
STILL_OUTPUT = 3e-5  # -90 dBFS
LONGEST_SECONDS = 2.0
HISS_UNITS = 8  # as many are looked at before a block is said to hiss
LOUD_HISS = 1e-3  # above -60 dBFS nothing is taken for hiss before the time is up
DRIFT = 0.125  # of a unit's span: a larger difference between the means of its halves is a drift
FALL = 0.7  # of the span at half of the time: one that is smaller now is still ringing down


class Rested(NamedTuple):
    """How a rig came to rest.

    Parameters
    ----------
    inputs : tuple of (width,) float32
        The constant that each block rests on.
    run : tuple of bool
        Which blocks were run: their rest depends on their parameters.
    frames : int
        Run in all, the models' own prewarm included.
    """

    inputs: tuple[np.ndarray, ...]
    run: tuple[bool, ...]
    frames: int


def settle(rig: EngineRig) -> Rested:
    """Run every block of a rig that does not sound yet to rest, at the current parameter values. [control thread]"""
    runner, blocks = _Runner(rig), rig.plan.blocks
    inputs, run = [], []
    constant = np.zeros(rig.plan.inputs, np.float32)
    for place, block in enumerate(blocks):
        inputs.append(constant)
        run.append(runner.runs(block.source) or bool(constant.any()))
        after = blocks[place + 1].input if place + 1 < len(blocks) else None
        width = after.width if after else rig.plan.outputs
        target = after.buffer if after else int(rig.record["output_buffer"])
        found = runner.settle(block, constant, target, width) if run[-1] else np.zeros(width)
        constant = np.where(np.abs(found) <= STILL, 0.0, found).astype(np.float32)
    if any(run[:-1]) and not rig.cold and not rig.plan.bare:
        runner.settle_together()
    return Rested(tuple(inputs), tuple(run), runner.frames)


class _Runner:
    """Runs single blocks of a rig and measures their output."""

    def __init__(self, rig: EngineRig):
        self._rig, self._plan = rig, rig.plan
        self.frames = 0
        self._floats = rig.memory[: rig.memory.size // 4 * 4].view(np.float32)
        self._buffers = rig.table(rig.record["buffers"], rig.record["buffer_count"], BUFFER)
        self._steps = rig.table(rig.record["steps"], rig.record["step_count"], STEP)

    def runs(self, source: ReadyBlock) -> bool:
        """Return whether a block has a rest of its own to find, even if nothing comes in."""
        if self._rig.cold:
            return bool(source.spec and source.spec.quiet_past)
        return source.playing is not None

    def settle(self, block: PlannedBlock, constant: np.ndarray, target: int, width: int) -> np.ndarray:
        """Run a block on a constant until its output, `width` rows of buffer `target`, rests; return each row's mean.

        A cold or a bare block is not waited for: 0 is returned.
        """
        source = block.source
        self._feed(block, constant)
        impulse = source.impulse
        frames = block.prewarm_frames if impulse is None else impulse.shape[1] - 1
        for done in range(0, frames, UNIT):
            self._call(block, min(frames - done, UNIT))
        if frames:
            self._set_filters(block, (frames - 1) % UNIT + 1)
        if self._rig.cold or source.bare:
            return np.zeros(width)
        period = source.playing.period if source.playing else 1
        return self._until_still(block, target, width, STILL, period, filters=True)

    def settle_together(self) -> None:
        """Run the whole rig on silence until its output rests."""
        record, blocks = self._rig.record, self._plan.blocks
        counts = (len(self._plan.calls), int(record["buffer_count"]), int(record["domain_count"]))
        steps, buffers, domains = (slice(0, count) for count in counts)
        whole = replace(blocks[0], steps=steps, buffers=buffers, domains=domains)
        period = math.lcm(*(block.source.playing.period for block in blocks if block.source.playing))
        self._feed(whole, np.zeros(self._plan.inputs, np.float32))
        target = int(record["output_buffer"])
        self._until_still(whole, target, self._plan.outputs, STILL_OUTPUT, period, filters=False)

    def _feed(self, block: PlannedBlock, constant: np.ndarray) -> None:
        """Write a constant to a whole unit of the block's input."""
        entrance = self._buffers[block.input.buffer]
        for row, value in enumerate(constant):
            first = int(entrance["cursor"]) // 4 + int(entrance["stride"]) * (block.input.row + row)
            self._floats[first : first + UNIT] = value

    def _until_still(
        self, block: PlannedBlock, target: int, width: int, still: float, period: int, filters: bool
    ) -> np.ndarray:
        """Run units until the block's output rests; return the mean of each row of it."""
        spans: list[float] = []
        drifts: list[float] = []
        limit = int(LONGEST_SECONDS * self._plan.sample_rate) // UNIT
        while not spans or spans[-1] > still and not hisses(spans, drifts) and len(spans) < limit:
            self._call(block, UNIT)
            y = self._rows(target, width, UNIT).astype(np.float64)
            halves = y.reshape(width, 2, -1).mean(axis=2)
            spans.append(float(np.ptp(y, axis=1).max()))
            drifts.append(float(np.abs(halves[:, 1] - halves[:, 0]).max()))
            if filters:
                self._set_filters(block, UNIT)
        rest = -len(spans) * UNIT % period  # strides begin anew where they would behind the model's own prewarm
        for done in range(0, rest, UNIT):
            self._call(block, min(rest - done, UNIT))
        return halves.mean(axis=1)

    def _set_filters(self, block: PlannedBlock, frames: int) -> None:
        """Set filters to the state that the mean of their last input leads to: getting there would be a thump."""
        cells = self._rig.cells["value"]
        for place in range(block.steps.start, block.steps.stop):
            known = RESTS.get(self._plan.calls[place])
            if known:
                kind, rest = known
                step = self._steps[place]
                source = self._rows(int(step["source"]), int(step["source_row"]) + 1, frames)[-1]
                state = self._rig.table(int(step["state"]), 1, kind)[0]
                rest(state, float(source.mean(dtype=np.float64)), cells[int(state["first_parameter"]) :])

    def _rows(self, buffer: int, rows: int, frames: int) -> np.ndarray:
        """Return the block that was last written to a buffer of the stream's rate, (rows, frames)."""
        b = self._buffers[buffer]
        first = int(b["cursor"]) // 4 - int(b["slides"]) * frames
        stride = int(b["stride"])
        return np.stack([self._floats[first + stride * row :][:frames] for row in range(rows)])

    def _call(self, block: PlannedBlock, frames: int) -> None:
        parts = (block.steps, block.buffers, block.domains)
        part = np.array(tuple(edge for each in parts for edge in (each.start, each.stop)), PART)
        RUN_RIG(self._rig.address, 0, 0, frames, 0, part.ctypes.data)
        self.frames += frames


def hisses(spans: list[float], drifts: list[float]) -> bool:
    """Return whether units of these spans, each with the difference between its halves, hold only what repeats."""
    if len(spans) < HISS_UNITS or spans[-1] > LOUD_HISS:
        return False
    half, late = len(spans) // 2, slice(-(len(spans) // 4), None)
    steady = max(spans[late]) >= FALL * max(spans[half:])
    return steady and all(drift <= DRIFT * span for drift, span in zip(drifts[half:], spans[half:], strict=True))
