"""PyTorch state_dicts with a description: every layer type, strides both ways, and refused files."""

import numpy as np
import pytest

from rtfx import errors
from rtfx.model.load import load
from rtfx.model.reference import evaluate
from rtfx.model.rtfx_json import save

from ..reference import FUNCTIONS
from ..reference_more import torch_convolution, torch_stack, transposed_convolution, valid_convolution
from .guitar_nets import filled, rnn_shapes
from .nets import refuse, write

FRAMES = 200


def described(folder, state, *layers, **keys):
    """Write a state_dict and its description; return the path of the first."""
    write(folder, {"layers": list(layers)} | keys, "net.arch.json")
    return write(folder, state)


def run(path, x, **keys):
    """Return the output for ``(channels, frames)`` from a cold start."""
    return evaluate(load(path), np.atleast_2d(x), cold=True, **keys)


RNG = np.random.default_rng(9)
X = RNG.normal(0, 0.5, FRAMES)
CONV = filled(RNG, {"c.weight": (3, 1, 4), "c.bias": (3,)})
DOWN = filled(RNG, {"down.weight": (3, 1, 5), "down.bias": (3,), "mid.weight": (3, 3, 2), "mid.bias": (3,)})
UP = filled(RNG, {"up.weight": (3, 2, 4), "up.bias": (2,)})


def arrays(state):
    return {name: np.array(value) for name, value in state.items()}


@pytest.mark.parametrize("unit, layers", [("lstm", 1), ("lstm", 3), ("gru", 2), ("rnn", 2)])
@pytest.mark.parametrize("bias", [True, False])
def test_recurrent_stacks(tmp_path, unit, layers, bias):
    shapes = rnn_shapes("a.", unit.upper(), 2, 5, layers)
    state = filled(RNG, {name: shape for name, shape in shapes.items() if bias or "bias" not in name})
    path = described(tmp_path, state, {"type": unit, "prefix": "a.", "layers": layers}, knobs=["bite"])
    x = np.column_stack([X, np.full(FRAMES, 0.3)])
    expected = torch_stack(x, arrays(state), "a.", unit.upper(), layers)
    assert np.abs(run(path, X, knobs={"bite": 0.3}) - expected.T).max() <= 1e-13


FILM = filled(
    RNG,
    {
        "c.weight": (3, 1, 4), "c.bias": (3,), "g.weight": (5, 2), "g.bias": (5,), "f.weight": (6, 5), "f.bias": (6,),
        "h.weight": (3, 2, 1), "h.bias": (3,), "e.weight": (6, 1), "o.weight": (1, 3), "o.bias": (1,),
    },
)  # fmt: skip


@pytest.mark.parametrize(("order", "one_plus"), [("scale-shift", False), ("shift-scale", True)])
def test_film_layers_read_knobs(tmp_path, order, one_plus):
    """One behind a net of both knobs, one that is a gain alone, one of a single knob; none enters the convolution."""
    path = described(
        tmp_path,
        FILM,
        {"type": "conv1d", "prefix": "c."},
        {
            "type": "film", "prefix": "f.", "order": order, "one_plus": one_plus,
            "layers": [{"type": "linear", "prefix": "g."}, {"type": "activation", "kind": "relu"}],
        },
        {"type": "activation", "kind": "tanh"},
        {"type": "film", "prefix": "h."},
        {"type": "film", "prefix": "e.", "knobs": ["mud"]},
        {"type": "linear", "prefix": "o."},
        knobs=["bite", "mud"],
    )  # fmt: skip
    s, knobs = arrays(FILM), np.array([0.2, 0.9])
    convolved = np.stack([s["c.bias"]] * FRAMES, axis=1)
    for tap in range(4):
        late = np.concatenate([np.zeros(3 - tap), X[: FRAMES - 3 + tap]])
        convolved += s["c.weight"][:, :, tap] @ late[None]
    scale, shift = np.split(s["f.weight"] @ np.maximum(s["g.weight"] @ knobs + s["g.bias"], 0) + s["f.bias"], 2)
    if order == "shift-scale":
        scale, shift = shift, scale
    y = np.tanh(convolved * (scale + one_plus)[:, None] + shift[:, None])
    y = y * (s["h.weight"][:, :, 0] @ knobs + s["h.bias"])[:, None]
    first, second = np.split(s["e.weight"] @ knobs[1:], 2)
    y = s["o.weight"] @ (y * first[:, None] + second[:, None]) + s["o.bias"][:, None]
    spec = load(path)
    assert [knob.name for knob in spec.knobs] == ["bite", "mud"] and spec.inputs == 1
    assert np.abs(run(path, X, knobs={"bite": 0.2, "mud": 0.9}) - y).max() < 1e-13


def test_knobs_that_no_film_reads_enter_with_the_audio(tmp_path):
    state = filled(RNG, {"a.weight": (3, 2), "f.weight": (6, 1), "o.weight": (1, 3)})
    film = {"type": "film", "prefix": "f.", "knobs": ["mud"]}
    layers = {"type": "linear", "prefix": "a."}, film, {"type": "linear", "prefix": "o."}
    s, path = arrays(state), described(tmp_path, state, *layers, knobs=["bite", "mud"])
    scale, shift = np.split(s["f.weight"] @ [0.9], 2)
    y = s["a.weight"] @ np.stack([X, np.full(FRAMES, 0.2)]) * scale[:, None] + shift[:, None]
    assert np.abs(run(path, X, knobs={"bite": 0.2, "mud": 0.9}) - s["o.weight"] @ y).max() < 1e-13


@pytest.mark.parametrize(
    ("film", "words"),
    [
        ({"prefix": "f.", "knobs": ["bit"]}, "knobs of a film layer is 'bit' (did you mean 'bite'?)"),
        ({"prefix": "f.", "knobs": []}, "a film layer reads no knob"),
        ({"prefix": "f.", "order": "both"}, "layers[1].order is 'both'"),
        ({"prefix": "a."}, "layers[1] computes 3 features, expected 4 for 2"),
        ({"prefix": "f.", "one_plus": 3}, "layers[1].one_plus is 3"),
        ({"prefix": "f.", "scale": 3}, "unknown key 'scale'"),
    ],
)
def test_film_layers_that_are_refused(tmp_path, film, words):
    state = {"l.weight": [[1], [1]], "f.weight": [[1], [1], [1], [1]], "a.weight": [[1], [1], [1]]}
    path = described(tmp_path, state, {"type": "linear", "prefix": "l."}, {"type": "film"} | film, knobs=["bite"])
    with pytest.raises(errors.ModelError) as caught:
        load(path)
    assert words in str(caught.value)


def test_branches_slices_and_activations(tmp_path):
    state = filled(RNG, {"a.weight": (4, 1), "a.bias": (4,), "alpha.weight": (1,)})
    gate = [
        [{"type": "slice", "start": 2 * i, "stop": 2 * i + 2}, {"type": "activation", "kind": kind}]
        for i, kind in enumerate(("tanh", "sigmoid"))
    ]
    gated = {"type": "parallel", "branches": gate, "join": "mul"}
    both = {"type": "parallel", "branches": [[gated], [{"type": "prelu", "prefix": "alpha."}]], "join": "concat"}
    path = described(tmp_path, state, {"type": "linear", "prefix": "a."}, both)
    t = arrays(state)
    h = X[:, None] @ t["a.weight"].T + t["a.bias"]
    z = np.tanh(h[:, :2]) * FUNCTIONS["sigmoid"](h[:, 2:])
    expected = np.hstack([z, np.where(h < 0, t["alpha.weight"] * h, h)])
    assert np.abs(run(path, X) - expected.T).max() <= 1e-14


def test_batchnorm_epsilon(tmp_path):
    state = {"running_mean": [0.2], "running_var": [0.5], "weight": [1.5], "bias": [0.1], "num_batches_tracked": 7}
    for keys, more, epsilon in (({}, {}, 1e-5), ({"eps": 0.3}, {}, 0.3), ({}, {"eps": 0.2}, 0.2)):
        path = described(tmp_path, state | more, {"type": "batchnorm"} | keys)
        expected = 1.5 * (X - 0.2) / np.sqrt(0.5 + epsilon) + 0.1
        assert np.abs(run(path, X)[0] - expected).max() <= 1e-14


@pytest.mark.parametrize("stride, dilation", [(2, 1), (3, 2), (5, 1)])
def test_what_follows_a_stride_runs_at_its_rate(tmp_path, stride, dilation):
    layers = [
        {"type": "conv1d", "prefix": "down.", "stride": stride},
        {"type": "activation", "kind": "tanh"},
        {"type": "conv1d", "prefix": "mid.", "dilation": dilation},
    ]
    path = described(tmp_path, DOWN, *layers)
    t = arrays(DOWN)
    low = valid_convolution(X[:, None], t["down.weight"], t["down.bias"], stride)
    low = torch_convolution(np.tanh(low), t["mid.weight"], t["mid.bias"], dilation)[dilation:]
    found = run(path, X)
    first = 4 + dilation * stride  # the first frame that has seen no zeros
    frames = np.repeat(low, stride, axis=0)[: FRAMES - first]
    assert np.abs(found[:, first : first + len(frames)] - frames.T).max() <= 1e-13
    assert load(path).period == stride


def test_the_phase_of_rtneural_counts_from_the_first_frame(tmp_path):
    layer = {"type": "conv1d", "prefix": "c."}
    whole = run(described(tmp_path, CONV, layer), X)
    found = run(described(tmp_path, CONV, layer | {"stride": 3, "phase": "rtneural"}), X)
    assert np.abs(found - np.repeat(whole[:, ::3], 3, axis=1)[:, :FRAMES]).max() <= 1e-15


def test_strides_behind_strides(tmp_path):
    layers = [
        {"type": "conv1d", "prefix": "down.", "stride": 2, "dilation": 3},
        {"type": "conv1d", "prefix": "mid.", "stride": 3},
    ]
    path = described(tmp_path, DOWN, *layers)
    t = arrays(DOWN)
    low = valid_convolution(X[:, None], t["down.weight"], t["down.bias"], 2, 3)
    low = valid_convolution(low, t["mid.weight"], t["mid.bias"], 3)
    first = 4 * 3 + 2  # the last tap of the first layer, then of the second
    frames = np.repeat(low, 6, axis=0)[: FRAMES - first]
    assert np.abs(run(path, X)[:, first : first + len(frames)] - frames.T).max() <= 1e-13


@pytest.mark.parametrize("steps", [(2, 3), (6, 1)])
def test_down_and_up_again(tmp_path, steps):
    """Strides 6 down, 2 and 3 or 6 and 1 up: PyTorch's transposed convolutions of the low-rate signal."""
    second = filled(np.random.default_rng(1), {"last.weight": (2, 1, 3), "last.bias": (1,)})
    layers = [
        {"type": "conv1d", "prefix": "down.", "stride": 6},
        {"type": "conv1d", "prefix": "mid."},
        {"type": "conv_transpose1d", "prefix": "up.", "stride": steps[0]},
        {"type": "conv_transpose1d", "prefix": "last.", "stride": steps[1]},
    ]
    state = DOWN | UP | second
    path = described(tmp_path, state, *layers)
    t = arrays(state)
    low = valid_convolution(X[:, None], t["down.weight"], t["down.bias"], 6)
    low = valid_convolution(low, t["mid.weight"], t["mid.bias"])
    middle = transposed_convolution(low, t["up.weight"], t["up.bias"], steps[0])
    high = transposed_convolution(middle, t["last.weight"], t["last.bias"], steps[1])
    first = 4 + 6  # the frame of the first low-rate output
    settled = 40  # the stream holds low-rate frames from before, of zeros; the pair does not
    found = run(path, X)[0]
    assert np.abs(found[first + settled :] - high[settled : FRAMES - first, 0]).max() <= 1e-13


def test_a_prewarmed_net_keeps_its_phase(tmp_path):
    layers = [{"type": "conv1d", "prefix": "down.", "stride": 7}, {"type": "conv1d", "prefix": "mid."}]
    path = described(tmp_path, DOWN, *layers)
    spec = load(path)
    assert spec.prewarm_frames % 7 == 0 and spec.prewarm_frames >= spec.receptive_field == 5 - 1 + 7 + 7
    late = evaluate(spec, X)
    assert np.abs(late[:, 20:] - run(path, X)[:, 20:]).max() <= 1e-14
    save(spec, tmp_path / "copy.json")
    assert np.array_equal(evaluate(load(tmp_path / "copy.json"), X), late)


def test_without_a_description_the_file_is_refused(tmp_path):
    with pytest.raises(errors.UnsupportedArchitecture, match="state_dict.*net.arch.json"):
        load(write(tmp_path, CONV))
    (tmp_path / "net.arch.json").write_text("{")
    with pytest.raises(errors.NotAModelFile, match="net.arch.json cannot be read"):
        load(tmp_path / "net.json")


def test_facts(tmp_path):
    path = described(tmp_path, CONV, {"type": "conv1d", "prefix": "c."}, sample_rate=96000, name="Fuzz", kind="pedal")
    spec = load(path)
    assert (spec.family, spec.name, spec.kind, spec.sample_rate, spec.rate_source, spec.warnings) == (
        "state_dict", "Fuzz", "pedal", 96000.0, "file", (),
    )  # fmt: skip
    spec = load(described(tmp_path, CONV, {"type": "conv1d", "prefix": "c."}))
    assert (spec.name, spec.rate_source, len(spec.warnings)) == ("net", "unknown", 1)


C = {"type": "conv1d", "prefix": "c."}
REFUSED = {
    "no-layers": (CONV, [], {}, "ShapeMismatch", "layers is empty"),
    "unknown-key": (CONV, [C], {"inptus": 1}, "NotAModelFile", "mean 'inputs'"),
    "unknown-type": (CONV, [C | {"type": "conv3d"}], {}, "UnsupportedArchitecture", "layers[0].type"),
    "unknown-layer-key": (CONV, [C | {"padding": 3}], {}, "NotAModelFile", "'padding'"),
    "unused": (CONV | {"d.weight": [1]}, [C], {}, "WeightCountMismatch", "d.weight"),
    "missing": (CONV, [C | {"prefix": "x."}], {}, "MissingKey", "x.weight"),
    "inputs": (CONV, [C], {"inputs": 2}, "ShapeMismatch", "expected 2 inputs"),
    "groups": (CONV, [C | {"groups": 2}], {}, "ShapeMismatch", "2 groups"),
    "phase": (CONV, [C | {"phase": "late"}], {}, "UnsupportedArchitecture", "phase"),
    "rate-up": (UP, [{"type": "conv_transpose1d", "prefix": "up.", "stride": 2}], {"inputs": 3},
                "UnsupportedArchitecture", "would raise the rate"),
    "stride-huge": (CONV, [C | {"stride": 10**9}], {}, "ResourceLimit", "stride"),
    "recurrent-slow": (CONV | filled(RNG, rnn_shapes("", "GRU", 3, 4)), [C | {"stride": 2}, {"type": "gru"}], {},
                       "UnsupportedArchitecture", "layers[1] is recurrent at a part of the rate"),
    "unequal-strides": (CONV, [{"type": "residual", "layers": [C | {"stride": 2}]}], {}, "ShapeMismatch", "strides"),
    "unequal-widths": (CONV, [{"type": "residual", "layers": [C]}], {}, "ShapeMismatch", "[3, 1] features"),
    "slice": (CONV, [C, {"type": "slice", "start": 2, "stop": 2}], {}, "ShapeMismatch", "features 2 to 2 of 3"),
    "branches": (CONV, [C, {"type": "parallel", "branches": []}], {}, "ShapeMismatch", "branches is empty"),
    "rate": (CONV, [C], {"sample_rate": "fast"}, "NotAModelFile", "sample_rate"),
    "variance": ({"running_mean": [0.0], "running_var": [-1.0]}, [{"type": "batchnorm"}], {},
                 "NonFiniteWeights", "running_var"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    state, layers, keys, error, words = REFUSED[name]
    path = described(tmp_path, state, *layers, **keys)
    refuse(path, error, words)


def test_layers_inside_layers_end(tmp_path):
    entry = {"type": "residual", "layers": []}
    for _ in range(30):
        entry = {"type": "residual", "layers": [entry]}
    with pytest.raises(errors.ResourceLimit, match="layers inside layers"):
        load(described(tmp_path, CONV, entry))
