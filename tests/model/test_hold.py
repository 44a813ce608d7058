"""Nodes that run at a part of the rate: their output, their history, and refused forms."""

import numpy as np
import pytest

from rtfx.errors import ResourceLimit, ShapeMismatch, UnsupportedArchitecture
from rtfx.model.load import load
from rtfx.model.nodes import Add, Hold, Input
from rtfx.model.reference import evaluate
from rtfx.model.rtfx_json import save
from rtfx.model.spec import ModelSpec
from rtfx.plan.rates import choose_method

from ..reference import evaluate_file

X = np.arange(1.0, 13.0)


def graph(*nodes):
    return ModelSpec("rtfx", (Input(()), *nodes), name="held", sample_rate=48000.0, rate_source="file")


def test_frames_are_held_from_the_phase_on():
    held = evaluate(graph(Hold((0,), 4, 2)), X, cold=True)[0]
    assert held.tolist() == [0, 0, 3, 3, 3, 3, 7, 7, 7, 7, 11, 11]
    zeros = evaluate(graph(Hold((0,), 4, 2, "zero")), X, cold=True)[0]
    assert zeros.tolist() == [0, 0, 3, 0, 0, 0, 7, 0, 0, 0, 11, 0]


def test_lookback_and_prewarm():
    spec = graph(Hold((0,), 4, 2), Hold((0,), 6, 0, "zero"), Add((1, 2)))
    assert (spec.receptive_field, spec.period, spec.prewarm_frames) == (4, 12, 12)
    assert graph(Add((0, 0))).period == 1


def test_both_oracles_agree(tmp_path):
    spec = graph(Hold((0,), 4, 2), Hold((0,), 6, 5, "zero"), Add((1, 2)))
    save(spec, tmp_path / "net.json")
    for cold in (False, True):
        found = evaluate(load(tmp_path / "net.json"), X, cold=cold)
        assert np.array_equal(found, evaluate_file(tmp_path / "net.json", X, cold=cold))


def test_a_strided_net_is_not_dilated_to_another_rate():
    assert choose_method(graph(Add((0, 0))), 96000.0).method == "dilate"
    assert choose_method(graph(Hold((0,), 2)), 96000.0).method == "resample"


@pytest.mark.parametrize(
    "fields, error",
    [
        ((0,), ShapeMismatch),
        ((3, 3), ShapeMismatch),
        ((3, -1), ShapeMismatch),
        ((3, 0, "next"), UnsupportedArchitecture),
    ],
)
def test_refused(fields, error):
    with pytest.raises(error):
        graph(Hold((0,), *fields))


def test_long_periods_are_refused(tmp_path):
    save(graph(Hold((0,), 1009), Hold((1,), 1013), Hold((2,), 1019)), tmp_path / "net.json")
    with pytest.raises(ResourceLimit, match="frames of prewarm"):
        load(tmp_path / "net.json")
