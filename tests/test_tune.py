"""Choice by measurement: kept, obeyed, ignored on demand, and never heard."""

import json

import numpy as np
import pytest

import rtfx
from rtfx.kernels import jit
from rtfx.kernels.conv import Tile
from rtfx.plan import wisdom
from rtfx.tune import tune
from tests.engine.rigs import noise, tcn

X = noise(3000)[:, 0]


@pytest.fixture
def own_wisdom(tmp_path, monkeypatch):
    """Measurements in a file of this test's own; kernels stay where they are."""
    monkeypatch.setattr(wisdom, "cache_folder", lambda: tmp_path)
    monkeypatch.delenv(wisdom.IGNORE, raising=False)
    return tmp_path / wisdom.FILE


def kernels(spec) -> set[str]:
    return {kernel.name for kernel in rtfx.Rig([rtfx.Model(spec)]).plan(48000.0, bare=True).kernels}


def test_what_is_measured_is_kept_and_played_alike(own_wisdom):
    spec = tcn(6)
    before = rtfx.Model(spec)(X, 48000.0, bare=True)
    lines: list[str] = []
    tuned = tune(rtfx.Model(spec), 48000.0, 64, lines.append)
    assert tuned.tried > len(lines) >= 1
    assert 0.0 < tuned.best_ns <= tuned.rule_ns <= tuned.worst_ns
    assert tuned.regret == pytest.approx(tuned.rule_ns / tuned.best_ns - 1.0)
    kept = json.loads(own_wisdom.read_text())
    assert len(kept) == len(lines) and all(len(tile) == 3 for tile in kept.values())
    assert np.array_equal(rtfx.Model(spec)(X, 48000.0, bare=True), before), "a tile is never heard"


def test_any_tile_gives_the_same_samples(own_wisdom):
    """Every candidate, not only the fastest."""
    spec = tcn(5)
    with wisdom.trying({}) as asked:
        right = rtfx.Model(spec)(X, 48000.0, bare=True)
    assert asked
    for vectors, group in wisdom.CANDIDATES:
        with wisdom.trying(dict.fromkeys(asked, Tile(16, vectors, group))):
            assert np.array_equal(rtfx.Model(spec)(X, 48000.0, bare=True), right)


def test_measurements_are_obeyed_and_ignored_on_demand(own_wisdom, monkeypatch):
    spec = tcn(7)
    with wisdom.trying({}) as asked:
        rule = kernels(spec)
    wisdom.remember(dict.fromkeys(asked, Tile(16, 3, 3)))
    measured = kernels(spec)
    assert measured != rule and any("group3" in name and "vectors3" in name for name in measured)
    monkeypatch.setenv(wisdom.IGNORE, "1")
    assert kernels(spec) == rule


@pytest.mark.parametrize("text", ["", "{", "[]", '{"conv 1 1 1 0": 5}', '{"conv 1 1 1 0": [1, 2]}'])
def test_a_damaged_file_counts_as_none(own_wisdom, text):
    own_wisdom.write_text(text)
    assert wisdom.measured() == {}
    rtfx.Model(tcn(4))(X, 48000.0)


def test_command(own_wisdom, capsys):
    from rtfx.cli.main import run

    assert run(["tune", "ronn-42.json", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["tried"] > 4 and row["regret"] >= 0.0
    assert run(["tune", "no-such-model.json"]) == 1
    assert jit.cache_folder().is_dir()
