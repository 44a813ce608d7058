"""The size of a knob's steps, and slots."""

import pytest

from rtfx.effects.table import BLOCKS
from rtfx.errors import UsageError
from rtfx.live import knobs
from rtfx.live.knobs import Slots, norm_of, round_step, turned, value_at
from rtfx.loading.preset import Knob
from rtfx.rig.parameters import Parameter

from .fake_stream import FakeStream

DRIVE, LEVEL = Parameter("drive", 0.5), Parameter("level_db", 0.0, -60.0, 24.0, "dB")
CENTRE = Parameter("hz", 400.0, 20.0, 16000.0, "Hz")
SIZE = Parameter("size", "m", kind="stepped", choices=("s", "m", "l"))


@pytest.mark.parametrize(
    ("parameter", "value", "steps", "fine", "expected"),
    [
        (DRIVE, 0.5, 1, False, 0.52),
        (DRIVE, 0.5, -1, True, 0.498),
        (DRIVE, 0.1234, 1, True, 0.126),
        (DRIVE, 0.99, 1, False, 1.0),
        (DRIVE, 0.01, -1, False, 0.0),
        (LEVEL, 0.0, 3, False, 3.0),
        (LEVEL, -0.04, 1, True, 0.1),
        (LEVEL, 23.5, 1, False, 24.0),
        (CENTRE, 440.0, 12, False, 880.0),
        (CENTRE, 440.0, 1, False, 466.2),
        (CENTRE, 15900.0, 1, False, 16000.0),
        (SIZE, "m", 1, False, "l"),
        (SIZE, "l", 1, False, "l"),
        (SIZE, "m", -5, True, "s"),
    ],
)
def test_turned(parameter, value, steps, fine, expected):
    assert turned(parameter, value, steps, fine) == expected


@pytest.mark.parametrize("fine", [False, True])
def test_every_knob_of_every_effect_can_be_walked_from_end_to_end(fine):
    for block in BLOCKS.values():
        for parameter in block.parameters:
            if parameter.choices:
                walked = [turned(parameter, parameter.choices[0], steps, fine) for steps in range(-1, 9)]
                assert tuple(dict.fromkeys(walked)) == parameter.choices
                continue
            value, seen = parameter.minimum, 0
            while value < parameter.maximum:
                above = turned(parameter, value, 1, fine)
                assert above > value, (parameter.name, value)
                value, seen = parameter.check(above), seen + 1
                assert seen < 2000
            while value > parameter.minimum:
                below = turned(parameter, value, -1, fine)
                assert below < value, (parameter.name, value)
                value = parameter.check(below)


def test_round_steps():
    assert [round_step(size) for size in (0.02, 0.36, 1.0, 20.0, 49.9, 0.5)] == [0.02, 0.2, 1.0, 20.0, 20.0, 0.5]


def test_words():
    assert [LEVEL.worded(3.0), CENTRE.worded(466.2), DRIVE.worded(0.5), SIZE.worded("m")] == [
        "+3.0 dB", "466.2 Hz", "0.5", "m",
    ]  # fmt: skip


def test_whole_numbers_go_by_one():
    seed = Parameter("seed", 42, 0, 2**32 - 2, kind="structural", whole=True)
    assert [turned(seed, 4294967293, steps, fine) for steps, fine in ((1, True), (2, False), (-1, False))] == [
        4294967294, 4294967294, 4294967292,
    ]  # fmt: skip
    assert seed.worded(4294967294) == "4294967294"
    with pytest.raises(UsageError, match="a whole number from 0 to 4294967294"):
        seed.check(1.5)


def test_blocks_and_knobs_go_round():
    stream = FakeStream()
    assert [knobs.choose_block(stream, 1).address for _ in range(3)] == ["amp.drive", "gain.gain_db", "out_gain_db"]
    assert [knobs.choose_knob(stream, -1).address for _ in range(2)] == ["gain.gain_db", "amp.bright"]


def test_a_knob_that_the_preset_lacks_gives_way_to_the_level():
    stream = FakeStream()
    stream.selection.knob = "fuzz.sustain"
    assert knobs.chosen(stream).address == "out_gain_db"


def test_slots_are_compared_and_kept_apart():
    stream, slots = FakeStream(), Slots()
    assert slots.switch(stream, "A") == "slot A" and not slots.used("clean")
    assert "copy" in slots.switch(stream, "B")
    stream.set_many({"amp.drive": 0.9})
    stream.clock += 5.0
    slots.switch(stream, "A")
    assert stream.values["amp.drive"] == 0.5 and slots.current("clean") == "A"
    stream.set_many({"gain.gain_db": -6.0})
    slots.switch(stream, "B")
    assert (stream.values["amp.drive"], stream.values["gain.gain_db"]) == (0.9, 0.0)
    slots.switch(stream, "A")
    assert (stream.values["amp.drive"], stream.values["gain.gain_db"]) == (0.5, -6.0)
    stream.preset = 1
    assert slots.current("crunch") == "A" and not slots.used("crunch")


def test_undo_stays_in_its_slot():
    stream, slots = FakeStream(), Slots()
    stream.set_many({"amp.drive": 0.7})
    slots.switch(stream, "B")
    stream.set_many({"amp.drive": 0.2})
    slots.switch(stream, "A")
    assert [str(knob) for knob in knobs.undo(stream)] == ["amp.drive 0.5"]
    slots.switch(stream, "B")
    assert stream.values["amp.drive"] == 0.2
    assert [str(knob) for knob in knobs.undo(stream)] == ["amp.drive 0.7"]


def test_a_switch_changes_only_what_differs():
    stream, slots = FakeStream(), Slots()
    slots.switch(stream, "B")
    stream.set_many({"amp.drive": 0.9})
    stream.sets.clear()
    slots.switch(stream, "A")
    assert stream.sets == [{"amp.drive": 0.5}]


@pytest.mark.parametrize(
    ("parameter", "norms"),
    [
        (Parameter("drive", 0.5), {0.0: 0.0, 0.25: 0.25, 1.0: 1.0}),
        (Parameter("gain_db", 0.0, -60.0, 20.0, "dB"), {-60.0: 0.0, -20.0: 0.5, 20.0: 1.0}),
        (Parameter("freq_hz", 200.0, 20.0, 20000.0, "Hz"), {20.0: 0.0, 20000.0 / 10**1.5: 0.5, 20000.0: 1.0}),
        (Parameter("taps", 2, 1, 5, whole=True), {1: 0.0, 3: 0.5, 5: 1.0}),
        (Parameter("mode", "b", kind="stepped", choices=("a", "b", "c")), {"a": 0.0, "b": 0.5, "c": 1.0}),
    ],
)
def test_places_in_a_range_and_back(parameter, norms):
    for value, norm in norms.items():
        assert norm_of(Knob("x.y", parameter, {parameter.name: value})) == pytest.approx(norm)
        found = value_at(parameter, norm)
        assert found == (value if isinstance(value, str) else pytest.approx(value))
        assert parameter.check(found) == found
    assert value_at(parameter, -1.0) == value_at(parameter, 0.0) and value_at(parameter, 7.0) == value_at(
        parameter, 1.0
    )
