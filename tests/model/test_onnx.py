"""ONNX files read without the onnx package: PyTorch's exports with its answers, every operator, states, refusals."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from rtfx import errors
from rtfx.model.load import load
from rtfx.model.reference import evaluate

from .test_pt2 import ANSWERS, FOLDER, agree

FRAMES = 64
RNG = np.random.default_rng(3)
AUDIO = RNG.normal(0, 0.5, (1, 1, FRAMES)).astype(np.float32)
# float32 at one place only: where a bound of 1e-14 is not met, the exporter has folded constants
FOLDED = {"film": 1e-8, "micro-tcn": 1e-7, "weight-norm": 1e-7}


def w(*shape):
    return RNG.normal(0, 0.5, shape).astype(np.float32)


def file(folder, nodes, constants, inputs=None, outputs=("y",), opset=20, name="net.onnx", **metadata):
    """Write an ONNX file of nodes (op, inputs, outputs, options)."""
    made = [helper.make_node(op, i, o, **options) for op, i, o, options in nodes]
    sizes = inputs or {"x": [1, 1, FRAMES]}
    model = helper.make_model(
        helper.make_graph(
            made,
            "net",
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, value) for key, value in sizes.items()],
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, None) for key in outputs],
            [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", opset)],
    )
    for key, value in metadata.items():
        helper.set_model_props(model, {key: value})
    path = folder / name
    path.write_bytes(model.SerializeToString())
    return path


def answered(path, **feeds):
    """Return the answer of ONNX's own reference implementation, (features, frames)."""
    y = ReferenceEvaluator(str(path)).run(None, feeds or {"x": AUDIO})[0]
    return y.reshape(-1, y.shape[-1]) if y.ndim == 3 and y.shape[1] < y.shape[2] else y.reshape(len(y[0]), -1).T


def heard(path, x=AUDIO, knobs=None):
    spec = load(path)
    return evaluate(spec, x.reshape(-1, FRAMES).astype(np.float64), knobs or {}, 48000.0, cold=True)[
        :, spec.metadata["first_frame"] :
    ]


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "activations"] + ["newer-lstm"])
def test_exports_of_pytorch_answer_as_pytorch(name):
    spec = load(FOLDER / f"{name}.onnx")
    assert spec.family == "onnx"
    base = name.removeprefix("newer-")
    if base in FOLDED:
        x = np.random.default_rng(1).normal(0, 0.4, (1, 301))
        knobs = dict(zip([knob.name for knob in spec.knobs], [0.3, 0.7], strict=False))
        y = evaluate(spec, x, knobs, 48000.0, cold=True)[:, spec.metadata["first_frame"] :]
        assert np.abs(y - ANSWERS[base][:, : y.shape[1]]).max() < FOLDED[base]
    else:
        agree(base, spec, np.random.default_rng(1).normal(0, 0.4, (1, 301)), ANSWERS[base])


ONE = {  # operator: options, further constants
    "Tanh": {}, "Relu": {}, "Sigmoid": {}, "Softplus": {}, "Softsign": {}, "HardSwish": {}, "Sin": {}, "Abs": {},
    "Neg": {}, "Mish": {}, "LeakyRelu": {"alpha": 0.2}, "Elu": {"alpha": 0.7}, "Selu": {}, "Gelu": {},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4}, "Shrink": {"lambd": 0.2, "bias": 0.2}, "Identity": {},
}  # fmt: skip


@pytest.mark.parametrize("kind", ONE)
def test_every_activation_is_that_of_the_reference(tmp_path, kind):
    path = file(tmp_path, [(kind, ["x"], ["y"], ONE[kind])], {})
    assert np.abs(heard(path) - answered(path)).max() < 1e-6


def conv(**options):
    return [("Conv", ["x", "w", "b"], ["y"], options)], {"w": w(3, 1, 4), "b": w(3)}


HALF, ROOT = np.float32(0.5), np.float32(np.sqrt(2))
NETS = {
    "conv, causal": conv(pads=[3, 0]),
    "conv, valid": conv(),
    "conv, dilated": conv(dilations=[2], pads=[6, 0]),
    "conv, automatic": conv(auto_pad="VALID"),
    "conv over two axes": (
        [
            ("Unsqueeze", ["x", "two"], ["a"], {}),
            ("Conv", ["a", "w"], ["c"], {"pads": [0, 2, 0, 0]}),
            ("Squeeze", ["c", "two"], ["y"], {}),
        ],
        {"w": w(2, 1, 1, 3), "two": np.array([2])},
    ),
    "groups, norm and slopes": (
        [
            ("Conv", ["x", "w"], ["a"], {}),
            ("Conv", ["a", "v"], ["c"], {"group": 2}),
            ("BatchNormalization", ["c", "g", "g", "m", "g"], ["n"], {"epsilon": 1e-3}),
            ("PRelu", ["n", "s"], ["y"], {}),
        ],
        {"w": w(4, 1, 1), "v": w(4, 2, 1), "g": abs(w(4)) + 0.5, "m": w(4), "s": w(4, 1)},
    ),
    "split, gate, concat": (
        [
            ("Conv", ["x", "w"], ["a"], {}),
            ("Split", ["a"], ["f", "g"], {"axis": 1, "num_outputs": 2}),
            ("Tanh", ["f"], ["t"], {}),
            ("Sigmoid", ["g"], ["u"], {}),
            ("Mul", ["t", "u"], ["z"], {}),
            ("Concat", ["z", "x"], ["y"], {"axis": 1}),
        ],
        {"w": w(4, 1, 1)},
    ),
    "shape arithmetic": (
        [
            ("Shape", ["x"], ["s"], {}),
            ("Gather", ["s", "two"], ["n"], {"axis": 0}),
            ("Sub", ["n", "five"], ["m"], {}),
            ("Unsqueeze", ["m", "zero"], ["e"], {}),
            ("Slice", ["x", "zero", "e", "axis"], ["c"], {}),
            ("Pad", ["c", "pads"], ["y"], {}),
        ],
        {"two": np.array(2), "five": np.array(5), "zero": np.array([0]), "axis": np.array([2]),
         "pads": np.array([0, 0, 5, 0, 0, 0])},
    ),
    "gelu of three spellings": (
        [
            ("Div", ["x", "root"], ["a"], {}), ("Erf", ["a"], ["e"], {}), ("Add", ["e", "one"], ["o"], {}),
            ("Mul", ["x", "o"], ["p"], {}), ("Mul", ["p", "half"], ["g"], {}),
            ("Mul", ["x", "half"], ["h"], {}), ("Mul", ["h", "o"], ["k"], {}),
            ("Mul", ["o", "half"], ["q"], {}), ("Mul", ["q", "x"], ["l"], {}),
            ("Concat", ["g", "k", "l"], ["y"], {"axis": 1}),
        ],
        {"root": ROOT, "half": HALF, "one": np.float32(1)},
    ),
    "weights on the left": (
        [("MatMul", ["w", "x"], ["a"], {}), ("Add", ["a", "b"], ["y"], {})],
        {"w": w(3, 1), "b": w(3, 1)},
    ),
    "strided and back": (
        [
            ("Conv", ["x", "w"], ["a"], {"strides": [4]}),
            ("Tanh", ["a"], ["t"], {}),
            ("ConvTranspose", ["t", "v"], ["y"], {"strides": [4]}),
        ],
        {"w": w(3, 1, 4), "v": w(3, 1, 4)},
    ),
    "mean and softmax": (
        [
            ("Conv", ["x", "w"], ["a"], {}),
            ("Softmax", ["a"], ["s"], {"axis": 1}),
            ("ReduceMean", ["s", "one"], ["m"], {}),
            ("Clip", ["x", "low", "high"], ["c"], {}),
            ("Sum", ["m", "c", "x"], ["y"], {}),
        ],
        {"w": w(4, 1, 1), "one": np.array([1]), "low": np.float32(-0.2), "high": np.float32(0.3)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_nets_of_operators(tmp_path, name):
    path = file(tmp_path, *NETS[name])
    y, expected = heard(path), answered(path)
    late = 4 if name == "strided and back" else 0  # a stream has what came before, the reference zeros
    count = min(y.shape[1], expected.shape[1])
    assert count > FRAMES // 2 and np.abs(expected).max() > 1e-2
    assert np.abs(y[:, late:count] - expected[:, late:count]).max() < 2e-6


def recurrent(kind, layout=0, **options):
    """Return a net of a recurrent layer and a dense one, with its states as inputs and outputs."""
    gates, size = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind], 5
    options |= {"hidden_size": size, "layout": layout}
    if kind == "GRU":
        options.setdefault("linear_before_reset", 1)
    states = ["h", "c"] if kind == "LSTM" else ["h"]
    nodes = [
        (kind, ["x", "w", "r", "b", "", *states], ["o", *[f"{s}2" for s in states]], options),
        ("Squeeze", ["o", "dirs"], ["s"], {}),
        ("MatMul", ["s", "d"], ["y"], {}),
    ]
    dirs = np.array([2 if layout else 1])
    constants = {"w": w(1, gates * size, 1), "r": w(1, gates * size, size), "b": w(1, 2 * gates * size)}
    return nodes, constants | {"d": w(size, 1), "dirs": dirs}, states, size


@pytest.mark.parametrize("frames", [FRAMES, "time", 1])
@pytest.mark.parametrize("layout", [0, 1])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_recurrent_layers_keep_the_states_that_the_file_hands_out(tmp_path, kind, layout, frames):
    """With a fixed or an open length; exported for one frame the stream is the same, its states fed back."""
    nodes, constants, states, size = recurrent(kind, layout)
    order = (lambda n: [1, n, 1]) if layout else (lambda n: [n, 1, 1])
    held = [1, 1, size]
    handed = ["y", *[f"{s}2" for s in states]]
    path = file(tmp_path, nodes, constants, {"x": order(frames)} | {s: held for s in states}, handed)
    whole = file(tmp_path, nodes, constants, {"x": order(FRAMES)} | {s: held for s in states}, name="whole.onnx")
    zeros = {s: np.zeros(held, np.float32) for s in states}
    expected = ReferenceEvaluator(str(whole)).run(None, {"x": AUDIO.reshape(order(FRAMES))} | zeros)[0].ravel()
    assert np.abs(heard(path)[0] - expected).max() < 2e-6
    assert load(path).knobs == ()


def test_a_state_cut_into_slices(tmp_path):
    """One input holds h and c: both begin as zeros."""
    nodes, constants, _, size = recurrent("LSTM")
    cut = [
        ("Slice", ["both", "zero", "one", "zero"], ["h"], {}),
        ("Slice", ["both", "one", "two", "zero"], ["c"], {}),
    ]
    join = [("Concat", ["h2", "c2"], ["both2"], {"axis": 0})]
    places = {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2])}
    sizes = {"x": [FRAMES, 1, 1], "both": [2, 1, size]}
    path = file(tmp_path, cut + nodes + join, constants | places, sizes, ("y", "both2"))
    feeds = {"x": AUDIO.reshape(FRAMES, 1, 1), "both": np.zeros((2, 1, size), np.float32)}
    expected = ReferenceEvaluator(str(path)).run(None, feeds)[0].ravel()
    assert np.abs(heard(path)[0] - expected).max() < 2e-6


def test_a_convolution_with_its_past_as_an_input(tmp_path):
    nodes = [
        ("Concat", ["past", "x"], ["joined"], {"axis": 2}),
        ("Conv", ["joined", "w"], ["y"], {}),
        ("Slice", ["joined", "last", "end", "axis"], ["past2"], {}),
    ]
    constants = {"w": w(2, 1, 4), "last": np.array([-3]), "end": np.array([1 << 40]), "axis": np.array([2])}
    path = file(tmp_path, nodes, constants, {"x": [1, 1, FRAMES], "past": [1, 1, 3]}, ("y", "past2"))
    expected = answered(path, x=AUDIO, past=np.zeros((1, 1, 3), np.float32))
    assert np.abs(heard(path) - expected).max() < 2e-6
    assert load(path).inputs == 1 and load(path).knobs == ()


def test_knobs_beside_the_audio_and_the_rate_in_the_metadata(tmp_path):
    nodes = [
        ("Gemm", ["knobs", "g"], ["k"], {"transB": 1}),
        ("Unsqueeze", ["k", "last"], ["f"], {}),
        ("Conv", ["x", "w"], ["a"], {}),
        ("Mul", ["a", "f"], ["y"], {}),
    ]
    constants = {"g": w(3, 2), "w": w(3, 1, 1), "last": np.array([2])}
    sizes = {"x": ["batch", 1, "frames"], "knobs": ["batch", 2]}
    path = file(tmp_path, nodes, constants, sizes, sample_rate="44100")
    spec = load(path)
    assert ([knob.name for knob in spec.knobs], spec.sample_rate) == (["knobs_1", "knobs_2"], 44100)
    expected = answered(path, x=AUDIO, knobs=np.array([[0.2, 0.9]], np.float32))
    assert np.abs(heard(path, knobs={"knobs_1": 0.2, "knobs_2": 0.9}) - expected).max() < 2e-6


def test_windows_are_refused(tmp_path):
    nodes, constants, _, _ = recurrent("LSTM", 1)
    last = [("Squeeze", ["h2", "zero"], ["s2"], {}), ("MatMul", ["s2", "d"], ["z"], {})]
    layer = [(nodes[0][0], nodes[0][1][:4], nodes[0][2], nodes[0][3])]
    path = file(tmp_path, layer + last, constants | {"zero": np.array([1])}, {"x": ["batch", 100, 1]}, ("z",))
    with pytest.raises(errors.UnsupportedArchitecture, match="single frames, as a net does that looks at one window"):
        load(path)
    path = file(tmp_path, [("Gemm", ["x", "w"], ["y"], {})], {"w": w(100, 1)}, {"x": ["batch", 100]})
    with pytest.raises(errors.UnsupportedArchitecture, match="100 numbers a frame.*window"):
        load(path)


REFUSED = {
    "a foreign operator": ([("Loop", ["x"], ["y"], {})], {}, "Loop: is no operation that rtfx has a layer for"),
    "both directions": (
        [("LSTM", ["x", "w", "r"], ["y"], {"hidden_size": 2, "direction": "bidirectional"})],
        {"w": w(2, 8, 1), "r": w(2, 8, 2)},
        "it needs the future, expected forward",
    ),
    "reset before the product": (
        [("GRU", ["x", "w", "r"], ["y"], {"hidden_size": 2})],
        {"w": w(1, 6, 1), "r": w(1, 6, 2)},
        "linear_before_reset=1",
    ),
    "automatic padding with a stride": (
        [
            ("Conv", ["x", "w"], ["a"], {"strides": [2]}),
            ("ConvTranspose", ["a", "w"], ["y"], {"strides": [2], "auto_pad": "SAME_UPPER"}),
        ],
        {"w": w(1, 1, 4)},
        "ConvTranspose: has a stride and automatic padding",
    ),
    "erf by itself": (
        [("Div", ["x", "root"], ["a"], {}), ("Erf", ["a"], ["y"], {})],
        {"root": ROOT},
        "uses erf otherwise than GELU",
    ),
    "a sum over frames": ([("ReduceSum", ["x", "two"], ["y"], {})], {"two": np.array([2])}, "sums over another axis"),
    "a division of signals": ([("Div", ["x", "x"], ["y"], {})], {}, "divides by a signal"),
    "what nothing gives": ([("Tanh", ["z"], ["y"], {})], {}, "reads 'z', which nothing gives"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_layer_is_refused_in_a_line(tmp_path, name):
    nodes, constants, words = REFUSED[name]
    with pytest.raises(errors.UnsupportedArchitecture, match=words):
        load(file(tmp_path, nodes, constants))


def test_operators_of_another_domain_are_named(tmp_path):
    path = file(tmp_path, [("Tanh", ["x"], ["y"], {"domain": "com.microsoft"})], {})
    with pytest.raises(errors.UnsupportedArchitecture, match=r"'Tanh' is of the domain 'com\.microsoft'"):
        load(path)


def test_weights_beside_the_model(tmp_path):
    for name in ("newer-lstm.onnx", "newer-lstm.onnx.data"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    assert load(tmp_path / "newer-lstm.onnx").parameter_count
    (tmp_path / "newer-lstm.onnx.data").unlink()
    with pytest.raises(errors.MissingKey, match=r"lie in newer-lstm\.onnx\.data.*copy both files"):
        load(tmp_path / "newer-lstm.onnx")
    model = onnx.load(FOLDER / "newer-lstm.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            entry.value = "../secret" if entry.key == "location" else entry.value
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(errors.NotAModelFile, match=r"lie in '\.\./secret', expected a file beside the model"):
        load(tmp_path / "net.onnx")


def test_weights_of_every_type(tmp_path):
    for kind in (np.float16, np.float32, np.float64):
        path = file(tmp_path, [("Conv", ["x", "w"], ["y"], {})], {"w": np.array([[[0.5]], [[-2.0]]], kind)})
        assert (load(path).nodes[1].weight.ravel() == [0.5, -2.0]).all()
    listed = helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 1], [0.25])  # numbers one by one, not as bytes
    model = onnx.load(path)
    model.graph.initializer[0].CopyFrom(listed)
    path.write_bytes(model.SerializeToString())
    assert load(path).nodes[1].weight.item() == 0.25


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_file_is_refused_in_words(tmp_path, seed):
    """Bytes changed, cut or doubled: a model or an RtfxError, nothing else, at once."""
    rng = np.random.default_rng(seed)
    names = sorted(FOLDER.glob("*.onnx"))
    content = bytearray(names[seed % len(names)].read_bytes())
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(content)))
        if seed % 3 == 0:
            content = content[:place] or content
        elif seed % 3 == 1:
            content[place] = int(rng.integers(256))
        else:
            content[place:place] = content[place : place + 9]
    (tmp_path / "net.onnx").write_bytes(content)
    try:
        load(tmp_path / "net.onnx")
    except errors.RtfxError as error:
        assert "\n" not in str(error)
