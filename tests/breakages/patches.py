"""Ways to break rtfx, one line each, and the test that must notice."""

from __future__ import annotations

from typing import NamedTuple


class Breakage(NamedTuple):
    """Replace `old`, found once in `file`, by `new`: then `test` must fail.

    `same_code` says that compiled code does not change, so that kernels need not be compiled again; `optimise` that the
    test looks at optimised code.
    """

    name: str
    file: str
    old: str
    new: str
    test: str
    same_code: bool = False
    optimise: bool = False


BREAKAGES = [
    Breakage(
        "gates of the GRU swapped",
        "rtfx/kernels/recurrent.py",
        "parts[[1, 0, 2]] if shape.cell == GRU",
        "parts[[0, 1, 2]] if shape.cell == GRU",
        "tests/kernels/test_recurrent.py::test_every_size[8-rational-gru]",
        same_code=True,
    ),
    Breakage(
        "rows of the biases swapped",
        "rtfx/kernels/recurrent.py",
        "bias_in, bias_hidden = ordered(b_ih).T * factors, ordered(b_hh).T",
        "bias_hidden, bias_in = ordered(b_ih).T * factors, ordered(b_hh).T",
        "tests/kernels/test_recurrent.py::test_every_size[9-exponential-gru]",
        same_code=True,
    ),
    Breakage(
        "a state one frame too young",
        "rtfx/kernels/cell_delay.py",
        "self.b.add(self.first, self.e.index(k))",
        "self.b.add(self.first, self.e.index(k - 1))",
        "tests/plan/test_rates.py::test_whole_multiples_are_interleaved_copies_bit_for_bit[gru-2]",
    ),
    Breakage(
        "a cubic that looks beside its middle where it need not",
        "rtfx/kernels/delay.py",
        "first = max(whole - 1, 1)",
        "first = whole",
        "tests/plan/test_rates.py::test_kernels_agree_with_the_reference[lstm-2.1768707482993195]",
        same_code=True,
    ),
    Breakage(
        "an interpolated state that nobody checks for stability",
        "rtfx/plan/stability.py",
        "return pole <= 1.0 or ",
        "return pole <= 9.0 or ",
        "tests/plan/test_rates.py::test_a_net_that_would_howl_is_resampled_and_the_reason_is_said",
        same_code=True,
    ),
    Breakage(
        "a latency that leaves out one of two conversions",
        "rtfx/plan/polyphase.py",
        "latency = math.ceil(outward_delay + early - 1e-9)",
        "latency = math.ceil(early - 1e-9)",
        "tests/plan/test_polyphase.py::test_the_latency_is_the_delay_of_an_impulse[44100-linear]",
        same_code=True,
    ),
    Breakage(
        "history off by one",
        "rtfx/kernels/conv.py",
        "age = b.mul(dilation, b.sub(e.index(shape.taps - 1), tap))",
        "age = b.mul(dilation, b.sub(e.index(shape.taps), tap))",
        "tests/kernels/test_conv.py::test_blocks_do_not_matter",
    ),
    Breakage(
        "a coefficient of tanh wrong in the fifth digit",
        "rtfx/kernels/activations.py",
        "0.24022351205348969",
        "0.24025351205348969",
        "tests/kernels/test_activations.py::test_tanh_absolute_error",
    ),
    Breakage(
        "NaN swallowed by a clamp",
        "rtfx/kernels/simd.py",
        'return self.b.select(self.b.fcmp_ordered("<", bound, x), bound, x)',
        'return self.b.select(self.b.fcmp_ordered("<", x, bound), x, bound)',
        "tests/kernels/test_activations.py::test_nan_passes",
    ),
    Breakage(
        "a kernel that allocates",
        "rtfx/effects/gain.py",
        "    for n in range(frames):\n        y[n] = x[n] * gain[n]",
        "    y[:] = x * gain",
        "tests/engine/test_safety.py::test_effects_are_safe",
        optimise=True,
    ),
    Breakage(
        "a kernel whose self-check accepts anything",
        "rtfx/plan/choose.py",
        "    if not error < CHECK_TOLERANCE:",
        "    if error < 0.0:",
        "tests/plan/test_choose.py::test_a_wrong_tile_is_reported_and_replaced",
    ),
    Breakage(
        "dilation ignored",
        "rtfx/plan/choose.py",
        '        {"dilation": dilation},\n    )\n    sizes',
        '        {"dilation": 1},\n    )\n    sizes',
        "tests/engine/test_blocks.py::test_long_history_against_numpy[64-8-500-False]",
        same_code=True,
    ),
    Breakage(
        "the ring's second copy dropped",
        "rtfx/engine/run.py",
        "move_bytes(place - 4 * b.ring, place, 4 * frames)",
        "move_bytes(place, place, 4 * frames)",
        "tests/engine/test_blocks.py::test_long_history_against_numpy[64-8-6000-True]",
    ),
    Breakage(
        "history left behind when a buffer moves back",
        "rtfx/engine/run.py",
        "kept = 4 * b.history",
        "kept = 0",
        "tests/engine/test_blocks.py::test_long_history_against_numpy[512-8-500-False]",
    ),
    Breakage(
        "denormals not flushed",
        "rtfx/engine/system.py",
        "FLUSH_X86 = 0x8040",
        "FLUSH_X86 = 0x0000",
        "tests/engine/test_guard.py::test_denormals_are_flushed_where_kernels_run_and_only_there",
    ),
    Breakage(
        "guard against non-finite blocks removed",
        "rtfx/engine/run.py",
        "if measure_row(place, frames) >= INFINITE_BITS:",
        "if measure_row(place, frames) > 2 * INFINITE_BITS:",
        "tests/engine/test_guard.py::test_the_block_itself_is_silent",
    ),
    Breakage(
        "a model not reset after a non-finite block",
        "rtfx/engine/run.py",
        "move_bytes(arena + rig.image_offset, rig.image, rig.image_bytes)",
        "move_bytes(arena + rig.image_offset, rig.image, 0)",
        "tests/engine/test_guard.py::test_a_recurrent_model_recovers",
    ),
    Breakage(
        "a parameter that jumps",
        "rtfx/engine/run.py",
        "cells[i].left = rig.glide_frames",
        "cells[i].left = 1",
        "tests/engine/test_parameters.py::test_a_parameter_glides_linearly_for_960_frames[63]",
    ),
    Breakage(
        "a mailbox that nobody empties",
        "rtfx/engine/rig.py",
        "self._free_table | FRESH)",
        "self._free_table)",
        "tests/engine/test_parameters.py::test_the_newest_table_wins_and_glides_start_from_where_they_are",
        same_code=True,
    ),
    Breakage(
        "prewarm skipped",
        "rtfx/engine/rig.py",
        "left = block.prewarm_frames",
        "left = 0",
        "tests/engine/test_blocks.py::test_prewarm_is_silence_that_has_already_passed",
        same_code=True,
    ),
    Breakage(
        "DC blockers that start from zero",
        "rtfx/engine/rig.py",
        "                    self._settle(block.steps, frames)",
        "                    pass",
        "tests/engine/test_fades.py::test_prewarmed_rigs_take_over_without_a_thump",
        same_code=True,
    ),
    Breakage(
        "a fade of one frame",
        "rtfx/engine/engine.py",
        "FADE_SECONDS, QUICK_SECONDS = 0.020, 0.005",
        "FADE_SECONDS, QUICK_SECONDS = 0.00002, 0.005",
        "tests/engine/test_fades.py::test_equal_gain_between_rigs_of_one_graph[64]",
        same_code=True,
    ),
    Breakage(
        "equal gain in place of equal power",
        "rtfx/engine/voices.py",
        "return np.float32(math.sin(HALF_PI * position))",
        "return np.float32(position)",
        "tests/engine/test_fades.py::test_equal_power_between_different_graphs[64]",
    ),
    Breakage(
        "retired rigs that never come back",
        "rtfx/engine/voices.py",
        "        store_release(engine + RETIRE_HEAD, head + 1)",
        "        store_release(engine + RETIRE_HEAD, head)",
        "tests/engine/test_fades.py::test_the_old_rig_goes_back_when_its_fade_has_ended",
    ),
    Breakage(
        "the limiter's release with the wrong sign",
        "rtfx/effects/limiter.py",
        "return math.exp(-1.0 / (RELEASE_SECONDS * sample_rate))",
        "return math.exp(1.0 / (RELEASE_SECONDS * sample_rate))",
        "tests/engine/test_guard.py::test_limiter_against_numpy",
        same_code=True,
    ),
    Breakage(
        "NaN from the device let through",
        "rtfx/kernels/rows.py",
        "if operation == SCALE:\n            value = _finite(",
        "if operation == SCALE:\n            value = (lambda e, value: value)(",
        "tests/engine/test_guard.py::test_bad_input_is_silence",
    ),
    Breakage(
        "xruns of the two directions exchanged",
        "rtfx/engine/process.py",
        "INPUT_FLAGS, OUTPUT_FLAGS = 1 | 2, 4 | 8",
        "INPUT_FLAGS, OUTPUT_FLAGS = 4 | 8, 1 | 2",
        "tests/engine/test_meters.py::test_xruns_by_direction",
    ),
    Breakage(
        "a tail that hears the guitar again while it ends",
        "rtfx/engine/voices.py",
        "if slot.deafening != 0.0:",
        "if slot.phase == RINGING:",
        "tests/engine/test_fades.py::test_a_tail_ends_without_a_step_while_the_guitar_goes_on[1500]",
    ),
    Breakage(
        "a model's loudness measured without its cabinet",
        "rtfx/control/level.py",
        "measured = remembered([block, *cabs], sample_rate)",
        "measured = remembered([block], sample_rate)",
        "tests/control/test_level.py::test_a_cabinet_is_part_of_the_loudness",
        same_code=True,
    ),
    Breakage(
        "loudness believed where the file states one",
        "rtfx/control/level.py",
        "if block.bare or block.level != NORMAL:",
        "if block.bare or block.level != NORMAL or block.spec.level_db:",
        "tests/control/test_level.py::test_any_loudness_becomes_the_common_one_whatever_the_file_says_of_it[stated]",
    ),
    Breakage(
        "new weights that begin from rest",
        "rtfx/engine/voices.py",
        "slots[i].rig + new.image_offset, new.image_bytes)",
        "slots[i].rig + new.image_offset, 0)",
        "tests/engine/test_updates.py::test_a_convolution_keeps_its_history[64]",
    ),
    Breakage(
        "updates that do not wait for the fade",
        "rtfx/engine/voices.py",
        "(offered & CONTINUES and fading(slots))",
        "(offered & CONTINUES and fading(slots) and False)",
        "tests/engine/test_updates.py::test_a_flood_of_updates_costs_two_rigs_and_the_latest_wins",
    ),
    Breakage(
        "an update that reaches no stream",
        "rtfx/api.py",
        "stream.controller.update(preset, block, self.spec)",
        "pass",
        "tests/control/test_update.py::test_the_last_update_is_what_plays_on",
        same_code=True,
    ),
    Breakage(
        "gates of a GRU left in PyTorch's order when written",
        "rtfx/model/write/rtneural.py",
        "return np.concatenate([z, r, n])",
        "return np.concatenate([r, z, n])",
        "tests/model/test_write.py::test_rtneural_files_by_the_second_evaluator[gru]",
        same_code=True,
    ),
    Breakage(
        "the bias of a WaveNet's first layer lost when written",
        "rtfx/model/write/wavenet_parts.py",
        "conv = conv.shifted(_constant(conv, self.bias))",
        "conv = conv.shifted(0 * conv.bias)",
        "tests/model/test_write.py::test_wavenets_of_another_family_as_nam_by_the_second_evaluator[tanh]",
        same_code=True,
    ),
]
