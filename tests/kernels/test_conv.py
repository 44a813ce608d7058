"""Convolution tiles against float64, and against each other: all tiles of a numerical class give the same bits."""

import numpy as np
import pytest

from rtfx.kernels import plain
from rtfx.kernels.activations import CODES, factor_of
from rtfx.kernels.conv import STATE, ConvShape, ConvTile, conv_kernel, pack

from ..sampled import sampled
from . import oracle
from .harness import BLOCKS, noise, run

FLOAT32_STEP = 2.0**-24
ACTIVATION_ERROR = 4e-7  # the largest of activations.py, with the rounding of its argument
FRAMES = sum(BLOCKS)

TILES = [
    ConvTile(16, 1, 8),
    ConvTile(16, 4, 1),
    ConvTile(8, 2, 6),
    ConvTile(4, 2, 4),
    ConvTile(4, 16, 3),
    ConvTile(16, 2, 5),
]
ONE_A_WIDTH = [TILES[1], TILES[2], TILES[4]]  # the cases that differ for an activation
SHAPES = [  # inputs, outputs, taps, dilation
    (1, 1, 1, 1),
    (1, 8, 3, 1),
    (8, 8, 3, 16),
    (16, 16, 3, 512),
    (5, 7, 2, 3),
    (3, 13, 4, 7),
    (12, 1, 1, 1),
    (1, 1, 129, 1),
    (2, 17, 6, 41),
]


def layer(inputs, outputs, taps, dilation, seed=0):
    """Return weight, bias and the input with its history."""
    weight = noise(seed, outputs, inputs, taps) / np.sqrt(inputs * taps)
    weight = weight.astype(np.float32).astype(np.float64)
    return weight, noise(seed + 1, outputs), noise(seed + 2, inputs, (taps - 1) * dilation + FRAMES)


def tiled(shape, tile, kind, slope, weight, bias, dilation, x, blocks=BLOCKS):
    weights = pack(shape, weight, bias, factor_of(kind), oracle.constants(slope))
    history = (shape.taps - 1) * dilation
    return run(conv_kernel(shape, tile), STATE, x, shape.outputs, weights, {"dilation": dilation}, history, blocks)


def rounding(weight, bias, x, dilation):
    """Return a bound on the rounding of a float32 sum of these products, in any order."""
    terms = weight.shape[1] * weight.shape[2] + 3
    return terms * FLOAT32_STEP * oracle.conv(np.abs(x), np.abs(weight), np.abs(bias), dilation)


@pytest.mark.parametrize("sizes", SHAPES, ids=str)
@pytest.mark.parametrize("tile", TILES, ids=str)
def test_tile_against_oracle(sizes, tile):
    inputs, outputs, taps, dilation = sizes
    weight, bias, x = layer(*sizes)
    y = tiled(ConvShape(inputs, outputs, taps, 0), tile, "", 1.0, weight, bias, dilation, x)
    exact = oracle.conv(x, weight, bias, dilation)
    assert (np.abs(y - exact) <= rounding(weight, bias, x, dilation)).all()


@pytest.mark.parametrize("kind", sampled(CODES, 4), ids=lambda kind: kind or "none")
def test_activations_and_one_class(kind):
    """The activation behind the sum is right, and lanes, vectors and groups may differ: the bits may not."""
    slope = 0.37 if kind in ("leaky_relu", "elu", "hardtanh", "softshrink") else 1.9
    weight, bias, x = layer(4, 7, 2, 5, seed=3)
    shape = ConvShape(4, 7, 2, CODES[kind][0])
    tiles = TILES if kind == "tanh" else ONE_A_WIDTH
    results = [tiled(shape, tile, kind, slope, weight, bias, 5, x) for tile in tiles]
    exact = oracle.ACTIVATIONS[kind](oracle.conv(x, weight, bias, 5), slope)
    steepest = max(slope, oracle.STEEPEST.get(kind, 1.0))
    bound = steepest * rounding(weight, bias, x, 5) + ACTIVATION_ERROR * steepest
    assert (np.abs(results[0] - exact) <= bound).all()
    for result in results[1:]:
        assert np.array_equal(result, results[0])


@pytest.mark.parametrize("tile", TILES, ids=str)
def test_blocks_do_not_matter(tile):
    weight, bias, x = layer(4, 6, 3, 9, seed=5)
    shape = ConvShape(4, 6, 3, CODES["tanh"][0])
    whole = tiled(shape, tile, "tanh", 1.0, weight, bias, 9, x, (FRAMES,))
    for blocks in ((1,) * FRAMES, (2,) * (FRAMES // 2), BLOCKS, (100, FRAMES - 100)):
        assert np.array_equal(tiled(shape, tile, "tanh", 1.0, weight, bias, 9, x, blocks), whole)


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind or "none")
@pytest.mark.parametrize("sizes", SHAPES[:6], ids=str)
def test_plain_loop_against_oracle(sizes, kind):
    inputs, outputs, taps, dilation = sizes
    slope = 0.25
    weight, bias, x = layer(*sizes, seed=7)
    weights = np.concatenate([oracle.constants(slope), bias, weight.ravel()]).astype(np.float32)
    fields = {"dilation": dilation, "taps": taps, "width_in": inputs, "width_out": outputs}
    fields["activation"] = CODES[kind][0]
    y = run(plain.PLAIN_CONV, plain.CONV_STATE, x, outputs, weights, fields, (taps - 1) * dilation)
    exact = oracle.ACTIVATIONS[kind](oracle.conv(x, weight, bias, dilation), slope)
    bound = oracle.STEEPEST.get(kind, 1.0) * (rounding(weight, bias, x, dilation) + ACTIVATION_ERROR)
    assert (np.abs(y - exact) <= bound).all()


def test_groups_cover_every_output_once():
    for outputs in range(1, 40):
        for size in range(1, 10):
            groups = ConvShape(1, outputs, 1, 0).groups(size)
            assert [o for group in groups for o in group] == list(range(outputs))
            assert max(map(len, groups)) <= size
            assert max(map(len, groups)) - min(map(len, groups)) <= 1
