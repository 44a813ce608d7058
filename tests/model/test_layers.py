"""Every layer type: the reader and the shipped reference against the second oracle, which reads the file by itself."""

import ast

import numpy as np
import pytest

from rtfx.model.load import load
from rtfx.model.reference import evaluate

from .. import reference, reference_more
from ..reference import evaluate_file
from .nets import small_nets, write

NETS = small_nets()
RATE = 48000.0


def noise(channels, frames=300):
    return np.random.default_rng(3).normal(0, 0.5, (channels, frames))


@pytest.mark.parametrize("cold", [False, True], ids=["prewarmed", "cold"])
@pytest.mark.parametrize("name", NETS)
def test_both_oracles_agree(tmp_path, name, cold):
    path = write(tmp_path, NETS[name])
    spec = load(path)
    x = noise(spec.inputs)
    knobs = {knob.name: 0.3 for knob in spec.knobs}
    expected = evaluate_file(path, x, knobs, RATE, cold)
    found = evaluate(spec, x, knobs, RATE, cold)
    assert expected.shape == (spec.outputs, 300)
    assert np.abs(found - expected).max() <= 1e-13 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("name", NETS)
def test_the_float32_evaluation_is_near_and_is_float32(tmp_path, name):
    spec = load(write(tmp_path, NETS[name]))
    x = noise(spec.inputs)
    exact, single = (evaluate(spec, x, sample_rate=RATE, dtype=dtype) for dtype in (np.float64, np.float32))
    assert single.dtype == np.float32
    error = np.abs(single - exact).max() / np.abs(exact).max()
    assert 0 < error < 1e-5


def test_the_weights_of_a_net_matter(tmp_path):
    """A control: the comparison above must fail when one weight differs."""
    data = NETS["gru"]
    path = write(tmp_path, data)
    spec = load(path)
    spec.nodes[1].bias_hh[0] += 0.01
    x = noise(1)
    assert np.abs(evaluate(spec, x) - evaluate_file(path, x)).max() > 1e-6


@pytest.mark.parametrize("oracle, more", [(reference, {"math"}), (reference_more, {"reference"})])
def test_the_second_oracles_import_nothing_of_the_package(oracle, more):
    with open(oracle.__file__) as file:
        nodes = list(ast.walk(ast.parse(file.read())))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)]
    assert {name.split(".")[0] for name in names} == {"json", "pathlib", "numpy"} | more
