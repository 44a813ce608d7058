"""Presets are found by name or number, and a file's name may carry the preset."""

from pathlib import Path

import pytest

from rtfx.errors import UsageError
from rtfx.rig.presets import Preset, SetList, split_selection

LIST = SetList(Path("gig.yaml"), presets=(Preset("Verse", ()), Preset("2", ()), Preset("Café", ())))


@pytest.mark.parametrize(("key", "index"), [(None, 0), ("Verse", 0), (3, 2), ("3", 2), ("2", 1), ("Cafe\u0301", 2)])
def test_a_name_goes_before_a_number(key, index):
    assert LIST.index(key) == index and LIST.select(key) is LIST.presets[index]


@pytest.mark.parametrize("key", ["verse", 0, 4, "-1"])
def test_what_is_not_there_is_told(key):
    with pytest.raises(UsageError, match=r"gig.yaml: no preset .*expected one of: 1 Verse, 2 2, 3 Café"):
        LIST.index(key)


def test_a_file_may_name_its_preset():
    assert split_selection("a/gig.yaml:solo: 2") == ("a/gig.yaml", "solo: 2")
    assert split_selection("klon.json") == ("klon.json", None) and split_selection("x.yml") == ("x.yml", None)


def test_loudness_of_a_scene_is_the_presets_unless_it_says_otherwise():
    preset = Preset("a", (), louder={"": 2.0, "solo": 4.0})
    assert [preset.louder_db(scene) for scene in ("", "clean", "solo")] == [2.0, 2.0, 4.0]
