"""Random nets: PyTorch's numbers, the plugin's weights, a sensible level, and an error message for every mistake."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rtfx import errors
from rtfx.api import Model
from rtfx.model.load import load
from rtfx.model.random.draw import ACTIVATIONS, TorchGenerator, drawn
from rtfx.model.random.draw import INITS as PLUGIN_INITS
from rtfx.model.reference import evaluate

NUMBERS = ("00", "02", "05", "06", "07", "09", "11")
CASES = [f"cpp_case{number}_{kind}.npz" for number in NUMBERS for kind in ("intended", "fallthrough")]
QUERIES = ["seed=42", "seed=7&layers=3&kernel=13&activation=leaky_relu&init=kaiming_uniform", "bias=true"]


@pytest.mark.parametrize("file", CASES)
def test_weights_are_the_plugins(shared, file):
    folder = shared / "reference/ronn"
    case = next(case for case in json.loads((folder / "INDEX.json").read_text()) if case["file"] == file)
    semantics = "intended" if "intended" in file else "as_shipped"
    keys = "&".join(f"{key}={case[key]}" for key in ("seed", "layers", "channels", "kernel", "dilation", "init"))
    name = f"tcn?{keys}&depthwise={case['depthwise']}&activation={case['activation']}"
    spec = load(f"random:{name}&semantics={semantics}&outputs=2")
    golden = np.load(folder / file)
    weights = [node.weight for node in spec.nodes if hasattr(node, "weight")]
    assert len(weights) == case["layers"] and spec.receptive_field == case["receptive_field"]
    for index, weight in enumerate(weights):
        assert np.abs(weight - golden[f"w{index}"]).max() <= 2e-7


@pytest.mark.parametrize("film", ["", "0.3,0.7"])
@pytest.mark.parametrize("number", ["00", "02"])
def test_the_research_codes_nets(shared, number, film):
    """Their weights, and their sound from the first frame on: the input was silent before, the states are not zero."""
    folder, file = shared / "reference/ronn", f"py_case{number}.npz"
    case = next(case for case in json.loads((folder / "INDEX.json").read_text()) if case["file"] == file)
    same = ("seed", "n_layers", "n_channels", "kernel_size", "dilation_growth", "activation", "init", "n_outputs")
    words = "&".join(f"{key.upper()}={case[key]}" for key in same)
    spec = load(f"random:tcn?{words}&semantics=Python&film={film}")
    golden = np.load(folder / file)
    weights = [node.weight for node in spec.nodes if hasattr(node, "weight")]
    for layer, weight in enumerate(weights):
        assert np.abs(weight - golden[f"blocks__{layer}__conv__weight"]).max() <= 3e-7
    x = np.load(folder / "x_2048.npy")[None]
    bound = 4e-5 if film else 4e-7  # the condition of case 02 is a hundred times what tanh saturates at
    wanted = golden["y_film_0p3_0p7" if film else "y"]
    assert np.abs(evaluate(spec, x, cold=True) - wanted).max() <= bound
    assert np.abs(Model(spec)(x[0], 48000.0, bare=True, cold=True) - wanted).max() <= 5 * bound


@pytest.mark.parametrize("activation", ["Sigmoid", "Softplus", "Softshrink", "LeakyReLU", "ReLU", "Linear"])
def test_a_cold_net_has_heard_silence(activation):
    """As the plugin, whose buffers of past input are zero: what the layers keep need not be."""
    spec = load(f"random:tcn?activation={activation}&layers=4&kernel=5")
    frames, past = 700, spec.receptive_field
    x = np.random.default_rng(2).normal(0, 0.3, (1, frames))
    x *= 10 if activation == "Softshrink" else 1
    late = evaluate(spec, np.pad(x, ((0, 0), (past, 0))), cold=True)[:, past:]
    signals = np.pad(x, ((0, 0), (past, 0)))
    for node in spec.nodes[1:]:  # no padding between the layers
        signals = node.evaluate([signals])
    for y in (late, evaluate(spec, x, cold=True), evaluate(spec, x)):
        assert np.abs(y - signals[:, past:]).max() < 1e-12
    assert np.abs(Model(spec)(x[0], 48000.0, bare=True, cold=True) - signals[0, past:]).max() < 1e-5


NAMES = ("linear", "leakyrelu", "TANH", "Sigmoid", "ReLU", "ELU", "SELU", "GELU", "RReLU", "Softplus", "softshrink")
INITS = ("Normal", "uniform1", "Uniform2", "xavier_normal", "XavierUniform", "kaiming_normal", "KAIMING_UNIFORM")


@pytest.mark.parametrize("semantics", ["intended", "as_shipped", "python"])
def test_every_name_is_known_in_any_case(semantics):
    inits = [*INITS, "uniform", "orthogonal"] if semantics == "python" else INITS
    for name in (*NAMES, "Sine", "Sine30"):
        for init in inits:
            spec = load(f"random:tcn?Layers=3&channels=2&activation={name}&init={init}&semantics={semantics}")
            assert spec.metadata["init"].replace("_", "") == init.lower().replace("_", "")
            assert spec.metadata["activation"].replace("_", "") == name.lower()


def test_a_silent_net_loads_and_says_so():
    spec = load("random:tcn?activation=relu&semantics=python&layers=3&channels=2&init=uniform1")
    assert spec.level_db == 0.0 and "silent" in spec.warnings[0]


def test_orthogonal_weights_are_orthogonal_and_torchs():
    """torch 2.13: manual_seed(3), orthogonal_ of (2, 3): its first and last numbers."""
    weight = drawn("orthogonal", TorchGenerator(3), (2, 3))
    assert np.allclose(weight @ weight.T, np.eye(2), atol=1e-6)
    assert np.allclose(weight[[0, 1], [0, 2]], [0.971450210, -0.985198140], rtol=0, atol=1e-6)


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
    "grv?": ("UsageError", "known: tcn, gru, lstm"),
    "tnc?seed=1": ("UsageError", "did you mean 'tcn'"),
    "tcn?sed=1": ("UsageError", "did you mean 'seed'"),
    "tcn?seed": ("UsageError", "'seed' has no value, expected seed=VALUE"),
    "tcn?seed=x": ("UsageError", "seed is 'x', expected an integer from 0"),
    "tcn?seed=1&seed=2": ("UsageError", "twice"),
    "tcn?layers=25": ("UsageError", "from 1 to 24"),
    "tcn?kernel=0": ("UsageError", "from 1 to 64"),
    "tcn?activation=tahn": ("UsageError", "did you mean 'tanh'"),
    "tcn?film=0.3,0.7": ("UsageError", "expected python"),
    "tcn?semantics=python&film=0.3": ("UsageError", "film_dim=2 numbers"),
    "tcn?semantics=python&film=a,b": ("UsageError", "film_dim=2 numbers"),
    "tcn?bias=perhaps": ("UsageError", "true or false"),
    "tcn?layers=24&dilation=4": ("ResourceLimit", "at most 256 MB and 0.8: layers=11 fits"),
    "tcn?layers=24&channels=64&kernel=64&dilation=1": ("ResourceLimit", "predicted load of 12."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    error, words = REFUSED[name]
    with pytest.raises(errors.RtfxError) as caught:
        load(f"random:{name}")
    assert type(caught.value).__name__ == error and words in str(caught.value), caught.value


@pytest.mark.parametrize("activation, bias", [("linear", "false"), ("selu", "true")])
def test_a_net_that_would_explode_is_tamed_and_says_so(activation, bias):
    """Twenty-four layers that each multiply by twelve: 1e25, and more behind that than float32 holds."""
    spec = load(f"random:tcn?layers=24&channels=16&kernel=9&dilation=1&activation={activation}&init=normal&bias={bias}")
    assert any("explodes" in warning for warning in spec.warnings)
    x = np.random.default_rng(8).normal(0, 0.1, (1, 1500))
    quiet, loud = (evaluate(spec, size * x)[0] * 10 ** (spec.level_db / 20) for size in (1.0, 10.0))
    assert np.isfinite(loud).all() and np.abs(loud).max() < 1e3
    assert abs(20 * np.log10(np.std(quiet[750:])) + 18) < 6
    inside = replace(spec, nodes=spec.nodes[: len(spec.nodes) // 2])  # what lies between the layers, too
    assert np.abs(evaluate(inside, 10.0 * x[:, :500])).max() < 1e3


@pytest.mark.slow
def test_any_seed_is_safe_and_as_loud_as_the_others():
    """A thousand, of every activation and init, with and without biases: finite, nine of ten within 12 dB of it."""
    x = np.random.default_rng(8).normal(0, 0.1, (1, 1500))
    levels = []
    for seed in range(1001):
        names = f"activation={list(ACTIVATIONS)[seed % 13]}&init={list(PLUGIN_INITS)[seed % 7]}"
        spec = load(f"random:tcn?seed={seed}&{names}&layers={1 + seed % 6}&dilation={1 + seed % 4}&bias={seed % 2}")
        y = evaluate(spec, x)[0] * 10 ** (spec.level_db / 20)
        assert np.isfinite(y).all()
        levels += [] if spec.warnings else [20 * np.log10(np.std(y))]
    assert len(levels) > 800 and np.mean(np.abs(np.array(levels) + 18) < 12) > 0.9
