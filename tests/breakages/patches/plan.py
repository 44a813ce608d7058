"""Ways to break rtfx in rtfx/plan."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "an interpolated state that nobody checks for stability",
        "return pole <= 1.0 or ",
        "return pole <= 9.0 or ",
        "tests/plan/test_rates.py::test_a_net_that_would_howl_is_resampled_and_the_reason_is_said",
        same_code=True,
    ),
    Breakage(
        "a latency that leaves out one of two conversions",
        "latency = math.ceil(outward_delay + early - 1e-9)",
        "latency = math.ceil(early - 1e-9)",
        "tests/plan/test_resampling.py::test_the_latency_is_the_delay_of_an_impulse[44100-linear]",
        same_code=True,
    ),
    Breakage(
        "the two modes of the pedal crossfaded as if they were different sounds",
        "builder.alike.add(builder.block)",
        "builder.alike.clear()",
        "tests/live/test_klon.py::test_the_switch_of_the_mode_is_no_click[neural-circuit]",
        same_code=True,
    ),
    Breakage(
        "a kernel whose self-check accepts anything",
        "    if error < TOLERANCE:",
        "    if True:",
        "tests/plan/test_choose.py::test_a_wrong_tile_is_reported_and_replaced",
    ),
    Breakage(
        "dilation ignored",
        'dilation = getattr(node, "dilation", 1)',
        "dilation = 1",
        "tests/engine/test_blocks.py::test_long_history_against_numpy[64-8-500-False]",
        same_code=True,
    ),
    Breakage(
        "a measured choice that is none any more made all the same",
        "made = next((one for one in among if one == known), rule)",
        "made = known or rule",
        "tests/test_tune.py::test_a_choice_that_is_none_any_more_is_not_made",
        same_code=True,
    ),
    Breakage(
        "a net that gets the corners of the pedal's knob",
        "_smoothed(builder, cells[0], sample_rate)",
        "cells[0]",
        "tests/live/test_klon.py::test_a_turn_of_the_gain_makes_no_noise[neural-1e-05]",
        same_code=True,
    ),
    Breakage(
        "a model that gets the corners of its knobs",
        "        controls[name] = _smoothed(builder, controls[name], sample_rate)",
        "        pass",
        "tests/effects/test_knob_smoother.py::test_a_turn_of_a_models_knob_makes_no_noise",
        same_code=True,
    ),
]
