"""What bench says of a plan: every layer in the order in which it is called, with its tile and its class."""

import numpy as np

import rtfx
from rtfx.bench.chosen import chosen
from rtfx.bench.models import bench
from rtfx.kernels.conv import Tile
from rtfx.kernels.processor import lanes
from rtfx.model.nodes import Activation, Conv1d, Dense, Input
from rtfx.model.spec import ModelSpec
from rtfx.plan import tuned
from tests.engine.rigs import tcn

from .test_models import gru


def plan(spec: ModelSpec):
    return rtfx.Rig([rtfx.Model(spec)]).plan(48000.0, bare=True)


def test_layers_in_words():
    taps = np.ones((6, 6, 3))
    first = (Input(()), Dense((0,), np.ones((6, 1)), np.zeros(6)), Activation((1,)))
    second = (Conv1d((2,), taps, np.zeros(6)), Activation((3,)), Dense((4,), np.ones((1, 6)), np.zeros(1)))
    spec = ModelSpec("rtfx", (*first, *second))
    with tuned.trying({"conv 6 6 3 1": Tile(lanes(), 2, 4)}):
        lines = chosen(plan(spec))
    assert sum(int(line.split()[0]) for line in lines) == len(plan(spec).calls)
    assert any(f"tanh, inputs 6, outputs 6, taps 3; tile {lanes()}x2x4" in line for line in lines)
    assert lines[0].split(" x ")[1].startswith("elementwise gain")


def test_the_class_of_a_recurrent_layer_is_named():
    assert any("gru, hidden 8, inputs 1" in line and "gates: " in line for line in chosen(plan(gru(8).spec)))


def test_regret_is_measured_on_demand(monkeypatch):
    """Rows know what a search would gain, and what the worst choice for all layers costs; nothing is kept."""
    monkeypatch.setattr(tuned, "remember", None)
    model = rtfx.Model(tcn(3))
    (row,) = bench([("tcn", model)], [64], seconds=0.01)
    assert row.regret is None is row.worst
    (row,) = bench([("tcn", model)], [64], seconds=0.01, regret=True)
    assert 0.0 <= row.regret <= 10.0 and row.worst >= 0.0
