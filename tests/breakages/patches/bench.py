"""Ways to break rtfx in rtfx/bench."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "a library that plays something else timed all the same",
        "if error > AGREES_DB:",
        "if error > 200.0:",
        "tests/bench/test_peers.py::test_outputs_are_compared_before_times[0.999-False]",
        same_code=True,
    ),
]
