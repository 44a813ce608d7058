"""A scene is added to a set list of any layout, and nothing else in it moves."""

import pytest

from rtfx.effects.table import BLOCKS
from rtfx.errors import PresetError
from rtfx.rig.edit import quoted, scalar, with_scene
from rtfx.rig.set_list import load_set_list

VALUES = {"gain.gain_db": -3.5, "gate.hold_ms": 120.0}

BLOCK = """\
# my songs
version: 1
presets:
  - name: clean   # quiet
    chain:
      - {type: gate}
      - type: gain
        gain_db: 0  # unity
    # about the scenes
    scenes:
      solo: {gain.gain_db: 6}   # loud
      # between

      low:
        gain.gain_db: -6  # soft
  # about the next

  - name: lead
    chain: [{type: gain}]
# the end"""
NO_SCENES = """\
version: 1
presets:
- name: clean
  chain:
  - type: gate   # first
  - type: gain
    gain_db: 1   # last
  # belongs to clean

- name: lead
  chain: [{type: gain}]
"""
FLOW = (
    "version: 1\npresets: [{name: clean, chain: [{type: gate}, {type: gain}]}, {name: lead, chain: [{type: gain}]}]\n"
)
FLOW_SCENES = """\
version: 1
presets:
  - name: clean
    chain: [{type: gate}, {type: gain}]
    scenes: {solo: {gain.gain_db: 6}, # loud
             low: {gain.gain_db: -6}, # soft }
            }  # all of them
  - {name: lead, chain: [{type: gain}]}
"""
EMPTY_SCENES = NO_SCENES.replace("  # belongs", "  scenes: {}  # none yet\n  # belongs")
SCENES_FIRST = """\
version: 1
presets:
  - scenes:
      solo: {gain.gain_db: 6}
    name: clean
    chain: [{type: gate}, {type: gain}]
  - {name: lead, chain: [{type: gain}]}
"""
LAYOUTS = {
    "block": BLOCK,
    "no scenes": NO_SCENES,
    "flow": FLOW,
    "flow scenes": FLOW_SCENES,
    "empty scenes": EMPTY_SCENES,
    "scenes first": SCENES_FIRST,
    "windows": BLOCK.replace("\n", "\r\n"),
    "no line end": NO_SCENES.partition("\n- name: lead")[0].rstrip() + "\n- name: lead\n  chain:\n  - type: gain",
    "mark": "\ufeff" + NO_SCENES,
}


def content(text, tmp_path):
    path = tmp_path / "set.yaml"
    path.write_bytes(text.encode())
    presets = load_set_list(path, BLOCKS).presets
    return {p.name: ([(b.type, b.id, b.values) for b in p.chain], dict(p.scenes)) for p in presets}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("preset", ["clean", "lead"])
def test_one_insertion_adds_the_scene(layout, preset, tmp_path):
    text = LAYOUTS[layout]
    values = VALUES if preset == "clean" else {"gain.gain_db": -3.5}
    new = with_scene(text, preset, "saved 1", values)
    same = next(i for i, (a, b) in enumerate(zip(text + "\0", new, strict=False)) if a != b)
    added = len(new) - len(text)
    assert new[:same] + new[same + added :] == text, "everything else stays as it is, comments and all"
    expected = content(text, tmp_path)
    expected[preset][1]["saved 1"] = values
    assert content(new, tmp_path) == expected
    again = with_scene(new, preset, "saved 2", values)
    expected[preset][1]["saved 2"] = values
    assert content(again, tmp_path) == expected
    if layout == "windows":
        assert again.count("\n") == again.count("\r\n")


def test_the_layout_is_that_of_the_file():
    assert "        gain.gain_db: -6  # soft\n      saved 1: {gain.gain_db: 1}\n" in with_scene(
        BLOCK, "clean", "saved 1", {"gain.gain_db": 1.0}
    )
    assert "    gain_db: 1   # last\n  scenes:\n    saved 1: {gain.gain_db: 1}\n" in with_scene(
        NO_SCENES, "clean", "saved 1", {"gain.gain_db": 1.0}
    )


def test_words_that_yaml_would_misread_are_quoted():
    assert [quoted(text) for text in ("klon.gain", "saved 1", "on", "null", "a: b", "1e3", "é", "")] == [
        "klon.gain", "saved 1", '"on"', '"null"', '"a: b"', '"1e3"', '"é"', '""',
    ]  # fmt: skip
    assert [scalar(value) for value in (0.35, -6.0, 1e-5, 0.1234567, "on")] == [
        "0.35", "-6", "0.00001", "0.123457", '"on"',
    ]  # fmt: skip


def test_a_preset_that_is_gone():
    with pytest.raises(PresetError, match="no preset 'solo' any more"):
        with_scene(FLOW, "solo", "saved 1", VALUES)
