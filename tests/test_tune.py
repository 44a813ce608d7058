"""Choice by measurement: saved, used, ignored on request, and without effect on the output."""

import json
import re

import numpy as np
import pytest
import soundfile as sf

import rtfx
from rtfx.kernels.cache import cache_folder
from rtfx.kernels.conv import ConvTile
from rtfx.kernels.processor import features, lanes
from rtfx.model.nodes import Activation, Add, Conv1d, Dense, Gru, Input, Lstm
from rtfx.model.spec import ModelSpec
from rtfx.plan import tuned
from rtfx.tune import is_tuned, tune
from tests.engine.rigs import noise, tcn

X = noise(3000)[:, 0]


@pytest.fixture
def own_file(tmp_path, monkeypatch):
    """Measurements in a file of this test's own; kernels stay where they are."""
    monkeypatch.setattr(tuned, "cache_folder", lambda: tmp_path)
    monkeypatch.delenv(tuned.IGNORE, raising=False)
    return tmp_path / tuned.FILE


def deep(cell: str, hidden: int, layers: int) -> ModelSpec:
    """Return recurrent layers that feed each other, with a dense layer behind them."""
    r = np.random.default_rng(hidden)
    kind, gates, biases = (Lstm, 4, 1) if cell == "lstm" else (Gru, 3, 2)
    nodes: list = [Input(())]
    for i in range(layers):
        shapes = [(gates * hidden, hidden if i else 1), (gates * hidden, hidden), *[(gates * hidden,)] * biases]
        nodes.append(kind((i,), *(r.uniform(-1, 1, shape) / np.sqrt(hidden) for shape in shapes)))
    nodes.append(Dense((layers,), r.uniform(-1, 1, (1, hidden)), np.zeros(1)))
    return ModelSpec(name="deep", family="rtfx", nodes=tuple(nodes), sample_rate=48000.0)


def wavenet(width: int) -> ModelSpec:
    """Return four WaveNet layers with condition, residual and head sum, and a dense layer for the head."""
    r = np.random.default_rng(width)
    nodes: list = [Input(()), Dense((0,), r.uniform(-1, 1, (width, 1)), np.zeros(width))]
    source, features = 1, []
    for dilation in (1, 3, 20, 2):  # the first and the last are of other shapes
        conv = len(nodes)
        nodes += [
            Conv1d((source,), r.uniform(-0.3, 0.3, (width, width, 3)), r.uniform(-1, 1, width), dilation=dilation),
            Dense((0,), r.uniform(-1, 1, (width, 1)), np.zeros(width)),
            Add((conv, conv + 1)),
            Activation((conv + 2,), kind="tanh"),
            Dense((conv + 3,), r.uniform(-0.5, 0.5, (width, width)), r.uniform(-1, 1, width)),
            Add((source, conv + 4)),
        ]
        source, features = conv + 5, [*features, conv + 3]
    nodes.append(Add(tuple(features)))
    nodes.append(Dense((len(nodes) - 1,), r.uniform(-1, 1, (1, width)), np.zeros(1)))
    return ModelSpec(name="wavenet", family="rtfx", nodes=tuple(nodes), sample_rate=48000.0)


def kernels(spec) -> set[str]:
    return {kernel.name for kernel in rtfx.Rig([rtfx.Model(spec)]).plan(48000.0, bare=True).kernels}


def test_what_is_measured_is_kept_and_played_alike(own_file):
    spec = tcn(6)
    before = rtfx.Model(spec)(X, 48000.0, bare=True)
    lines: list[str] = []
    tuned = tune(rtfx.Model(spec), 48000.0, 64, lines.append)
    assert tuned.tried > len(lines) >= 1
    assert 0.0 < tuned.best_ns <= tuned.rule_ns <= tuned.worst_ns
    assert tuned.regret == tuned.plan_ns / tuned.best_ns - 1.0 >= 0.0
    kept = json.loads(own_file.read_text())
    assert len(kept) == len(lines) and all(len(tile) == 3 for tile in kept.values())
    assert np.array_equal(rtfx.Model(spec)(X, 48000.0, bare=True), before), "a tile is never heard"


def test_any_tile_gives_the_same_samples(own_file):
    """Every candidate, not only the fastest."""
    spec = tcn(5)
    with tuned.trying({}) as asked:
        right = rtfx.Model(spec)(X, 48000.0, bare=True)
    assert asked
    for vectors, group in tuned.CANDIDATES:
        with tuned.trying(dict.fromkeys(asked, ConvTile(16, vectors, group))):
            assert np.array_equal(rtfx.Model(spec)(X, 48000.0, bare=True), right)


@pytest.mark.parametrize("width", [2, 5])
def test_layers_in_series_sound_alike_in_every_form_and_apart(own_file, width, monkeypatch):
    monkeypatch.setattr("rtfx.plan.lowering.series.lanes", lambda: 16)  # as with AVX-512
    spec = wavenet(width)
    with tuned.trying({}) as asked:
        right = rtfx.Model(spec)(X, 48000.0, bare=True)
    (key,) = (key for key in asked if key.startswith("series"))
    by_table = width == 2 and "avx512f" in features()
    assert (tuned.APART in asked[key].among) is not by_table, "two channels in series have a tanh of their own there"
    for form in asked[key].among:
        with tuned.trying({key: form}):
            assert ("series" in str(kernels(spec))) is (form != tuned.APART)
            assert np.array_equal(rtfx.Model(spec)(X, 48000.0, bare=True), right), form


def test_measurements_are_obeyed_and_ignored_on_demand(own_file, monkeypatch):
    spec = tcn(7)
    with tuned.trying({}) as asked:
        rule = kernels(spec)
    tuned.remember(dict.fromkeys(asked, ConvTile(lanes(), 2, 4)))
    measured = kernels(spec)
    assert measured != rule and any("group4" in name and "vectors2" in name for name in measured)
    monkeypatch.setenv(tuned.IGNORE, "1")
    assert kernels(spec) == rule


def test_a_choice_that_is_none_any_more_is_not_made(own_file):
    spec = tcn(7)
    with tuned.trying({}) as asked:
        rule = kernels(spec)
    tuned.remember(dict.fromkeys(asked, (lanes(), 3, 3)))
    assert kernels(spec) == rule
    tuned.remember(dict.fromkeys(asked, (1, 2)))
    assert kernels(spec) == rule


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_layers_that_feed_each_other_sound_alike_together_and_apart(own_file, cell, layers):
    spec = deep(cell, 12, layers)
    with tuned.listening() as asked:
        together, names = rtfx.Model(spec)(X, 48000.0, bare=True), kernels(spec)
    assert list(asked.values()) == [(tuned.TOGETHER, (tuned.TOGETHER, tuned.APART))]
    assert any("stack" in name for name in names)
    for _ in range(layers - 1):  # those that are left may still be computed together
        with tuned.listening() as asked:
            kernels(spec)
        tuned.remember(dict.fromkeys(asked, tuned.APART))
    assert not any("stack" in name for name in kernels(spec))
    assert np.array_equal(rtfx.Model(spec)(X, 48000.0, bare=True), together)


def test_what_has_been_measured_is_known(own_file):
    first, second = rtfx.Model(deep("gru", 4, 2)), rtfx.Model(deep("lstm", 4, 2))
    assert not is_tuned(first, 48000.0)
    tune(first, 48000.0)
    assert is_tuned(first, 48000.0) and not is_tuned(second, 48000.0)


@pytest.mark.parametrize("slow", [(3,), (3, 2)])
def test_shapes_that_a_choice_has_created_are_tried_too(own_file, monkeypatch, slow):
    """If three layers are computed apart, two of them may still be computed together; stacks in `slow` are slower."""
    model, lines = rtfx.Model(deep("gru", 4, 3)), []

    def race(players):
        names = [[kernel.name for kernel in player.plan.kernels] for player in players]
        assert len(set(map(tuple, names))) > 1
        return [1.0 + sum(count * (f"layers{count}" in name) for name in each for count in slow) for each in names]

    monkeypatch.setattr("rtfx.tune._race", race)
    found = tune(model, 48000.0, 64, lines.append)
    assert len(lines) == 2 and found.tried == 4 and len(set(lines)) == 2
    assert found.best_ns == 1.0 and set(found.changed.values()) == {tuned.APART}
    assert len(found.changed) == len(slow) and is_tuned(model, 48000.0)
    assert sum("stack" in name for name in kernels(model.spec)) == 2 - len(slow)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"conv 1 1 1 0": 5}', '{"conv 1 1 1 0": ["x", 2]}'])
def test_a_damaged_file_counts_as_none(own_file, text):
    own_file.write_text(text)
    assert tuned.measured() == {}
    rtfx.Model(tcn(4))(X, 48000.0)


def test_command(own_file, capsys):
    from rtfx.cli.main import run

    assert run(["tune", "ronn-42.json", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["tried"] > 4 and row["regret"] >= 0.0
    assert run(["tune", "no-such-model.json"]) == 1
    assert cache_folder().is_dir()


def test_play_measures_once_before_the_stream_opens(own_file, capsys, monkeypatch):
    from rtfx.cli.main import run

    order: list[str] = []

    def measured(model, sample_rate, block, told):
        order.append(f"tune {model.spec.name} {sample_rate:g} {block}")
        with tuned.listening() as asked:
            rtfx.Rig([model]).plan(sample_rate, bare=True)
        tuned.remember({key: each.made for key, each in asked.items()})

    open_stream = rtfx.Rig.play
    monkeypatch.setattr("rtfx.tune.tune", measured)
    monkeypatch.setattr(rtfx.Rig, "play", lambda self, **more: order.append("open") or open_stream(self, **more))
    line = ["play", "ronn-42.json", "--device", "null", "--seconds", "0.02", "--headless"]
    for _ in range(2):
        assert run([*line, "--tune", "-b", "32"]) == 0
    assert order == [order[0], "open", "open"] and order[0].startswith("tune ") and order[0].endswith(" 32")
    assert capsys.readouterr().err.count("measuring which kernels") == 1
    monkeypatch.setenv(tuned.IGNORE, "1")
    assert run([*line, "--tune"]) == 2
    assert "--deterministic" in capsys.readouterr().err


def test_render_tells_the_plan(tmp_path, capsys):
    """The same eight digits as bench's row of the same rig, other ones for another model."""
    from rtfx.cli.main import run

    sf.write(tmp_path / "in.wav", X[:100], 48000)
    said = []
    for model in ("klon", "klon", "amp"):
        assert run(["render", str(tmp_path / "in.wav"), str(tmp_path / "out.wav"), "--model", model, "-y"]) == 0
        said += re.findall(r"plan ([0-9a-f]{8})$", capsys.readouterr().err, re.MULTILINE)
    assert len(said) == 3 and said[0] == said[1] != said[2]
