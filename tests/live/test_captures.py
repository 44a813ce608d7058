"""Other captures and impulse responses in a block that plays: names, steps, gapless swaps, and saving them."""

import shutil

import numpy as np
import pytest
import soundfile

import rtfx
from rtfx.effects.table import BLOCKS
from rtfx.errors import UsageError
from rtfx.find import shipped
from rtfx.live.captures import with_file
from rtfx.rig.blocks import BlockSpec
from rtfx.rig.presets import Preset
from rtfx.rig.set_list import load_set_list
from tests.live.eventually import eventually

RATE = 48000
GIG = """
version: 1
presets:
  - name: edge
    chain:
      - {type: gain, gain_db: -6}
      - {type: model, id: amp, file: one.json, level_db: -3}
      - {type: cab, file: closed-4x12.wav}
    scenes: {solo: {gain.gain_db: 0}}
  - name: dry
    chain: [{type: gain}]
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("one.json", "two.json", "low/three.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        shutil.copy(shipped() / "models" / "klon.json", path)
    (tmp_path / "broken.nam").write_text("{}")
    (tmp_path / "gig.yaml").write_text(GIG)
    return tmp_path


@pytest.fixture
def stream(folder):
    with rtfx.Rig.from_yaml(folder / "gig.yaml").play(
        device="null", input=np.full(100 * RATE, 0.1, np.float32), sample_rate=RATE
    ) as stream:
        yield stream


def file_of(stream, block="amp"):
    return next(one["file"] for one in stream.snapshot()["blocks"] if one["id"] == block)


def test_names_are_those_beside_the_set_list_then_the_users_then_the_shipped_ones(stream):
    names = list(stream.captures.listed("model"))
    assert names[:4] == ["broken.nam", "low/three.json", "one.json", "two.json"]
    assert "amp.json" in names
    assert "open-2x12.wav" in stream.captures.listed("audio")


def test_a_capture_plays_by_name_with_the_values_that_both_have(stream):
    stream.set("amp.level_db", -9.0)
    assert stream.do("capture low/THREE") == "amp: loading low/three.json"
    eventually(lambda: file_of(stream) == "three.json")
    assert stream.get("amp.level_db") == -9.0
    assert "amp: three" in stream.news()
    assert list(stream.scenes) == ["solo"]


def test_next_and_previous_step_through_and_wrap(stream):
    for word, name in (("next", "two.json"), ("previous", "one.json"), ("amp previous", "three.json")):
        stream.do(f"capture {word}")
        eventually(lambda name=name: file_of(stream) == name)
    stream.do("ir next")
    eventually(lambda: file_of(stream, "cab") == "open-2x12.wav")


def test_steps_that_follow_each_other_are_added(stream):
    names = list(stream.captures.listed("model"))
    for _ in range(3):
        stream.do("capture next")
    wanted = names[(names.index("one.json") + 3) % len(names)]
    eventually(lambda: file_of(stream) == wanted)


def test_the_sound_has_no_gap_and_no_click(folder, tmp_path):
    take = tmp_path / "take.wav"
    sound = (0.2 * np.sin(2 * np.pi * 220 / RATE * np.arange(4 * RATE))).astype(np.float32)
    with rtfx.Rig.from_yaml(folder / "gig.yaml").play(
        device="null", input=sound, sample_rate=RATE, record=take, seconds=3
    ) as stream:
        stream.wait(0.8)
        for name in ("amp two", "amp amp.json", "amp one"):
            stream.do(f"capture {name}")
            eventually(lambda name=name: file_of(stream).startswith(name.split()[1].partition(".")[0]))
            stream.wait(0.2)
        stream.do("ir open-2x12")
        stream.wait()
        assert stream.stats.non_finite_blocks == 0
    audio = soundfile.read(take)[0][RATE // 2 : -RATE // 4]
    loud = np.abs(audio).reshape(-1, 480)[: len(audio) // 480].max(axis=1)
    assert loud.min() > 0.05 * loud.max()
    assert np.abs(np.diff(audio)).max() < 0.5 * np.abs(audio).max()


def test_a_file_that_cannot_be_played_changes_nothing_and_is_named(stream):
    stream.do("capture broken.nam")
    said = []
    eventually(lambda: said.extend(stream.news()) or any("broken.nam" in line for line in said))
    assert "plays on as it was" in " ".join(said)
    assert file_of(stream) == "one.json"
    stream.do("capture two")
    eventually(lambda: file_of(stream) == "two.json")


@pytest.mark.parametrize("words", ["nothing", "../../etc/passwd", "/etc/passwd", "gain next", "amp"])
def test_only_listed_names_are_played(stream, words):
    with pytest.raises(UsageError, match="no capture"):
        stream.do(f"capture {words}") if words != "amp" else stream.do("capture amp nothing")


def test_a_preset_without_a_model_says_so(stream):
    stream.do("preset dry")
    with pytest.raises(UsageError, match="dry has no block that plays a model"):
        stream.do("capture next")


def test_what_was_tried_is_saved_as_a_preset_by_name(stream, folder):
    stream.do("capture two")
    eventually(lambda: file_of(stream) == "two.json")
    assert stream.do("save").startswith("saved as preset 'edge two' in")
    saved = load_set_list(folder / "gig.yaml", BLOCKS).select("edge two")
    assert saved.block("amp").file == folder / "two.json"


def test_values_of_the_old_files_own_knobs_are_left_out():
    amp = BlockSpec("model", "amp", {"drive": 0.3, "level_db": -3.0}, file="amp.json", level="plugin")
    preset = Preset("edge", (amp,), {"solo": {"amp.drive": 0.7, "amp.level_db": 0.0}})
    changed = with_file(preset, "amp", "other.nam")
    assert changed.block("amp").values == {"level_db": -3.0}
    assert (changed.block("amp").file, changed.block("amp").level) == ("other.nam", "")
    assert changed.scenes == {"solo": {"amp.level_db": 0.0}}
    assert [block.id for block in with_file(preset, "cab", "ir.wav").chain] == ["amp", "cab"]
