"""Named levels of a model: the input and output gains that each player of its family applies."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from ..errors import UsageError, did_you_mean
from ..units import db_from_gain
from .spec import ModelSpec

NORMAL, PLUGIN, NONE = "normal", "plugin", "none"
WORDS = {
    NORMAL: "as loud as any other model",
    PLUGIN: "as the player of its family has it, or as its file states",
    NONE: "as the net computes it",
}
# for each family, its player and the player's gain in dB before the model
PLAYERS = {
    "nam": ("NeuralAmpModeler", 0.0),
    "aidax": ("AIDA-X", 0.0),
    "klon": ("KlonCentaur", db_from_gain(0.5)),
    "smartamppro": ("SmartAmpPro", 0.0),
}
KEYS = ("input_gain", "output_gain")  # linear, in a file's metadata
LOUDEST_DB = 80.0  # dB; a level outside +- this is treated as a mistake in the file


def named_levels(spec: ModelSpec) -> dict[str, tuple[float, float]]:
    """Return the gains in dB before and after the model by name of the player, the first being `plugin`."""
    if spec.family in PLAYERS:
        name, before = PLAYERS[spec.family]
        return {name: (before, spec.level_db)}
    default, stated = spec.metadata.get("level"), spec.metadata.get("levels")
    found = {}
    for name, gains in stated.items() if isinstance(stated, dict) else ():
        pair = [_decibels(gains.get(key)) for key in KEYS] if isinstance(gains, dict) else []
        decibels = [gain for gain in pair if gain is not None]
        if isinstance(name, str) and len(decibels) == len(KEYS):
            found[name] = (decibels[0], decibels[1])
    return dict(sorted(found.items(), key=lambda item: item[0] != default))


def plugin_levels(levels: dict[str, tuple[float, float]], default: str | None) -> dict[str, Any]:
    """Return the fields of ModelSpec that hold plugin gains.

    Parameters
    ----------
    levels : dict
        Linear gains before and after the model by name of the plugin, with its knob at half. They become
        ``metadata["levels"]``; the bare function applies none of them.
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


def at_level(spec: ModelSpec, name: str) -> ModelSpec:
    """Return the model with the gains of a named level in place of its own.

    Raises
    ------
    UsageError
        No such level; the message names the model's levels.
    """
    levels = named_levels(spec)
    for known, (before, after) in levels.items():
        if name == PLUGIN or known.lower() == name.lower():
            return replace(spec, input_db=before, level_db=after)
    if name in WORDS:
        return spec
    choices = [*WORDS, *levels]
    raise UsageError(
        f"{spec.name or spec.family}: no level {name!r}{did_you_mean(name, choices)}, expected one of: "
        f"{', '.join(choices)}"
    )


def _decibels(gain: Any) -> float | None:
    """Return a linear gain in dB, None where the file holds no number or one beyond `LOUDEST_DB`."""
    if isinstance(gain, bool) or not isinstance(gain, (int, float)) or not 0.0 < gain < math.inf:
        return None
    decibels = db_from_gain(float(gain))
    return decibels if abs(decibels) <= LOUDEST_DB else None
