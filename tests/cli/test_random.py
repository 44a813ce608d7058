"""``rtfx random`` prints a set list, and it plays."""

import json

import numpy as np
import pytest
import soundfile

from .command import RATE, rtfx


@pytest.mark.parametrize("words", ["", "seed=7 layers=3 activation=Sine bias=yes", "gru channels=4", "LSTM seed=2"])
def test_what_is_printed_renders(capsys, tmp_path, words):
    code, out, err = rtfx(capsys, "random", *words.split())
    assert (code, err) == (0, ""), err
    (tmp_path / "pedal.yaml").write_text(out)
    x = 0.1 * np.random.default_rng(3).standard_normal(24000)
    soundfile.write(tmp_path / "a.wav", x, RATE, subtype="FLOAT")
    code, _, err = rtfx(capsys, "render", tmp_path / "pedal.yaml", tmp_path / "a.wav", tmp_path / "b.wav", "--float")
    y = soundfile.read(tmp_path / "b.wav")[0]
    assert code == 0 and -45 < 20 * np.log10(np.std(y)) < -5 and np.abs(y).max() <= 1.0, err


def test_another_seed_every_time_unless_it_is_named(capsys):
    first, second = (rtfx(capsys, "random")[1] for _ in range(2))
    named = {rtfx(capsys, "random", "seed=5")[1] for _ in range(2)}
    assert len(named) == 1 and "seed: 5" in named.pop() and (first != second or rtfx(capsys, "random")[1] != first)


def test_keys_may_be_options_or_all_in_one(capsys):
    wanted = rtfx(capsys, "random", "lstm", "seed=5", "channels=4", "bias=true")[1]
    for words in (
        "--seed 5 --channels=4 --bias lstm",
        "LSTM --bias --seed 5 channels=4",
        "random:lstm?seed=5&channels=4&bias=1",
    ):
        assert rtfx(capsys, "random", *words.split()) == (0, wanted, "")
    assert "did you mean 'seed'" in rtfx(capsys, "random", "--sed", "5")[2]


def test_mistakes_are_named(capsys):
    code, out, err = rtfx(capsys, "random", "tcn", "sed=5")
    assert (code, out) == (2, "") and "did you mean 'seed'" in err
    code, out, err = rtfx(capsys, "random", "tcn", "seed")
    assert (code, out) == (2, "") and "KEY=VALUE" in err
    assert rtfx(capsys, "random", "layers=24", "dilation=4")[0] == 1
    assert json.dumps(rtfx(capsys, "random", "gnu")[2]).count("\\n") == 1
