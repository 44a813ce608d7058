"""A model alone gets a gate that is off before it, a flat equaliser after it, and a cabinet if it is an amp."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

import rtfx
from rtfx.model.rtfx_json import save
from rtfx.rig_arguments import RigFlags, build
from tests.engine.rigs import gru

from .command import RATE
from .command import rtfx as command

AMP, CAB = "amp.json", "open-2x12.wav"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = 0.2 * np.random.default_rng(5).standard_normal(RATE)
    soundfile.write("dry.wav", x, RATE, subtype="FLOAT")
    response = np.zeros(64)
    response[0], response[7] = 1.0, -0.5
    soundfile.write("my.wav", response, RATE, subtype="FLOAT")
    save(replace(gru(), family="rtfx", kind="amp", sample_rate=float(RATE)), tmp_path / "mine.json")
    return tmp_path


def read(name):
    return soundfile.read(name, dtype="float32")[0]


def wet(capsys, *flags):
    assert command(capsys, "render", "dry.wav", "wet.wav", "--float", "-y", *flags)[0] == 0
    return read("wet.wav")


def test_the_gate_is_off_and_the_equaliser_flat_bit_by_bit(capsys, folder):
    plain = rtfx.Rig([AMP, CAB])
    plain.render("dry.wav", "plain.wav", encoding="FLOAT")
    assert np.array_equal(wet(capsys, "--model", AMP), read("plain.wav"))
    _, _, err = command(capsys, "render", "--model", AMP, "dry.wav", "wet.wav", "-y")
    assert f"plan {plain.digest}" in err  # blocks that are off cost nothing here either


def test_they_can_be_turned(capsys, folder):
    flat = wet(capsys, "--model", AMP)
    assert np.abs(wet(capsys, "--model", AMP, "-p", "eq.bell1_db=12")[: flat.size] - flat).max() > 0.01
    assert np.abs(wet(capsys, "--model", AMP, "-p", "threshold_db=0")).max() < 0.1 * np.abs(flat).max()


def test_live_they_change_no_bit_and_are_knobs(capsys, folder):
    soundfile.write("long.wav", np.tile(read("dry.wav"), 2), RATE, subtype="FLOAT")
    arguments = ("--device", "null", "--input", "long.wav", "--record", "live.wav", "--seconds", "1.5", "--json")
    assert command(capsys, "play", "--model", AMP, *arguments)[0] == 0
    rtfx.Rig([AMP, CAB]).render("long.wav", "plain.wav", encoding="FLOAT", align=False)
    middle = slice(RATE // 2, RATE)  # outside the fades
    assert np.array_equal(read("live.wav")[middle], read("plain.wav")[middle])


@pytest.mark.parametrize(
    "words",
    [("mine.json", "my.wav"), ("--model", "mine.json", "my.wav"), ("mine.json", "--ir", "my.wav"), ("mine", "my.WAV")],
)
def test_an_impulse_response_behind_the_model_is_its_cabinet(capsys, folder, words):
    (folder / "my.WAV").symlink_to(folder / "my.wav")
    arguments = ("--device", "null", "--input", "dry.wav", "--record", "live.wav", "--seconds", "0.9", "--headless")
    code, _, err = command(capsys, "play", *words, *arguments)
    assert code == 0 and "adding" not in err, err
    expected = wet(capsys, "--model", "mine.json", "--cab", "my.wav", "--no-align")
    assert np.array_equal(read("live.wav")[RATE // 2 : RATE // 2 + 9600], expected[RATE // 2 : RATE // 2 + 9600])
    assert np.array_equal(wet(capsys, "--model", "mine.json", "--ir", "my.wav", "--no-align"), expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mine.json", "other.json"), "unexpected extra argument 'other.json', expected an impulse response"),
        (("mine.json", "my.wav", "--cab", "none"), "'my.wav' and --cab 'none' were given"),
        (("mine.json", "my.wav", "my.wav"), "unexpected extra argument"),
        (("mine.json", "gone.wav"), "'gone.wav': no such audio file"),
    ],
)
def test_what_is_no_cabinet_is_refused(capsys, folder, words, message):
    code, _, err = command(capsys, "play", *words, "--device", "null", "--seconds", "0.1")
    assert code in (1, 2) and message in err.splitlines()[-1]


def test_several_models_are_presets_and_none_is_dropped(capsys, folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "mine.json").write_bytes((folder / "mine.json").read_bytes())
    flags = ("--model", "mine.json", "--model", "gone.json", "--model", "sub/mine.json", "--model", "klon")
    code, _, err = command(capsys, "play", *flags, "--device", "null", "--seconds", "0.2", "--headless")
    assert code == 0 and "preset 2, gone, cannot play: 'gone.json': no such model" in err
    rig = build(None, RigFlags(model=("mine.json", "gone.json", "sub/mine.json", "klon")))
    assert [preset.name for preset in rig.presets] == ["mine", "gone", "mine 2", "klon"]


def nam(folder, name, **metadata):
    document = {
        "version": "0.5.4",
        "architecture": "Linear",
        "config": {"receptive_field": 4, "bias": False},
        "weights": [0.5, 0.1, 0.0, 0.0],
        "sample_rate": RATE,
        "metadata": metadata,
    }
    (folder / name).write_text(json.dumps(document))
    return name


def test_a_nam_file_that_does_not_say_what_it_is_says_that_it_has_no_cabinet(capsys, folder):
    def said(name, *flags):
        code, _, err = command(capsys, "render", "--model", name, "dry.wav", "wet.wav", "-y", *flags)
        assert code == 0, err
        return err

    line = "the file does not say what gear it is, so no cabinet is added"
    unknown = nam(folder, "unknown.nam")
    assert said(unknown).count(line) == 1 and "--cab open-2x12.wav" in said(unknown)
    for flags in (("--cab", "none"), ("--cab", "my.wav"), ("--bare",)):
        assert line not in said(unknown, *flags)
    assert line not in said(nam(folder, "pedal.nam", gear_type="pedal"))
    assert "amp without a cabinet: adding" in said(nam(folder, "amp.nam", gear_type="amp"))
