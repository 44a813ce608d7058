"""Collects the facts that `rtfx info` prints about a model, as plain values for JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .levels import named_levels
from .spec import ModelSpec
from .write.rtneural import rtneural_type


def describe(spec: ModelSpec, path: str | Path) -> dict[str, Any]:
    """Return the facts about a model by the names of ``rtfx info --json``.

    Parameters
    ----------
    spec : ModelSpec
    path : str or Path
        The file that it was read from, or its ``random:`` name.
    """
    return {
        "file": str(path),
        "family": spec.family,
        "name": spec.name,
        "kind": spec.kind,
        "sample_rate": spec.sample_rate,
        "rate_source": spec.rate_source,
        "inputs": spec.inputs,
        "outputs": spec.outputs,
        "knobs": [
            {"name": knob.name, "min": knob.minimum, "max": knob.maximum, "default": knob.default, "unit": knob.unit}
            for knob in spec.knobs
        ],
        "parameters": spec.parameter_count,
        "macs_per_sample": spec.macs_per_sample,
        "receptive_field": spec.receptive_field,
        "prewarm_frames": spec.prewarm_frames,
        "latency_frames": spec.latency_frames,
        "level_db": spec.level_db,
        "input_db": spec.input_db,
        "levels": [
            {"name": name, "input_db": before, "output_db": after}
            for name, (before, after) in named_levels(spec).items()
        ],
        "rtneural_type": rtneural_type(spec),
        "warnings": list(spec.warnings),
    }
