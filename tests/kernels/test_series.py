"""Layers in series against their equations in float64, with the same bits for every block size."""

import numpy as np
import pytest

from rtfx.api import Model
from rtfx.kernels import series
from rtfx.kernels.activations import code_of
from rtfx.kernels.conv import OVERHANG
from rtfx.kernels.layer import FOLDED, NONE, ROWS, LayerShape, LayerWeights
from rtfx.kernels.processor import lanes
from rtfx.model.nodes import Activation, Add, Conv1d, Dense, Input, Node
from rtfx.model.reference import evaluate
from rtfx.model.spec import ModelSpec

from . import oracle
from .harness import noise

FRAMES, SLOPE = 150, 0.1
CUTS = ((150,), (64, 1, 16, 2, 63, 4), (16,) * 9 + (6,), (32, 33, 48, 37))
# width, taps, conditions, activation, mixed, head, head rows, begins the head, vectors, by layers, dilations
CASES = {
    "folded-head": (4, 3, 1, "tanh", 1, FOLDED, 1, 0, 2, 0, (1, 5, 8, 17, 40)),
    "head-rows": (3, 6, 1, "leaky_relu", 1, ROWS, 3, 1, 2, 0, (1, 3, 7, 20)),
    "two-channels": (2, 3, 2, "tanh", 1, FOLDED, 2, 1, 4, 0, (15, 16, 1)),
    "plain-stack": (5, 2, 0, "sigmoid", 0, NONE, 0, 0, 1, 0, (2, 9, 33)),
    "layer-by-layer": (8, 3, 1, "tanh", 1, FOLDED, 1, 1, 2, 1, (1, 5, 8, 17, 40)),
    "layer-by-layer-head-rows": (4, 2, 1, "leaky_relu", 1, ROWS, 4, 0, 4, 1, (1, 9, 20)),
    "layer-by-layer-stack": (6, 3, 0, "tanh", 0, NONE, 0, 0, 2, 1, (2, 9, 33)),
}


def equations(x, parts, dilations, condition, head, begins, form, kind):
    """Return the last layer's output and the head sum; `x` begins with the history of the first layer."""
    total = np.zeros_like(head) if begins else head.copy()
    for w, dilation in zip(parts, dilations, strict=True):
        sums = oracle.conv(x, w.conv, w.bias, dilation)[:, -FRAMES:] + w.condition @ condition
        z = oracle.ACTIVATIONS[kind](sums, SLOPE)
        rows = w.mixed @ z + w.mixed_bias[:, None]
        if form == ROWS:
            total += z
        if form == FOLDED:
            total += rows[x.shape[0] :]
        y = rows[: x.shape[0]] + x[:, -FRAMES:] if rows.size else z
        x = np.pad(y, ((0, 0), (200, 0)))  # what comes before the first frame is silence in every later layer
    return y, total


@pytest.mark.parametrize("width_of_vector", [lanes(), 4], ids=["widest", "narrow"])
@pytest.mark.parametrize("case", CASES)
def test_every_cut_gives_the_equations_and_the_same_bits(case, width_of_vector):
    width, taps, conditions, kind, mixed, form, head_rows, begins, vectors, by_layers, dilations = CASES[case]
    sizes = width, taps, width, conditions, code_of(kind), 0, width * mixed
    shape = LayerShape(*sizes, mixed, form, head_rows, begins, 1 - mixed)
    kernel = series.series_kernel(shape, series.SeriesTile(width_of_vector, vectors, by_layers))
    past = (taps - 1) * dilations[0]
    x, condition, head = noise(1, width, past + FRAMES), noise(2, max(conditions, 1), FRAMES), noise(3, 4, FRAMES)
    parts = [
        LayerWeights(
            noise(10 + i, width, width, taps) / np.sqrt(width * taps),
            noise(20 + i, width),
            noise(30 + i, width, conditions),
            noise(40 + i, shape.mixed, width) / 2.0,
            noise(50 + i, shape.mixed),
            np.zeros((0, width)),
        )
        for i in range(len(dilations))
    ]
    blobs = [series.pack(shape, w, kind, np.full(8, SLOPE)) for w in parts]
    assert len({blob.size for blob in blobs}) == 1
    found = [run(kernel, len(dilations), x, condition, head, np.concatenate(blobs), dilations, cut) for cut in CUTS]
    for y, total in found[1:]:
        assert np.array_equal(y, found[0][0])
        assert np.array_equal(total, found[0][1])
    y, total = equations(x, parts, dilations, condition[:conditions], head[:head_rows], begins, form, kind)
    scale = max(np.abs(y).max(), np.abs(total).max(initial=0.0))
    assert np.abs(found[0][0][-width:] - y).max() < 1e-6 * scale
    if head_rows:
        assert np.abs(found[0][1][:head_rows] - total).max() < 1e-6 * scale


def run(kernel, layers, x, condition, head, weights, dilations, blocks):
    """Return every layer's output and the head rows; behind each block the source is NaN, as are further signals."""
    width, past = x.shape[0], x.shape[1] - FRAMES
    source = np.full((width, past + FRAMES + OVERHANG), np.nan, np.float32)
    source[:, :past] = x[:, :past]
    target = np.zeros((layers * width, 256 + FRAMES + OVERHANG), np.float32)
    sides = [np.full((4, FRAMES + OVERHANG), np.nan, np.float32) for _ in range(2)]
    state = np.zeros(1, series.series_state(layers))
    state["layers"], state["dilations"], state["weights"] = layers, dilations, weights.ctypes.data
    state["in_stride"], state["out_stride"] = source.shape[1], target.shape[1]
    state["extra_stride"] = sides[0].shape[1]
    done = 0
    for count in blocks:
        end = done + count
        source[:, past + done : past + end] = x[:, past + done : past + end]
        for side, rows in zip(sides, (condition, head), strict=True):
            side[: rows.shape[0], done:end] = rows[:, done:end]
        state["extra"] = [side.ctypes.data + 4 * done for side in sides]
        before = target[:, : 256 + done].copy()
        places = source.ctypes.data + 4 * (past + done), target.ctypes.data + 4 * (256 + done)
        assert kernel(state.ctypes.data, *places, count) == 0
        assert np.array_equal(target[:, : 256 + done], before), "the past is never written"
        done = end
    return target[:, 256 : 256 + FRAMES], sides[1][:, :FRAMES]


@pytest.mark.parametrize("width", [8, 16], ids=["series", "layer"])
def test_the_residual_joins_last(width):
    """A large sum is rounded once per layer, not once for each feature that is added."""
    nodes: list[Node] = [Input((), channels=width)]
    for i, dilation in enumerate((1, 2)):
        source = len(nodes) - 1
        nodes.append(Conv1d((source,), 1e-4 * noise(i, width, width, 3), noise(10 + i, width), dilation))
        nodes.append(Activation((source + 1,), "tanh"))
        nodes.append(Dense((source + 2,), noise(20 + i, width, width), noise(30 + i, width)))
        nodes.append(Add((source, source + 3)))
    spec = ModelSpec(family="rtfx", name="large", nodes=tuple(nodes), sample_rate=48000.0)
    x = (600.0 + 50.0 * noise(40, width, 400)).astype(np.float32)
    error = Model(spec)(x, 48000.0, bare=True) - evaluate(spec, x.astype(np.float64))
    assert np.abs(error).max() < 1.1 * np.spacing(np.float32(600.0))
