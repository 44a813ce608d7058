"""The state delay line of recurrent layers: where their state comes from at another rate than their own.

Behind the layer's own fields the record holds a ring of past states, `width` floats each. Before every frame the state
is replaced by a sum of past ones, after it the new one is kept::

    state = sum_k mix[k] past[first + k frames ago]        k = 0 alone, or 0 to 3

`model.nodes.recurrent` says why.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .jit import inline
from .memory import floats, records
from .state import state_dtype

MIX = 4  # past states in a sum
LINE = np.dtype(
    [
        ("first", np.int64),  # age in frames of the newest state in the sum
        ("taps", np.int64),  # 1 or MIX
        ("ring", np.int64),  # states kept
        ("place", np.int64),  # of the next one
        ("mix", np.float32, (MIX,)),
    ]
)
LINE_BYTES = LINE.itemsize


def delayed_dtype(record: np.dtype, width: int, ring: int) -> np.dtype:
    """Return a layer's record with a line for `ring` states of `width` floats; the header is the record's own."""
    fields: dict[str, Any] = dict(record.fields or {})
    header = set(state_dtype().names or ())
    own = [(name, fields[name][0].base, fields[name][0].shape) for name in record.names or () if name not in header]
    line = [(name, LINE[name].base, LINE[name].shape) for name in LINE.names or ()]
    return state_dtype(*own, *line, ("past", np.float32, (ring * width,)))


def line_fields(delay: float, state: np.ndarray) -> dict[str, Any]:
    """Return the line's fields for a state fed back from `delay` frames ago; `state` is where the layer starts.

    The sum is the cubic Lagrange polynomial through four neighbours, which stand around the delay unless it is below 2:
    a state of this very frame does not exist.
    """
    whole = int(delay)
    if delay == whole:
        first, mix = whole, [1.0, 0.0, 0.0, 0.0]
    else:
        first = max(whole - 1, 1)
        d = delay - first
        mix = [
            -(d - 1.0) * (d - 2.0) * (d - 3.0) / 6.0,
            d * (d - 2.0) * (d - 3.0) / 2.0,
            -d * (d - 1.0) * (d - 3.0) / 2.0,
            d * (d - 1.0) * (d - 2.0) / 6.0,
        ]
    taps = line_taps(delay)
    ring = first + taps - 1
    return {"first": first, "taps": taps, "ring": ring, "mix": mix, "past": np.tile(state, ring)}


def line_taps(delay: float) -> int:
    """Return how many past states are summed; 0: the state stays where it is, the layer runs at its own rate."""
    return 0 if delay == 1.0 else 1 if delay == int(delay) else MIX


@inline
def recall(line, state, width):
    """Replace the state, `width` floats at `state`, by the sum of past ones; `line` is the address of `first`."""
    s = records(line, 1, LINE)[0]
    x = floats(state, width)
    past = floats(line + LINE_BYTES, s.ring * width)
    for u in range(width):
        x[u] = np.float32(0.0)
    for k in range(s.taps):
        slot = (s.place - s.first - k + s.ring) % s.ring
        for u in range(width):
            x[u] += s.mix[k] * past[slot * width + u]


@inline
def keep(line, state, width):
    """Put the new state into the ring."""
    s = records(line, 1, LINE)[0]
    x = floats(state, width)
    past = floats(line + LINE_BYTES + 4 * s.place * width, width)
    for u in range(width):
        past[u] = x[u]
    s.place = (s.place + 1) % s.ring
