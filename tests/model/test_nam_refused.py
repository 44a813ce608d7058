"""NAM files that are refused, each with its class of error, and the folders of version 0.4."""

import copy

import numpy as np
import pytest

from rtfx import errors
from rtfx.model.load import load
from rtfx.model.reference import evaluate

from ..reference_nam import evaluate_nam
from .nam_files import ACTIVE, array, by_feature, nam, wavenet
from .nets import write

FILES = by_feature()


@pytest.mark.parametrize(
    ("version", "warns"), [("0.5.0", False), ("0.5.99", False), ("0.6.3", False), ("0.7.0", False), ("0.7.1", True)]
)
def test_versions_that_load(tmp_path, version, warns):
    assert bool(load(write(tmp_path, FILES["a1"] | {"version": version}, "net.nam")).warnings) == warns


@pytest.mark.parametrize(
    "version", ["0.4.9", "0.8.0", "1.0.0", "0.5", "0.5.0 ", "v0.5.0", "0.5.0\n", "٠.٥.٠", "9" * 5000]
)
def test_versions_that_do_not(tmp_path, version):
    with pytest.raises(errors.UnsupportedVersion):
        load(write(tmp_path, FILES["a1"] | {"version": version}, "net.nam"))


@pytest.mark.parametrize("name", ["linear", "lstm", "convnet", "a1", "film-groups", "slimmable"])
def test_every_weight_is_used_once(tmp_path, name):
    weights = FILES[name]["weights"]
    for wrong in (weights[:-1], [*weights, 0.0], [], weights[:3]):
        with pytest.raises(errors.WeightCountMismatch, match=f"has {len(wrong)} numbers, expected {len(weights)}"):
            load(write(tmp_path, FILES[name] | {"weights": wrong}, "net.nam"))


def changed(name, *path, value):
    """Return a copy of a file with one value replaced, or removed where it is `...`."""
    model = copy.deepcopy(FILES[name])
    *parents, key = path
    holder = model
    for parent in parents:
        holder = holder[parent]
    if value is ...:
        del holder[key]
    else:
        holder[key] = value
    return model


FIRST = ("config", "layers", 0)
SECOND = ("config", "layers", 1)
ALLOWED = (*FIRST, "slimmable", "kwargs", "allowed_channels")
SMALL = ("config", "submodels", 0, "model")
BARE = {"models": [FILES["linear"]["config"]]}  # as the trainer up to 0.13 has it, all weights at the top
BAD = [
    ("MissingKey", changed("a1", "version", value=...), "version"),
    ("MissingKey", changed("a1", "architecture", value=...), "architecture"),
    ("MissingKey", changed("a1", "config", value=...), "config"),
    ("MissingKey", changed("a1", "weights", value=...), "weights"),
    ("MissingKey", changed("a1", *FIRST, "condition_size", value=...), "config.layers[0]"),
    ("MissingKey", changed("a1", *FIRST, "kernel_size", value=...), "neither kernel_size nor kernel_sizes"),
    ("MissingKey", changed("a1", *FIRST, "head_bias", value=...), "head_bias"),
    ("UnsupportedArchitecture", changed("a1", "architecture", value="Wavenet"), "did you mean 'WaveNet'"),
    ("UnsupportedArchitecture", changed("a1", *FIRST, "activation", value="tanh"), "did you mean 'Tanh'"),
    ("UnsupportedArchitecture", changed("a1", *FIRST, "activation", value="Softsigmoid"), "expected one of"),
    ("UnsupportedArchitecture", changed("gated", *FIRST, "secondary_activation", value=None), "secondary_activation"),
    ("UnsupportedArchitecture", changed("gated", *FIRST, "gating_mode", value="both"), "gating_mode"),
    ("UnsupportedArchitecture", changed("slimmable", *FIRST, "slimmable", "method", value="prune"), "slimmable.method"),
    ("UnsupportedArchitecture", changed("linear-fft", "config", "implementation", value="iir"), "implementation"),
    ("ShapeMismatch", changed("a1", *FIRST, "kernel_sizes", value=[3, 3]), "both kernel_size and kernel_sizes"),
    ("ShapeMismatch", changed("a2", *FIRST, "kernel_sizes", value=[3]), "1 entries, expected one for each of 2"),
    ("ShapeMismatch", changed("a2", *FIRST, "activation", value=["Tanh"] * 3), "3 entries"),
    ("ShapeMismatch", changed("a1", *SECOND, "channels", value=3), "channels is 3, expected 2"),
    ("ShapeMismatch", changed("a1", *SECOND, "input_size", value=2), "input_size is 2, expected 3"),
    ("ShapeMismatch", changed("a1", *SECOND, "bottleneck", value=1), "accumulator is 1, expected 2"),
    ("ShapeMismatch", changed("a1", *SECOND, "head1x1", value=ACTIVE), "accumulator is 4, expected 2"),
    ("ShapeMismatch", changed("a1", *FIRST, "condition_size", value=2), "condition_size is 2, expected 1"),
    ("ShapeMismatch", changed("condition-lstm", *FIRST, "condition_size", value=1), "condition_size is 1, expected 2"),
    ("ShapeMismatch", changed("condition-lstm", "config", "condition_dsp", "sample_rate", value=44100), "2000, 44100"),
    ("ShapeMismatch", changed("a1", *FIRST, "input_size", value=2), "input_size is 2, expected in_channels, 1"),
    ("ShapeMismatch", changed("layer1x1-off", *FIRST, "bottleneck", value=2), "without layer1x1 bottleneck is 2"),
    ("ShapeMismatch", changed("groups", *FIRST, "groups_input", value=3), "3 groups do not divide 4"),
    ("ShapeMismatch", changed("groups", *FIRST, "layer1x1", "groups", value=3), "layer1x1: 3 groups"),
    ("ShapeMismatch", changed("film-groups", *FIRST, "conv_pre_film", "groups", value=4), "conv_pre_film: 4 groups"),
    ("ShapeMismatch", changed("a1", *FIRST, "head1x1_post_film", value={}), "head1x1_post_film is active"),
    ("ShapeMismatch", changed("layer1x1_post_film", *FIRST, "layer1x1", value={"active": False}), "layer1x1_post_film"),
    ("ShapeMismatch", changed("post-head", "config", "head", "in_channels", value=3), "in_channels is 3, expected 2"),
    ("ShapeMismatch", changed("a1", "config", "layers", value=[]), "empty"),
    ("ShapeMismatch", changed("a1", *FIRST, "dilations", value=[]), "empty"),
    ("ShapeMismatch", changed("slimmable", *ALLOWED, value=[2, 1, 3]), "ascending"),
    ("ShapeMismatch", changed("slimmable", *ALLOWED, value=[1, 2]), "up to 3"),
    ("ShapeMismatch", changed("container", "config", "submodels", 2, "max_value", value=0.9), "the last at least 1"),
    ("ShapeMismatch", changed("container", "config", "submodels", 1, "max_value", value=0.3), "ascending"),
    ("ShapeMismatch", changed("container", *SMALL, "sample_rate", value=44100), "one rate"),
    ("ShapeMismatch", changed("container", *SMALL, "sample_rate", value=44100) | {"sample_rate": None}, "of 44100 Hz"),
    ("ShapeMismatch", changed("container", "config", "submodels", value=[]), "at least one"),
    ("ShapeMismatch", changed("sequential", "config", "models", 1, "config", "in_channels", value=2), "expected"),
    ("MissingKey", FILES["linear"] | {"architecture": "Sequential", "config": BARE}, "export each by itself"),
    ("ShapeMismatch", changed("activation-slopes", *FIRST, "activation", "negative_slopes", value=[0.1]), "(1,)"),
    ("ShapeMismatch", changed("lstm", "config", "input_size", value=2), "input_size is 2, in_channels 1"),
    ("UnsupportedInput", changed("linear", "config", "out_channels", value=2), "1 inputs, 2 outputs"),
    ("WeightCountMismatch", changed("container", "weights", value=[0.5]), "1 numbers, expected 0"),
    ("WeightCountMismatch", changed("container", *SMALL, "weights", value=[1.0]), "submodels[0]"),
    ("NonFiniteWeights", changed("a1", "weights", 4, value=float("nan")), "NaN"),
    ("NonFiniteWeights", changed("convnet-batchnorm", "weights", 12, value=-9.0), "variance"),
    ("NotAModelFile", changed("a1", *FIRST, "gated", value="no"), "true or false"),
    ("ResourceLimit", changed("a1", "sample_rate", value=1e9), "sample_rate"),
    ("ResourceLimit", changed("a1", *FIRST, "channels", value=2**31), "2147483648"),
    ("ResourceLimit", changed("a1", *FIRST, "dilations", value=[1] * 5000), "5000"),
    ("ResourceLimit", changed("a2", *FIRST, "dilations", value=[1, 2**31]), "2147483648"),
    ("ResourceLimit", changed("lstm", "config", "num_layers", value=10**9), "1000000000"),
    ("ResourceLimit", changed("linear", "config", "receptive_field", value=10**12), "1000000000000"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "model", "words"), BAD, ids=range(len(BAD)))
def test_what_is_refused(tmp_path, error, model, words):
    path = write(tmp_path, model, "net.nam")
    with pytest.raises(errors.RtfxError) as caught:
        load(path)
    message = str(caught.value)
    assert type(caught.value).__name__ == error and words in message and str(path) in message, message


def test_nesting_is_bounded(tmp_path):
    model = FILES["linear"]
    for _ in range(20):
        model = nam("Sequential", {"models": [model]})
    with pytest.raises(errors.ResourceLimit, match="nested"):
        load(write(tmp_path, model, "net.nam"))


def test_many_sizes_are_refused(tmp_path):
    submodels = [{"max_value": (i + 1) / 100, "model": FILES["linear"]} for i in range(100)]
    with pytest.raises(errors.ResourceLimit, match="100 sizes"):
        load(write(tmp_path, nam("SlimmableContainer", {"submodels": submodels}), "net.nam"))
    model = nam("WaveNet", wavenet(array(channels=100, dilations=[1], slimmable={"kwargs": None})))
    spec = load(write(tmp_path, model, "net.nam"))
    assert not spec.sizes and "100 sizes" in spec.warnings[0]


def legacy(folder, model, prefix="", weights=None):
    """Write a model in the form of version 0.4 and return its config."""
    data = {key: value for key, value in model.items() if key != "weights"} | {"version": "0.4.0"}
    np.save(folder / f"{prefix}weights.npy", np.float32(model["weights"]) if weights is None else weights)
    return write(folder, data, f"{prefix}config.json")


def test_a_single_file_of_version_0_4_is_the_folder_of_that_version(tmp_path):
    one, x = load(write(tmp_path, FILES["lstm"] | {"version": "0.4.0"}, "net.nam")), np.ones((1, 40))
    two = load(legacy(tmp_path, FILES["lstm"]))
    assert np.array_equal(evaluate(one, x), evaluate(two, x))
    assert (one.family, one.sample_rate, one.warnings) == ("nam", 2000.0, ())


def test_folders_of_version_0_4(tmp_path):
    folder = tmp_path / "my amp"
    folder.mkdir()
    config = legacy(folder, FILES["a1"])
    for path in (folder, config, legacy(tmp_path, FILES["a1"], "my amp__")):
        spec = load(path)
        x = np.ones((1, 40))
        assert np.allclose(evaluate(spec, x), evaluate_nam(FILES["a1"], x), rtol=1e-12)
        assert spec.name == "my amp" and spec.kind == "unknown"


@pytest.mark.parametrize(
    ("weights", "error"),
    [
        (np.zeros(5, np.float32), errors.WeightCountMismatch),
        (np.zeros((5, 1), np.float32), errors.ShapeMismatch),
        (np.zeros(5, np.int32), errors.ShapeMismatch),
        (np.array([np.nan, 1.0]), errors.NonFiniteWeights),
    ],
)
def test_weights_beside_a_config_are_checked(tmp_path, weights, error):
    with pytest.raises(error):
        load(legacy(tmp_path, FILES["a1"], weights=weights))


def test_pickles_and_lies_in_npy_files_are_refused(tmp_path):
    config, path = legacy(tmp_path, FILES["a1"]), tmp_path / "weights.npy"
    good = path.read_bytes()
    np.save(path, np.array([print, 1], object), allow_pickle=True)
    pickled = path.read_bytes()
    huge = good.replace(b"(%d,), }      " % len(FILES["a1"]["weights"]), b"(99999999999,), }"[:17].ljust(17))
    for content in (pickled, huge, good[:-4], good[:20], b"", b"PK\x03\x04", good[:8] + b"\xff" * 40):
        assert content != good
        path.write_bytes(content)
        with pytest.raises(errors.NotAModelFile, match=r"weights\.npy"):
            load(config)
