"""--fast-math: nothing changes without it, and the error that it prints is the one that is there."""

import json
import re

import numpy as np
import pytest
import soundfile

import rtfx as package
from rtfx.model.clip import guitar_like
from rtfx.model.load import load
from rtfx.model.reference import evaluate
from rtfx.verify import FRAMES

from .command import MODEL, rtfx

RATE = 48000
NET = "random:lstm?Hidden=16&seed=3"
FAST = "--fast-math"
SAID = re.compile(r"peak error (-[\d.]+) dB.*ESR ([\d.e+-]+)")


@pytest.fixture(scope="module")
def real():
    """What coarse gates really do: the peak error in dB and the ESR, on the clip that the commands use."""
    x = guitar_like(1, FRAMES, RATE)
    exact = evaluate(load(NET), x.astype(np.float64), sample_rate=RATE)
    error = package.load(NET, fast_math=True)(x, RATE, bare=True) - exact
    return 20 * np.log10(np.abs(error).max() / np.abs(exact).max()), np.sum(error**2) / np.sum(exact**2)


def check(words, real):
    said = SAID.search(words)
    assert said, words
    assert float(said[1]) == pytest.approx(real[0], abs=0.06)
    assert float(said[2]) == pytest.approx(real[1], rel=0.06)
    assert -80 < real[0] < -40 and 1e-8 < real[1] < 1e-4


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rig.yaml").write_text(f"version: 1\npresets: [{{name: a, chain: [{{type: model, file: '{NET}'}}]}}]\n")
    soundfile.write("dry.wav", np.random.default_rng(1).normal(0, 0.2, 3000), RATE, subtype="FLOAT")
    return tmp_path


def read(name):
    return soundfile.read(name, dtype="float32")[0]


@pytest.mark.parametrize("rig", [("--model", NET), ("rig.yaml",), ("--model", NET, "--model-rate", RATE)])
def test_render_and_the_default(capsys, place, real, rig):
    exact = evaluate(load(NET), read("dry.wav").astype(np.float64), sample_rate=RATE)[0]
    errors = []
    for words, fast in (((), False), ((FAST,), True)):
        code, _, err = rtfx(capsys, "render", "dry.wav", "wet.wav", "-y", "--bare", "--float", *rig, *words)
        assert code == 0, err
        assert np.array_equal(read("wet.wav"), package.load(NET, fast_math=fast)(read("dry.wav"), RATE, bare=True))
        errors.append(np.abs(read("wet.wav") - exact).max() / np.abs(exact).max())
    check(err, real)
    assert errors[0] < 3e-6 and 1e-4 < errors[1] < 1e-2


def test_play(capsys, place, real):
    words = "--device null --headless --input dry.wav --seconds 0.05".split()
    code, _, err = rtfx(capsys, "play", NET, *words, FAST)
    assert code == 0
    check(err, real)


def test_bench_tells_the_error_and_what_each_layer_got(capsys, real):
    words = ("bench", NET, "--block", "64", "--seconds", "0.02")
    code, out, err = rtfx(capsys, *words, FAST)
    assert code == 0 and "gates: coarse" in out
    check(err, real)
    assert "coarse" not in rtfx(capsys, *words)[1]


def test_verify_states_another_bound(capsys, real):
    code, out, _ = rtfx(capsys, "verify", NET, FAST)
    assert code == 0 and "(bound -30.0 dB of the ESR, fast maths)" in out
    check(out, real)
    coarse, usual = (json.loads(rtfx(capsys, "verify", NET, "--json", *words)[1]) for words in ((FAST,), ()))
    assert coarse["ok"] and coarse["bound_db"] == -30.0 and "fast maths: the bound is the ESR's" in coarse["method"]
    assert usual["ok"] and usual["peak_error_db"] <= usual["bound_db"] < -80 and "fast" not in usual["method"]


def test_a_net_without_gates_stays_as_it_is(capsys, place):
    for words in ((), (FAST,)):
        code, _, err = rtfx(
            capsys, "render", "dry.wav", f"{len(words)}.wav", "--bare", "--float", "--model", MODEL, *words
        )
        assert code == 0, err
    assert "no LSTM or GRU layer here" in err
    assert np.array_equal(read("0.wav"), read("1.wav"))
