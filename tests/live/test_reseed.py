"""A random net whose keys change while it plays: the next seed, and every other key."""

import threading
import time

import numpy as np
import pytest
import soundfile
import yaml

import rtfx
from rtfx.engine.engine import Engine
from rtfx.engine.engine_rig import EngineRig
from rtfx.engine.layout import PLAYING
from rtfx.errors import ResourceLimit, UsageError
from rtfx.live.controller import Controller
from rtfx.loading.preset import LoadedPreset
from rtfx.model.random.nets import random_spec, words_with
from rtfx.plan.block import ReadyBlock
from rtfx.ui.keys import press

NET = "random:tcn?seed={}&layers=3&channels=2"
RATE = 48000


@pytest.mark.parametrize(
    ("text", "settings", "expected"),
    [
        ("tcn", {"seed": 43}, "tcn?seed=43"),
        ("tcn?layers=3", {"seed": 44}, "tcn?layers=3&seed=44"),
        ("TCN?Seed=7&n_layers=3", {"seed": 8, "bias": "true"}, "TCN?seed=8&layers=3&bias=true"),
    ],
)
def test_words_with_other_settings(text, settings, expected):
    assert words_with(text, settings) == expected
    random_spec(expected)


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


class Driven:
    """A preset of one net whose blocks the test runs with noise; `y` is the output so far."""

    def __init__(self, words: str):
        plan = rtfx.Rig([words]).plan(RATE)
        self.engine = Engine(RATE, live=False, limiter=False)
        self.controller = Controller(self.engine, [LoadedPreset("net", plan, EngineRig(plan))])
        self.x = (0.1 * np.random.default_rng(5).standard_normal((12 * RATE, 1))).astype(np.float32)
        self.y = np.zeros(0, np.float32)

    def drive(self, frames: int) -> None:
        place = self.y.size
        self.y = np.concatenate([self.y, self.engine.drive(self.x[place : place + frames], 64)[:, 0]])

    def until_heard(self) -> int:
        """Drive until the rig that was published last has faded in; return the frame at which it began to."""
        begun = 0
        while self.y.size < len(self.x) - 64:
            self.drive(64)
            slots = [s for s in self.engine.record["slots"] if s["rig"] == self.controller.playing.address]
            if slots and slots[0]["phase"] == PLAYING:
                begun = begun or self.y.size
                if slots[0]["position"] >= 1.0:
                    return begun
        raise AssertionError("it was never heard")

    def act(self) -> None:
        """Do the work of the control thread on this thread."""
        preset = self.controller.preset
        preset.keep(preset.now(), preset.make(preset.now()))
        self.controller._act()


@pytest.mark.parametrize("layers", [12, 13, 14, 15])
def test_a_net_that_remembers_long_is_heard_when_it_has_heard_as_much(layers):
    """With silence in a part of its past, the net's output would be too loud until that part is over."""
    driven = Driven(f"random:tcn?seed=7&layers={layers}&channels=2&dilation=2")
    memory = driven.controller.preset.memory_frames
    driven.drive(RATE // 2)
    driven.controller.set("seed", 8)
    asked = driven.y.size
    driven.act()
    begun = driven.until_heard()
    driven.drive(RATE // 2)
    rig = EngineRig(driven.controller.preset.plan)
    always = Engine(RATE, live=False, limiter=False)
    always.publish(rig)
    expected = always.drive(driven.x[: driven.y.size], 64)[:, 0]
    late = slice(begun + 960, None)
    error = np.abs(driven.y[late] - expected[late]).max()
    assert error < 1e-4 * np.abs(expected[late]).max(), "as one that has always been there"
    assert memory <= begun - asked <= memory + 64, "and no later than need be"
    assert bool([line for line in driven.controller.news if "runs silently for" in line]) == (memory > RATE)


def test_knobs_turn_what_is_heard_while_the_next_net_listens():
    driven = Driven("random:tcn?seed=7&layers=15&channels=2&dilation=2")
    driven.drive(4800)
    driven.controller.set("seed", 8)
    driven.act()
    driven.drive(4800)
    before = float(np.sqrt(np.mean(driven.y[-4800:] ** 2)))
    driven.controller.set("level_db", -60.0)
    driven.controller._act()
    driven.drive(9600)
    assert np.sqrt(np.mean(driven.y[-4800:] ** 2)) < 0.01 * before
    driven.until_heard()
    driven.drive(4800)
    assert np.sqrt(np.mean(driven.y[-4800:] ** 2)) < 0.01 * before, "and what comes after"


CHANGES = {
    "a set": "layers: 3, channels: 4, kernel: 5, dilation: 3, activation: sine, bias: true, input_db: 3, link: true",
    "another set": "layers: 4, channels: 2, depthwise: true, init: orthogonal, semantics: python, seed: 3",
    "an edit": "kind: gru, channels: 4, layers: 2, level_db: 2",
}


@pytest.mark.parametrize("how", CHANGES)
def test_any_key_may_change_while_it_plays(tmp_path, how):
    """By a turn of a knob, or by an edit of the watched set list: crossfaded, without a click or a gap."""
    path, live = tmp_path / "net.yaml", tmp_path / "live.wav"
    words = "version: 1\npresets:\n  - {{name: net, chain: [{{type: random, id: net, {}}}]}}\n"
    first = "layers: 2, channels: 2"
    path.write_text(words.format(first))
    tone = (0.1 * np.sin(2 * np.pi * 220 * np.arange(20 * RATE) / RATE)).astype(np.float32)
    settings = {"device": "null", "sample_rate": RATE, "input": tone, "record": live, "watch": how == "an edit"}
    with rtfx.Rig.from_yaml(path).play(**settings) as stream:
        stream.wait(0.5)
        if how == "an edit":
            path.write_text(words.format(CHANGES[how]))
            told(stream, "reloaded")
        else:
            stream.set_many({f"net.{key}": value for key, value in yaml.safe_load(f"{{{CHANGES[how]}}}").items()})
            told(stream, "net: random:tcn?")
        frames = stream.stats.frames
        stream.wait(0.6)
    alone = []
    for keys in (first, CHANGES[how]):
        path.write_text(words.format(keys))
        alone.append(rtfx.Rig.from_yaml(path)(tone, RATE))
    heard = soundfile.read(live)[0]
    late = slice(frames + RATE // 4, frames + RATE // 2)
    assert np.allclose(heard[late], alone[1][late], atol=1e-4), "the net of the new keys"
    body = heard[RATE // 2 : frames + RATE // 2]
    steepest = max(np.abs(np.diff(y[RATE : 2 * RATE])).max() for y in alone)
    assert np.abs(np.diff(body)).max() < 1.5 * steepest + 0.02
    period = RATE // 220 + 1
    peaks = np.abs(body[: body.size // period * period].reshape(-1, period)).max(axis=1)
    assert peaks.min() > 0.3 * min(np.abs(y[RATE : 2 * RATE]).max() for y in alone), "a gap"


def test_what_was_turned_of_a_net_is_taken_back_and_compared():
    with rtfx.Rig([NET.format(7)]).play(device="null", seconds=60) as stream:
        first = stream.controller.playing.plan
        stream.set("seed", 4294967294)
        told(stream, "seed=4294967294")
        press(stream, "R")
        told(stream, "seed=0")
        assert press(stream, "u") == "undone: model.seed 7", "quick turns of one knob are one"
        told(stream, "seed=7")
        assert stream.controller.playing.plan is first, "what was built is kept"
        press(stream, "b")
        stream.selection.knob = "model.layers"
        press(stream, "+")
        told(stream, "layers=4")
        assert "A" in press(stream, "a")
        told(stream, "layers=3")
        assert stream.get("layers") == 3 and stream.controller.playing.plan is first


def test_what_cannot_be_is_refused_and_the_sound_stays():
    with rtfx.Rig([NET.format(7)]).play(device="null", seconds=60) as stream:
        before = stream.controller.playing
        with pytest.raises(ResourceLimit, match="history and a predicted load .* fits"):
            stream.set_many({"layers": 24, "dilation": 4})
        with pytest.raises(UsageError, match="a whole number from 1 to 24"):
            stream.set("layers", 2.5)
        stream.set("outputs", 2)
        told(stream, "2 output channels, the stream was opened with 1")
        assert (stream.get("layers"), stream.get("outputs")) == (3, 1)
        assert stream.controller.playing is before


def test_knobs_glide_while_a_net_is_built(monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    make = LoadedPreset.make

    def slow(self, values):
        begun.set()
        go_on.wait(60.0)
        return make(self, values)

    monkeypatch.setattr(LoadedPreset, "make", slow)
    with rtfx.Rig([NET.format(7)]).play(device="null", seconds=60) as stream:
        before = stream.controller.playing
        for seed in (8, 9, 10):
            stream.set("seed", seed)
            begun.wait(60.0)
        stream.set("level_db", -6.0)
        tables = len(before.tables)
        while len(before.tables) == tables and stream.active:
            stream.wait(0.01)
        go_on.set()
        lines = told(stream, "seed=10")
        assert not any("seed=9" in line for line in lines), "the latest wins"


def test_several_presses_are_several_seeds():
    with rtfx.Rig([NET.format(7)]).play(device="null", seconds=60) as stream:
        for _ in range(5):
            press(stream, "R")
        assert told(stream, "seed=12")[-1].endswith(NET.format(12))


def test_seeds_that_cannot_sound_are_passed_over(monkeypatch):
    redrawn = ReadyBlock.redrawn

    def picky(self, values):
        if values["seed"] in (8, 9):
            raise UsageError("the output explodes")
        return redrawn(self, values)

    with rtfx.Rig([NET.format(7)]).play(device="null", seconds=60) as stream:
        monkeypatch.setattr(ReadyBlock, "redrawn", picky)
        press(stream, "R")
        assert told(stream, "seed=")[-1].endswith(NET.format(10))


def test_the_chosen_net_else_the_first():
    chain = [{"type": "model", "id": name, "file": NET.format(seed)} for name, seed in (("one", 1), ("two", 50))]
    with rtfx.Rig(chain).play(device="null", seconds=60) as stream:
        press(stream, "R")
        told(stream, "one: " + NET.format(2))
        stream.selection.knob = "two.level_db"
        press(stream, "R")
        told(stream, "two: " + NET.format(51))


def test_a_chain_without_a_random_net():
    with rtfx.Rig([{"type": "gain"}]).play(device="null", seconds=60) as stream:
        assert "no random net" in press(stream, "R")
