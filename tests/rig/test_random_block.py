"""The block random: keys of a net in place of a file, on the line where they are wrong."""

import numpy as np
import pytest
from scipy.signal import bilinear, lfilter

import rtfx
from rtfx.effects.table import BLOCKS
from rtfx.errors import PresetError, RtfxError
from rtfx.rig.set_list import load_set_list


def chain_of(path, words):
    path.write_text(f"version: 1\npresets:\n  - name: a\n    chain:\n      - {{type: random{words}}}\n")
    return load_set_list(path, BLOCKS).presets[0].chain


@pytest.mark.parametrize(
    ("words", "file"),
    [
        ("", "random:tcn?"),
        (", Seed: 7, depthwise: true, activation: Sine", "random:tcn?seed=7&depthwise=True&activation=Sine"),
        (", kind: LSTM, channels: 4", "random:lstm?channels=4"),
        (", semantics: python, film: [0.3, 0.7]", "random:tcn?semantics=python&film=0.3,0.7"),
    ],
)
def test_it_is_a_model(tmp_path, words, file):
    (block,) = chain_of(tmp_path / "a.yaml", words)
    assert (block.type, block.id, block.file) == ("model", "random", file)


def test_link_takes_away_behind_what_the_drive_adds(tmp_path):
    (block,) = chain_of(tmp_path / "a.yaml", ", link: true, input_db: 9, level_db: 2, id: fuzz")
    assert block.values == {"input_db": 9, "level_db": 2, "link": "true"} and block.id == "fuzz"
    x = (0.1 * np.random.default_rng(0).standard_normal(4800)).astype(np.float32)
    linked = rtfx.Rig.from_yaml(tmp_path / "a.yaml")(x, 48000)
    chain_of(tmp_path / "a.yaml", ", link: false, input_db: 9, level_db: -7")
    assert np.array_equal(rtfx.Rig.from_yaml(tmp_path / "a.yaml")(x, 48000), linked)


def test_a_rig_in_python_takes_it_as_a_set_list_does(tmp_path):
    words = ", seed: 3, layers: 2, bias: true, link: true, input_db: 6, semantics: python, film: [0.3, 0.7]"
    (block,) = chain_of(tmp_path / "a.yaml", words)
    keys = {
        "seed": 3,
        "layers": 2,
        "bias": True,
        "link": True,
        "input_db": 6,
        "semantics": "python",
        "film": [0.3, 0.7],
    }
    rig = rtfx.Rig([{"type": "random", **keys}, {"type": "random"}, {"type": "random", "id": "own"}])
    assert [each.id for each in rig.preset.chain] == ["random", "random_2", "own"]
    assert rig.preset.chain[0].values == block.values
    x = (0.1 * np.random.default_rng(0).standard_normal(480)).astype(np.float32)
    alone = rtfx.Rig([{"type": "random", **keys}])
    assert np.array_equal(alone(x, 48000), rtfx.Rig.from_yaml(tmp_path / "a.yaml")(x, 48000))


@pytest.mark.parametrize("keys", [{"sed": 2}, {"layers": 25}, {"kind": "tcm"}, {"link": "maybe"}])
def test_a_rig_in_python_refuses_what_a_set_list_refuses(keys):
    with pytest.raises(RtfxError, match="sed|layers|tcm|link"):
        rtfx.Rig([{"type": "random", **keys}]).plan(48000.0)


REFUSED = {
    ", layers: 25": "layers is '25', expected an integer from 1 to 24",
    ", sed: 2": "unknown key 'sed' (did you mean 'seed'",
    ", kind: tcm": "no kind of random net",
    ", link: 3": "link is 3, expected one of: false, true",
    ", layers: 24, dilation: 4": "layers=11 fits",
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused_with_its_line(tmp_path, words):
    with pytest.raises(PresetError) as caught:
        chain_of(tmp_path / "a.yaml", words)
    assert "a.yaml:5: chain[0] (random): " in str(caught.value) and REFUSED[words] in str(caught.value), caught.value


def test_behind_a_net_is_a_high_pass_of_10_hz():
    """The output is that of the net through the high-pass: an offset by its biases is removed, and rest is silent."""
    rate, corner = 48000, 2 * np.pi * 10.0
    net = "random:tcn?seed=3&layers=2&channels=2&bias=true&activation=softplus"
    x = (0.1 * np.random.default_rng(0).standard_normal(rate)).astype(np.float32)
    x[: rate // 4] = 0.0
    own, heard = rtfx.load(net)(x, rate, bare=True).astype(float), rtfx.Rig([net])(x, rate)
    assert abs(own[0]) > 0.01 and np.abs(heard[: rate // 4]).max() < 1e-6
    passed = lfilter(*bilinear([1.0, 0.0], [1.0, corner], rate), own - own[0])
    assert np.abs(heard - passed * (passed @ heard) / (passed @ passed)).max() < 1e-4 * np.abs(heard).max()
