"""Brings models whose files state no level to a common one, measured once on a second of the riff and remembered."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import math
import os
import tempfile
from pathlib import Path

import numpy as np

from ..effects.table import BLOCKS
from ..engine.offline import Offline
from ..find import shipped, user_cache
from ..host.wave import Reader
from ..model.spec import ModelSpec
from ..plan.chain import ChainBlock, plan_chain
from ..plan.resolve import DEFAULT_RATE, Models, Options
from ..rig.description import Preset
from ..units import db_from_gain

TARGET_DB = -18.0  # RMS, what NAM's player brings models of known loudness to
BOUND_DB = 24.0  # a net that needs more is silent or broken: noise is no level
CLIP = Path("models", "riff.flac")
CLIP_SECONDS = (1.0, 1.0)  # start and length
VERSION = 1  # of the rule: another one forgets what was measured


def levelled(
    preset: Preset, chain: list[ChainBlock], models: Models, options: Options
) -> tuple[list[ChainBlock], list[str]]:
    """Return the chain with a level for every model that states none, and what the user should know.

    Notes
    -----
    Each model is measured alone, with its knobs at their defaults, at its own rate and as it is played: prewarmed,
    with the gain of its family before it, without a constant offset. A knob that is turned changes the loudness.
    """
    if options.bare or not options.level:
        return chain, []
    result, notes = [], []
    for block in chain:
        described = preset.block(block.id)
        spec = models[described.file] if block.spec is not None and described is not None else None
        gain_db = output_db(spec) if spec is not None and states_no_level(spec) else 0.0
        if gain_db:
            notes.append(f"{block.id}: {gain_db:+.1f} dB, measured on the riff (--no-normalise leaves it out)")
            block = dataclasses.replace(block, output_db=block.output_db + gain_db)
        result.append(block)
    return result, notes


def states_no_level(spec: ModelSpec) -> bool:
    """Tell whether neither the file nor the family of a model says how loud it is; rtfx's own files always do."""
    return spec.level_db == 0.0 and spec.loudness_db is None and spec.family != "rtfx"


def output_db(spec: ModelSpec) -> float:
    """Return the gain in dB, -24 to 24, that brings a model to `TARGET_DB`: remembered, else measured now."""
    path = user_cache() / "levels" / _digest(spec)
    with contextlib.suppress(OSError, ValueError):
        remembered = float(path.read_text())
        if abs(remembered) <= BOUND_DB:  # NaN is not
            return remembered
    measured = round(measure(spec), 2)
    with contextlib.suppress(OSError):  # a full or read-only disk costs time at the next start, nothing else
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(str(measured))
        os.replace(file.name, path)
    return measured


def measure(spec: ModelSpec) -> float:
    """Return the gain in dB that brings the compiled model's output for the clip to `TARGET_DB`; 0 for silence."""
    rate = spec.sample_rate or DEFAULT_RATE
    table = BLOCKS["model"]
    block = ChainBlock("model", table, {}, spec, level=False)
    values = {parameter.name: parameter.default for parameter in block.parameters}
    plan = plan_chain([dataclasses.replace(block, values=values)], rate, spec.inputs)
    x = np.repeat(clip(rate)[:, None], spec.inputs, axis=1)
    y = Offline(plan, limiter=False).process(x).astype(np.float64)
    power = float(np.mean(y**2))
    if not 0.0 < power < math.inf:
        return 0.0
    return min(max(TARGET_DB - db_from_gain(math.sqrt(power)), -BOUND_DB), BOUND_DB)


def clip(sample_rate: float) -> np.ndarray:
    """Return the second of the shipped riff that is as loud as all of it, (frames,) float32."""
    start, seconds = CLIP_SECONDS
    with Reader(shipped() / CLIP) as reader:
        rate = reader.sample_rate
        audio = np.concatenate(list(reader.blocks(round((start + seconds) * rate))))[:, 0]
    audio = audio[round(start * rate) : round((start + seconds) * rate)]
    if rate != sample_rate:
        import soxr

        audio = soxr.resample(audio, rate, sample_rate)
    return np.ascontiguousarray(audio, np.float32)


def _digest(spec: ModelSpec) -> str:
    """Return a name for all that the measurement depends on: a changed file has another one."""
    facts = (VERSION, spec.knobs, spec.sample_rate, spec.input_db, spec.prewarm, spec.dc_block)
    digest = hashlib.sha256(repr(facts).encode())
    for node in spec.nodes:
        digest.update(type(node).__name__.encode())
        for field in dataclasses.fields(node):
            value = getattr(node, field.name)
            digest.update(value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode())
    return digest.hexdigest()[:32]
