"""The lines of the view: colours, latches, and that they fit."""

from dataclasses import replace

import pytest
from rich.cells import cell_len

from rtfx.effects.eq import EQ
from rtfx.live.tuner import Target
from rtfx.loading.preset import Knob
from rtfx.pitch import Pitch
from rtfx.rig.parameters import Parameter
from rtfx.rig.set_list import GLOBALS
from rtfx.ui import page
from rtfx.ui.page import bar, channel_line, lamp, level_style, load_style


def styles(text):
    return {str(span.style) for span in text.spans} | {str(text.style)}


@pytest.mark.parametrize(
    ("dbfs", "style"),
    [(-60.0, "green"), (-3.1, "green"), (-3.0, "yellow"), (-0.1, "yellow"), (0.0, "red"), (6.0, "red")],
)
def test_levels_are_yellow_from_minus_3_and_red_from_0(dbfs, style):
    assert level_style(dbfs) == style
    line = channel_line(" in 1", dbfs, -60.0, 80)
    assert style in styles(line)
    assert not styles(line) & ({"green", "yellow", "red"} - {style})


def test_the_latch_stays_lit_when_the_level_falls():
    assert lamp(0.0).plain == " CLIP " and "white on red" in styles(lamp(0.0)).pop()
    assert "black on yellow" in styles(lamp(-3.0)) and lamp(-3.0).plain == "  -3.0"
    assert "dim" in styles(lamp(-3.1))
    line = channel_line(" in 1", -40.0, 0.5, 80)
    assert "CLIP" in line.plain and "bold white on red" in styles(line) and "green" in styles(line)


def test_loads():
    assert [load_style(load) for load in (0.49, 0.5, 0.79, 0.8)] == ["green", "yellow", "yellow", "bold red"]
    assert bar(0.5, 10, "cyan").plain == "━" * 5 + "─" * 5
    assert bar(7.0, 4, "cyan").plain == "━" * 4 and bar(-1.0, 4, "cyan").plain == "─" * 4


@pytest.mark.parametrize("place", [0, 6, 12])
def test_of_many_choices_those_around_the_chosen_one_are_shown(place):
    names = [f"activation{n}" for n in range(13)]
    shown = page._choices(names, names[place]).split()
    assert f"[{names[place]}]" in shown and 2 < len(shown) < 5
    assert page._choices(("a", "b"), "b") == "a [b]"


def snapshot(**changes):
    """An extreme page: long and wide names, many blocks, long messages."""
    knobs = [Knob(p.name, p, {p.name: 0.0}) for p in GLOBALS]
    for block in ("eq", "a-very-long-name-of-a-block", *(f"block_{n}" for n in range(12))):
        knobs += [Knob(f"{block}.{p.name}", p, {p.name: p.default}) for p in EQ.parameters]
    knobs.append(Knob("choice.kind", Parameter("kind", "a", choices=("a", "b" * 90)), {"kind": "a"}))
    said = {
        "route": "on " + "name " * 40,
        "presets": ["clean", "ギター" * 30, "lead" * 30],
        "preset": 1,
        "heard": range(1),
        "inputs": [-20.0, -60.0],
        "held_in": [1.0, -60.0],
        "outputs": [-6.0, -7.0],
        "held_out": [-1.0, -7.0],
        "load": 0.123,
        "load_max": 12.345,
        "xruns": 123456,
        "last_xrun": "20:14:07",
        "latency_ms": 1234.5,
        "realtime": "SCHED_FIFO 70",
        "knobs": knobs,
        "chosen": knobs[20],
        "turned": frozenset(knob.address for knob in knobs),
        "scene": "a scene " * 20,
        "slot": "B",
        "flags": ["MUTED", "BYPASS", "REC"],
        "faults": 99,
        "hint": "signal on input 2: press c",
        "log": [(f"message {n} " * 30, 0.5 * (20 - n)) for n in range(20)],
    }
    return page.ViewState(**(said | changes))


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (40, 12), (200, 60), (20, 5), (80, 8), (3, 2), (2, 1)])
@pytest.mark.parametrize("inputs", [0, 1, 2, 4, 18, 32])
def test_every_line_fits(size, inputs):
    s = snapshot(inputs=[-20.0] * inputs, held_in=[-6.0] * inputs, heard=range(max(inputs, 1) - 1, max(inputs, 1)))
    for chosen in (s.knobs[0], s.knobs[20], s.knobs[-1]):
        lines = page.lines(page.ViewState(**(vars(s) | {"chosen": chosen})), *size)
        assert len(lines) <= size[1]
        assert max(cell_len(line.plain) for line in lines) < size[0]


@pytest.mark.parametrize("inputs", [1, 2, 4, 18, 32])
def test_at_80_by_24_all_that_matters_is_there(inputs):
    s = snapshot(inputs=[-20.0] * inputs, held_in=[1.0] * inputs, heard=range(inputs - 1, inputs))
    text = "\n".join(line.plain for line in page.lines(s))
    for part in (
        "MUTED",
        "BYPASS",
        "slot B",
        "CLIP",
        "out 2",
        "xruns 123456, last",
        "1234.5 ms",
        "SCHED_FIFO",
        "input 2",
    ):
        assert part in text, part
    assert f"> {s.chosen.parameter.name}" in text
    assert "message 19" in text, "the newest"
    assert f"in {inputs}" in text
    assert all(f"{channel:2d} -20.0" in text for channel in range(1, inputs) if inputs > 4)


def test_every_chosen_knob_is_in_sight():
    s = snapshot()
    for knob in s.knobs:
        text = "\n".join(line.plain for line in page.lines(page.ViewState(**(vars(s) | {"chosen": knob}))))
        assert f" > {knob.parameter.name}" in text
        assert f" {knob.block} " in text


def test_neighbours_stand_on_both_sides():
    calm = {"flags": [], "scene": "", "slot": "", "turned": frozenset()}
    names = ["one", "two", "three"]
    lines = [page.lines(snapshot(presets=names, preset=place, **calm))[2].plain.split() for place in range(3)]
    assert lines[0] == ["3", "three", "1/3", "one", "2", "two"]
    assert lines[2] == ["2", "two", "3/3", "three", "1", "one"]
    assert page.lines(snapshot(presets=["one"], preset=0, **calm))[2].plain.split() == ["1/1", "one"]


def test_no_priority_is_said_loudly():
    line = next(line for line in page.lines(snapshot(realtime="none")) if "real-time" in line.plain)
    assert line.plain.endswith("not granted") and "bold yellow" in styles(line)


def test_the_tuner_takes_the_place_of_the_knobs_and_fits():
    string = Pitch(82.5, 1e-4, 0.95, 0.3, 0.1, 0.1)
    target = Target(442.0, "standard")
    shown = page.tuner_lines(target, target.reading(string, 1.0), 80)
    note, needle, strobe, strings = (line.plain for line in shown)
    assert "E2" in note and "-5.9 cents" in note and "82.50 Hz" in note
    assert needle.index("█") == needle.index("┼") - 4 and set(strobe) == {" ", "▒"}
    assert "standard" in strings and "A4 442 Hz" in strings and "bold yellow reverse" in styles(shown[3])
    for width, height in ((80, 24), (40, 12), (20, 5)):
        lines = page.lines(replace(snapshot(), tuner=target, reading=target.reading(string, 1.0)), width, height)
        assert len(lines) <= height and all(cell_len(line.plain) < width for line in lines)
    silent = page.tuner_lines(target, None, 80)
    assert "cents" not in silent[0].plain and silent[2].plain == ""


def test_the_needle_is_green_within_a_cent_and_the_strobe_moves_with_the_phase():
    target = Target()
    good = target.reading(Pitch(440.2, 0.0, 1.0, 0.0, 0.1, 0.1), 1.0)
    assert "bold green" in styles(page.tuner_lines(target, good, 80)[1])
    first, moved = (page.tuner_lines(target, replace(good, strobe=phase), 80)[2].plain for phase in (0.25, 0.5))
    assert first != moved and first[3:-3] == moved[6:]
