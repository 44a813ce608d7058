"""Subscribers get the whole state first, then each change by anyone, but not more often than 50 times a second."""

import gc
import json
import threading
import time
import weakref

import numpy as np
import pytest

import rtfx
from rtfx.live.feed import METER_SECONDS, difference, merged, snapshot

from .eventually import eventually
from .mirror import Mirror

SET_LIST = """
version: 1
presets:
  - name: clean
    chain: [{type: gain, gain_db: -6}]
    scenes: {loud: {gain.gain_db: 0}}
  - name: eq
    chain: [{type: gain}, {type: eq}]
  - name: broken
    chain: [{type: cab, file: nowhere.wav}]
"""


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    path = tmp_path_factory.mktemp("set") / "list.yaml"
    path.write_text(SET_LIST)
    return rtfx.Rig.from_yaml(path)


@pytest.fixture
def stream(rig):
    with rig.play(device="null", input=np.zeros(48000 * 100, np.float32), sample_rate=48000) as stream:
        yield stream


def test_a_snapshot_holds_everything_and_json_takes_it(stream):
    state = stream.snapshot()
    assert json.loads(json.dumps(state, allow_nan=False)) == state
    assert [(one["number"], one["name"], bool(one["fault"])) for one in state["presets"]] == [
        (1, "clean", False), (2, "eq", False), (3, "broken", True),
    ]  # fmt: skip
    assert (state["preset"], state["preset_name"], state["scenes"], state["scene"]) == (1, "clean", ["loud"], "")
    assert [(block["id"], block["type"]) for block in state["blocks"]] == [("gain", "gain")]
    knob = next(knob for knob in state["knobs"] if knob["address"] == "gain.gain_db")
    assert (knob["value"], knob["written"], knob["unit"], knob["text"]) == (-6.0, -6.0, "dB", "-6.0 dB")
    assert knob["norm"] == pytest.approx((-6.0 - knob["min"]) / (knob["max"] - knob["min"]))
    assert state["gains"] == {"in_gain_db": 0.0, "out_gain_db": 0.0}
    assert (state["undo"], state["changed"], state["ended"], state["recording"]) == (False, False, False, False)
    assert state["status"]["sample_rate"] == 48000.0 and state["status"]["trouble"] == ""


@pytest.mark.parametrize(
    ("change", "key", "value"),
    [
        (lambda s: s.set("gain.gain_db", -1.0), "values", -1.0),
        (lambda s: s.do("preset next"), "preset", 2),
        (lambda s: s.do("scene loud"), "scene", "loud"),
        (lambda s: setattr(s, "mute", True), "mute", True),
        (lambda s: setattr(s, "bypass", True), "bypass", True),
        (lambda s: setattr(s, "out_gain_db", -4.0), "gains", {"in_gain_db": 0.0, "out_gain_db": -4.0}),
        (lambda s: s.do("slot B"), "slot", "B"),
        (lambda s: s.do("knob gain.gain_db"), "knob", "gain.gain_db"),
        (lambda s: s.add_scene("solo", {"gain.gain_db": 1.0}), "scenes", ["loud", "solo"]),
        (lambda s: s.tell("a pedal is back"), "message", {"number": 1, "text": "a pedal is back"}),
    ],
)
def test_each_change_is_told_whoever_makes_it(stream, change, key, value):
    mirror = Mirror(stream)
    eventually(lambda: mirror.state)
    before = len(mirror.told)
    change(stream)
    eventually(lambda: any(key in told for told in mirror.told[before:]))
    found = next(told[key] for told in mirror.told[before:] if key in told)
    assert (found["gain.gain_db"]["value"] if key == "values" else found) == value
    eventually(lambda: mirror.state == snapshot(stream))


def test_a_flood_is_told_together_and_the_newest_value_stays(stream):
    mirror = Mirror(stream)
    eventually(lambda: mirror.state)
    begun, before = time.monotonic(), len(mirror.told)
    for step in range(5000):
        stream.set("gain.gain_db", -20.0 * step / 5000)
    stream.set("gain.gain_db", -3.0)
    eventually(lambda: mirror.state == snapshot(stream))
    assert len(mirror.told) - before <= 50 * (time.monotonic() - begun) + 2
    assert next(knob["value"] for knob in mirror.state["knobs"] if knob["address"] == "gain.gain_db") == -3.0


def test_nothing_is_told_while_nothing_changes(stream):
    mirror = Mirror(stream)
    eventually(lambda: mirror.state and mirror.state["status"]["block_frames"])
    before = len(mirror.told)
    time.sleep(1.2)
    assert len(mirror.told) == before


def test_meters_are_told_to_those_who_want_them(stream):
    without, wanting = Mirror(stream), Mirror(stream, meters=True)
    eventually(lambda: len(wanting.meters) >= 5)
    assert not without.meters and len(wanting.meters[-1]["in"]) == stream.input_channels
    assert 0.0 <= wanting.meters[-1]["load"] <= 1.0
    begun, before = time.monotonic(), len(wanting.meters)
    time.sleep(0.55)
    assert len(wanting.meters) - before <= (time.monotonic() - begun) / METER_SECONDS + 1


def test_who_leaves_is_told_nothing_more_and_the_thread_ends(stream):
    mirror, other = Mirror(stream), Mirror(stream)
    eventually(lambda: mirror.state and other.state)
    mirror.end()
    before = len(mirror.told)
    stream.mute = True
    eventually(lambda: other.state["mute"])
    assert len(mirror.told) == before
    other.end()
    eventually(lambda: not any(thread.name == "rtfx feed" for thread in threading.enumerate()))
    again = Mirror(stream)
    eventually(lambda: again.state == snapshot(stream))


def test_an_error_of_one_surface_leaves_the_others(stream):
    def fails(_):
        raise ZeroDivisionError("of the phone")

    stream.subscribe(fails)
    mirror = Mirror(stream)
    eventually(lambda: mirror.state and "of the phone" in mirror.state["message"]["text"])
    stream.mute = True
    eventually(lambda: mirror.state["mute"])
    assert sum("of the phone" in line for line in stream.news()) == 1


def test_the_end_is_told(rig):
    with rig.play(device="null", input=np.zeros(48000 * 100, np.float32), sample_rate=48000) as stream:
        mirror = Mirror(stream)
        eventually(lambda: mirror.state)
    assert mirror.state["ended"]


def test_a_stream_with_subscribers_can_be_deleted(rig):
    stream = rig.play(device="null", input=np.zeros(48000 * 100, np.float32), sample_rate=48000)
    told = []
    stream.subscribe(told.append)
    gone = weakref.ref(stream)
    del stream
    eventually(lambda: gc.collect() is not None and gone() is None)
    eventually(lambda: told and told[-1].get("ended"))


def test_the_news_is_kept_for_the_player_while_surfaces_read_it(stream):
    Mirror(stream)
    stream.controller.news.append("said by the controller")
    time.sleep(0.6)
    assert stream.news() == ["said by the controller"] and stream.news() == []


KNOB = {"address": "a.b", "value": 1.0, "text": "1", "norm": 0.1, "max": 10.0}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({}, {"mute": True}, {"mute": True}),
        ({"mute": True, "preset": 1}, {"mute": True, "preset": 2}, {"preset": 2}),
        ({"knobs": [KNOB]}, {"knobs": [KNOB]}, {}),
        (
            {"knobs": [KNOB]},
            {"knobs": [KNOB | {"value": 2.0, "norm": 0.2}]},
            {"values": {"a.b": {"value": 2.0, "text": "1", "norm": 0.2}}},
        ),
        ({"knobs": [KNOB]}, {"knobs": [KNOB | {"max": 20.0}]}, {"knobs": [KNOB | {"max": 20.0}]}),
        ({"knobs": [KNOB]}, {"knobs": []}, {"knobs": []}),
    ],
)
def test_differences_and_what_they_are_merged_to(before, after, found):
    assert difference(before, after) == found
    assert merged(before, found) == after
