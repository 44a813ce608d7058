"""Waits for what another thread does."""

import time


def eventually(condition, seconds=20.0):
    """Return what `condition` returns once it is true; AssertionError if that takes too long."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
    return found
