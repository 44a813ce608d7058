"""``--interface-dbu``: the gain that play and render put before a model that states its input level."""

import numpy as np
import pytest
import soundfile

from ..model.nam_files import by_feature
from ..model.nets import write
from .command import rtfx

RATE = 2000  # Hz, that of the file
DRY = np.random.default_rng(1).normal(0, 0.05, 3000).astype(np.float32)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a linear model that states its levels, and a dry file."""
    monkeypatch.chdir(tmp_path)
    config = {"receptive_field": 1, "bias": False}
    net = by_feature()["linear"] | {"config": config, "weights": [1.0]}
    write(tmp_path, net | {"metadata": {"input_level_dbu": 18.0, "loudness": -18.0}}, "net.nam")
    soundfile.write("dry.wav", DRY, RATE, subtype="FLOAT")
    return tmp_path


def test_render(capsys, place):
    wet = []
    for name, words in (("plain.wav", ()), ("loud.wav", ("--interface-dbu", "24"))):  # normalised, both are as loud
        code, _, err = rtfx(
            capsys, "render", "--model", "net.nam", "dry.wav", name, "--float", "--level", "none", *words
        )
        assert code == 0, err
        wet.append(soundfile.read(name)[0])
    np.testing.assert_allclose(wet[1], 10 ** (6 / 20) * wet[0], rtol=1e-4, atol=1e-7)


def test_play_says_what_it_does(capsys, place):
    words = "--device null --headless --input dry.wav --seconds 0.2 --interface-dbu 12".split()
    code, _, err = rtfx(capsys, "play", "net.nam", *words)
    assert code == 0
    assert "model: -6.0 dB before the model: full scale is 12 dBu at the interface, 18 dBu in the model" in err


@pytest.mark.parametrize("value", ["loud", "61", "nan"])
def test_no_credible_level_is_wrong_usage(capsys, place, value):
    code, out, err = rtfx(capsys, "play", "net.nam", "--device", "null", "--interface-dbu", value)
    assert (code, out) == (2, "") and "--interface-dbu" in err
