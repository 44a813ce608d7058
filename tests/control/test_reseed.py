"""The next seed of a random net while it plays."""

import time

import numpy as np
import pytest
import soundfile

import rtfx
from rtfx.control import reseed
from rtfx.control.keys import press
from rtfx.errors import UsageError
from rtfx.model.random import random_spec, with_seed

NET = "random:tcn?seed={}&layers=3&channels=2"
RATE = 48000


@pytest.mark.parametrize(
    ("text", "step", "expected"),
    [
        ("random:tcn", 1, "random:tcn?seed=43"),
        ("random:tcn?layers=3", 2, "random:tcn?layers=3&seed=44"),
        ("random:tcn?seed=7&layers=3", 1, "random:tcn?seed=8&layers=3"),
        ("random:tcn?layers=3&seed=4294967294", 1, "random:tcn?layers=3&seed=0"),
    ],
)
def test_with_seed(text, step, expected):
    assert with_seed(text, step) == expected
    random_spec(expected.removeprefix("random:"))


def told(stream, word, seconds=60.0):
    lines, deadline = [], time.monotonic() + seconds
    while not any(word in line for line in lines):
        assert time.monotonic() < deadline, lines
        stream.wait(0.02)
        lines += stream.news()
    return lines


def test_the_next_seed_is_the_net_of_that_seed_and_the_change_is_smooth(tmp_path):
    live = tmp_path / "live.wav"
    tone = (0.1 * np.sin(2 * np.pi * 220 * np.arange(20 * RATE) / RATE)).astype(np.float32)
    with rtfx.Rig([NET.format(7)]).play(device="null", sample_rate=RATE, input=tone, record=live) as stream:
        stream.wait(0.5)
        stream.set("level_db", -3.0)
        press(stream, "R")
        assert told(stream, "seed=")[-1] == "model: " + NET.format(8)
        assert stream.get("level_db") == -3.0, "what was turned stays"
        stream.wait(0.5)
        press(stream, "R")
        told(stream, "seed=9")
        frames = stream.stats.frames
        stream.wait(1.0)
    alone = rtfx.Rig([{"type": "model", "file": NET.format(9), "level_db": -3.0}])(tone, RATE)
    heard = soundfile.read(live)[0]
    late = slice(frames + RATE // 4, frames + RATE // 2)
    assert np.allclose(heard[late], alone[late], atol=1e-4), "the net of the third seed, at its level"
    body = heard[RATE // 2 : frames + RATE // 2]
    assert np.abs(np.diff(body)).max() < 1.5 * np.abs(np.diff(alone[RATE : 2 * RATE])).max() + 0.02


@pytest.mark.parametrize(
    "other",
    [
        "layers: 3, channels: 4, kernel: 5, dilation: 3, activation: sine, bias: true, input_db: 3, link: true",
        "layers: 4, depthwise: true, init: orthogonal, semantics: python, film_dim: 2, film: [0.3, -0.7]",
        "kind: gru, channels: 4, layers: 2, level_db: 2",
    ],
)
def test_any_key_may_change_while_it_plays(tmp_path, other):
    """By an edit of the set list that is watched: crossfaded, without a click or a gap."""
    path, live = tmp_path / "net.yaml", tmp_path / "live.wav"
    words = "version: 1\npresets:\n  - {{name: net, chain: [{{type: random, id: net, {}}}]}}\n"
    first = "layers: 2, channels: 2"
    path.write_text(words.format(first))
    tone = (0.1 * np.sin(2 * np.pi * 220 * np.arange(20 * RATE) / RATE)).astype(np.float32)
    settings = {"device": "null", "sample_rate": RATE, "input": tone, "record": live, "watch": True}
    with rtfx.Rig.from_yaml(path).play(**settings) as stream:
        stream.wait(0.5)
        path.write_text(words.format(other))
        told(stream, "reloaded")
        frames = stream.stats.frames
        stream.wait(0.6)
    alone = [rtfx.Rig.from_yaml(path)(tone, RATE)]
    path.write_text(words.format(first))
    alone.append(rtfx.Rig.from_yaml(path)(tone, RATE))
    heard = soundfile.read(live)[0]
    late = slice(frames + RATE // 4, frames + RATE // 2)
    assert np.allclose(heard[late], alone[0][late], atol=1e-4), "the net of the new keys"
    body = heard[RATE // 2 : frames + RATE // 2]
    steepest = max(np.abs(np.diff(y[RATE : 2 * RATE])).max() for y in alone)
    assert np.abs(np.diff(body)).max() < 1.5 * steepest + 0.02
    period = RATE // 220 + 1
    peaks = np.abs(body[: body.size // period * period].reshape(-1, period)).max(axis=1)
    assert peaks.min() > 0.3 * min(np.abs(y[RATE : 2 * RATE]).max() for y in alone), "a gap"


def test_several_presses_are_several_seeds():
    with rtfx.Rig([NET.format(7)]).play(device="null", seconds=60) as stream:
        for _ in range(5):
            press(stream, "R")
        assert told(stream, "seed=12")[-1].endswith(NET.format(12))


def test_seeds_that_cannot_sound_are_passed_over(monkeypatch):
    load = reseed.Loader.load

    def picky(self, preset, values=None):
        if any("seed=8" in str(block.file) or "seed=9" in str(block.file) for block in preset.chain):
            raise UsageError("the output explodes")
        return load(self, preset, values)

    monkeypatch.setattr(reseed.Loader, "load", picky)
    with rtfx.Rig([NET.format(7)]).play(device="null", seconds=60) as stream:
        press(stream, "R")
        assert told(stream, "seed=")[-1].endswith(NET.format(10))


def test_the_chosen_net_else_the_first():
    chain = [{"type": "model", "id": name, "file": NET.format(seed)} for name, seed in (("one", 1), ("two", 50))]
    with rtfx.Rig(chain).play(device="null", seconds=60) as stream:
        press(stream, "R")
        told(stream, "one: " + NET.format(2))
        stream.desk.knob = "two.level_db"
        press(stream, "R")
        told(stream, "two: " + NET.format(51))


def test_a_chain_without_a_random_net():
    with rtfx.Rig([{"type": "gain"}]).play(device="null", seconds=60) as stream:
        assert "no random net" in press(stream, "R")
