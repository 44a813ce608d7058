"""The set lists that travel with rtfx: they read, their files exist, their knobs are those of the models."""

from pathlib import Path

import pytest

from rtfx.effects.table import BLOCKS
from rtfx.find import find_audio
from rtfx.model.load import load
from rtfx.rig.parameters import Parameter
from rtfx.rig.set_list import load_set_list

FILES = sorted((Path(__file__).parents[2] / "presets").glob("*.yaml"))


def test_there_are_at_least_three():
    assert len(FILES) >= 3
    chains = [preset.chain for path in FILES for preset in load_set_list(path, BLOCKS).presets]
    assert len({str([(block.type, block.values, block.file) for block in chain]) for chain in chains}) == len(chains)


def test_they_use_every_effect_of_time_and_movement_and_every_way_of_routing():
    blocks = [block for path in FILES for preset in load_set_list(path, BLOCKS).presets for block in preset.chain]
    used = {block.type for block in blocks}
    moving = {"delay", "reverb", "chorus", "flanger", "phaser", "tremolo", "vibrato", "rotary", "doubler"}
    assert used >= moving | {"wah", "autowah", "comp", "limiter", "tonestack", "split", "crossover", "mid_side"}
    assert {block.values.get("kind") for block in blocks if block.type == "reverb"} >= {
        "room",
        "hall",
        "plate",
        "spring",
    }
    assert {block.values.get("mode") for block in blocks if block.type == "delay"} >= {"digital", "tape", "pingpong"}


def test_one_of_them_is_a_gig_of_twelve_songs():
    (gig,) = [load_set_list(path, BLOCKS) for path in FILES if path.stem == "gig"]
    assert len(gig.presets) == 12 and all(preset.scenes for preset in gig.presets)
    louder = [scene for preset in gig.presets for scene in preset.scenes if scene == "solo"]
    assert len(louder) >= 4


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_files_and_knobs(path):
    set_list = load_set_list(path, BLOCKS)
    assert all(preset.scenes for preset in set_list.presets)
    for preset in set_list.presets:
        for block in preset.chain:
            if block.type == "model":
                knobs = [Parameter(k.name, k.default, k.minimum, k.maximum) for k in load(block.file).knobs]
                preset.check(block, (*BLOCKS["model"].parameters, *knobs))
            if block.type == "cab":
                assert find_audio(block.file).is_file()
