"""Models that state no level are measured once and brought to -18 dB; the interface's calibration moves the input."""

import dataclasses

import numpy as np
import pytest

from rtfx import api
from rtfx.control import level
from rtfx.model.load import load
from rtfx.model.random import random_spec
from rtfx.model.spec import Dense, Input, ModelSpec

RATE = 48000
RIFF = level.clip(RATE)


def gain_spec(gain, family="rtneural", **keys):
    """A model that multiplies by `gain`."""
    nodes = (Input(()), Dense((0,), weight=np.array([[gain]]), bias=np.zeros(1)))
    return ModelSpec(family, nodes, sample_rate=RATE, name="net", **keys)


def played(spec, x=RIFF, **settings):
    """Return the output of a rig of one model, and its notes."""
    rig = api.Rig([api.Model(spec)])
    blocks, _ = rig.stream_blocks(iter([x[:, None]]), RATE, 1, **settings)
    return np.concatenate(list(blocks))[:, 0], rig.notes


def rms_db(y):
    return 20 * np.log10(np.sqrt(np.mean(np.float64(y) ** 2)))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RTFX_CACHE_DIR", str(tmp_path))
    return tmp_path / "levels"


@pytest.fixture
def measured(monkeypatch):
    """The models that were measured, in order."""
    seen, measure = [], level.measure
    monkeypatch.setattr(level, "measure", lambda spec: seen.append(spec) or measure(spec))
    return seen


@pytest.mark.parametrize("gain", [0.2, 1.0, 7.0])
def test_any_loudness_becomes_the_common_one(gain):
    y, notes = played(gain_spec(gain))
    assert rms_db(y) == pytest.approx(-18.0, abs=0.1)
    assert len(notes) == 1 and "measured on the riff" in notes[0]


@pytest.mark.parametrize(("gain", "db"), [(1e-4, 24.0), (1e4, -24.0), (0.0, 0.0)])
def test_the_gain_is_bounded_and_silence_is_left_alone(gain, db):
    assert level.output_db(gain_spec(gain)) == db


def test_the_gain_counts_what_the_model_is_played_with():
    spec = dataclasses.replace(gain_spec(1.0), input_db=6.0)
    assert level.measure(spec) == pytest.approx(level.measure(gain_spec(1.0)) - 6.0, abs=0.01)


def test_an_offset_is_no_loudness():
    nodes = (Input(()), Dense((0,), weight=np.ones((1, 1)), bias=np.full(1, 5.0)))
    assert level.measure(ModelSpec("rtneural", nodes, sample_rate=RATE)) == pytest.approx(
        level.measure(gain_spec(1.0)), abs=0.1
    )


@pytest.mark.parametrize("settings", [{"bare": True}, {"level": False}])
def test_bare_and_not_normalised_rigs_measure_nothing(measured, settings):
    y, notes = played(gain_spec(0.5, dc_block=False), **settings)
    assert not measured and not notes
    assert rms_db(y) == pytest.approx(rms_db(0.5 * RIFF), abs=0.01)


@pytest.mark.parametrize(
    "spec",
    [
        gain_spec(0.5, "rtfx"),
        gain_spec(0.5, "nam", loudness_db=-18.0),
        gain_spec(0.5, level_db=3.0),
        random_spec("tcn?seed=1&layers=2&channels=2"),
    ],
    ids=["rtfx", "loudness", "level", "random"],
)
def test_a_stated_level_is_kept(measured, spec):
    played(spec)
    assert not measured


def test_what_was_measured_is_remembered_by_content(measured, cache):
    first = level.output_db(gain_spec(0.5))
    assert level.output_db(gain_spec(0.5)) == first and len(measured) == 1
    level.output_db(gain_spec(0.25))
    level.output_db(dataclasses.replace(gain_spec(0.5), input_db=1.0))
    assert len(measured) == len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("content", ["", "loud", "nan", "90"])
def test_a_damaged_memory_is_measured_again(measured, cache, content):
    first = level.output_db(gain_spec(0.5))
    (file,) = cache.iterdir()
    file.write_text(content)
    assert level.output_db(gain_spec(0.5)) == first
    assert len(measured) == 2 and float(file.read_text()) == first


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RTFX_CACHE_DIR", str(tmp_path / "file"))
    assert level.output_db(gain_spec(0.5)) == round(level.measure(gain_spec(0.5)), 2)


def test_live_and_offline_have_the_same_level():
    rig = api.Rig([api.Model(gain_spec(0.5))])
    with rig.play(device="null", input=RIFF, sample_rate=RATE, seconds=0.1) as stream:
        live = [block.source.output_db for block in stream.controller.presets[0].plan.blocks]
        assert any("measured on the riff" in note for note in stream.notes)
    assert live == [level.output_db(gain_spec(0.5))]


def test_the_interface_moves_the_input_of_models_that_state_theirs():
    spec = gain_spec(1.0, "nam", loudness_db=-18.0, input_level_dbu=18.0)
    plain, _ = played(spec)
    y, notes = played(spec, interface_dbu=12.0)
    assert rms_db(y) == pytest.approx(rms_db(plain) - 6.0, abs=0.01)
    assert "-6.0 dB before the model: full scale is 12 dBu at the interface, 18 dBu in the model" in notes[0]
    bare, notes = played(spec, interface_dbu=12.0, bare=True)
    assert np.array_equal(bare, RIFF) and not notes


def test_a_model_without_input_level_says_that_nothing_changes():
    spec = gain_spec(1.0, "nam", loudness_db=-18.0)
    y, notes = played(spec, interface_dbu=12.0)
    assert np.array_equal(y, played(spec)[0])
    assert "does not state its input level" in notes[0]


def test_shared_models_without_level_are_equally_loud(shared):
    for name in ("aidax/tw40_british_lead_deerinkstudios.json", "smartguitarpedal_wavenet/ts9_fullD.json"):
        spec = load(shared / "models" / name)
        assert level.states_no_level(spec)
        y, _ = played(spec)
        assert rms_db(y) == pytest.approx(-18.0, abs=0.3)  # a net of 44.1 kHz is heard through a conversion
