"""Model: the parameters around a neural model; plan builds its steps and adds the model's own knobs."""

from __future__ import annotations

from ..rig.parameters import Parameter
from ..units import gain_from_db
from .block import Block

PARAMETERS = (
    Parameter("input_db", 0.0, -40.0, 40.0, "dB", summary="gain before the model: how hard it is driven"),
    Parameter("level_db", 0.0, -60.0, 40.0, "dB", summary="gain after the model"),
)


def cells(values, sample_rate: float) -> list[float]:
    """Return [linear gain before, linear gain after]."""
    return [gain_from_db(values["input_db"]), gain_from_db(values["level_db"])]


MODEL = Block("model", PARAMETERS, cells, file="model", summary="a neural amp or pedal, with its own knobs")
