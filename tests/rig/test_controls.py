"""Macros, the tempo of a preset, and containers."""

import numpy as np
import pytest

import rtfx
from rtfx.effects.table import BLOCKS
from rtfx.errors import PresetError, UsageError
from rtfx.live.knobs import Taps
from rtfx.rig.controls import Target
from rtfx.rig.set_list import load_set_list, read_in_spite

LIST = """version: 1
define:
  stack:
    chain: [{type: gain, id: pre}, {type: eq, id: tone}, {type: gate, threshold_db: -90, key: pre}]
    expose:
      drive: pre.gain_db
      bright: {to: tone.high_shelf_db, from: -6, at: 6}
presets:
  - name: one
    bpm: 90
    chain:
      - {type: delay, time: 1/8., mix: 0.3}
      - {use: stack, drive: 3, bright: 0.75}
      - split: [[{use: stack, id: other}], []]
    macros:
      heat:
        - {to: stack-pre.gain_db, from: 0, at: 12}
        - {to: delay.mix, from: 0.4, at: 0, curve: slow}
    scenes: {hot: {macro.heat: 1}, slow: {tempo.bpm: 60}}
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text(LIST)
    return path


def test_a_container_is_its_blocks_under_names_of_its_own(path):
    (preset,) = load_set_list(path, BLOCKS).presets
    ids = [block.id for block in preset.chain]
    assert ids == [
        "delay", "stack-pre", "stack-tone", "stack-gate", "split", "other-pre", "other-tone", "other-gate",
    ]  # fmt: skip
    assert preset.block("stack-pre").values == {"gain_db": 3.0}
    assert preset.block("stack-tone").values == {"high_shelf_db": 3.0}, "three quarters of the way from -6 to 6"
    assert preset.block("stack-gate").key == "stack-pre" and preset.block("other-gate").key == "other-pre"
    assert preset.block("other-pre").branch == (("split", 0),)
    assert preset.block("delay").values["bpm"] == 90.0


def test_macros_containers_and_tempo_are_knobs(path):
    with rtfx.Rig.from_yaml(path).play(device="null") as stream:
        assert stream.get("stack.drive") == 3.0 and stream.get("bpm") == 90.0
        stream.set("stack.drive", 5.0)
        assert stream.get("stack-pre.gain_db") == 5.0, "another name for the same value"
        stream.set("heat", 0.5)
        assert stream.get("stack.drive") == 6.0 and stream.get("delay.mix") == pytest.approx(0.3)
        stream.do("undo")
        assert stream.get("heat") == 0.0 and stream.get("stack-pre.gain_db") == 5.0
        stream.set("tempo.bpm", 120)
        assert stream.get("delay.bpm") == 120.0
        stream.do("scene hot")
        assert stream.get("stack-pre.gain_db") == 12.0
        stream.do("scene slow")
        assert stream.get("delay.bpm") == 60.0
        with pytest.raises(UsageError, match="heat is 2, expected a number from 0 to 1"):
            stream.set("heat", 2)


def test_the_tempo_is_heard(path, tmp_path):
    """An eighth at 150 beats a minute is 200 ms."""
    path.write_text(
        "version: 1\npresets:\n  - {name: a, bpm: 150, chain: [{type: delay, time: 1/8, mix: 0.5, feedback: 0, "
        "low_cut_hz: 10, high_cut_hz: 20000}]}\n"
    )
    x = np.zeros(24000, np.float32)
    x[0] = 0.5
    y = rtfx.Rig.from_yaml(path)(x, 48000)
    assert abs(int(np.abs(y[0, 1000:]).argmax()) + 1000 - 9600) <= 2


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("use: stack,", "use: stak,", 13, "use is 'stak' .did you mean 'stack'"),
        ("drive: 3", "drve: 3", 13, "unknown key 'drve' .did you mean 'drive'"),
        ("to: stack-pre.gain_db", "to: stack-pre.gain", 16, "no parameter 'stack-pre.gain'"),
        ("at: 12}", "at: 99}", 16, "gain_db is 99"),
        ("curve: slow", "curve: odd", 18, "curve is 'odd', expected one of: linear, slow, fast"),
        ("bpm: 90", "bpm: 900", 10, "bpm is 900"),
        ("drive: pre.gain_db", "drive: pr.gain_db", 13, "pr.gain_db is no parameter in the container"),
        ("{to: tone.high_shelf_db, from: -6, at: 6}", "{to: tone.high_shelf_db, from: -6}", 7, "missing key 'at'"),
    ],
)
def test_mistakes_are_told_with_their_lines(path, old, new, line, said):
    path.write_text(LIST.replace(old, new))
    mistakes = read_in_spite(path, BLOCKS).mistakes
    assert any(f"set.yaml:{line}: " in mistake for mistake in mistakes), mistakes
    with pytest.raises(PresetError, match=said):
        load_set_list(path, BLOCKS)


def test_a_container_may_have_a_file_of_its_own(path):
    path.with_name("lead.yaml").write_text("chain: [{type: gain, gain_db: 3}]\nexpose: {level: gain.gain_db}\n")
    path.write_text("version: 1\npresets:\n  - {name: a, chain: [{use: lead.yaml, level: 6}, {use: lead.yaml}]}\n")
    (preset,) = load_set_list(path, BLOCKS).presets
    assert [(block.id, block.values["gain_db"]) for block in preset.chain] == [("lead-gain", 6.0), ("lead_2-gain", 3.0)]


def test_a_curve_bends_the_way():
    assert [Target("a.b", 0.0, 10.0, curve).value(0.5) for curve in ("linear", "slow")] == [5.0, 2.5]
    assert Target("a.b").value(7.0) == 7.0


def test_taps_give_a_tempo():
    taps = Taps()
    assert taps.tap(10.0) is None
    assert [taps.tap(10.0 + 0.5 * n) for n in (1, 2, 3)] == pytest.approx([120.0] * 3)
    assert taps.tap(20.0) is None, "after a pause it is a first tap"
    assert taps.tap(21.0) == pytest.approx(60.0)
