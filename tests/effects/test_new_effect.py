"""A new effect needs one file and a line in the table: set lists, `info --blocks`, knobs and Python then have it."""

import json

import numpy as np
import pytest

import rtfx
from rtfx.effects.table import BLOCKS
from rtfx.errors import PresetError
from tests.cli.command import rtfx as run

from .toy_effect import TOY

RATE = 48000
SET_LIST = """version: 1
presets:
  - name: blurred
    chain: [{type: toy, id: blur, mix: 0.25, level_db: 6}]
    scenes: {more: {blur.mix: 1.0}}
"""


@pytest.fixture(autouse=True)
def in_the_table(monkeypatch):
    """Add the effect's line to the table."""
    monkeypatch.setitem(BLOCKS, TOY.type, TOY)


@pytest.fixture
def set_list(tmp_path):
    path = tmp_path / "set.yaml"
    path.write_text(SET_LIST)
    return path


def blurred(x: np.ndarray, mix: float, level_db: float) -> np.ndarray:
    before = np.concatenate([[0.0], x[:-1]])
    return ((1.0 - mix) * x + mix * before) * 10.0 ** (level_db / 20.0)


def test_python_plays_it():
    x = np.random.default_rng(2).uniform(-0.3, 0.3, 3000).astype(np.float32)
    y = rtfx.Rig([{"type": "toy", "mix": 0.25, "level_db": 6.0}])(x, RATE)
    assert np.abs(y - blurred(x.astype(np.float64), 0.25, 6.0)).max() < 1e-6
    with pytest.raises(PresetError, match="toy: mix is 2, expected a number from 0 to 1"):
        rtfx.Rig([{"type": "toy", "mix": 2}])(x, RATE)


def test_a_set_list_names_it_and_is_told_its_mistakes(set_list):
    x = np.random.default_rng(3).uniform(-0.3, 0.3, 3000).astype(np.float32)
    y = rtfx.Rig.from_yaml(set_list, "blurred")(x, RATE)
    assert np.abs(y - blurred(x.astype(np.float64), 0.25, 6.0)).max() < 1e-6
    set_list.write_text(SET_LIST.replace("mix: 0.25", "mixx: 0.25"))
    with pytest.raises(PresetError, match=r"set.yaml:4.*mixx.*did you mean 'mix'"):
        rtfx.Rig.from_yaml(set_list, "blurred")(x, RATE)


def test_the_commands_list_it_and_check_it(set_list, capsys):
    code, said, _ = run(capsys, "info", "--blocks")
    assert code == 0 and "toy" in said and "level_db" in said and TOY.summary in said
    code, said, _ = run(capsys, "info", "--blocks", "--json")
    (listed,) = [entry for entry in map(json.loads, said.splitlines()) if entry["type"] == "toy"]
    assert [parameter["name"] for parameter in listed["parameters"]] == ["mix", "level_db", "on"]
    code, _, told = run(capsys, "check", str(set_list))
    assert code == 0, told


def test_its_parameters_are_knobs_of_a_stream_and_of_its_scenes(set_list):
    with rtfx.Rig.from_yaml(set_list, "blurred").play(device="null") as stream:
        assert (stream.get("blur.mix"), stream.get("blur.level_db")) == (0.25, 6.0)
        stream.set("blur.mix", 0.5)
        assert stream.get("mix") == 0.5
        stream.do("scene more")
        assert stream.get("blur.mix") == 1.0
