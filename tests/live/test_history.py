"""Undo."""

from rtfx.live import knobs
from rtfx.live.knobs import History


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_the_newest_change_first_and_redo():
    changes, now = History(Clock()), {"a.x": 1.0, "a.y": 1.0}
    for address in now:
        changes.note("clean", {address: 0.0}, {address: 1.0})
    last = changes.undo("clean", now)
    assert (last.before, last.after) == ({"a.y": 0.0}, {"a.y": 1.0})
    now["a.y"] = 0.0
    assert changes.redo("clean", now) is last
    assert changes.redo("clean", now) is None
    now["a.y"] = 1.0
    assert changes.undo("clean", now) is last
    assert changes.undo("clean", now).before == {"a.x": 0.0}
    assert changes.undo("clean", now) is None


def test_one_turn_of_a_knob_is_one_change():
    clock = Clock()
    changes = History(clock)
    for step in range(5):
        changes.note("clean", {"a.x": float(step)}, {"a.x": step + 1.0})
        clock.now += 0.9 * knobs.ONE_TURN_SECONDS
    clock.now += knobs.ONE_TURN_SECONDS
    changes.note("clean", {"a.x": 5.0}, {"a.x": 6.0})
    assert changes.undo("clean", {"a.x": 6.0}).before == {"a.x": 5.0}
    assert changes.undo("clean", {"a.x": 5.0}).before == {"a.x": 0.0}
    assert changes.undo("clean", {"a.x": 0.0}) is None


def test_a_turn_after_an_undo_is_a_change_of_its_own():
    changes, now = History(Clock()), {"a.x": 1.0, "a.y": 1.0}
    changes.note("clean", {"a.x": 0.0}, {"a.x": 1.0})
    changes.note("clean", {"a.y": 0.0}, {"a.y": 1.0})
    changes.undo("clean", now)
    changes.note("clean", {"a.x": 1.0}, {"a.x": 2.0})
    now = {"a.x": 2.0, "a.y": 0.0}
    assert changes.redo("clean", now) is None
    assert changes.undo("clean", now).before == {"a.x": 1.0}


def test_only_what_can_be_heard_is_taken_back():
    changes, now = History(Clock()), {"a.x": 1.0, "out_gain_db": 1.0}
    changes.note("clean", {"a.x": 0.0}, {"a.x": 1.0})
    changes.note(None, {"out_gain_db": 0.0}, {"out_gain_db": 1.0})
    changes.note("lead", {"a.x": 0.0}, {"a.x": 1.0})
    assert changes.undo("clean", now).preset is None
    assert changes.undo("clean", now).preset == "clean"
    assert changes.undo("clean", now) is None
    assert changes.undo("lead", now).preset == "lead"


def test_what_plays_no_longer_waits_until_it_plays_again():
    """Slot B, which plays other values, does not undo a change made in slot A."""
    changes = History(Clock())
    changes.note("clean", {"a.x": 0.5}, {"a.x": 0.7})
    changes.close()
    changes.note("clean", {"a.x": 0.2}, {"a.x": 0.3})
    assert changes.undo("clean", {"a.x": 0.7}).before == {"a.x": 0.5}
    assert changes.undo("clean", {"a.x": 0.7}) is None
    assert changes.undo("clean", {"a.x": 0.3}).before == {"a.x": 0.2}


def test_changes_that_changed_nothing_are_passed_over():
    changes = History(Clock())
    changes.note("clean", {"a.x": 0.0}, {"a.x": 1.0})
    changes.note("clean", {"a.y": 0.5}, {"a.y": 0.5})
    assert changes.undo("clean", {"a.x": 1.0, "a.y": 0.5}).after == {"a.x": 1.0}


def test_the_memory_is_bounded():
    clock = Clock()
    changes = History(clock)
    for _ in range(3 * knobs.DEPTH):
        clock.now += 10.0
        changes.note("clean", {"a.x": 0.0}, {"a.x": 1.0})
    taken = 0
    while changes.undo("clean", {"a.x": 1.0}):
        taken += 1
    assert taken == knobs.DEPTH
