"""Model: the parameters around a neural model; plan builds its steps and adds the model's own knobs.

Random nets have one more, `link`: the gain behind them undoes the gain before them.
"""

from __future__ import annotations

from ..rig.parameters import OVERSAMPLE, PHASE, Parameter
from ..rig.random_block import LINK, ON
from ..units import gain_from_db
from .effect import Effect

PARAMETERS = (
    Parameter("input_db", 0.0, -40.0, 40.0, "dB", summary="gain before the model: how hard it is driven"),
    Parameter("level_db", 0.0, -60.0, 40.0, "dB", summary="gain after the model"),
    OVERSAMPLE,
    PHASE,
)


def cells(values, sample_rate: float) -> list[float]:
    """Return [linear gain before, linear gain after]."""
    before = values["input_db"]
    return [gain_from_db(before), gain_from_db(values["level_db"] - (before if values.get(LINK) == ON else 0.0))]


MODEL = Effect("model", PARAMETERS, cells, file="model", summary="a neural amp or pedal, with its own knobs")
