"""The section ``midi`` of a set list, and files of the same form."""

import pytest

from rtfx.effects.table import BLOCKS
from rtfx.errors import PresetError
from rtfx.rig.midi_map import (
    MAPPING_KEYS,
    SAID_OF_MAPPING,
    SAID_OF_SECTION,
    SECTION_KEYS,
    Mapping,
    MidiMap,
    joined,
    load_file,
)
from rtfx.rig.set_list import Reader, load_set_list

PRESET = "presets: [{name: a, chain: [{type: gain}]}]\nversion: 1\n"


def read(tmp_path, text):
    path = tmp_path / "midi.yaml"
    path.write_text(text)
    return load_file(path, Reader(path, {}))


def test_a_set_list_has_a_map(tmp_path):
    path = tmp_path / "gig.yaml"
    path.write_text(PRESET + "midi: {channel: 2, map: [{cc: 11, to: wah.position}, {pc: 1, do: preset 1}]}\n")
    found = load_set_list(path, BLOCKS).midi
    assert found.mappings == (
        Mapping("cc", 11, 2, to="wah.position"), Mapping("pc", 1, 2, do="preset 1"),
    )  # fmt: skip
    path.write_text(PRESET)
    assert load_set_list(path, BLOCKS).midi is None


def test_every_key_is_read(tmp_path):
    found = read(
        tmp_path,
        """
channel: omni
in: [Board, Pedal]
takeover: true
feedback: true
programs: false
clock: false
map:
  - {cc: 11, channel: 3, device: Board, to: wah.position, from: 0.2, at: 0.9, low: 10, high: 110, curve: 2}
  - {note: 60, do: mute on, release: mute off, takeover: false}
  - {cc: 5, to: amp.drive, mode: twos}
""",
    )
    assert (found.inputs, found.feedback, found.programs, found.clock) == (("Board", "Pedal"), True, False, False)
    assert found.mappings == (
        Mapping("cc", 11, 3, "Board", "wah.position", "", "", 0.2, 0.9, 10, 110, 2.0, "", True),
        Mapping("note", 60, do="mute on", release="mute off"),
        Mapping("cc", 5, to="amp.drive", mode="twos", takeover=True),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("map: [{cc: 11}]", "map\\[0\\]: no target, expected to or do"),
        ("map: [{to: a.b}]", "no control, expected one of: cc, note, pc"),
        ("map: [{cc: 1, note: 2, to: a.b}]", "cc and note"),
        ("map: [{cc: 1, to: a.b, do: next}]", "to and do"),
        ("map: [{cc: 128, to: a.b}]", "cc is 128, expected a whole number from 0 to 127"),
        ("map: [{cc: 1, to: a.b, mode: sideways}]", "mode is 'sideways', expected one of: absolute"),
        ("map: [{cc: 1, to: a.b, curve: 0}]", "curve is 0, expected a number from 0.05"),
        ("map: [{cc: 1, to: a.b, low: 5, high: 5}]", "low and high are both 5"),
        ("map: [{cc: 1, tu: a.b}]", "unknown key 'tu'"),
        ("map: [{cc: 1, to: a.b, release: next}]", "release without do"),
        ("map: [{cc: 1, to: a.b, from: [1]}]", "from is \\[1\\], expected a value"),
        ("channel: 17", "channel is 17, expected 1 to 16, or omni"),
        ("takeover: 3", "takeover is 3, expected true or false"),
        ("map: 5", "midi: map is 5, expected a list of mappings"),
        ("mop: []", "unknown key 'mop'"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, text, said):
    with pytest.raises(PresetError, match=f"midi.yaml:1: .*({said})"):
        read(tmp_path, text)


def test_what_is_written_is_read_back(tmp_path):
    import yaml

    for mapping in (
        Mapping("cc", 11, 3, "Board", "wah.position", "", "", 0.2, 0.9, 10, 110, 2.0, "", True),
        Mapping("note", 60, do="mute on", release="mute off"),
        Mapping("pc", 0, do="preset 3"),
    ):
        assert read(tmp_path, yaml.safe_dump({"map": [mapping.written()]})).mappings == (mapping,)


def test_later_maps_replace_the_same_control():
    pedal, other, new = Mapping("cc", 11, to="a.b"), Mapping("cc", 12, to="a.c"), Mapping("cc", 11, to="a.d")
    first = MidiMap((pedal, other), ("Board",), True)
    found = joined([first, MidiMap((new,))])
    assert found.mappings == (other, new) and found.inputs == ("Board",) and found.feedback
    assert not joined([first, MidiMap(feedback=False)]).feedback


@pytest.mark.parametrize("curve", [0.5, 1.0, 2.0])
def test_places_of_a_calibrated_pedal(curve):
    mapping = Mapping("cc", 11, to="a.b", low=10, high=110, curve=curve)
    assert (mapping.place(0), mapping.place(10), mapping.place(110), mapping.place(127)) == (0.0, 0.0, 1.0, 1.0)
    assert mapping.place(60) == pytest.approx(0.5**curve)
    assert all(mapping.sent(mapping.place(value)) == value for value in range(10, 111))
    assert Mapping("cc", 1, to="a.b", low=127, high=0).place(127) == 0.0


def test_every_key_is_described():
    assert set(SAID_OF_SECTION) == set(SECTION_KEYS) and set(SAID_OF_MAPPING) == set(MAPPING_KEYS)
