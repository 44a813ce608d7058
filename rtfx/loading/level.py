"""Brings models to a common loudness, which is measured once on the shipped guitar recordings and then cached.

The loudness that a file states is not used, as it was measured on other signals or in other ways. The last model of a
chain, together with the cabinet after it, is brought to `TARGET_LUFS`. A model before another model is brought to the
loudness of the guitars: it changes their tone, but drives the next model as hard as the guitars alone would.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ..engine.offline import Offline
from ..files import read_file, write_file
from ..find import user_cache
from ..model.levels import LOUDEST_DB, NORMAL
from ..model.spec import ModelSpec
from ..plan.block import ReadyBlock
from ..plan.chain import plan_chain
from ..rig.parameters import OVERSAMPLE, PHASE
from ..units import gain_from_db
from .loudness import guitar_loudness, guitars, guitars_digest, mean_loudness

TARGET_LUFS = -18.0
VERSION = 3  # of the rule; a new version discards cached measurements
UNHEARD = {  # fields that do not affect the measurement
    ReadyBlock: ("id", "effect", "output_db", "level", "source", "key", "branch"),
    ModelSpec: ("name", "kind", "metadata", "warnings", "level_db", "loudness_db", "rate_source"),
}


def levelled(
    chain: Sequence[ReadyBlock], sample_rate: float, which: Collection[int] | None = None
) -> tuple[list[ReadyBlock], list[str]]:
    """Return the chain with a gain for every model whose level is "normal", and notes for the user.

    `which` are the indices of the models that have no gain yet; by default all.

    Notes
    -----
    A model is measured alone, at the stream's rate, prewarmed, with the gain of its family before it and without DC
    offset. Its knobs are at their defaults, except structural ones such as `size`; turning a knob later changes the
    loudness. All sound above the absolute gate (-70 LUFS) counts, as guitars are far louder than noise.
    """
    result = list(chain)
    models = [place for place, block in enumerate(chain) if block.spec is not None]
    notes = []
    for place in models:
        block = chain[place]
        after = [following for following in chain[place + 1 :] if not parallel(block, following)]
        last = not any(following.spec is not None for following in after)
        if block.bare or block.level != NORMAL:
            continue
        if which is not None and place not in which:
            continue
        cabs = [following for following in after if following.impulse is not None] if last else []
        cabs = [cab for cab in cabs if not parallel(cabs[0], cab)]
        measured = remembered([block, *cabs], sample_rate)
        if measured == -math.inf:
            notes.append(f"{block.id}: a guitar is almost silent after the model: its level is not normalised")
            continue
        gain_db = round((TARGET_LUFS if last else guitar_loudness()) - measured, 2)
        if gain_db:
            purpose = "as loud as any other model" if last else "as loud as the guitar, as it drives another model"
            notes.append(f"{block.id}: {gain_db:+.1f} dB to be {purpose} (--level none leaves it out)")
        result[place] = dataclasses.replace(block, output_db=block.output_db + gain_db)
    return result, notes


def parallel(one: ReadyBlock, other: ReadyBlock) -> bool:
    """Return whether two blocks are on different paths of the same routing block."""
    first = next((pair for pair in zip(one.branch, other.branch, strict=False) if pair[0] != pair[1]), None)
    return first is not None and first[0][0] == first[1][0]


def remembered(blocks: Sequence[ReadyBlock], sample_rate: float) -> float:
    """Return the loudness of a model with the cabinet after it, in LUFS, from the cache or else measured now."""
    blocks = [_at_defaults(block) for block in blocks]
    path = user_cache() / "levels" / _name(blocks, sample_rate)
    with contextlib.suppress(OSError, ValueError):
        known = float(read_file(path))
        if known == -math.inf or abs(known - TARGET_LUFS) <= LOUDEST_DB:  # false for a damaged cache file
            return known
    measured = round(measure(blocks, sample_rate), 2)
    with contextlib.suppress(OSError):  # with a full or read-only disk the next start measures again
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, str(measured))
    return measured


def measure(blocks: Sequence[ReadyBlock], sample_rate: float) -> float:
    """Return the loudness in LUFS of the compiled blocks' output for the guitars, -inf for silence."""
    spec = blocks[0].spec
    assert spec is not None
    x = np.repeat(guitars(sample_rate)[:, None], spec.inputs, axis=1)
    player = Offline(plan_chain(blocks, sample_rate, spec.inputs), limiter=False)
    y = player.process(x)
    found = -math.inf if player.non_finite_blocks else mean_loudness(y, sample_rate)
    if found == -math.inf:
        return found
    gain_db = TARGET_LUFS - found
    # measure again at that level, at which the gate will act in use
    return mean_loudness(y * gain_from_db(gain_db), sample_rate) - gain_db


def _at_defaults(block: ReadyBlock) -> ReadyBlock:
    """Return a block alone, its knobs at defaults, except structural ones such as `size`: these change the model."""
    kept = {p.name for p in block.parameters if p.kind == "structural"} - {OVERSAMPLE.name, PHASE.name}
    values = {p.name: block.values[p.name] if p.name in kept else p.default for p in block.parameters}
    return dataclasses.replace(block, values=values, output_db=0.0, branch=())


def _name(blocks: Sequence[ReadyBlock], sample_rate: float) -> str:
    """Return a name that identifies everything the measurement depends on, including the content of files."""
    digest = hashlib.sha256(repr((VERSION, sample_rate)).encode() + guitars_digest())
    _add(digest, blocks)
    return digest.hexdigest()[:32]


def _add(digest: Any, value: Any) -> None:
    """Add a value and all its parts to a digest."""
    if isinstance(value, np.ndarray):
        digest.update(repr((value.dtype.str, value.shape)).encode() + np.ascontiguousarray(value).tobytes())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        digest.update(type(value).__name__.encode())
        for field in dataclasses.fields(value):
            if field.name not in UNHEARD.get(type(value), ()):
                _add(digest, getattr(value, field.name))
    elif isinstance(value, (tuple, list)):
        for item in value:
            _add(digest, item)
    else:
        digest.update(repr(value).encode())
