"""Ways to break rtfx in rtfx/live."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "a stereo file heard on one side",
        "        return int(source.shape[1])",
        "        return 1",
        "tests/live/test_open.py::test_a_stereo_file_plays_in_stereo",
        same_code=True,
    ),
    Breakage(
        "a take without what was learned in it",
        "with_weights(spec, played) if preset.learned else spec",
        "spec",
        "tests/live/test_takes.py::test_what_is_learned_while_it_plays_is_saved_with_the_take",
        same_code=True,
    ),
    Breakage(
        "a reload that throws away what was turned",
        "                block.values[name] = played.values[name]",
        "                pass",
        "tests/live/test_reload.py::test_an_edited_value_is_heard_and_a_turned_one_kept",
        same_code=True,
    ),
    Breakage(
        "half a file taken for a mistake",
        "PATIENCE_SECONDS = 1.0",
        "PATIENCE_SECONDS = 0.0",
        "tests/live/test_reload.py::test_half_a_file_is_no_mistake",
        same_code=True,
    ),
    Breakage(
        "slots that forget what played",
        "pair.kept[pair.current] = playing",
        "pair.kept[slot] = playing",
        "tests/live/test_knobs.py::test_slots_are_compared_and_kept_apart",
        same_code=True,
    ),
    Breakage(
        "undo in the wrong direction",
        "target = change.after if again else change.before",
        "target = change.before if again else change.after",
        "tests/ui/test_keys.py::test_undo_and_redo",
        same_code=True,
    ),
    Breakage(
        "a set list replaced without reading it back",
        "            if not means(load_set_list(part, blocks)):",
        "            if not load_set_list(part, blocks):",
        "tests/live/test_save.py::test_what_an_alias_would_change_elsewhere_is_refused",
        same_code=True,
    ),
    Breakage(
        "a seed that was found and saved as it was opened",
        "    heard = _with_cab(source, stream.cab)",
        "    heard = _with_cab(stream.set_list.select(source.name), stream.cab)",
        "tests/live/test_save.py::test_a_seed_that_was_found_is_saved_and_plays_again",
        same_code=True,
    ),
    Breakage(
        "a take that meets a model of another rate between two of its frames",
        'start += (rig["frame"] - start) % _unit(preset.plan)',
        "start += 1",
        "tests/live/test_takes.py::test_a_model_of_another_rate_meets_each_frame_at_the_same_point_of_its_own",
        same_code=True,
    ),
    Breakage(
        "presets switched a block late in a take",
        'until = min(events[0]["frame"], len(dry))',
        'until = min(events[0]["frame"] + 64, len(dry))',
        "tests/live/test_takes.py::test_a_take_from_the_first_frame_is_exact_whatever_happened[0]",
        same_code=True,
    ),
    Breakage(
        "a notebook's interrupt that leaves the audio playing",
        'isinstance(getattr(result, "error_in_exec", None), KeyboardInterrupt)',
        "False",
        "tests/test_notebook.py::test_an_interrupted_cell_of_a_notebook_ends_the_audio",
        same_code=True,
    ),
    Breakage(
        "what a rig begins with is asked for again after it has begun",
        "rig.origin = Origin(preset, values, primes)",
        "rig.origin = Origin(preset, preset.now(), primes)",
        "tests/live/test_takes.py::test_what_is_turned_while_a_rig_is_made_nulls_too",
        same_code=True,
    ),
    Breakage(
        "a net beyond all memory is refused only once it is built",
        "block.ready.check_together(block.values | new)",
        "pass",
        "tests/live/test_reseed.py::test_what_cannot_be_is_refused_and_the_sound_stays",
        same_code=True,
    ),
]
