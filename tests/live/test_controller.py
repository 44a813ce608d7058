"""The command queue: any thread posts, one thread publishes, the engine takes the newest."""

import threading
import time

import numpy as np
import pytest

from rtfx.errors import UsageError
from rtfx.live.controller import Controller
from rtfx.loading.preset import LoadedPreset
from rtfx.units import gain_from_db
from tests.engine.rigs import RATE, effect, engine, gain, lstm, model, noise, rig

HALF = np.full((64, 1), 0.5, np.float32)


def loaded(name, chain, **scenes) -> LoadedPreset:
    template = rig(chain)
    return LoadedPreset(name, template.plan, template, scenes)


@pytest.fixture
def live():
    """Return (engine, controller) of two presets; nothing plays unless the test drives the engine."""
    e = engine([gain(0.0)])
    e.drive(HALF, 64)  # compiles the callback
    clean = loaded("clean", [gain(0.0), effect("gain", "second", gain_db=0.0)], quiet={"gain.gain_db": -20.0})
    amp = loaded("amp", [model(lstm(), "klon"), gain(-6.0)])
    controller = Controller(e, [clean, amp])
    controller.start()
    yield e, controller
    controller.stop()


def until(e, wanted, seconds: float = 20.0) -> np.ndarray:
    """Drive the engine until its last sample is `wanted`; return all of its output."""
    results, deadline = [], time.monotonic() + seconds
    while time.monotonic() < deadline:
        results.append(e.drive(HALF, 64)[:, 0])
        if abs(results[-1][-1] - wanted) < 1e-6:
            return np.concatenate(results)
        time.sleep(1e-3)
    raise AssertionError(f"the output stayed at {results[-1][-1]}, not {wanted}")


def test_set_glides_and_get_returns_at_once(live):
    e, controller = live
    until(e, 0.5)
    controller.set("gain.gain_db", -20.0)
    assert controller.get("gain.gain_db") == -20.0
    y = until(e, 0.05)
    assert np.abs(np.diff(y)).max() < 1.01 * 0.45 / 960


def test_select_crossfades_and_values_are_kept(live):
    e, controller = live
    controller.set("gain.gain_db", -20.0)
    until(e, 0.05)
    controller.select(1)
    assert controller.preset.name == "amp"
    assert controller.get("klon.drive") == 0.5
    for _ in range(40):
        e.drive(HALF, 64)
    controller.select(0)
    until(e, 0.05)
    assert controller.get("gain.gain_db") == -20.0, "as it was left"


def test_scene_sets_its_values(live):
    e, controller = live
    controller.scene("quiet")
    until(e, 0.05)
    with pytest.raises(UsageError, match="quiet"):
        controller.scene("quite")


def test_many_are_set_at_once_or_none(live):
    e, controller = live
    controller.set_many({"gain.gain_db": -14.0, "second.gain_db": -6.0})
    until(e, 0.05)
    with pytest.raises(UsageError, match="-60 to 24"):
        controller.set_many({"gain.gain_db": 0.0, "second.gain_db": 99.0})
    assert controller.get("gain.gain_db") == -14.0
    change = controller.history.undo("clean", {"gain.gain_db": -14.0, "second.gain_db": -6.0})
    assert change.before == {"gain.gain_db": 0.0, "second.gain_db": 0.0}
    assert change.after == {"gain.gain_db": -14.0, "second.gain_db": -6.0}
    controller.set_many(change.before, remember=False)
    until(e, 0.5)
    assert controller.history.undo("clean", change.before) is None


def test_bare_names_where_they_are_unique(live):
    _, controller = live
    controller.select(1)
    controller.set("drive", 0.9)
    assert controller.get("klon.drive") == 0.9
    controller.set("gain_db", -1.0)
    controller.select(0)
    with pytest.raises(UsageError, match="several blocks.*gain.gain_db, second.gain_db"):
        controller.set("gain_db", -1.0)


@pytest.mark.parametrize(
    "address, value, said",
    [
        ("klon.driv", 0.5, "did you mean 'klon.drive'"),
        ("klon.drive", 1.5, "0 to 1"),
        ("klon.drive", "loud", "0 to 1"),
        ("klon.drive", float("nan"), "0 to 1"),
        ("gain.gain_db", 99.0, "-60 to 24"),
    ],
)
def test_bad_values_change_nothing(live, address, value, said):
    _, controller = live
    controller.select(1)
    before = controller.preset.values
    with pytest.raises(UsageError, match=said):
        controller.set(address, value)
    assert controller.preset.values == before


def test_unknown_presets(live):
    _, controller = live
    for index in (-1, 2):
        with pytest.raises(UsageError, match="1 to 2"):
            controller.select(index)


def test_every_change_is_announced(live):
    _, controller = live
    found = []
    controller.changed = lambda: found.append((controller.index, controller.get("gain.gain_db")))
    controller.set("gain.gain_db", -3.0)
    controller.scene("quiet")
    controller.select(1)
    controller.set_gain("out_gain_db", -2.0)
    assert found[:2] == [(0, -3.0), (0, -20.0)] and [index for index, _ in found] == [0, 0, 1, 1]


def test_many_threads_turn_while_it_plays(live):
    """The newest value of each parameter is what remains; rigs do not pile up."""
    e, controller = live

    def turn(address, last):
        for step in range(200):
            controller.set(address, -30.0 * step / 200)
            if step % 50 == 0:
                controller.select(0)
        controller.set(address, last)

    ends = {"gain.gain_db": -6.0, "second.gain_db": -10.0}
    threads = [threading.Thread(target=turn, args=item) for item in ends.items()]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        e.drive(HALF, 64)
    for thread in threads:
        thread.join()
    y = until(e, 0.5 * gain_from_db(-16.0))
    assert np.isfinite(y).all()
    for _ in range(60):
        e.drive(HALF, 64)
    deadline = time.monotonic() + 5.0
    while len(e.rigs) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)  # the controller frees what comes back at its next tick
    assert len(e.rigs) == 1


def test_a_selected_preset_begins_prewarmed(live):
    """The copy of the template that is published equals a rig made for this selection alone."""
    e, controller = live
    until(e, 0.5)
    controller.select(1)
    deadline = time.monotonic() + 5.0
    while not e.record["pending"] and time.monotonic() < deadline:
        time.sleep(0.001)
    x = noise(4000)
    y = e.drive(x, 64)
    alone = engine([model(lstm(), "klon"), gain(-6.0)])
    assert np.array_equal(y[960:], alone.drive(x, 64)[960:])
    assert e.record["sample_rate"] == RATE


def test_a_fault_of_one_preset_leaves_the_thread_to_the_others(live, monkeypatch):
    e, controller = live
    with monkeypatch.context() as broken:
        broken.setattr(controller.presets[1], "build", lambda values: 1 // 0)
        controller.select(1)
        deadline = time.monotonic() + 10.0
        while not controller.news and time.monotonic() < deadline:
            time.sleep(1e-3)
        time.sleep(0.1)  # some ticks
        controller.select(0)
    said = "a change was not made, the sound stays as it was: ZeroDivisionError: integer division or modulo by zero"
    assert list(controller.news) == [said]
    controller.set("gain.gain_db", -20.0)
    until(e, 0.05)


def test_an_update_reaches_its_preset_wherever_a_reload_has_put_it(live):
    e, controller = live
    (clean, amp), weights = controller.presets, lstm(seed=5)
    before = amp.plan.weights
    moved = Controller(e, [clean, amp])
    moved.update("amp", "klon", weights)
    moved.replace([amp, clean])
    moved.start()  # applies both at once
    deadline = time.monotonic() + 20.0
    while amp.plan.weights is before and time.monotonic() < deadline:
        time.sleep(1e-3)
    moved.stop()
    assert amp.learned and not clean.learned
    assert np.array_equal(amp.plan.weights, rig([model(weights, "klon"), gain(-6.0)]).plan.weights)
