"""Ways to break rtfx in rtfx/engine."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "the length of a tick upside down",
        "np.float64(now - e.first_ns) / np.float64(tick - e.first_tick)",
        "np.float64(tick - e.first_tick) / np.float64(now - e.first_ns)",
        "tests/engine/test_system.py::test_a_tick_is_learnt_and_the_time_goes_on",
    ),
    Breakage(
        "the ring's second copy dropped",
        "move_bytes(place - 4 * b.ring, place, 4 * frames)",
        "move_bytes(place, place, 4 * frames)",
        "tests/engine/test_blocks.py::test_long_history_against_numpy[64-8-6000-True]",
    ),
    Breakage(
        "history left behind when a buffer moves back",
        "kept = 4 * b.history",
        "kept = 0",
        "tests/engine/test_blocks.py::test_long_history_against_numpy[512-8-500-False]",
    ),
    Breakage(
        "denormals not flushed",
        "FLUSH_X86 = 0x8040",
        "FLUSH_X86 = 0x0000",
        "tests/engine/test_guard.py::test_denormals_are_flushed_where_kernels_run_and_only_there",
    ),
    Breakage(
        "guard against non-finite blocks removed",
        "if measure_row(place, frames) >= rig.loudest_bits:",
        "if measure_row(place, frames) > 2 * rig.loudest_bits:",
        "tests/engine/test_guard.py::test_the_block_itself_is_silent",
    ),
    Breakage(
        "a model not reset after a non-finite block",
        "move_bytes(arena + rig.image_offset, rig.image, rig.image_bytes)",
        "move_bytes(arena + rig.image_offset, rig.image, 0)",
        "tests/engine/test_guard.py::test_a_recurrent_model_recovers",
    ),
    Breakage(
        "a parameter that jumps",
        "cells[i].left = rig.glide_frames",
        "cells[i].left = 1",
        "tests/engine/test_parameters.py::test_a_parameter_glides_linearly_for_960_frames[63]",
    ),
    Breakage(
        "a mailbox that nobody empties",
        "<< TABLE_SHIFT | FRESH | self._free_table",
        "<< TABLE_SHIFT | self._free_table",
        "tests/engine/test_parameters.py::test_the_newest_table_wins_and_glides_start_from_where_they_are",
        same_code=True,
    ),
    Breakage(
        "prewarm skipped",
        "frames = block.prewarm_frames if impulse is None else",
        "frames = 0 if impulse is None else",
        "tests/engine/test_blocks.py::test_prewarm_is_silence_that_has_already_passed",
        same_code=True,
    ),
    Breakage(
        "DC blockers that start from zero",
        'rest(state, float(source.mean(dtype=np.float64)), cells[int(state["first_parameter"]) :])',
        "pass",
        "tests/engine/test_silence.py::test_a_blocker_starts_at_an_offset_that_needs_no_prewarm",
        same_code=True,
    ),
    Breakage(
        "a net that its own prewarm leaves in motion",
        "        if self._rig.cold or source.bare:\n",
        "        if True:\n",
        "tests/engine/test_silence.py::test_a_net_that_its_own_prewarm_leaves_in_motion_is_run_until_it_rests",
        same_code=True,
    ),
    Breakage(
        "a fade of one frame",
        "FADE_SECONDS, QUICK_SECONDS = 0.020, 0.005",
        "FADE_SECONDS, QUICK_SECONDS = 0.00002, 0.005",
        "tests/engine/test_fades.py::test_equal_gain_between_rigs_of_one_graph[64]",
        same_code=True,
    ),
    Breakage(
        "equal gain in place of equal power",
        "return np.float32(math.sin(HALF_PI * position))",
        "return np.float32(position)",
        "tests/engine/test_fades.py::test_equal_power_between_different_graphs[64]",
    ),
    Breakage(
        "retired rigs that never come back",
        "        store_release(engine + RETIRE_HEAD, head + 1)",
        "        store_release(engine + RETIRE_HEAD, head)",
        "tests/engine/test_fades.py::test_the_old_rig_goes_back_when_its_fade_has_ended",
    ),
    Breakage(
        "xruns of the two directions exchanged",
        "INPUT_FLAGS, OUTPUT_FLAGS = 1 | 2, 4 | 8",
        "INPUT_FLAGS, OUTPUT_FLAGS = 4 | 8, 1 | 2",
        "tests/engine/test_meters.py::test_xruns_by_direction",
    ),
    Breakage(
        "a tail that hears the guitar again while it ends",
        "if slot.input_speed != 0.0:",
        "if slot.phase == RINGING:",
        "tests/engine/test_fades.py::test_a_tail_ends_without_a_step_while_the_guitar_goes_on[1500]",
    ),
    Breakage(
        "new weights that begin from rest",
        "slots[i].rig + new.image_offset, new.image_bytes)",
        "slots[i].rig + new.image_offset, 0)",
        "tests/engine/test_updates.py::test_a_convolution_keeps_its_history[64]",
    ),
    Breakage(
        "updates that do not wait for the fade",
        "if offered & CONTINUES and fading(slots):",
        "if offered & CONTINUES and fading(slots) and False:",
        "tests/engine/test_updates.py::test_a_flood_of_updates_costs_two_rigs_and_the_latest_wins",
    ),
    Breakage(
        "held peaks that nothing clears",
        "held[channel] = floats(engine + IN_HELD, MAX_CHANNELS)[channel] = ZERO",
        "pass",
        "tests/engine/test_meters.py::test_peaks_are_held_by_channel_until_they_are_cleared",
    ),
    Breakage(
        "a device that comes back at full level at once",
        'e["open"]["goal"] = e["open"]["value"] = 0.0',
        "pass",
        "tests/live/test_reconnect.py::test_unplugged_and_plugged_in_elsewhere",
        same_code=True,
    ),
]
