"""Blocks that all presets share never restart, and every preset sounds through them."""

import numpy as np
import pytest
import soundfile

import rtfx
from rtfx.effects.table import BLOCKS
from rtfx.errors import PresetError
from rtfx.rig.set_list import load_set_list, read_in_spite

RATE = 48000
LIST = """version: 1
global:
  limiter: false
  before: [{type: gain, id: trim, gain_db: -6}]
  after: [{type: delay, id: echo, time: 500, feedback: 0.5, mix: 0.5, low_cut_hz: 10, high_cut_hz: 20000}, eq]
presets:
  - {name: one, chain: [{type: gain, gain_db: 3}]}
  - {name: two, chain: [{type: gain, gain_db: -3}]}
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text(LIST)
    return path


def test_they_are_read_with_ids_of_their_own(path):
    read = load_set_list(path, BLOCKS)
    assert [block.id for block in read.before] == ["trim"] and [block.id for block in read.after] == [
        "echo",
        "after-eq",
    ]
    assert [block.id for block in read.presets[0].chain] == ["gain"]
    assert [block.id for block in read.whole(read.presets[0]).chain] == ["trim", "gain", "echo", "after-eq"]


def test_offline_every_preset_sounds_through_them(path):
    path.write_text(LIST.replace("{type: delay, id: echo", "{type: delay, on: false, id: echo"))
    x = np.random.default_rng(6).uniform(-0.2, 0.2, 3000).astype(np.float32)
    y = rtfx.Rig.from_yaml(path)(x, RATE)
    assert np.allclose(y, x * 10.0 ** (-3.0 / 20.0), atol=1e-6)


def test_live_and_offline_agree(path):
    x = np.random.default_rng(7).uniform(-0.2, 0.2, RATE).astype(np.float32)
    record = path.with_name("out.wav")
    rig = rtfx.Rig.from_yaml(path)
    with rig.play(device="null", input=x, sample_rate=RATE, record=record, seconds=1.0) as stream:
        stream.wait()
    live = soundfile.read(record, dtype="float32")[0].T
    offline = rig(x, RATE)
    middle = slice(round(0.3 * RATE), round(0.97 * RATE))
    assert np.array_equal(live[:, middle], offline[:, middle])


def test_an_echo_goes_on_under_the_next_preset(path):
    """An impulse, then the next preset: the echo of the shared delay comes half a second later, undisturbed."""
    x = np.zeros(2 * RATE, np.float32)
    x[RATE // 2] = 0.5
    record = path.with_name("out.wav")
    with rtfx.Rig.from_yaml(path).play(device="null", input=x, sample_rate=RATE, record=record, seconds=2.0) as stream:
        while stream.stats.frames < 0.7 * RATE:
            stream.wait(0.01)
        stream.select(1)
        stream.wait()
    y = soundfile.read(record, dtype="float32")[0][:, 0]
    alone = rtfx.Rig.from_yaml(path, "one")(x, RATE)[0]
    echo = slice(RATE - 100, RATE + 400)
    assert np.abs(alone[echo]).max() > 0.05 and np.array_equal(y[echo], alone[echo])


def test_their_knobs_are_turned_from_any_preset(path):
    with rtfx.Rig.from_yaml(path).play(device="null") as stream:
        stream.set("trim.gain_db", -12.0)
        stream.select(1)
        assert stream.get("trim.gain_db") == -12.0
        stream.do("undo")
        assert stream.get("trim.gain_db") == -6.0
        assert not stream.knobs["echo.mix"].turned


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("id: echo", "id: trim", "global: two blocks have the id trim"),
        ("chain: [{type: gain, gain_db: 3}]", "chain: [{type: gain, id: trim}]", "id 'trim' is that of a global block"),
        ("{type: gain, id: trim,", "{type: gainn, id: trim,", "unknown type 'gainn'"),
    ],
)
def test_mistakes_are_told(path, old, new, said):
    path.write_text(LIST.replace(old, new, 1))
    assert any(said in mistake for mistake in read_in_spite(path, BLOCKS).mistakes)


def test_blocks_before_keep_the_channels(path):
    path.write_text(LIST.replace("before: [{type: gain", "before: [{type: delay}, {type: gain"))
    with pytest.raises(PresetError, match="global before: 1 channels become 2, expected as many"):
        rtfx.Rig.from_yaml(path).play(device="null")
