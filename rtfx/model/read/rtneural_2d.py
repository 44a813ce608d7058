"""The two-dimensional layers of RTNeural JSON as one-dimensional ones: a frame holds all features of all channels.

A frame is flattened feature by feature, the channels of one next to each other: ``feature * channels + channel``. A
kernel that slides along the features is then a matrix with the same block at every place. Time is causal in every
case; `padding` is that of the feature axis alone. Source: RTNeural's conv2d.h, conv1d_stateless.h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import ShapeMismatch
from ..limits import RECEPTIVE_FIELD, WEIGHTS, WIDTH, at_most
from ..nodes import Affine, Conv1d
from ..values import one_of, required

if TYPE_CHECKING:
    from .rtneural_layers import Chain, Layer

PADDINGS = ("valid", "same")


def conv2d(layer: Layer) -> Chain:
    """Return a convolution over time and features, kernel ``[time][feature][in][out]``, as a convolution over time."""
    layer.expect(1, 2)
    channels, features, outputs = (layer.single(f"num_{key}") for key in ("filters_in", "features_in", "filters_out"))
    taps, reach, stride = (layer.single(key) for key in ("kernel_size_time", "kernel_size_feature", "strides"))
    at_most(reach, RECEPTIVE_FIELD, f"{layer.where}.kernel_size_feature")
    padding = one_of(required(layer.data, "padding", layer.where), PADDINGS, f"{layer.where}.padding")
    _fits(layer, features, channels, layer.inputs, "in")
    first, places = feature_places(features, reach, stride, padding)
    _fits(layer, places, outputs, layer.outputs, "out")
    at_most(layer.inputs * layer.outputs * taps, WEIGHTS, f"weights of {layer.where} as a matrix")
    kernel = layer.tensor(0, taps, reach, channels, outputs)
    weight = np.zeros((places, outputs, features, channels, taps))
    for place in range(places):
        start = first + place * stride
        for k in range(max(0, -start), min(reach, features - start)):
            weight[place, :, start + k] = kernel[:, k].transpose(2, 1, 0)
    bias = layer.tensor(1, outputs) if len(layer.weights) > 1 else np.zeros(outputs)
    fields = {
        "weight": weight.reshape(layer.outputs, layer.inputs, taps),
        "bias": np.tile(bias, places),
        "dilation": layer.single("dilation"),
    }
    return [(Conv1d, fields), *layer.activation()]


def feature_places(features: int, reach: int, stride: int, padding: str) -> tuple[int, int]:
    """Return the feature where the first kernel begins, negative in the padding, and the number of kernels."""
    if padding == "valid":
        return 0, max(-(-(features - reach + 1) // stride), 0)
    places = -(-features // stride)
    return -(max((places - 1) * stride + reach - features, 0) // 2), places


def batchnorm2d(layer: Layer) -> Chain:
    """Return a batch normalisation of channels, the same for every feature."""
    channels, features = layer.single("num_filters_in"), layer.single("num_features_in")
    _fits(layer, features, channels, layer.inputs, "in")
    layer.same_width()
    scale, shift = layer.normalisation(channels)
    return [(Affine, {"scale": np.tile(scale, features), "shift": np.tile(shift, features)})]


def _fits(layer: Layer, features: int, channels: int, width: int, side: str) -> None:
    """Raise unless so many features of so many channels are `width` numbers."""
    at_most(channels, WIDTH, f"num_filters_{side} of {layer.where}")
    if features * channels != width:
        raise ShapeMismatch(
            f"{layer.where} has {features} features of {channels} channels {side}, expected {width} numbers altogether"
        )
