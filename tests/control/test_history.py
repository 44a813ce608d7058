"""What can be taken back."""

from rtfx.control import history
from rtfx.control.history import History


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_the_newest_change_first_and_redo():
    clock = Clock()
    changes = History(clock)
    for address in ("a.x", "a.y"):
        changes.note("clean", {address: 0.0}, {address: 1.0})
    last = changes.undo("clean")
    assert (last.before, last.after) == ({"a.y": 0.0}, {"a.y": 1.0})
    assert changes.redo("clean") is last
    assert changes.redo("clean") is None
    assert changes.undo("clean") is last
    assert changes.undo("clean").before == {"a.x": 0.0}
    assert changes.undo("clean") is None


def test_one_turn_of_a_knob_is_one_change():
    clock = Clock()
    changes = History(clock)
    for step in range(5):
        changes.note("clean", {"a.x": float(step)}, {"a.x": step + 1.0})
        clock.now += 0.9 * history.ONE_TURN_SECONDS
    clock.now += history.ONE_TURN_SECONDS
    changes.note("clean", {"a.x": 5.0}, {"a.x": 6.0})
    assert changes.undo("clean").before == {"a.x": 5.0}
    assert changes.undo("clean").before == {"a.x": 0.0}
    assert changes.undo("clean") is None


def test_a_turn_after_an_undo_is_a_change_of_its_own():
    changes = History(Clock())
    changes.note("clean", {"a.x": 0.0}, {"a.x": 1.0})
    changes.note("clean", {"a.y": 0.0}, {"a.y": 1.0})
    changes.undo("clean")
    changes.note("clean", {"a.x": 1.0}, {"a.x": 2.0})
    assert changes.redo("clean") is None
    assert changes.undo("clean").before == {"a.x": 1.0}


def test_only_what_can_be_heard_is_taken_back():
    changes = History(Clock())
    changes.note("clean", {"a.x": 0.0}, {"a.x": 1.0})
    changes.note(None, {"out_gain_db": 0.0}, {"out_gain_db": 1.0})
    changes.note("lead", {"a.x": 0.0}, {"a.x": 0.5})
    assert changes.undo("clean").preset is None
    assert changes.undo("clean").after == {"a.x": 1.0}
    assert changes.undo("lead").after == {"a.x": 0.5}


def test_changes_that_changed_nothing_are_passed_over():
    changes = History(Clock())
    changes.note("clean", {"a.x": 0.0}, {"a.x": 1.0})
    changes.note("clean", {"a.y": 0.5}, {"a.y": 0.5})
    assert changes.undo("clean").after == {"a.x": 1.0}


def test_the_memory_is_bounded():
    clock = Clock()
    changes = History(clock)
    for step in range(3 * history.DEPTH):
        clock.now += 10.0
        changes.note("clean", {"a.x": float(step)}, {"a.x": step + 1.0})
    taken = 0
    while changes.undo("clean"):
        taken += 1
    assert taken == history.DEPTH
