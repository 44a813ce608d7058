"""What NAM's readers share: weights that are used up in order, widths of slimmed layers, activations by name."""

import numpy as np
import pytest

from rtfx import errors
from rtfx.model.nodes import Input
from rtfx.model.read.nam_parts import NamGraph, Size, Weights, append_activation, divides

X = np.array([[-2.0, -0.5, 0.0, 0.5, 2.0]] * 3)
TWO_OF_THREE = Size(full=3, used=2)


def test_weights_are_taken_in_order_and_the_leading_part_is_used():
    weights = Weights(np.arange(1.0, 13.0), "models[0].")
    assert weights.vector(TWO_OF_THREE).tolist() == [1, 2]
    assert weights.tensor(TWO_OF_THREE, TWO_OF_THREE)[:, :, 0].tolist() == [[4, 5], [7, 8]]
    with pytest.raises(errors.WeightCountMismatch, match=r"models\[0\]\.weights has 12 numbers, expected 16"):
        weights.take(2, 2)  # reading goes on, so that the message names the whole number
        weights.finish()


def test_all_weights_must_be_used():
    weights = Weights(np.ones(3), "")
    weights.take(2)
    with pytest.raises(errors.WeightCountMismatch, match="weights has 3 numbers, expected 2"):
        weights.finish()
    weights.take(1)
    weights.finish()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ReLU", [0, 0, 0, 0.5, 2]),
        ("Softsign", [-2 / 3, -1 / 3, 0, 1 / 3, 2 / 3]),
        ("Hardtanh", [-1, -0.5, 0, 0.5, 1]),
        ({"type": "LeakyReLU", "negative_slope": 0.5}, [-1, -0.25, 0, 0.5, 2]),
        ({"name": "LeakyReLU"}, [-0.02, -0.005, 0, 0.5, 2]),
        ({"type": "PReLU", "negative_slopes": [0.25] * 3}, [-0.5, -0.125, 0, 0.5, 2]),
        ({"type": "LeakyHardtanh", "min_val": -1, "max_val": 1, "min_slope": 0.5, "max_slope": 0.25},
         [-1.5, -0.5, 0, 0.5, 1.25]),
    ],
)  # fmt: skip
def test_activations(value, expected):
    graph = NamGraph()
    source = graph.add(Input((), channels=3))
    node = graph.nodes[append_activation(graph, source, value, "activation", Size(3, 3))]
    assert np.allclose(node.evaluate([X]), [expected] * 3, atol=1e-12) and not graph.warnings


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ("tanh", errors.UnsupportedArchitecture, "did you mean 'Tanh'"),
        ({"negative_slope": 1}, errors.MissingKey, "no key 'type'"),
        ({"type": "LeakyHardtanh", "min_val": 1, "max_val": 0}, errors.ShapeMismatch, "min_val 1 is above max_val 0"),
        ({"type": "PReLU", "negative_slopes": [0.1]}, errors.ShapeMismatch, r"shape \(1,\), expected \(3,\)"),
    ],
)
def test_activations_that_are_refused(value, error, words):
    graph = NamGraph()
    graph.add(Input((), channels=3))
    with pytest.raises(error, match=words):
        append_activation(graph, 0, value, "activation", Size(3, 3))


def test_groups_must_divide_both_sides():
    assert divides(2, "layer", inputs=4, outputs=6) == 2
    with pytest.raises(errors.ShapeMismatch, match="layer: 4 groups do not divide 6 outputs"):
        divides(4, "layer", inputs=4, outputs=6)
