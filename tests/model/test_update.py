"""New weights by name: PyTorch's state_dicts, own arrays, other models; and what does not fit is refused by name."""

from dataclasses import replace

import numpy as np
import pytest

from rtfx.errors import NonFiniteWeights, ShapeMismatch, UsageError
from rtfx.model.nodes import Affine, Conv1d, Dense, Gru, Input, Lstm, PRelu, Rnn
from rtfx.model.reference import evaluate
from rtfx.model.spec import ModelSpec
from rtfx.model.update import weights_of, with_weights
from tests.engine.rigs import gru, lstm, tcn


class Tensor:
    """What a PyTorch parameter looks like: it is no array until it has left the graph and its device."""

    def __init__(self, array):
        self.array = array

    def __array__(self, *arguments, **more):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def detach(self):
        return self

    cpu = detach

    def double(self):
        return self

    def numpy(self):
        return self.array


class Module:
    def __init__(self, tensors):
        self.tensors = tensors

    def state_dict(self):
        return {name: Tensor(array) for name, array in self.tensors.items()}


def drawn(seed=0, **shapes):
    generator = np.random.default_rng(seed)
    return {name: generator.standard_normal(shape) for name, shape in shapes.items()}


def net() -> ModelSpec:
    """Every kind of layer, two of them alike."""
    t = drawn(
        a=(4, 1), b=4, c=(4, 4, 2), d=4, e=(4, 4, 2), f=4, g=4, h=4, i=4, j=(12, 4), k=(12, 4), l=12, m=12, n=(16, 4),
        o=(16, 4), p=16, q=(4, 4), r=(4, 4), s=4, t=(1, 4), u=1,
    )  # fmt: skip
    nodes = (
        Input(()),
        Dense((0,), t["a"], t["b"]),
        Conv1d((1,), t["c"], t["d"]),
        Conv1d((2,), t["e"], t["f"], dilation=2),
        Affine((3,), t["g"], t["h"]),
        PRelu((4,), t["i"]),
        Gru((5,), t["j"], t["k"], t["l"], t["m"]),
        Lstm((6,), t["n"], t["o"], t["p"]),
        Rnn((7,), t["q"], t["r"], t["s"]),
        Dense((8,), t["t"], t["u"]),
    )
    return ModelSpec("test", nodes, name="net")


def state_dict(seed=1) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    shapes = {
        "first.weight": (4, 1, 1), "first.bias": 4, "body.0.weight": (4, 4, 2), "body.0.bias": 4,
        "body.1.weight": (4, 4, 2), "body.1.bias": 4, "bn.weight": 4, "bn.bias": 4, "bn.running_mean": 4,
        "bn.running_var": 4, "bn.num_batches_tracked": (), "act.weight": 1, "rec.weight_ih_l0": (12, 4),
        "rec.weight_hh_l0": (12, 4), "rec.bias_ih_l0": 12, "rec.bias_hh_l0": 12, "rec2.weight_ih_l0": (16, 4),
        "rec2.weight_hh_l0": (16, 4), "rec2.bias_ih_l0": 16, "rec2.bias_hh_l0": 16, "rec3.weight_ih_l0": (4, 4),
        "rec3.weight_hh_l0": (4, 4), "lin.weight": (1, 4),
    }  # fmt: skip
    return {name: np.atleast_1d(np.abs(generator.standard_normal(shape))) for name, shape in shapes.items()}


def test_a_state_dict_finds_its_layers():
    tensors = state_dict()
    tensors["lin.bias"] = np.array([0.25])
    spec = with_weights(net(), Module(tensors))
    n = spec.nodes
    assert np.array_equal(n[1].weight, tensors["first.weight"][:, :, 0])
    assert np.array_equal(n[2].weight, tensors["body.0.weight"]) and np.array_equal(n[3].bias, tensors["body.1.bias"])
    assert n[3].dilation == 2
    scale = tensors["bn.weight"] / np.sqrt(tensors["bn.running_var"] + 1e-5)
    assert np.allclose(n[4].scale, scale) and np.allclose(
        n[4].shift, tensors["bn.bias"] - tensors["bn.running_mean"] * scale
    )
    assert (n[5].alpha == tensors["act.weight"]).all() and n[5].alpha.shape == (4,)
    assert np.array_equal(n[6].bias_hh, tensors["rec.bias_hh_l0"])
    assert np.array_equal(n[7].bias, tensors["rec2.bias_ih_l0"] + tensors["rec2.bias_hh_l0"])
    assert np.array_equal(n[8].weight_hh, tensors["rec3.weight_hh_l0"]) and not n[8].bias.any()
    assert n[9].bias == 0.25


def test_it_is_a_copy():
    tensors = state_dict() | {"lin.bias": np.zeros(1)}
    spec = with_weights(net(), tensors)
    before = evaluate(spec, np.ones((1, 50)), {}, 48000.0)
    for array in tensors.values():
        array[...] = 7.0
    assert np.array_equal(evaluate(spec, np.ones((1, 50)), {}, 48000.0), before)


@pytest.mark.parametrize("make", [gru, lstm, tcn])
def test_other_models_and_own_arrays(make):
    spec, other = make(), make(seed=4)
    x = np.random.default_rng(0).standard_normal((1, 200))
    expected = evaluate(other, x, {}, 48000.0)
    for source in (other, weights_of(other), {name: Tensor(array) for name, array in weights_of(other).items()}):
        assert np.array_equal(evaluate(with_weights(spec, source), x, {}, 48000.0), expected)


def test_all_that_is_not_a_weight_stays():
    spec = replace(gru(), sample_rate=44100.0, level_db=-3.0, name="mine")
    new = with_weights(spec, replace(gru(seed=1), sample_rate=96000.0, level_db=5.0, name="yours"))
    assert (new.sample_rate, new.level_db, new.name) == (44100.0, -3.0, "mine")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lin.weight": np.ones((1, 5))}, r"lin \(weight \(1, 5\), .*expected node 9 \(dense: weight \(1, 4\)"),
        ({"more.weight": np.ones((4, 1))}, "more"),
        ({"rec.weight_ih_l0_reverse": np.ones((12, 4))}, "rec.weight_ih_l0_reverse"),
        ({"conv.weight_g": np.ones((1, 4))}, "conv.weight_g"),
        (
            {
                "bn.weight": np.ones(5),
                "bn.running_var": np.ones(5),
                "bn.running_mean": np.ones(5),
                "bn.bias": np.ones(5),
            },
            "bn",
        ),
    ],
)
def test_what_does_not_fit_is_named(change, said):
    with pytest.raises(ShapeMismatch, match=said):
        with_weights(net(), state_dict() | {"lin.bias": np.zeros(1)} | change)


def test_what_is_missing_is_named():
    tensors = state_dict() | {"lin.bias": np.zeros(1)}
    for name in ("lin.weight", "lin.bias"):
        del tensors[name]
    with pytest.raises(ShapeMismatch, match="lacks node 9"):
        with_weights(net(), tensors)
    with pytest.raises(ShapeMismatch, match="lacks node 1"):
        with_weights(net(), {})


def test_other_refusals():
    with pytest.raises(NonFiniteWeights):
        with_weights(gru(), {"node1.bias_ih": np.full(24, np.inf)})
    with pytest.raises(ShapeMismatch, match="expected nodes 0 to 2"):
        with_weights(gru(), {"node7.bias": np.zeros(1)})
    with pytest.raises(ShapeMismatch, match="bias_ih of shape"):
        with_weights(gru(), {"node1.bias_ih": np.zeros(23)})
    with pytest.raises(UsageError, match="lin.weight is str"):
        with_weights(gru(), {"lin.weight": "many"})
    with pytest.raises(UsageError, match="state_dict"):
        with_weights(gru(), [np.zeros(3)])


def with_nodes(spec: ModelSpec, *nodes) -> ModelSpec:
    return replace(spec, nodes=nodes)


def test_a_model_of_other_kinds_is_refused_at_the_first_that_differs():
    source, cell, head = gru().nodes
    t = drawn(a=(32, 1), b=(32, 8), c=32)
    other_cell = Lstm((0,), t["a"], t["b"], t["c"])
    with pytest.raises(ShapeMismatch, match="update has lstm as node 1, expected gru: load it anew"):
        with_weights(gru(), with_nodes(gru(), source, other_cell, head))
    with pytest.raises(ShapeMismatch, match="update has nothing as node 2, expected dense"):
        with_weights(gru(), with_nodes(gru(), source, cell))
    with pytest.raises(ShapeMismatch, match="update has affine as node 3, expected nothing"):
        with_weights(gru(), with_nodes(gru(), source, cell, head, Affine((2,), np.ones(1), np.zeros(1))))
    with pytest.raises(ShapeMismatch, match=r"node 1 \(gru\): .*another shape is another model"):
        with_weights(gru(8), gru(12))


def test_a_model_of_another_number_of_sizes_is_refused():
    small, large = gru(4), gru(8)
    spec = replace(large, sizes=((0.5, small), (1.0, large)))
    with pytest.raises(ShapeMismatch, match="update has 0 sizes, expected 2"):
        with_weights(spec, large)
