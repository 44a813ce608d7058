"""Scenes are saved in the set list, and its other content is kept."""

import os
import time
from types import SimpleNamespace

import numpy as np
import pytest

import rtfx
from rtfx.effects.table import BLOCKS
from rtfx.errors import PresetError, UsageError
from rtfx.find import shipped
from rtfx.live import commands, save
from rtfx.live.knobs import Selection
from rtfx.loading.preset import Knob
from rtfx.rig import edit
from rtfx.rig.blocks import BlockSpec
from rtfx.rig.parameters import Parameter
from rtfx.rig.presets import Preset, SetList
from rtfx.rig.set_list import load_set_list
from rtfx.ui.keys import press

TEXT = """\
# songs
version: 1
presets:
  - name: clean
    chain:
      - {type: gain, gain_db: -6}  # soft
  - name: lead
    chain: [{type: gain}]
"""
NETWORK = "random:tcn?seed=1&layers=2&channels=2"


@pytest.fixture
def user(tmp_path, monkeypatch):
    folder = tmp_path / "user"
    monkeypatch.setattr(save, "user_folder", lambda: folder)
    return folder


class Player:
    """The parts of a stream that saving needs."""

    def __init__(self, set_list, preset=0, cab=None):
        self.set_list, self.preset, self.cab, self.selection = set_list, preset, cab, Selection()
        self.presets = [p.name for p in set_list.presets]
        self.values, self.tables, self.scenes = {}, {}, dict(set_list.presets[preset].scenes)
        for block in set_list.presets[preset].chain:
            for parameter in BLOCKS[block.type].parameters:
                address = f"{block.id}.{parameter.name}"
                self.values[address] = block.values.get(parameter.name, parameter.default)
                self.tables[address] = parameter
        self.written, self.gains = dict(self.values), {}

    @property
    def source(self):
        return self.set_list.presets[self.preset]

    @property
    def knobs(self):
        return {
            address: Knob(
                address, self.tables[address], {self.tables[address].name: value}, self.written.get(address, 0.0)
            )
            for address, value in self.values.items()
        }

    def add_scene(self, name, values):
        self.scenes[name] = dict(values)

    def do(self, line):
        return commands.do(self, line)


def from_file(tmp_path, text=TEXT):
    path = tmp_path / "songs.yaml"
    path.write_text(text)
    return path, Player(load_set_list(path, BLOCKS))


def test_only_what_was_turned_is_saved_in_the_set_list(tmp_path, user):
    path, player = from_file(tmp_path)
    os.chmod(path, 0o640)
    assert "nothing to save" in press(player, "s")
    assert path.read_text() == TEXT
    player.values["gain.gain_db"] = -2.5
    assert press(player, "s") == f"saved as scene 'saved 1' in {path}"
    assert path.read_text() == TEXT.replace("# soft\n", "# soft\n    scenes:\n      saved 1: {gain.gain_db: -2.5}\n")
    assert player.scenes == {"saved 1": {"gain.gain_db": -2.5}} and player.selection.scenes == {"clean": "saved 1"}
    assert "holds just these values" in press(player, "s")
    player.values["gain.gain_db"] = 3.0
    press(player, "s")
    assert load_set_list(path, BLOCKS).presets[0].scenes == {
        "saved 1": {"gain.gain_db": -2.5},
        "saved 2": {"gain.gain_db": 3.0},
    }
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["songs.yaml"]


def test_edits_made_meanwhile_are_kept(tmp_path, user):
    path, player = from_file(tmp_path)
    path.write_text(TEXT.replace("# songs", "# other songs").replace("name: lead", "name: solo"))
    player.values["gain.gain_db"] = 1.0
    press(player, "s")
    assert path.read_text().startswith("# other songs") and "name: solo" in path.read_text()
    path.write_text("version: 1\npresets: [")
    assert "songs.yaml:" in press(player, "s")
    assert path.read_text() == "version: 1\npresets: ["


def test_a_link_stays_a_link(tmp_path, user):
    path, player = from_file(tmp_path)
    target = tmp_path / "elsewhere.yaml"
    path.rename(target)
    path.symlink_to(target)
    player.values["gain.gain_db"] = 1.0
    press(player, "s")
    assert path.is_symlink() and "saved 1" in target.read_text()


def test_what_an_alias_would_change_elsewhere_is_refused(tmp_path, user):
    text = """\
version: 1
presets:
  - {name: clean, chain: [{type: gain}], scenes: &shared {solo: {gain.gain_db: 6}}}
  - {name: lead, chain: [{type: gain}], scenes: *shared}
"""
    path, player = from_file(tmp_path, text)
    player.values["gain.gain_db"] = 1.0
    said = press(player, "s")
    assert "add to clean by hand: scenes: {saved 1: {gain.gain_db: 1}}" in said
    assert path.read_text() == text and os.listdir(tmp_path) == ["songs.yaml"]


def test_a_folder_that_takes_nothing(tmp_path, user, monkeypatch):
    path, player = from_file(tmp_path)
    player.values["gain.gain_db"] = 1.0

    def refuse(*arguments, **more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(edit, "write_file", refuse)
    assert press(player, "s") == f"{path}: cannot be written (permission denied): nothing was saved"
    assert path.read_text() == TEXT


def test_a_shipped_set_list_is_copied_first(user):
    origin = shipped() / "presets" / "crunch.yaml"
    before = origin.read_text()
    player = Player(load_set_list(origin, BLOCKS))
    player.values["gate.threshold_db"] = -50.0
    press(player, "s")
    copy = user / "presets" / "crunch.yaml"
    assert origin.read_text() == before
    presets = load_set_list(copy, BLOCKS).presets
    assert presets[0].scenes["saved 1"] == {"gate.threshold_db": -50.0}
    assert len(presets) == len(player.presets)
    player.values["gate.threshold_db"] = -40.0
    press(player, "s")
    assert "saved 2" in load_set_list(copy, BLOCKS).presets[0].scenes
    other = Player(load_set_list(origin, BLOCKS))
    other.values["gate.threshold_db"] = -30.0
    press(other, "s")
    assert sorted(os.listdir(copy.parent)) == ["crunch-2.yaml", "crunch.yaml"]


def test_a_model_played_alone_gets_a_set_list(tmp_path, user, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my amp.json").touch()
    chain = (BlockSpec("model", "model", {"level_db": 2.0}, "my amp.json", "plugin"), BlockSpec("gain", "gain"))
    player = Player(SetList(tmp_path, presets=(Preset("my amp", chain),)), cab="open-2x12.wav")
    player.values |= {"model.level_db": -4.0, "cab.level_db": 1.0}
    player.tables["cab.level_db"] = BLOCKS["cab"].parameters[0]
    assert "not saved" not in press(player, "s")
    (made,) = load_set_list(user / "presets" / "my-amp.yaml", BLOCKS).presets
    assert [(block.type, block.id, block.values) for block in made.chain] == [
        ("model", "model", {"level_db": 2.0}), ("gain", "gain", {}), ("cab", "cab", {}),
    ]  # fmt: skip
    assert [str(block.file) for block in made.chain] == [str(tmp_path / "my amp.json"), "None", "open-2x12.wav"]
    assert made.chain[0].level == "plugin"
    assert made.scenes == {"saved 1": {"model.level_db": -4.0, "cab.level_db": 1.0}}


def test_what_cannot_stand_in_a_scene_is_named(tmp_path, user):
    path, player = from_file(tmp_path)
    player.values |= {"gain.gain_db": 1.0, "gain.size": 0.5, "added.level_db": 2.0}
    player.tables |= {
        "gain.size": Parameter("size", 1.0, kind="structural"),
        "added.level_db": Parameter("level_db", 0.0, -60.0, 24.0, "dB"),
    }
    assert press(player, "s").endswith("songs.yaml; not saved: gain.size, added.level_db")
    assert load_set_list(path, BLOCKS).presets[0].scenes == {"saved 1": {"gain.gain_db": 1.0}}


def test_a_model_in_memory_cannot_be_named(tmp_path, user):
    player = Player(SetList(tmp_path, presets=(Preset("net", (BlockSpec("model", "net", {}, SimpleNamespace()),)),)))
    player.values["net.level_db"] = 1.0
    with pytest.raises(PresetError, match="net is a model without a file"):
        save.save_scene(player)


def test_a_stream_saves_and_plays_what_it_saved(tmp_path, user):
    path = tmp_path / "songs.yaml"
    path.write_text(TEXT)
    with rtfx.Rig.from_yaml(path).play(device="null", seconds=30) as stream:
        stream.set("gain.gain_db", -2.5)
        press(stream, "s")
        assert stream.scenes["saved 1"] == {"gain.gain_db": -2.5}
        press(stream, "e")
        assert stream.get("gain.gain_db") == -6.0, "after the last scene the preset as it is written"
        press(stream, "e")
        assert stream.get("gain.gain_db") == -2.5
    assert load_set_list(path, BLOCKS).presets[0].scenes == {"saved 1": {"gain.gain_db": -2.5}}


def test_values_of_the_command_line_count_as_turned(tmp_path, user):
    with rtfx.Rig([{"type": "model", "file": NETWORK}]).play(
        device="null", seconds=30, values={"level_db": -9.0}
    ) as stream:
        press(stream, "s")
    (made,) = load_set_list(user / "presets" / "rig.yaml", BLOCKS).presets
    assert made.scenes == {"saved 1": {"model.level_db": -9.0}}
    assert made.chain[0].file == NETWORK


def reseeded(stream, seed):
    press(stream, "R")
    deadline = time.monotonic() + 60.0
    while not any(f"seed={seed}" in line for line in stream.news()):
        assert time.monotonic() < deadline
        stream.wait(0.02)


def test_a_seed_that_was_found_is_saved_and_plays_again(tmp_path, user):
    """R, s: a set list that plays that seed, at the level it was turned to; R, s again: the next one beside it."""
    tone = (0.1 * np.sin(2 * np.pi * 220 * np.arange(24000) / 48000)).astype(np.float32)
    with rtfx.Rig([NETWORK]).play(device="null", seconds=60, sample_rate=48000) as stream:
        reseeded(stream, 2)
        stream.set("level_db", -9.0)
        path = user / "presets" / "rig.yaml"
        assert press(stream, "s") == f"saved as preset 'rig seed 2' in {path}"
        assert press(stream, "s") == "preset 'rig seed 2' plays just this"
        reseeded(stream, 3)
        stream.set_many({"layers": 3, "link": True, "input_db": 2.0})
        assert press(stream, "s") == f"saved as preset 'rig seed 3' in {path}"
    last = load_set_list(path, BLOCKS).presets[1].chain[0]
    assert last.file == "random:tcn?seed=3&layers=3&channels=2"
    assert last.values == {"level_db": -9.0, "link": "true", "input_db": 2.0}
    names = [preset.name for preset in load_set_list(path, BLOCKS).presets]
    assert names == ["rig seed 2", "rig seed 3"]
    wanted = rtfx.Rig([{"type": "model", "file": NETWORK.replace("seed=1", "seed=2"), "level_db": -9.0}])(tone, 48000)
    assert np.array_equal(rtfx.Rig.from_yaml(path, preset="rig seed 2")(tone, 48000), wanted)


def test_a_seed_is_saved_beside_the_preset_it_came_from(tmp_path, user):
    """In the player's own set list, with other blocks, scenes and a file beside it; nothing else changes."""
    chain = f"""\
      - {{type: random, id: net, seed: 7, layers: 2, channels: 2}}  # mine
      - {{type: cab, file: {shipped() / "models/open-2x12.wav"}}}
    scenes: {{loud: {{net.level_db: 3}}}}
"""
    path = tmp_path / "songs.yaml"
    path.write_text(f"{TEXT}  - name: noise\n    chain:\n{chain}  # the end\n")
    before = path.read_text().removesuffix("  # the end\n")
    with rtfx.Rig.from_yaml(path, preset="noise").play(device="null", seconds=60, sample_rate=48000) as stream:
        reseeded(stream, 8)
        assert "noise seed 8" in press(stream, "s")
    after = load_set_list(path, BLOCKS)
    assert path.read_text().startswith(f"{before}  - name: noise seed 8\n    chain:\n      - {{type: model, id: net,")
    assert path.read_text().endswith("  # the end\n")
    assert [preset.name for preset in after.presets] == ["clean", "lead", "noise", "noise seed 8"]
    assert after.presets[3].scenes == {"loud": {"net.level_db": 3.0}}
    assert after.presets[3].chain[0].file == "random:tcn?seed=8&layers=2&channels=2"
    assert str(after.presets[3].chain[1].file).endswith("open-2x12.wav")


def test_a_name_is_the_scenes_and_a_taken_one_is_refused(tmp_path, user):
    path = tmp_path / "list.yaml"
    path.write_text(TEXT)
    player = Player(load_set_list(path, BLOCKS))
    player.values["gain.gain_db"] = 3.0
    assert save.save_scene(player, "for the solo").startswith("saved as scene 'for the solo'")
    assert load_set_list(path, BLOCKS).select("clean").scenes == {"for the solo": {"gain.gain_db": 3.0}}
    before = path.read_text()
    player.values["gain.gain_db"] = 4.0
    for name in ("for the solo", "x" * 61, "two\nlines"):
        with pytest.raises(UsageError):
            save.save_scene(player, name)
    assert path.read_text() == before
