"""NAM models made of complete NAM models: SlimmableContainer, one of several sizes, and Sequential, a series."""

from __future__ import annotations

from typing import Any

from ...errors import MissingKey, ShapeMismatch
from ..limits import NODES, at_most
from ..values import listed, mapping, number, required, shown
from .nam_graph import Job, Part

LEVELS = ("loudness", "gain", "input_level_dbu", "output_level_dbu")


def read_container(job: Job) -> Part:
    """Append the submodel for the job's size: the first whose `max_value` is above it, else the last."""
    where = f"{job.where}config.submodels"
    entries = _several(job, "submodels")
    limits = []
    for i, entry in enumerate(entries):
        limit = required(mapping(entry, f"{where}[{i}]"), "max_value", f"{where}[{i}]")
        limits.append(number(limit, f"{where}[{i}].max_value"))
    if limits != sorted(set(limits)) or limits[-1] < 1.0:
        raise ShapeMismatch(f"{where}: max_value runs {limits[:5]}, expected ascending numbers, the last at least 1")
    chosen = len(limits) - 1
    if job.size is not None:
        job.graph.breakpoints.update(limit for limit in limits[:-1] if 0 < limit <= 1)
        chosen = next((i for i, limit in enumerate(limits) if job.size < limit), chosen)
    job.weights.finish()
    model = required(entries[chosen], "model", f"{where}[{chosen}]")
    part = job.nested(model, f"{where}[{chosen}].model.", job.input, None)
    return part._replace(metadata=_merged(part.metadata, job.metadata))


def _merged(inner: dict[str, Any], outer: dict[str, Any]) -> dict[str, Any]:
    """Return the container's metadata with the levels of the submodel that plays."""
    return inner | outer | {key: inner[key] for key in LEVELS if inner.get(key) is not None}


def read_sequential(job: Job) -> Part:
    """Append the models in series; each that can be slimmed follows the size knob."""
    prewarm, index = 0, job.input
    entries = _several(job, "models")
    if isinstance(entries[0], dict) and "architecture" not in entries[0]:
        raise MissingKey(
            f"{job.where}config.models[0] has no key 'architecture': the trainer up to 0.13 does not write what the "
            "models of a Sequential are: export each by itself"
        )
    job.weights.finish()
    rate = job.rate
    for i, model in enumerate(entries):
        part = job.nested(model, f"{job.where}config.models[{i}].", index, job.size)
        index, prewarm, rate = part.output, prewarm + part.prewarm, part.rate
    assert index is not None
    return Part(index, prewarm, rate, job.metadata)


def _several(job: Job, key: str) -> list:
    """Return the list of models, at least one."""
    where = f"{job.where}config"
    entries = listed(required(job.config, key, where), f"{where}.{key}")
    if not entries:
        raise ShapeMismatch(f"{where}.{key} is {shown(entries)}, expected at least one model")
    at_most(len(entries), NODES, f"{where}.{key}: number of models")
    return entries
