"""Ways to break rtfx in rtfx/train."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "the last net kept in place of the best",
        "rtfx/train/fit.py",
        "            learner.restore(done.best)",
        "            learner.restore(done.learner)",
        "tests/train/test_fit.py::test_the_best_is_kept_not_the_last",
        same_code=True,
    ),
    Breakage(
        "a net judged by what it has learnt",
        "rtfx/train/dataset.py",
        "            training.append(Span(number, end, start))",
        "            training.append(Span(number, end, start + piece))",
        "tests/train/test_fit.py::test_what_is_held_back_is_never_learnt",
        same_code=True,
    ),
    Breakage(
        "captures aligned to whole frames",
        "rtfx/train/align.py",
        "    part = frames - whole",
        "    part = 0.0",
        "tests/train/test_capture.py::test_the_delay_is_found_and_taken_back[437.73]",
        same_code=True,
    ),
    Breakage(
        "two clocks not noticed",
        "rtfx/train/capture.py",
        "        (found.errors if abs(measured.drift) > DRIFT_REFUSED else found.warnings).append(text)",
        "        found.notes.append(text)",
        "tests/train/test_capture.py::test_a_damaged_capture_is_told[two clocks-errors-two clocks]",
        same_code=True,
    ),
]
