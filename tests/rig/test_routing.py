"""Paths in a set list: read with their lines, written again, and told apart on a reload."""

import numpy as np
import pytest
import yaml

import rtfx
from rtfx.effects.table import BLOCKS
from rtfx.errors import PresetError
from rtfx.rig.edit import content, document, new_set_list
from rtfx.rig.set_list import load_set_list, read_in_spite

LIST = """version: 1
presets:
  - name: two amps
    chain:
      - {type: gate, threshold_db: -90, key: input}
      - split:
          - [{type: gain, id: a, gain_db: -3}, {crossover: [[eq], []], freq_hz: [900]}]
          - [{type: gain, id: b}]
        id: amps
        level_db: [0, -2]
        pan: [-0.6, 0.6]
        invert: [false, true]
    scenes:
      solo: {amps.level2_db: 3, b.on: false, amps.mute1: true, crossover.freq1_hz: 500}
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text(LIST)
    return path


def test_a_set_list_holds_paths(path):
    (preset,) = load_set_list(path, BLOCKS).presets
    found = {block.id: (block.type, block.branch) for block in preset.chain}
    assert found == {
        "gate": ("gate", ()),
        "amps": ("split", ()),
        "a": ("gain", (("amps", 0),)),
        "crossover": ("crossover", (("amps", 0),)),
        "eq": ("eq", (("amps", 0), ("crossover", 0))),
        "b": ("gain", (("amps", 1),)),
    }
    amps = preset.block("amps")
    assert amps.values == {
        "level1_db": 0.0,
        "level2_db": -2.0,
        "pan1": -0.6,
        "pan2": 0.6,
        "invert1": 0.0,
        "invert2": 1.0,
    }
    assert amps.router == (2, True, False, False) and preset.block("gate").key == "input"
    x = np.random.default_rng(1).uniform(-0.2, 0.2, 2000).astype(np.float32)
    assert rtfx.Rig.from_yaml(path)(x, 48000).shape == (2, 2000)


def test_what_is_written_again_means_the_same(path, tmp_path):
    preset = load_set_list(path, BLOCKS).presets[0]
    again = tmp_path / "again.yaml"
    again.write_text(new_set_list(preset))
    wanted, found = preset.chain, load_set_list(again, BLOCKS).presets[0].chain
    assert [block.written for block in found] == [block.written for block in wanted]
    again.write_text(yaml.safe_dump({"version": 1, "presets": [document(preset)]}))
    assert content(load_set_list(again, BLOCKS)) == content(load_set_list(path, BLOCKS))


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("level_db: [0, -2]", "level_db: [0, -2, 1]", 10, "level_db has 3 values, expected 2"),
        ("level_db: [0, -2]", "level_db: [0, 90]", 10, "level2_db is 90"),
        ("freq_hz: [900]", "freq_hz: [1, 2]", 7, "freq_hz has 2 values, expected 1"),
        ("key: input", "key: amps", 5, "key is 'amps', expected a block before it, one of: input"),
        (
            "id: b}",
            "id: a}",
            8,
            r"chain\[1\].split\[1\]\[0\]: id 'a' is that of chain\[1\].split\[0\]\[0\]: rename one",
        ),
        ("pan: [-0.6, 0.6]", "pann: [-0.6, 0.6]", 11, "unknown key 'pann'"),
        ("amps.level2_db: 3", "amps.level3_db: 3", 14, "unknown key 'level3_db'"),
        ("- [{type: gain, id: b}]", "- {type: gain, id: b}", 8, "expected a list of blocks"),
        ("[eq], []", "[eq]", 7, r"crossover has 1 path, expected 2 to 8"),
    ],
)
def test_mistakes_are_told_with_their_lines(path, old, new, line, said):
    path.write_text(LIST.replace(old, new))
    with pytest.raises(PresetError, match=rf"set.yaml:{line}: .*({said})"):
        load_set_list(path, BLOCKS)


def test_one_reading_finds_every_mistake(path):
    path.write_text(LIST.replace("gain_db: -3", "gain_db: -300").replace("id: b}", "id: b, gain: 3}"))
    assert len(read_in_spite(path, BLOCKS).mistakes) == 2


def test_a_stream_turns_paths_and_plays_scenes(path):
    with rtfx.Rig.from_yaml(path).play(device="null") as stream:
        stream.do("scene solo")
        assert (stream.get("amps.level2_db"), stream.get("b.on"), stream.get("amps.mute1")) == (3.0, 0.0, 1.0)
        stream.set("b.on", True)
        assert stream.get("b.on") == 1.0


def test_a_cabinet_may_have_two_responses(path):
    path.write_text(
        "version: 1\npresets:\n  - name: a\n    chain: [{type: cab, file: open-2x12.wav, file2: closed-4x12.wav, "
        "blend: 0.4, level_db: 3, invert: [false, true]}]\n    scenes: {far: {cab.blend: 1}}\n"
    )
    (preset,) = load_set_list(path, BLOCKS).presets
    assert [(block.id, block.type) for block in preset.chain] == [("cab", "split"), ("cab-1", "cab"), ("cab-2", "cab")]
    assert [block.values.get("level_db") for block in preset.chain] == [None, 3.0, 3.0]
    x = np.random.default_rng(2).uniform(-0.2, 0.2, 3000).astype(np.float32)
    y = rtfx.Rig.from_yaml(path)(x, 48000)
    both = [
        rtfx.Rig([{"type": "cab", "file": f, "level_db": 3.0}])(x, 48000) for f in ("open-2x12.wav", "closed-4x12.wav")
    ]
    assert np.allclose(y, 0.6 * both[0] - 0.4 * both[1], atol=1e-6)
    same = {"type": "cab", "file": "open-2x12.wav", "file2": "closed-4x12.wav", "blend": 0.0}
    assert np.allclose(rtfx.Rig([same])(x, 48000), both[0] * 10.0 ** (-3.0 / 20.0), atol=1e-6)
