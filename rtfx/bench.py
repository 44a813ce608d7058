"""Times whole models through the engine, beside other programs, in turns: what the machine does meanwhile hits all.

Each round gives every candidate a short run; its figure is the best of all rounds. A run of a millisecond is rarely
disturbed, a run of seconds always is.
"""

from __future__ import annotations

import hashlib
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .api import Model, load
from .engine.offline import Offline
from .engine.timing import measured_peak, time_blocks
from .errors import RtfxError, UsageError
from .model.clip import guitar_like
from .plan.chain import Plan
from .rigs import Rig

CHUNK_FRAMES = 8192
COMMAND_SECONDS = 120


@dataclass(frozen=True)
class Row:
    """What one model took at one block size; times in ns, those of blocks for a whole block.

    `ns_per_sample` is the best chunk's, `percent_of_peak` the share of the multiply-adds that the core was seen to
    reach, `empty_p999_ns` what the clock alone showed. `against` is the other program's ns per sample.
    """

    model: str
    block: int
    ns_per_sample: float
    realtime_x: float
    percent_of_peak: float
    median_ns: float
    p99_ns: float
    p999_ns: float
    empty_p999_ns: float
    compile_s: float
    kernels: list[str]
    plan: str
    against: float | None = None
    ratio: float | None = None


@dataclass
class _Candidate:
    model: str
    block: int
    plan: Plan
    macs: int
    player: Offline
    best: float = np.inf
    against: float = np.inf
    times: list[np.ndarray] = field(default_factory=list)


def bench(
    models: Sequence[tuple[str, Model]],
    blocks: Sequence[int],
    sample_rate: float,
    seconds: float = 1.0,
    command: str | None = None,
) -> list[Row]:
    """Return one row per model and block size.

    Parameters
    ----------
    models : sequence of (name, Model)
        Played mono by the engine with its gains, meters and limiter, without cabinet and DC blocker.
    blocks : sequence of int
        Frames per callback.
    sample_rate : float
        Hz.
    seconds : float
        Time spent on each row, about.
    command : str, optional
        Another program; ``{model}`` and ``{block}`` are filled in, its first word on standard output is its ns per
        sample. It is run in every round.

    Raises
    ------
    UsageError
        A block longer than `CHUNK_FRAMES`, or the command fails.
    """
    if not all(0 < block <= CHUNK_FRAMES for block in blocks):
        raise UsageError(f"--block {blocks}: expected 1 to {CHUNK_FRAMES} frames")
    candidates = []
    for name, model in models:
        plan = Rig([model]).plan(sample_rate, bare=True)
        macs = model.spec.macs_per_sample
        candidates += [_Candidate(name, block, plan, macs, Offline(plan, block=block)) for block in blocks]
    x = guitar_like(1, CHUNK_FRAMES, sample_rate)[0].astype(np.float32)
    y = np.zeros_like(x)
    peak = measured_peak()
    empty = np.concatenate([time_blocks(0, x, y, 16) for _ in range(20)])
    rounds = 5
    for _ in range(rounds):
        for candidate in candidates:
            _measure(candidate, x, y, seconds / rounds)
            if command:
                candidate.against = min(candidate.against, _other(command, candidate))
    return [_row(candidate, peak, empty, sample_rate) for candidate in candidates]


def _measure(candidate: _Candidate, x: np.ndarray, y: np.ndarray, seconds: float) -> None:
    engine = candidate.player.engine.address
    spent, frames = 0.0, x.size // candidate.block * candidate.block
    time_blocks(engine, x, y, candidate.block)  # caches warm again
    while spent < seconds * 1e9:
        times = time_blocks(engine, x, y, candidate.block)
        spent += float(times.sum())
        candidate.best = min(candidate.best, float(times.sum()) / frames)
        candidate.times.append(times)


def _other(command: str, candidate: _Candidate) -> float:
    """Return the ns per sample that the other program reports."""
    line = [part.format(model=candidate.model, block=candidate.block) for part in shlex.split(command)]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=COMMAND_SECONDS)
        return float(done.stdout.split()[0])
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"--against-command {shlex.join(line)}: {error}") from error
    except (ValueError, IndexError) as error:
        said = (done.stdout or done.stderr).strip().splitlines()[:1]
        raise UsageError(
            f"--against-command {shlex.join(line)}: printed {said}, expected its ns per sample as the first word"
        ) from error


def _row(candidate: _Candidate, peak: float, empty: np.ndarray, sample_rate: float) -> Row:
    times = np.concatenate(candidate.times)
    median, p99, p999 = np.quantile(times, (0.5, 0.99, 0.999))
    known = np.isfinite(candidate.against)
    return Row(
        model=candidate.model,
        block=candidate.block,
        ns_per_sample=candidate.best,
        realtime_x=1e9 / sample_rate / candidate.best,
        percent_of_peak=100.0 * candidate.macs / (candidate.best * 1e-9) / peak,
        median_ns=float(median),
        p99_ns=float(p99),
        p999_ns=float(p999),
        empty_p999_ns=float(np.quantile(empty, 0.999)),
        compile_s=sum(kernel.compile_seconds for kernel in candidate.plan.kernels),
        kernels=sorted(kernel.name for kernel in candidate.plan.kernels),
        plan=plan_hash(candidate.plan),
        against=candidate.against if known else None,
        ratio=candidate.against / candidate.best if known else None,
    )


def plan_hash(plan: Plan) -> str:
    """Return eight digits that differ where plans call other kernels."""
    names = "\n".join(sorted(kernel.name for kernel in plan.kernels))
    return hashlib.sha256(names.encode()).hexdigest()[:8]


def readable(names: Sequence[str]) -> tuple[list[tuple[str, Model]], list[RtfxError]]:
    """Return the models that load, by name, and the errors of the others."""
    models: list[tuple[str, Model]] = []
    errors: list[RtfxError] = []
    for name in names:
        try:
            models.append((name, load(name)))
        except RtfxError as error:
            errors.append(error)
    return models, errors
