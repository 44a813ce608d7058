"""Ways to break rtfx in rtfx/effects."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "a capacitor of the pedal that takes up half its charge",
        "e9 += 2.0 * r9 * left_g * (amp - e9 - v)",
        "e9 += r9 * left_g * (amp - e9 - v)",
        "tests/effects/test_klon.py::test_two_formulations_agree[0.5]",
    ),
    Breakage(
        "the pedal's clean path with its pot turned round",
        "down_g = 1.0 / (top + wiper_ohms)",
        "down_g = 1.0 / (bottom + wiper_ohms)",
        "tests/effects/test_klon.py::test_two_formulations_agree[0.3]",
    ),
    Breakage(
        "a kernel that allocates",
        "    for n in range(frames):\n        y[n] = x[n] * gain[n]",
        "    y[:] = x * gain",
        "tests/engine/test_safety.py::test_effects_are_safe",
        optimise=True,
    ),
    Breakage(
        "the limiter's release with the wrong sign",
        "return math.exp(-1.0 / (RELEASE_SECONDS * sample_rate))",
        "return math.exp(1.0 / (RELEASE_SECONDS * sample_rate))",
        "tests/engine/test_guard.py::test_limiter_against_numpy",
        same_code=True,
    ),
]
