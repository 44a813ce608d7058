"""How many frames a device asks for at a time: it is opened, silent, for as long as its first blocks take."""

from __future__ import annotations

import contextlib
import time

from ..engine.engine import Engine
from ..errors import DeviceError
from .choose import Choice
from .hosts import open_host
from .reopen import channels

PROBE_SECONDS = 1.0
PROBE_BLOCKS = 4  # the first may be a part of one


def block_frames(choice: Choice, sample_rate: float, latency: str | float | None = None) -> int | None:
    """Return the block that a device runs, in frames; None if it is the null device or does not open."""
    if choice.is_null:
        return None
    inputs, outputs = channels(choice, 1)
    engine = Engine(sample_rate, device_inputs=inputs, device_outputs=outputs, muted=True)
    with (
        contextlib.suppress(DeviceError),
        contextlib.closing(open_host(engine, choice, 0, sample_rate, latency, "rtfx-check")) as host,
    ):
        host.start()
        deadline = time.monotonic() + PROBE_SECONDS
        while engine.record["blocks"] < PROBE_BLOCKS and time.monotonic() < deadline:
            time.sleep(0.005)
        return host.block_frames
    return None
