"""--compat reaches the reader of every command that reads a model."""

import json

import numpy as np
import pytest
import soundfile

import rtfx as package
from rtfx import verify
from rtfx.cli import main
from rtfx.model.load import COMPAT, load
from rtfx.model.reference import evaluate

from ..model.nam_files import by_feature
from ..model.nets import write
from .command import MODEL, rtfx

RATE = 2000  # Hz, that of the files
NET = by_feature()["layer1x1_post_film"]
OLD = ("--compat", "nam-0.5.5")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a NAM file that former players play otherwise, a set list that plays it, and a dry file."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, NET, "net.nam")
    (tmp_path / "rig.yaml").write_text("presets: [{name: a, chain: [{type: model, file: net.nam}]}]\nversion: 1\n")
    soundfile.write("dry.wav", np.random.default_rng(1).normal(0, 0.2, 3000), RATE, subtype="FLOAT")
    return tmp_path


def read(name):
    return soundfile.read(name, dtype="float32")[0]


def expected(compat):
    return package.api.Model(load("net.nam", compat))(read("dry.wav"), RATE, bare=True)


@pytest.mark.parametrize("rig", [("--model", "net.nam"), ("rig.yaml",), ("--model", "net.nam", "--model-rate", RATE)])
def test_render(capsys, place, rig):
    for name, words, compat in (("old.wav", OLD, OLD[1]), ("new.wav", (), None)):
        code, _, err = rtfx(capsys, "render", "dry.wav", name, "--bare", "--float", *rig, *words)
        assert code == 0, err
        assert np.array_equal(read(name), expected(compat))
    assert np.abs(read("old.wav") - read("new.wav")).max() > 1e-3 * np.abs(read("new.wav")).max()


@pytest.mark.parametrize("rig", ["net.nam", "rig.yaml"])
def test_play(capsys, place, rig):
    words = "--bare --device null --headless --input dry.wav --seconds 1.2 --record wet.wav".split()
    code, _, err = rtfx(capsys, "play", rig, *words, *OLD)
    assert code == 0, err
    middle = slice(800, 2000)  # between the fades
    assert np.abs(read("wet.wav")[middle] - expected(OLD[1])[middle]).max() < 1e-6
    assert np.abs(read("wet.wav")[middle] - expected(None)[middle]).max() > 1e-4


def test_verify(capsys, place):
    """The loudness in the file is that of the old reading."""
    y = evaluate(load("net.nam", OLD[1]), verify.read_clip("dry.wav"))
    metadata = {"loudness": 20 * np.log10(np.sqrt(np.mean(y**2)))}
    write(place, NET | {"metadata": metadata}, "net.nam")
    words = ("verify", "net.nam", "--json", "--loudness-clip", "dry.wav")
    assert json.loads(rtfx(capsys, *words, *OLD)[1])["self_test"] == "passed"
    assert json.loads(rtfx(capsys, *words)[1])["self_test"] == "failed"


def test_info(capsys, place):
    old, new = (json.loads(rtfx(capsys, "info", "net.nam", "--json", *words)[1]) for words in (OLD, ()))
    assert old["parameters"] == new["parameters"]
    assert old["macs_per_sample"] < new["macs_per_sample"]  # the film is read and left out


@pytest.mark.parametrize("words", ["play M", "render dry.wav wet.wav --cab cab.wav", "info M", "verify M"])
def test_an_unknown_name_is_wrong_usage_that_lists_the_known(capsys, place, words):
    code, out, err = rtfx(capsys, *words.replace("M", MODEL).split(), "--compat", "nam-0.5.4")
    assert (code, out) == (2, "")
    assert "did you mean 'nam-0.5.5'" in err and all(name in err for name in COMPAT)
    assert len(err.splitlines()) == 1


def test_the_option_is_in_every_help():
    for verb in ("play", "render", "info", "verify"):
        command = main.group.get_command(None, verb)
        assert any("--compat" in parameter.opts for parameter in command.params), verb
