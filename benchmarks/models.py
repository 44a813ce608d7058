"""Times whole models in turns with other programs that play the same model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtfx.api import Model
from rtfx.bench import Candidate, Row, candidate, check_blocks, timed
from rtfx.errors import UnsupportedArchitecture
from rtfx.model.reference import evaluate
from rtfx.model.spec import ModelSpec
from rtfx.tune import search

from .peers import AGREES_DB, COMMAND, CallPlayer, CommandPlayer, check_installed, difference_db, played, stream

COMPARED_FRAMES = 2048


@dataclass(frozen=True)
class Other:
    """The result of another program: ns per sample, ratio to rtfx, and its difference from the reference in dB.

    `why` gives the reason if there are no times.
    """

    ns_per_sample: float | None = None
    ratio: float | None = None
    error_db: float | None = None
    why: str = ""


@dataclass(frozen=True)
class ModelRow(Row):
    """The times of one model in rtfx and in other programs.

    `regret` is the share of time that this plan takes more than the best plan found by a search among all choices;
    `worst` is the same for the worst single choice for all layers. Both are None without a search.
    """

    against: dict[str, Other]
    regret: float | None = None
    worst: float | None = None

    @property
    def panel(self) -> str:
        """Its title in a plot."""
        return Path(self.model).name


def bench_models(
    models: Sequence[tuple[str, Model]],
    blocks: Sequence[int],
    sample_rate: float | None = None,
    seconds: float = 1.0,
    command: str | None = None,
    against: Sequence[str] = (),
    regret: bool = False,
) -> list[ModelRow]:
    """Return one row per model and block size.

    Parameters
    ----------
    models, blocks, sample_rate, seconds
        As for `rtfx.bench.bench`.
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
    works = [(candidate(name, model, block, sample_rate), model) for name, model in models for block in blocks]
    said = [_join(each, model, command, against) for each, model in works]
    rows = []
    for row, (each, model), others in zip(timed([each for each, _ in works], seconds), works, said, strict=True):
        for name, player in each.others.items():
            others[name] = Other(player.best, player.best / each.engine.best, others[name].error_db)
        found = search(model, row.sample_rate, row.block)[0] if regret else None
        shares = (found.regret, found.worst_ns / found.best_ns - 1.0) if found else (None, None)
        rows.append(ModelRow(**vars(row), against=others, regret=shares[0], worst=shares[1]))
    return rows


def _join(ours: Candidate, model: Model, command: str | None, against: Sequence[str]) -> dict[str, Other]:
    """Add the others to a candidate's rounds; return what is known of each before any measurement."""
    said: dict[str, Other] = {}
    rate, block = ours.plan.sample_rate, ours.engine.player.block
    if command:
        ours.others[COMMAND] = CommandPlayer(command, ours.model, block)
        said[COMMAND] = Other()
    for name in against:
        try:
            if model.spec.sample_rate not in (None, rate):
                raise UnsupportedArchitecture(f"{name} plays the model at {model.spec.sample_rate:g} Hz only")
            process = stream(name, ours.spec, block, rate)
        except UnsupportedArchitecture as refused:
            said[name] = Other(why=str(refused))
            continue
        error = model_error_db(ours.spec, process, ours.clip[:, :COMPARED_FRAMES], block, rate)
        said[name] = Other(error_db=error, why="" if error <= AGREES_DB else "plays something else")
        if error <= AGREES_DB:
            ours.others[name] = CallPlayer(process, ours.clip, block)
    return said


def model_error_db(spec: ModelSpec, process, x: np.ndarray, block: int, sample_rate: float) -> float:
    """Return how far a stream's output is from the reference's, over the peak, in dB; both prewarmed by zeros."""
    rest = -(-spec.prewarm_frames // block) * block
    whole = np.concatenate([np.zeros((spec.inputs, rest), np.float32), x], axis=1)
    got = played(process, whole, block)
    right = evaluate(spec, whole, sample_rate=sample_rate, cold=True)[:, : got.shape[1]]
    return difference_db(right[:, rest:], got[:, rest:])
