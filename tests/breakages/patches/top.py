"""Ways to break rtfx in the modules directly in rtfx."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "an update that reaches no stream",
        "stream.controller.update(preset, block, self.spec)",
        "pass",
        "tests/live/test_update.py::test_the_last_update_is_what_plays_on",
        same_code=True,
    ),
    Breakage(
        "a check that hears no jump of loudness",
        "JUMP_LU = 3.0",
        "JUMP_LU = 60.0",
        "tests/test_check.py::test_loudness",
        same_code=True,
    ),
    Breakage(
        "a round trip measured one frame short",
        "place = int(np.argmax(correlation))",
        "place = int(np.argmax(correlation)) - 1",
        "tests/cli/test_latency.py::test_delays_are_found_to_the_frame",
        same_code=True,
    ),
]
