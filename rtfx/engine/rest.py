"""Brings a rig to rest before it plays, so that a silent input gives a silent output from the first frame on.

The blocks run one after another, each on the constant output of the previous block. A model first gets the prewarm of
its definition, a number of zeros; a bare model gets nothing else. In any other rig a block then continues in units of
`UNIT` frames until its output is at rest:

- some filters have a known state for a constant input (`RESTS`). They need not run until they rest: after each unit
  they are set to the state for the mean of their input;
- a unit is at rest if its output spans at most `STILL`;
- a net that hisses or oscillates by itself is at rest when its output neither drifts nor decays. In a drift the two
  halves of a unit have different means; in a decay the span of the units falls;
- no block runs for longer than `LONGEST_SECONDS`.

An effect starts at zero, which is its state of rest for a silent input, so it does not run; only models cost time. At
the end, if any block ran that is not the last one, the whole rig runs until its output is at rest. Otherwise a chain
with high gain would turn the small remaining changes of its blocks into a click.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..effects.effect import RESTS
from ..plan.arena import BUFFER, MAX_BLOCK, STEP, Signal
from ..plan.block import ReadyBlock
from ..plan.chain import Part
from .run_rig import PART, RUN_RIG

if TYPE_CHECKING:
    from .engine_rig import EngineRig

UNIT = MAX_BLOCK  # frames
STILL = 3e-6  # -110 dBFS: the next block may be an amp that raises it by 40 dB
STILL_OUTPUT = 3e-5  # -90 dBFS
LONGEST_SECONDS = 2.0
HISS_UNITS = 8  # a block can be found to hiss after this many units
LOUD_HISS = 1e-3  # -60 dBFS: an output above it is never taken for hiss
DRIFT = 0.125  # of a unit's span: a larger difference between the means of its halves is a drift
FALL = 0.7  # a net still decays if the last quarter of its spans is below this share of the second half's


class Rested(NamedTuple):
    """What was run to bring a rig to rest.

    Parameters
    ----------
    inputs : tuple of (rows,) float32
        The constant inputs of each part at rest, linear.
    run : tuple of bool
        Which blocks were run; the state of rest of such a block depends on its parameters.
    frames : int
        Total number of frames that were run, including the prewarm of the models.
    """

    inputs: tuple[np.ndarray, ...]
    run: tuple[bool, ...]
    frames: int


def settle(rig: EngineRig) -> Rested:
    """Bring every block of a rig that does not play yet to rest at its current parameter values. [control thread]"""
    runner = _Runner(rig)
    constants = {int(rig.record["input_buffer"]): np.zeros(rig.plan.inputs, np.float32)}  # by buffer, a value per row
    inputs: list[np.ndarray] = []
    run = [False] * len(rig.plan.blocks)
    for part in rig.plan.parts:
        given = tuple(constants[signal.buffer][signal.row :][: signal.width] for signal in part.inputs)
        inputs.append(np.concatenate(given))
        runs = runner.runs(rig.plan.blocks[part.place].source) or bool(inputs[-1].any())
        run[part.place] |= runs
        found = runner.settle(part, given) if runs else np.zeros(part.output.width)
        constants[part.output.buffer] = np.where(np.abs(found) <= STILL, 0.0, found).astype(np.float32)
    last = rig.plan.parts[-1].place if rig.plan.parts else 0
    if any(ran for place, ran in enumerate(run) if place != last) and not rig.cold and not rig.plan.bare:
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
        """Return whether a block must run to come to rest even if its input is silent."""
        if self._rig.cold:
            return bool(source.spec and source.spec.quiet_past)
        return source.playing is not None

    def settle(self, part: Part, constants: Sequence[np.ndarray]) -> np.ndarray:
        """Run a block on constant inputs until its output is at rest; return the mean of each row, (width,).

        A cold or bare block gets only its prewarm; then 0 is returned.
        """
        block = self._plan.blocks[part.place]
        source, impulse = block.source, block.source.impulse
        self._feed(part, constants)
        frames = block.prewarm_frames if impulse is None else impulse.shape[1] - 1
        for done in range(0, frames, UNIT):
            self._call(part, min(frames - done, UNIT))
        if frames:
            self._set_filters(part, (frames - 1) % UNIT + 1)
        if self._rig.cold or source.bare:
            return np.zeros(part.output.width)
        period = source.playing.period if source.playing else 1
        return self._until_still(part, STILL, period, filters=True)

    def settle_together(self) -> None:
        """Run the whole rig on silence until its output is at rest."""
        record, blocks = self._rig.record, self._plan.blocks
        counts = (len(self._plan.calls), int(record["buffer_count"]), int(record["domain_count"]))
        steps, buffers, domains = (slice(0, count) for count in counts)
        entrance = Signal(int(record["input_buffer"]), 0, self._plan.inputs)
        output = Signal(int(record["output_buffer"]), 0, self._plan.outputs)
        whole = Part(0, (entrance,), output, steps, buffers, domains)
        period = math.lcm(*(block.source.playing.period for block in blocks if block.source.playing))
        self._feed(whole, [np.zeros(self._plan.inputs, np.float32)])
        self._until_still(whole, STILL_OUTPUT, period, filters=False)

    def _feed(self, part: Part, constants: Sequence[np.ndarray]) -> None:
        """Write constants, one value per row, to `UNIT` frames of the block's inputs."""
        for signal, constant in zip(part.inputs, constants, strict=True):
            entrance = self._buffers[signal.buffer]
            for row, value in enumerate(constant):
                first = int(entrance["cursor"]) // 4 + int(entrance["stride"]) * (signal.row + row)
                self._floats[first : first + UNIT] = value

    def _until_still(self, part: Part, still: float, period: int, filters: bool) -> np.ndarray:
        """Run units until the block's output is at rest; return the mean of each of its rows, (width,)."""
        spans: list[float] = []
        drifts: list[float] = []
        limit = int(LONGEST_SECONDS * self._plan.sample_rate) // UNIT
        while not spans or spans[-1] > still and not hisses(spans, drifts) and len(spans) < limit:
            self._call(part, UNIT)
            y = self._rows(part.output, UNIT).astype(np.float64)
            halves = y.reshape(len(y), 2, -1).mean(axis=2)
            spans.append(float(np.ptp(y, axis=1).max()))
            drifts.append(float(np.abs(halves[:, 1] - halves[:, 0]).max()))
            if filters:
                self._set_filters(part, UNIT)
        # the total is a whole number of periods, so that strides have the same phase as after the model's prewarm
        rest = -len(spans) * UNIT % period
        for done in range(0, rest, UNIT):
            self._call(part, min(rest - done, UNIT))
        return halves.mean(axis=1)

    def _set_filters(self, part: Part, frames: int) -> None:
        """Set filters to the state of rest for the mean of their last input; reaching it later would be audible."""
        cells = self._rig.cells["value"]
        for place in range(part.steps.start, part.steps.stop):
            known = RESTS.get(self._plan.calls[place])
            if known:
                kind, rest = known
                step = self._steps[place]
                source = self._rows(Signal(int(step["source"]), int(step["source_row"]), 1), frames)[0]
                state = self._rig.table(int(step["state"]), 1, kind)[0]
                rest(state, float(source.mean(dtype=np.float64)), cells[int(state["first_parameter"]) :])

    def _rows(self, signal: Signal, frames: int) -> np.ndarray:
        """Return the last block that was written to a signal at the stream's rate, (rows, frames) float32."""
        b = self._buffers[signal.buffer]
        first = int(b["cursor"]) // 4 - int(b["slides"]) * frames
        rows = (first + int(b["stride"]) * (signal.row + row) for row in range(signal.width))
        return np.stack([self._floats[row : row + frames] for row in rows])

    def _call(self, part: Part, frames: int) -> None:
        slices = (part.steps, part.buffers, part.domains)
        edges = np.array(tuple(edge for each in slices for edge in (each.start, each.stop)), PART)
        RUN_RIG(self._rig.address, 0, 0, frames, 0, edges.ctypes.data)
        self.frames += frames


def hisses(spans: list[float], drifts: list[float]) -> bool:
    """Return whether an output is steady noise or oscillation, which neither drifts nor decays.

    Parameters
    ----------
    spans : list of float
        Maximum minus minimum of each unit, linear.
    drifts : list of float
        Difference between the means of the two halves of each unit, linear.
    """
    if len(spans) < HISS_UNITS or spans[-1] > LOUD_HISS:
        return False
    half, late = len(spans) // 2, slice(-(len(spans) // 4), None)
    steady = max(spans[late]) >= FALL * max(spans[half:])
    return steady and all(drift <= DRIFT * span for drift, span in zip(drifts[half:], spans[half:], strict=True))
