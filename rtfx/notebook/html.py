"""Small HTML tables that show models, rigs and streams in notebooks."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from ..model.spec import ModelSpec
from ..rig.presets import Preset


def table(title: str, rows: Iterable[tuple[str, Any]]) -> str:
    """Return a table of two columns under a title; text is escaped."""
    left = 'style="text-align:left"'
    cells = ((escape(name), escape(_word(value))) for name, value in rows)
    lines = "".join(f"<tr><th {left}>{name}</th><td {left}>{value}</td></tr>" for name, value in cells)
    return f"<table><caption>{escape(title)}</caption>{lines}</table>"


def model_table(spec: ModelSpec, knobs: Mapping[str, float]) -> str:
    """Return a table of a model's properties and its knobs' values."""
    rate = f"{spec.sample_rate:g} Hz" if spec.sample_rate else "as the audio's"
    facts = [
        ("family", f"{spec.family}, {spec.kind}"),
        ("inputs, outputs", f"{spec.inputs}, {spec.outputs}"),
        ("sample rate", rate),
        ("weights", spec.parameter_count),
        ("multiply-adds per frame", spec.macs_per_sample),
        ("receptive field", f"{spec.receptive_field} frames" if spec.receptive_field else "recurrent"),
    ]
    turned = [
        (knob.name, f"{knobs[knob.name]:g} ({knob.minimum:g} to {knob.maximum:g} {knob.unit}".rstrip() + ")")
        for knob in spec.knobs
    ]
    return table(spec.name or "model", [*facts, *turned, *(("note", warning) for warning in spec.warnings)])


def rig_table(presets: Iterable[Preset], current: int) -> str:
    """Return a table of a rig's presets and their chains."""
    rows = []
    for number, preset in enumerate(presets):
        chain = " → ".join(f"{block.id} ({_file(block.file)})" if block.file else block.id for block in preset.chain)
        rows.append((f"{number + 1} {preset.name}{' ◀' if number == current else ''}", chain or "nothing"))
    return table("rig", rows)


def stats_table(stats: Any) -> str:
    """Return a table of all counters of a stream."""
    return table("stream", dataclasses.asdict(stats).items())


def _file(file: Any) -> str:
    return (file.name or file.family) if isinstance(file, ModelSpec) else str(file)


def _word(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
