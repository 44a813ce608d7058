"""Ways to break rtfx in rtfx/loading."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "loudness measured on the loudest guitar alone",
        "return sum(found) / len(found) if found else -math.inf",
        "return max(found) if found else -math.inf",
        "tests/loading/test_level_spread.py::test_shipped_models_are_near_each_other_on_any_guitar",
        same_code=True,
    ),
    Breakage(
        "a model's loudness measured without its cabinet",
        "measured = remembered([block, *cabs], sample_rate)",
        "measured = remembered([block], sample_rate)",
        "tests/loading/test_level.py::test_a_cabinet_is_part_of_the_loudness",
        same_code=True,
    ),
    Breakage(
        "loudness believed where the file states one",
        "if block.bare or block.level != NORMAL:",
        "if block.bare or block.level != NORMAL or block.spec.level_db:",
        "tests/loading/test_level.py::test_any_loudness_becomes_the_common_one_whatever_the_file_says_of_it[stated]",
        same_code=True,
    ),
    Breakage(
        "a preset that is loaded later with the weights of the file",
        "if not self.template.prewarmed:",
        "if False:",
        "tests/live/test_update.py::test_a_preset_that_is_chosen_later_has_the_new_weights",
        same_code=True,
    ),
    Breakage(
        "a preset with a missing file that ends the whole set list",
        "            if fixed and index == first:",
        "            if index >= 0:",
        "tests/live/test_unplayable.py::test_one_bad_preset_of_three_is_marked_and_the_others_play",
        same_code=True,
    ),
]
