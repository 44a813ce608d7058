"""Ways to break rtfx in rtfx/ui."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "meters yellow too late",
        "YELLOW_DBFS, RED_DBFS = -3.0, 0.0",
        "YELLOW_DBFS, RED_DBFS = -2.0, 0.0",
        "tests/ui/test_page.py::test_levels_are_yellow_from_minus_3_and_red_from_0",
        same_code=True,
    ),
    Breakage(
        "a page that cannot be drawn ends the sound",
        "            with _sound_goes_on(told):\n                view.update(meters)\n",
        "            view.update(meters)\n",
        "tests/ui/test_view.py::test_a_fault_of_page_or_key_is_said_once_and_the_sound_goes_on",
        same_code=True,
    ),
    Breakage(
        "a page cleared at every frame",
        '        text = ""\n',
        "        text = CLEAR\n",
        "tests/ui/test_screen.py::test_only_lines_that_change_are_written_and_nothing_is_cleared",
        same_code=True,
    ),
    Breakage(
        "a guard that leaves the terminal as it is",
        "printf '%b' \"$1\"",
        ":",
        "tests/ui/test_terminal.py::test_a_kill_that_nothing_can_catch",
        same_code=True,
    ),
]
