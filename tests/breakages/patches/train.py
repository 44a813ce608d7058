"""Ways to break rtfx in rtfx/train."""

from .breakage import Breakage

BREAKAGES = [
    Breakage(
        "the last net kept in place of the best",
        "            learner.restore(done.best)",
        "            learner.restore(done.learner)",
        "tests/train/test_fit.py::test_the_best_is_kept_not_the_last",
        same_code=True,
    ),
    Breakage(
        "a net judged by what it has learnt",
        "            training.append(Span(number, end, start))",
        "            training.append(Span(number, end, start + piece))",
        "tests/train/test_fit.py::test_what_is_held_back_is_never_learnt",
        same_code=True,
    ),
    Breakage(
        "captures aligned to whole frames",
        "    part = frames - whole",
        "    part = 0.0",
        "tests/train/test_capture.py::test_the_delay_is_found_and_taken_back[437.73]",
        same_code=True,
    ),
    Breakage(
        "two clocks not noticed",
        "        (found.errors if abs(measured.drift) > DRIFT_REFUSED else found.warnings).append(text)",
        "        found.notes.append(text)",
        "tests/train/test_capture.py::test_a_damaged_capture_is_told[two clocks-errors-two clocks]",
        same_code=True,
    ),
    Breakage(
        "back-propagation that forgets what the state before owes to the reset gate",
        "            add_product(at(d_h), at(w_hh), c, hidden, 3 * hidden, 1, hidden, lanes)",
        "            add_product(at(d_h), at(w_hh), a, hidden, 3 * hidden, 1, hidden, lanes)",
        "tests/train/test_gradients.py::test_back_propagation[gru-5-False]",
    ),
    Breakage(
        "loud segments count for more than quiet ones though all shall count alike",
        "    weight = evened(target) if options.evenly else",
        "    weight = evened(target) if False else",
        "tests/train/test_gradients.py::test_evenly_counts_a_quiet_lane_as_much_as_a_loud_one",
        same_code=True,
    ),
    Breakage(
        "a twin that is to wait as its teacher does",
        "return late if late > OWN_DELAY[1] else 0",
        "return 0",
        "tests/train/test_distil.py::test_how_late_a_teacher_is[-48]",
        same_code=True,
    ),
    Breakage(
        "a twin that has heard its teacher's knobs at rest only",
        "        places = rng.random(len(knobs)) if i > 1 else",
        "        places = np.zeros(len(knobs)) if i > 1 else",
        "tests/train/test_distil.py::test_the_teacher_is_heard_at_all_places_of_its_knobs",
        same_code=True,
    ),
    Breakage(
        "a teacher that is not played as loud as it is used to",
        "    gain, model, takes = np.float32(gain_from_db(teacher.input_db)), Model(teacher), []",
        "    gain, model, takes = np.float32(1.0), Model(teacher), []",
        "tests/train/test_distil.py::test_the_teacher_is_heard_at_all_places_of_its_knobs",
        same_code=True,
    ),
    Breakage(
        "a twin with the knob of a size that it does not have",
        "    return tuple(knob for knob in teacher.knobs if not (teacher.sizes and knob.name == SIZE))",
        "    return teacher.knobs",
        "tests/train/test_distil.py::test_own_audio_and_a_slimmable_net",
        same_code=True,
    ),
]
