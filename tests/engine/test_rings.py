"""The ring buffers of the last minute: memory is prepared as they fill, but never where the audio thread writes."""

import numpy as np

from rtfx.engine.layout import ENGINE
from rtfx.engine.rings import AHEAD_SECONDS, Rings

RATE = 1000.0


def rings() -> tuple[np.ndarray, Rings]:
    record = np.zeros(1, ENGINE)
    record["sample_rate"], record["inputs"], record["outputs"] = RATE, 1, 1
    made = Rings(record[0], 30_000)
    made.dry[10_000:], made.wet[10_000:] = np.nan, np.nan
    return record, made


def test_the_first_seconds_are_ready_and_the_next_follow():
    record, made = rings()
    assert (made.dry[: int(AHEAD_SECONDS * RATE)] == 0.0).all() and np.isnan(made.dry[10_000:]).all()
    made.dry[:3000] = 1.0
    record["ring_head"] = 3000
    made.prepare()
    assert (made.dry[:3000] == 1.0).all(), "what was played stays"
    assert (made.wet[10_000:13_000] == 0.0).all() and np.isnan(made.wet[13_000:]).all()


def test_what_may_be_written_now_is_left_alone():
    record, made = rings()
    made.dry[:15_500] = 1.0  # the audio thread has written past the prepared memory
    record["ring_head"] = 15_000
    made.prepare()
    assert (made.dry[:15_500] == 1.0).all()
    record["ring_head"] = 200_000
    made.dry[:] = 1.0
    made.prepare()
    assert (made.dry == 1.0).all(), "a full ring is never touched again"
