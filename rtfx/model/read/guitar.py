"""What guitar files leave to habit: their sample rate, and the gains that their own plugins put around the model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ...units import db_from_gain

GUITAR_RATE = 44100.0  # the training scripts of these families
NAMED_RATES = {"48k": 48000.0}  # TS-M1N3 marks its files so
RATES = (8000.0, 768000.0)  # Hz, what is believed


def guitar_rate(data: dict[str, Any], path: Path, warnings: list[str]) -> tuple[float, str]:
    """Return the rate in Hz and its source, with a warning unless the file states it.

    The format has no place for it; some exporters add `samplerate` or `sample_rate`, at the top or in `metadata`.
    """
    for place in (data, data.get("model_data"), data.get("metadata")):
        for key in ("samplerate", "sample_rate"):
            stated = stated_rate(place.get(key)) if isinstance(place, dict) else None
            if stated is not None:
                return stated, "file"
    rate, reason = GUITAR_RATE, "as its family is trained"
    for mark, named in NAMED_RATES.items():
        if mark in path.stem.lower():
            rate, reason = named, f"by the {mark!r} in its name"
    warnings.append(f"the file does not state a sample rate: {rate:g} Hz assumed, {reason}; --model-rate sets another")
    return rate, "family"


def stated_rate(value: Any) -> float | None:
    """Return a credible rate in Hz from a number or a string that holds one, else None."""
    try:
        rate = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return rate if RATES[0] <= rate <= RATES[1] else None


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
