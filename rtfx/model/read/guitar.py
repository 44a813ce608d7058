"""What guitar files leave to habit: their sample rate, and the gains that their own plugins put around the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...units import db_from_gain
from .rates import find_rate

GUITAR_RATE = 44100.0  # the training scripts of these families


def guitar_rate(data: dict[str, Any], path: Path, warnings: list[str]) -> tuple[float, str]:
    """Return the rate in Hz and its source; the format has no place for it, but some exporters add one."""
    own = (data.get("model_data"),)
    rate, source = find_rate(data, path, warnings, GUITAR_RATE, "as its family is trained", own)
    assert rate is not None
    return rate, source


def at_levels(levels: dict[str, tuple[float, float]], default: str | None) -> dict[str, Any]:
    """Return the fields of ModelSpec that hold plugin gains.

    Parameters
    ----------
    levels : dict
        Linear gains before and after the model by name of the plugin, at half of its knob. They become
        ``metadata["levels"]``; the bare function has none of them.
    default : str or None
        The plugin whose gains the host uses.
    """
    named = {name: {"input_gain": before, "output_gain": after} for name, (before, after) in levels.items()}
    fields: dict[str, Any] = {"metadata": {"levels": named} if named else {}}
    if default is not None:
        before, after = levels[default]
        fields["metadata"]["level"] = default
        fields |= {"input_db": db_from_gain(before), "level_db": db_from_gain(after)}
    return fields
