"""An effect as its file in ``rtfx/effects`` would be: a parameter table, a function from values to cells, a kernel."""

import numpy as np

from rtfx.effects.effect import Effect
from rtfx.kernels.kernel import Loop
from rtfx.kernels.memory import floats, records, row
from rtfx.kernels.state import state_dtype
from rtfx.rig.parameters import Parameter

PARAMETERS = (
    Parameter("mix", 0.5, 0.0, 1.0, summary="share of the frame before"),
    Parameter("level_db", 0.0, -20.0, 20.0, "dB", summary="gain after it"),
)
TOY_STATE = state_dtype(("last", np.float32))


def cells(values, sample_rate: float) -> list[float]:
    """Return [share, linear gain]."""
    return [values["mix"], 10.0 ** (values["level_db"] / 20.0)]


def process(state, source, target, frames):
    s = records(state, 1, TOY_STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    mix = row(s.parameters, s.parameter_stride, 0, frames)
    gain = row(s.parameters, s.parameter_stride, 1, frames)
    last = s.last
    for n in range(frames):
        y[n] = (x[n] + mix[n] * (last - x[n])) * gain[n]
        last = x[n]
    s.last = last
    return 0


KERNEL = Loop(process)
TOY = Effect("toy", PARAMETERS, cells, KERNEL, TOY_STATE, summary="blurs each frame with the one before")
