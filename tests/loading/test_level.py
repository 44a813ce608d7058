"""Every model is brought to one loudness, measured on guitars; a named level plays it as its own plugin does."""

import dataclasses
import math

import numpy as np
import pytest

from rtfx import api
from rtfx.errors import PresetError, UsageError
from rtfx.host.null import NullHost
from rtfx.loading import level, loudness
from rtfx.model.levels import named_levels
from rtfx.model.nodes import Activation, Dense, Input
from rtfx.model.random.nets import random_spec
from rtfx.model.spec import ModelSpec

RATE = 48000
GUITARS = loudness.guitars(RATE)
TARGET = level.TARGET_LUFS


def gain_spec(gain, family="rtneural", **keys):
    """A model that multiplies by `gain`."""
    nodes = (Input(()), Dense((0,), weight=np.array([[gain]]), bias=np.zeros(1)))
    return ModelSpec(family, nodes, sample_rate=RATE, name="net", **keys)


def chain_of(*items, **settings):
    """Return the planned blocks of a rig, and its notes."""
    rig = api.Rig([item if isinstance(item, (str, dict)) else api.Model(item) for item in items])
    return [block.source for block in rig.plan(RATE, **settings).blocks], rig.notes


def played(spec, x=GUITARS, **settings):
    """Return the output of a rig of one model, and its notes."""
    rig = api.Rig([api.Model(spec)])
    blocks, _ = rig.stream_blocks(iter([x[:, None]]), RATE, 1, **settings)
    return np.concatenate(list(blocks))[:, 0], rig.notes


def gain_db(spec, **settings):
    """Return how much louder a linear model is played than it is."""
    (block,), _ = chain_of(spec, **settings)
    return 20 * np.log10(block.cells(block.values, RATE)[1])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(level, "user_cache", lambda: tmp_path)
    return tmp_path / "levels"


@pytest.fixture
def measured(monkeypatch):
    """The models that were measured, in order."""
    seen, measure = [], level.measure
    monkeypatch.setattr(level, "measure", lambda blocks, rate: seen.append(blocks) or measure(blocks, rate))
    return seen


@pytest.mark.parametrize(
    "spec",
    [
        gain_spec(0.2),
        gain_spec(3.0),
        gain_spec(1e4),
        gain_spec(0.05, "rtfx", level_db=3.0),
        gain_spec(0.5, "nam", loudness_db=-18.0, level_db=-9.0),
        gain_spec(0.5, input_db=12.0, level_db=20.0),
        random_spec("tcn?seed=1&layers=2&channels=2"),
    ],
    ids=["quiet", "loud", "volts", "rtfx", "stated", "levels", "random"],
)
def test_any_loudness_becomes_the_common_one_whatever_the_file_says_of_it(spec):
    y, notes = played(spec)
    assert loudness.mean_loudness(y, RATE) == pytest.approx(TARGET, abs=0.1)
    assert len([note for note in notes if "as loud as any other model" in note]) == 1


@pytest.mark.parametrize(("gain", "boost"), [(1e-2, 40.0), (6e-3, 44.4), (1e-4, None), (0.0, None)])
def test_what_the_gate_takes_for_silence_is_left_alone(gain, boost):
    spec = gain_spec(gain)
    unity = TARGET - loudness.guitar_loudness()
    assert gain_db(spec) == pytest.approx(0.0 if boost is None else boost + unity, abs=0.1)
    _, notes = chain_of(spec)
    assert ("almost silent" in notes[0]) == (boost is None)


def test_an_offset_is_no_loudness():
    nodes = (Input(()), Dense((0,), weight=np.ones((1, 1)), bias=np.full(1, 5.0)))
    assert gain_db(ModelSpec("rtneural", nodes, sample_rate=RATE)) == pytest.approx(gain_db(gain_spec(1.0)), abs=0.1)


def test_a_model_that_breaks_is_not_measured():
    weight, bias = np.full((1, 1), 1e30), np.zeros(1)
    first, relu = Dense((0,), weight=weight, bias=bias), Activation((1,), kind="relu")
    nodes = (Input(()), first, relu, Dense((2,), weight=weight, bias=bias))
    broken = ModelSpec("rtneural", nodes, sample_rate=RATE)
    assert level.remembered(chain_of(broken, level="none")[0], RATE) == -math.inf
    assert "almost silent" in chain_of(broken)[1][0]


def test_a_cabinet_is_part_of_the_loudness():
    for cab in ("open-2x12.wav", "closed-4x12.wav"):
        rig = api.Rig([api.Model(gain_spec(0.5)), cab])
        blocks, _ = rig.stream_blocks(iter([GUITARS[:, None]]), RATE, 1)
        assert loudness.mean_loudness(np.concatenate(list(blocks)), RATE) == pytest.approx(TARGET, abs=0.1)


def test_other_blocks_and_turned_knobs_are_not():
    flat, _ = chain_of(gain_spec(0.5), {"type": "gain", "gain_db": 6.0})
    turned, _ = chain_of(gain_spec(0.5), {"type": "gain"}, values={"model.level_db": -4.0, "model.input_db": 3.0})
    expected = TARGET - loudness.guitar_loudness() + 6.02
    assert flat[0].output_db == turned[0].output_db == pytest.approx(expected, abs=0.05)


def test_a_model_in_front_of_another_leaves_the_guitar_as_loud_as_it_is():
    (pedal, amp), notes = chain_of(gain_spec(0.1), gain_spec(0.3))
    assert pedal.output_db == pytest.approx(20.0, abs=0.05)
    assert amp.output_db == pytest.approx(TARGET - loudness.guitar_loudness() - 20 * np.log10(0.3), abs=0.05)
    assert "as loud as the guitar" in notes[0] and "as loud as any other model" in notes[1]


def test_a_model_is_measured_at_the_streams_rate():
    rig = api.Rig([api.Model(gain_spec(0.5))])
    for rate in (44100, 96000):
        x = loudness.guitars(rate)
        y = np.concatenate(list(rig.stream_blocks(iter([x[:, None]]), rate, 1)[0]))
        assert loudness.mean_loudness(y, rate) == pytest.approx(TARGET, abs=0.1)


@pytest.mark.parametrize("settings", [{"bare": True}, {"level": "none"}])
def test_bare_and_not_normalised_rigs_measure_nothing(measured, settings):
    y, notes = played(gain_spec(0.5, dc_block=False, level_db=7.0), **settings)
    assert not measured and not notes
    assert np.abs(y - 0.5 * GUITARS).max() < 1e-6


def test_what_was_measured_is_remembered_by_content(measured, cache, monkeypatch):
    first = gain_db(gain_spec(0.5))
    assert gain_db(gain_spec(0.5, level_db=2.0, metadata={"name": "another"})) == first and len(measured) == 1
    gain_db(gain_spec(0.25))
    gain_db(dataclasses.replace(gain_spec(0.5), input_db=1.0))
    gain_db(gain_spec(0.5, prewarm=7))
    monkeypatch.setattr(level, "guitars_digest", lambda: b"others")
    gain_db(gain_spec(0.5))
    assert len(measured) == len(list(cache.iterdir())) == 5


@pytest.mark.parametrize("content", ["", "loud", "nan", "inf"])
def test_a_damaged_memory_is_measured_again(measured, cache, content):
    first = gain_db(gain_spec(0.5))
    (file,) = cache.iterdir()
    file.write_text(content)
    assert gain_db(gain_spec(0.5)) == first
    assert len(measured) == 2 and float(file.read_text()) < -20


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path, monkeypatch):
    expected = gain_db(gain_spec(0.5))
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(level, "user_cache", lambda: tmp_path / "file")
    assert gain_db(gain_spec(0.5)) == expected


def test_live_and_offline_have_the_same_level():
    rig = api.Rig([api.Model(gain_spec(0.5))])
    with rig.play(device="null", input=GUITARS, sample_rate=RATE, seconds=0.1) as stream:
        live = [block.source.output_db for block in stream.controller.presets[0].plan.blocks]
        assert isinstance(stream.host, NullHost) and any("as loud as any other" in note for note in stream.notes)
    assert live == [chain_of(gain_spec(0.5))[0][0].output_db]


def test_the_interface_moves_the_input_of_models_that_state_theirs():
    spec = gain_spec(1.0, "nam", input_level_dbu=18.0)
    plain, _ = played(spec, level="none")
    y, notes = played(spec, level="none", interface_dbu=12.0)
    assert 20 * np.log10(np.abs(y).max() / np.abs(plain).max()) == pytest.approx(-6.0, abs=0.01)
    assert "-6.0 dB before the model: full scale is 12 dBu at the interface, 18 dBu in the model" in "".join(notes)
    bare, notes = played(spec, interface_dbu=12.0, bare=True)
    assert np.array_equal(bare, GUITARS) and not notes
    assert loudness.mean_loudness(played(spec, interface_dbu=12.0)[0], RATE) == pytest.approx(TARGET, abs=0.1)


def test_a_model_without_input_level_says_that_nothing_changes():
    spec = gain_spec(1.0, "nam", loudness_db=-18.0)
    y, notes = played(spec, interface_dbu=12.0)
    assert np.array_equal(y, played(spec)[0])
    assert "does not state its input level" in "".join(notes)


PLUGINS = {
    "levels": {"Amp": {"input_gain": 4.0, "output_gain": 0.5}, "Pedal": {"input_gain": 10.0, "output_gain": 1.0}}
}


def plugin_spec():
    return gain_spec(0.5, metadata=PLUGINS | {"level": "Amp"}, input_db=20 * np.log10(4), level_db=20 * np.log10(0.5))


@pytest.mark.parametrize(
    ("name", "gain"), [("plugin", 2.0), ("amp", 2.0), ("Pedal", 10.0), ("none", 4.0)], ids=lambda value: str(value)
)
def test_levels_by_name(measured, name, gain):
    (block,), notes = chain_of(plugin_spec(), level=name)
    before, after = block.cells(block.values, RATE)[:2]
    assert before * after == pytest.approx(gain, rel=1e-4) and not measured and not notes


def test_a_block_of_a_set_list_has_its_own_level(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    path = tmp_path / "rig.yaml"
    text = "version: 1\npresets:\n  - name: a\n    chain:\n      - {type: model, file: klon.json, level: LEVEL}\n"

    def level_of(word, **settings):
        path.write_text(text.replace("LEVEL", word))
        return api.Rig.from_yaml(path).plan(RATE, **settings).blocks[0].source

    assert level_of("normal").output_db != 0.0
    assert level_of("none").output_db == level_of("plugin").output_db == 0.0
    assert level_of("none", level="normal").output_db != 0.0
    with pytest.raises(PresetError, match=r"rig.yaml:5: .*no level 'plugn' \(did you mean 'plugin'\?\)"):
        level_of("plugn")
    with pytest.raises(PresetError, match="unknown key 'level'"):
        level_of("0.5")  # a number is a knob, and this model has none of that name


def test_a_level_that_a_model_does_not_have():
    with pytest.raises(UsageError, match="net: no level 'Pedall'.*'Pedal'.*normal, plugin, none, Amp, Pedal"):
        chain_of(plugin_spec(), level="Pedall")


@pytest.mark.parametrize(
    "levels", ["loud", [1], {"a": 3}, {"a": {"input_gain": "x", "output_gain": 1}}, {"a": {"input_gain": -1}}, {3: {}}]
)
def test_what_a_file_says_of_levels_may_be_nonsense(levels):
    assert named_levels(gain_spec(1.0, metadata={"levels": levels, "level": []})) == {}


def test_families_name_their_players(shared):
    from rtfx.model.load import load

    root = shared / "models"
    nam = named_levels(load(root / "nam/BossWN-nano.nam"))
    assert nam == {"NeuralAmpModeler": (0.0, pytest.approx(-18.0 + 11.7253, abs=1e-3))}
    assert list(named_levels(load(root / "aidax/tw40_blues_deluxe_deerinkstudios.json"))) == ["AIDA-X"]
    assert named_levels(load(root / "klon_centaur/centaur_0.json"))["KlonCentaur"] == (
        pytest.approx(-6.02, abs=0.01),
        -22.3,
    )
    assert list(named_levels(load(root / "smartguitaramp_wavenet/BritMan.json"))) == [
        "SmartGuitarAmp",
        "SmartGuitarPedal",
    ]
    assert list(named_levels(load(root / "proteus/TS9_DriveKnob.json"))) == ["Proteus"]
