"""Times whole models through the engine, in turns with other programs that play the same model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..api import Model, load
from ..engine.offline import Offline
from ..engine.timing import measured_peak, time_blocks
from ..errors import RtfxError, UnsupportedArchitecture, UsageError
from ..model.parity import guitar_like
from ..model.reference import evaluate
from ..model.spec import SIZE, ModelSpec
from ..plan.chain import Plan
from ..rigs import Rig
from .chosen import chosen
from .peers import AGREES_DB, COMMAND, CommandPlayer, check_installed, difference_db, played, stream
from .search import Searched, search
from .turns import CHUNK_FRAMES, CallPlayer, EnginePlayer, Player, in_turns

ROUNDS = 5
COMPARED_FRAMES = 2048
USUAL_RATE = 48000.0  # Hz, of a model that states none


@dataclass(frozen=True)
class Other:
    """What another program took: ns per sample, times ours, and how far its output is from the reference, in dB.

    `why` says why there are no times.
    """

    ns_per_sample: float | None = None
    ratio: float | None = None
    error_db: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Row:
    """What one model took at one block size; times in ns, those of blocks for a whole block.

    `ns_per_sample` is the best run's, `percent_of_peak` the share of the multiply-adds that the core was seen to
    reach, `empty_p999_ns` what the clock alone showed. `layers` say what each layer got. `regret` is the share of time
    that this plan takes more than the best that a search among all choices found, `worst` what the worst choice made
    once for all layers would take more; None where nobody searched.
    """

    model: str
    block: int
    sample_rate: float
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
    layers: list[str]
    regret: float | None
    worst: float | None
    against: dict[str, Other]

    @property
    def panel(self) -> str:
        """What it is called in a picture."""
        return Path(self.model).name


@dataclass
class _Candidate:
    model: str
    spec: ModelSpec
    plan: Plan
    engine: EnginePlayer
    others: dict[str, Player] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    refused: dict[str, Other] = field(default_factory=dict)
    searched: Searched | None = None


def bench(
    models: Sequence[tuple[str, Model]],
    blocks: Sequence[int],
    sample_rate: float | None = None,
    seconds: float = 1.0,
    command: str | None = None,
    against: Sequence[str] = (),
    regret: bool = False,
) -> list[Row]:
    """Return one row per model and block size.

    Parameters
    ----------
    models : sequence of (name, Model)
        Played by the engine, one instance each, with its gains, meters and limiter, without cabinet and DC blocker.
    blocks : sequence of int
        Frames per callback.
    sample_rate : float, optional
        Hz; the model's own unless told.
    seconds : float
        Time spent on each row by each candidate, about.
    command : str, optional
        Another program; ``{model}`` and ``{block}`` are filled in, its first word on standard output is its ns per
        sample. It is run in every round.
    against : sequence of str
        Libraries that play the same graph in this process: names of `peers.KINDS`. Their outputs are compared first;
        one that differs is not timed.
    regret : bool
        Search all choices for every row, which compiles and takes up to minutes.

    Raises
    ------
    UsageError
        A block longer than a run, a library that is not installed, or the command fails.
    """
    check_blocks(blocks)
    for name in against:
        check_installed(name)
    candidates = [
        _candidate(name, model, block, sample_rate, command, against) for name, model in models for block in blocks
    ]
    x = np.zeros((CHUNK_FRAMES, 1), np.float32)
    empty = np.concatenate([time_blocks(0, x, x, 16) for _ in range(20)])
    peak = measured_peak()
    in_turns([player for c in candidates for player in (c.engine, *c.others.values())], ROUNDS, seconds / ROUNDS)
    if regret:
        for candidate, (_, model) in zip(candidates, (each for each in models for _ in blocks), strict=True):
            candidate.searched, _ = search(model, candidate.plan.sample_rate, candidate.engine.player.block)
    return [_row(candidate, peak, empty) for candidate in candidates]


def check_blocks(blocks: Sequence[int]) -> None:
    """Raise if a block does not fit a run.

    Raises
    ------
    UsageError
        Says which sizes do.
    """
    if not all(0 < block <= CHUNK_FRAMES for block in blocks):
        raise UsageError(f"--block {','.join(map(str, blocks))}: expected 1 to {CHUNK_FRAMES} frames")


def _candidate(
    name: str, model: Model, block: int, rate: float | None, command: str | None, against: Sequence[str]
) -> _Candidate:
    sample_rate = rate or own_rate(model)
    plan = Rig([model]).plan(sample_rate, model.spec.inputs, bare=True)
    sizes = [knob.default for knob in model.spec.knobs if knob.name == SIZE]
    spec = model.spec.at_size(sizes[0]) if sizes else model.spec
    clip = guitar_like(spec.inputs, CHUNK_FRAMES, sample_rate).astype(np.float32)
    candidate = _Candidate(name, spec, plan, EnginePlayer(Offline(plan, block=block), clip))
    if command:
        candidate.others[COMMAND] = CommandPlayer(command, name, block)
    for other in against:
        try:
            if model.spec.sample_rate not in (None, sample_rate):
                raise UnsupportedArchitecture(f"{other} plays the model at {model.spec.sample_rate:g} Hz only")
            process = stream(other, spec, block, sample_rate)
        except UnsupportedArchitecture as refused:
            candidate.refused[other] = Other(why=str(refused))
            continue
        error = model_error_db(spec, process, clip[:, :COMPARED_FRAMES], block, sample_rate)
        if error > AGREES_DB:
            candidate.refused[other] = Other(error_db=error, why="plays something else")
            continue
        candidate.errors[other] = error
        candidate.others[other] = CallPlayer(process, clip, block)
    return candidate


def model_error_db(spec: ModelSpec, process, x: np.ndarray, block: int, sample_rate: float) -> float:
    """Return how far a stream's output is from the reference's, over the peak, in dB; both prewarmed by zeros."""
    rest = -(-spec.prewarm_frames // block) * block
    whole = np.concatenate([np.zeros((spec.inputs, rest), np.float32), x], axis=1)
    got = played(process, whole, block)
    right = evaluate(spec, whole, sample_rate=sample_rate, cold=True)[:, : got.shape[1]]
    return difference_db(right[:, rest:], got[:, rest:])


def _row(candidate: _Candidate, peak: float, empty: np.ndarray) -> Row:
    engine, plan = candidate.engine, candidate.plan
    median, p99, p999 = np.quantile(np.concatenate(engine.times), (0.5, 0.99, 0.999))
    others = {
        name: Other(player.best, player.best / engine.best, candidate.errors.get(name))
        for name, player in candidate.others.items()
    }
    return Row(
        model=candidate.model,
        block=engine.player.block,
        sample_rate=plan.sample_rate,
        ns_per_sample=engine.best,
        realtime_x=1e9 / plan.sample_rate / engine.best,
        percent_of_peak=100.0 * candidate.spec.macs_per_sample / (engine.best * 1e-9) / peak,
        median_ns=float(median),
        p99_ns=float(p99),
        p999_ns=float(p999),
        empty_p999_ns=float(np.quantile(empty, 0.999)),
        compile_s=sum(kernel.compile_seconds for kernel in plan.kernels),
        kernels=sorted(kernel.name for kernel in plan.kernels),
        plan=plan.digest,
        layers=chosen(plan),
        regret=candidate.searched.regret if candidate.searched else None,
        worst=candidate.searched.worst_ns / candidate.searched.best_ns - 1.0 if candidate.searched else None,
        against=others | candidate.refused,
    )


def own_rate(model: Model) -> float:
    """Return the rate in Hz that a model is measured at unless told."""
    return model.spec.sample_rate or USUAL_RATE


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
