"""The switch of a block: fades its output over to its input, in place, where the parameter `on` is below 1.

The plan delays the input by as many frames as the block is late, so that switching never moves the sound in time. A
block that is on keeps every bit of its output; one that is off gives its input, bit by bit.
"""

from __future__ import annotations

from ..kernels.kernel import Loop
from ..kernels.memory import floats, records
from ..kernels.state import STATE


def process(state, source, target, frames):
    s = records(state, 1, STATE)[0]
    x = floats(source, frames)
    y = floats(target, frames)
    on = floats(s.extra[0], frames)
    for n in range(frames):
        if on[n] <= 0.0:
            y[n] = x[n]
        elif on[n] < 1.0:
            y[n] = x[n] + (y[n] - x[n]) * on[n]
    return 0


KERNEL = Loop(process)
