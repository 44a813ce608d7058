"""Renders one long file in pieces over all cores. Each piece starts earlier by the rig's history, so no bit differs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AudioFileError, RtfxError
from ..files import STANDARD
from .job import Job
from .workers import pool

if TYPE_CHECKING:
    from ..api import Rig
    from ..plan.block import ReadyBlock
    from ..plan.chain import Plan

WORTH = 4e11  # least multiply-adds, about 5 s of one core: less work takes no longer than starting the workers
PIECE_SECONDS = 10.0
OVERLAP_SHARE = 0.25  # at most this share of a piece is computed twice

_worker: dict[Any, Any] = {}


class Uncuttable(RtfxError):
    """The file cannot be rendered in pieces, because the samples would differ."""


@dataclass(frozen=True)
class Stage:
    """Consecutive blocks of a chain.

    Parameters
    ----------
    history : int or None
        The number of past frames that an output frame depends on; None: all of them, so the stage runs in one piece.
    """

    blocks: tuple[ReadyBlock, ...]
    history: int | None


def stages_of(plan: Plan) -> list[Stage] | None:
    """Return a plan's chain as stages; None if it has paths, a history is infinite or an output depends on the time.

    A model's DC blocker has an infinite history and costs little: it is a stage of its own.
    """
    from ..effects.cab import cuts
    from ..effects.dcblock import DCBLOCK
    from ..kernels.partitioned import levels_for
    from ..plan.block import ReadyBlock

    if any(planned.source.paths or planned.source.key for planned in plan.blocks):
        return None  # stages are one behind the other; paths and side inputs are not
    stages: list[Stage] = []
    for planned in plan.blocks:
        block, spec = planned.source, planned.source.playing
        if spec is None:
            # partitions begin with the stream: a piece that begins elsewhere would be rounded differently
            taps = block.impulse.shape[1] if block.impulse is not None else 0
            cab = taps - 1 if taps and not levels_for(taps) and not cuts(block.values) else None
            _append(stages, block, 0 if block.effect.type == "gain" else cab)
            continue
        if spec.receptive_field is None or spec.period > 1 or block.conversion(plan.sample_rate) is not None:
            return None
        assert block.spec is not None
        _append(stages, replace(block, spec=replace(block.spec, dc_block=False)), spec.receptive_field - 1)
        if spec.dc_block and not block.bare:
            _append(stages, ReadyBlock(f"{block.id}_dc", DCBLOCK, {}), None)
    return stages if any(stage.history is not None for stage in stages) else None


def _append(stages: list[Stage], block: ReadyBlock, history: int | None) -> None:
    """Add a block to the last stage if both are of one kind."""
    last = stages[-1] if stages else None
    if last is None or (last.history is None) != (history is None):
        stages.append(Stage((block,), history))
    else:
        total = None if history is None or last.history is None else last.history + history
        stages[-1] = Stage((*last.blocks, block), total)


def cut(rig: Rig, job: Job) -> list[Stage] | None:
    """Return the stages of a job that is long enough; None if it is not, or cannot be cut."""
    if STANDARD in (job.source, job.target):
        return None  # a pipe has no length before it is read
    info = job.info()
    if info is None or info.frames is None:
        return None
    rate = job.rate or rig.sample_rate or info.sample_rate
    if rate != info.sample_rate:
        return None
    channels = 1 if job.mono else info.channels
    plan = job.plan(rig, rate, channels)
    return stages_of(plan) if info.frames * channels * _work(plan) >= WORTH else None


def _work(plan: Plan) -> int:
    """Return the multiply-adds of one frame of one channel."""
    blocks = [planned.source for planned in plan.blocks]
    models = sum(block.playing.macs_per_sample for block in blocks if block.playing)
    return models + sum(block.impulse.shape[1] for block in blocks if block.impulse is not None)


def render_pieces(rig: Rig, job: Job, jobs: int, progress: Callable[[int, int | None], None]) -> Any:
    """Render one file over `jobs` worker processes.

    Raises
    ------
    Uncuttable
        A model's output is not finite, or a block's initial state depends on the block before it.
    RtfxError
        Any other error. No incomplete file is left in either case.
    """
    from ..engine.offline import BLOCK_FRAMES
    from ..host.render import render_file

    with pool(jobs) as workers:

        def process(blocks: Iterable[np.ndarray], rate: int, channels: int) -> tuple[Iterator[np.ndarray], int]:
            plan = job.plan(rig, rate, channels)
            aligned = job.align and not job.flags.options.bare
            skip, tail = (plan.latency_frames, plan.tail_frames) if aligned else (0, 0)
            block = job.block or BLOCK_FRAMES
            stream = _with_silence(blocks, skip + tail, channels)
            means = _means(plan, job.flags.options.cold)
            in_gain, out_gain = job.gains(rig)
            width = channels
            for number, stage in enumerate(stages_of(plan) or []):
                gain = in_gain if number == 0 else 0.0
                if stage.history is None:
                    serial = _offline(stage, plan.sample_rate, width, block, gain, means, first=number == 0)
                    stream, width = _through(serial, stream), serial.plan.outputs
                else:
                    key = (job, number, plan.sample_rate, width, channels, gain)
                    stream = _in_order(workers, key, stream, stage.history, block, round(PIECE_SECONDS * rate), jobs)
                    width = _offline(stage, plan.sample_rate, width, block, gain, []).plan.outputs
            limits = bool(rig.set_list.globals.get("limiter", True)) and not job.flags.options.bare
            last = _offline(Stage((), None), plan.sample_rate, width, block, 0.0, [], limits, out_gain)
            return _after(_through(last, stream), skip), width

        try:
            how = (job.encoding, job.mono, job.overwrite, progress, job.lufs, job.measure)
            return render_file(process, job.source, job.target, *how)
        finally:
            workers.shutdown(wait=True, cancel_futures=True)


def _offline(
    stage: Stage,
    rate: float,
    channels: int,
    block: int,
    gain: float,
    means: list[float],
    limiter: bool = False,
    out: float = 0.0,
    cold: bool = False,
    first: bool = False,
) -> Any:
    """Return a stage ready to run; each of its DC blockers takes the next number from `means`.

    Only the `first` stage gets samples from the file; of these, the ones that are not finite or above
    `LOUDEST_SAMPLE` are replaced by zeros.
    """
    from ..effects.limiter import LARGEST
    from ..engine.layout import LOUDEST_SAMPLE
    from ..engine.offline import Offline
    from ..plan.chain import plan_chain

    loudest = LOUDEST_SAMPLE if first else float(LARGEST)
    offline = Offline(plan_chain(stage.blocks, rate, channels), cold, limiter, block, gain, out, loudest)
    for state in _dc_states(offline.rig):
        state["mean"] = means.pop(0)
    return offline


def _means(plan: Plan, cold: bool) -> list[float]:
    """Return the initial offset of each DC blocker of a plan: the output of its model at silence."""
    from ..engine.engine_rig import EngineRig

    rig = EngineRig(plan, cold)
    if any(constant.any() for constant in rig.rested.inputs):
        raise Uncuttable("a block rests on an offset of the one before it, which a stage by itself does not know")
    return [state["mean"].item() for state in _dc_states(rig)]


def _dc_states(rig: Any) -> list[Any]:
    from ..effects import dcblock
    from ..plan.arena import STEP

    steps = rig.table(rig.record["steps"], rig.record["step_count"], STEP)
    own = [step for step in steps if step["kernel"] == dcblock.KERNEL.address]
    return [rig.table(step["state"], 1, dcblock.DCBLOCK_STATE)[0] for step in own]


def _with_silence(blocks: Iterable[np.ndarray], frames: int, channels: int) -> Iterator[np.ndarray]:
    yield from blocks
    if frames:
        yield np.zeros((frames, channels), np.float32)


def _through(offline: Any, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for block in blocks:
        yield offline.process(block)


def _after(blocks: Iterable[np.ndarray], skip: int) -> Iterator[np.ndarray]:
    for block in blocks:
        dropped = min(skip, len(block))
        skip -= dropped
        yield block[dropped:]


def _pieces(blocks: Iterable[np.ndarray], size: int, history: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield arrays of frames, each with `size` new frames, and the number of frames at its start that are history."""
    blocks = iter(blocks)
    held: list[np.ndarray] = []
    before: np.ndarray | None = None
    ended = False
    while not ended:
        count = sum(map(len, held))
        while count < size and (block := next(blocks, None)) is not None:
            held.append(block)
            count += len(block)
        ended = count < size
        if not count:
            return
        new = np.concatenate(held)
        new, held = new[:size], [new[size:]]
        whole = new if before is None else np.concatenate([before, new])
        yield whole, len(whole) - len(new)
        before = whole[max(len(whole) - history, 0) :]


def _in_order(
    workers: ProcessPoolExecutor,
    key: tuple,
    blocks: Iterable[np.ndarray],
    history: int,
    block: int,
    size: int,
    jobs: int,
) -> Iterator[np.ndarray]:
    """Yield a stage's output for the pieces of a stream; two pieces per worker are queued or running."""
    history = -(-history // block) * block  # whole blocks, so that callbacks start at the same frames as in one run
    size = -(-max(size, round(history / OVERLAP_SHARE)) // block) * block
    waiting: deque = deque()
    coming = _pieces(blocks, size, history)
    while True:
        while len(waiting) < 2 * jobs and (piece := next(coming, None)) is not None:
            waiting.append(workers.submit(_render, key, block, *piece))
        if not waiting:
            return
        output = waiting.popleft().result()
        if output is None:
            raise Uncuttable("a model's output is not finite: what is muted depends on where it began")
        if isinstance(output, str):
            raise AudioFileError(output)
        yield output


def _render(key: tuple, block: int, x: np.ndarray, dropped: int) -> np.ndarray | str | None:
    """Render one piece in a worker; return its output, None if a model failed, or an error message."""
    job, number, rate, width, channels, gain = key
    try:
        if number not in _worker:
            rig = job.build()
            stage = (stages_of(job.plan(rig, rate, channels)) or [])[number]
            _worker[number] = _offline(
                stage, rate, width, block, gain, [], cold=job.flags.options.cold, first=number == 0
            )
        offline = _worker[number]
        offline.reset()
        y = offline.process(x)[dropped:]
        return None if offline.non_finite_blocks else y
    except RtfxError as error:
        return str(error)
