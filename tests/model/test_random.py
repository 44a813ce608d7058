"""Random nets: PyTorch's numbers, the plugin's weights, a sensible level, and words for every mistake."""

import json

import numpy as np
import pytest

from rtfx import errors
from rtfx.model.load import load
from rtfx.model.reference import evaluate
from rtfx.model.torch_random import TorchGenerator

ACTIVATIONS = {
    "LeakyReLU": "leaky_relu",
    "ELU": "elu",
    "RReLU": "rrelu",
    "Sine30": "sine30",
    "SELU": "selu",
    "GELU": "gelu",
    "Sine": "sine",
}
NUMBERS = ("00", "02", "05", "06", "07", "09", "11")
CASES = [f"cpp_case{number}_{kind}.npz" for number in NUMBERS for kind in ("intended", "fallthrough")]
QUERIES = ["seed=42", "seed=7&layers=3&kernel=13&activation=leaky_relu&init=kaiming_uniform", "bias=true"]


@pytest.mark.parametrize("file", CASES)
def test_weights_are_the_plugins(shared, file):
    folder = shared / "reference/ronn"
    case = next(case for case in json.loads((folder / "INDEX.json").read_text()) if case["file"] == file)
    semantics = "intended" if "intended" in file else "as_shipped"
    keys = "&".join(f"{key}={case[key]}" for key in ("seed", "layers", "channels", "kernel", "dilation", "init"))
    name = f"tcn?{keys}&depthwise={case['depthwise']}&activation={ACTIVATIONS[case['activation']]}"
    spec = load(f"random:{name}&semantics={semantics}&outputs=2")
    golden = np.load(folder / file)
    weights = [node.weight for node in spec.nodes if hasattr(node, "weight")]
    assert len(weights) == case["layers"] and spec.receptive_field == case["receptive_field"]
    for index, weight in enumerate(weights):
        assert np.abs(weight - golden[f"w{index}"]).max() <= 2e-7


def test_generator_against_numbers_from_torch():
    """After torch.manual_seed(42), torch 2.13: rand(3); randn(17), its first and last; randn(5)."""
    uniform = TorchGenerator(42).uniform((3,), 0, 1)
    assert np.allclose(uniform, [0.882269263, 0.915003955, 0.382863760], rtol=0, atol=2e-7)
    large = TorchGenerator(42).normal((17,), 1.0)[[0, 1, 9, 16]]
    assert np.allclose(large, [1.926915288, -0.159597471, 1.296422839, -0.309726775], rtol=0, atol=3e-7)
    small = TorchGenerator(42).normal((5,), 1.0)
    assert np.allclose(small, [0.336690366, 0.128809407, 0.234462366, 0.230333030, -1.122856379], rtol=0, atol=2e-7)


@pytest.mark.parametrize("query", QUERIES)
def test_the_level_is_about_minus_18_dbfs(query):
    spec = load(f"random:tcn?{query}")
    noise = np.random.default_rng(11).normal(0, 0.1, (1, 8000))  # other noise than the calibration's
    y = evaluate(spec, noise) * 10 ** (spec.level_db / 20)
    rms = 20 * np.log10(np.sqrt(np.mean((y - y.mean()) ** 2)))
    assert -19.5 < rms < -16.5


def test_the_same_name_is_the_same_net_and_another_seed_another():
    first, again, other = (load(f"random:tcn?seed={seed}") for seed in (1, 1, 2))
    assert np.array_equal(first.nodes[1].weight, again.nodes[1].weight) and first.level_db == again.level_db
    assert not np.array_equal(first.nodes[1].weight, other.nodes[1].weight)
    assert (first.rate_source, first.warnings, first.kind) == ("any", (), "pedal")


def test_settings_shape_the_net():
    spec = load("random:tcn?layers=4&channels=6&kernel=5&dilation=3&depthwise=true&bias=yes&outputs=2")
    layers = [node for node in spec.nodes if hasattr(node, "dilation")]
    assert [layer.weight.shape for layer in layers] == [(6, 1, 5), (6, 1, 5), (6, 1, 5), (2, 6, 5)]
    assert [layer.groups for layer in layers] == [1, 6, 6, 1]
    assert [layer.dilation for layer in layers] == [1, 3, 9, 27]
    assert spec.receptive_field == spec.prewarm_frames == 1 + 4 * (1 + 3 + 9 + 27)
    assert all(layer.bias.any() for layer in layers)
    assert sum(type(node).__name__ == "Activation" for node in spec.nodes) == 3


def test_the_plugins_defect_always_ends_in_kaiming_uniform():
    """As shipped, `init` decides only how many numbers are drawn before."""
    first, other, last = (
        load(f"random:tcn?semantics=as_shipped&init={init}").nodes[3].weight
        for init in ("uniform1", "xavier_normal", "kaiming_uniform")
    )
    bound = np.sqrt(6 / (8 * 3))
    assert max(np.abs(w).max() for w in (first, other, last)) <= bound and np.abs(first).max() > 0.9 * bound
    assert not np.array_equal(first, last) and not np.array_equal(first, other)


REFUSED = {
    "gru?": ("UsageError", "known: tcn"),
    "tnc?seed=1": ("UsageError", "did you mean 'tcn'"),
    "tcn?sed=1": ("UsageError", "did you mean 'seed'"),
    "tcn?seed": ("UsageError", "key=value"),
    "tcn?seed=x": ("UsageError", "seed is 'x', expected an integer from 0"),
    "tcn?seed=1&seed=2": ("UsageError", "twice"),
    "tcn?layers=25": ("UsageError", "from 1 to 24"),
    "tcn?kernel=0": ("UsageError", "from 1 to 64"),
    "tcn?activation=tahn": ("UsageError", "did you mean 'tanh'"),
    "tcn?bias=perhaps": ("UsageError", "true or false"),
    "tcn?layers=24&dilation=4": ("ResourceLimit", "187649984473771, at most 1048576"),
    "tcn?layers=24&channels=64&kernel=20&dilation=1&activation=relu&init=normal": ("UsageError", "explodes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    error, words = REFUSED[name]
    with pytest.raises(errors.RtfxError) as caught:
        load(f"random:{name}")
    assert type(caught.value).__name__ == error and words in str(caught.value), caught.value
