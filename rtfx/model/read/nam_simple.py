"""NAM's Linear, ConvNet and LSTM."""

from __future__ import annotations

import numpy as np

from ...errors import NonFiniteWeights, ShapeMismatch, UnsupportedInput
from ..limits import NODES, RECEPTIVE_FIELD, at_most
from ..nodes import Affine, Dense, Lstm
from ..values import integer, listed, one_of, required
from .nam_activation import append_activation
from .nam_graph import Job, Part, Size, divides, flag

FORMER_LINEAR = "nam-linear-reversed"
IMPLEMENTATIONS = ("auto", "direct", "legacy", "old", "fft", "partitioned_fft", "partitioned-fft")
PREWARM_SECONDS = 0.5  # LSTM
DEFAULT_RATE = 48000.0  # Hz, of every file that does not say


def read_linear(job: Job) -> Part:
    """Append an impulse response: ``h[0]`` is the newest sample, one response for all channels.

    With compat ``nam-linear-reversed`` ``h[0]`` is the oldest, as the trainer wrote it until August 2026.
    """
    taps = job.integer("receptive_field", limit=RECEPTIVE_FIELD)
    has_bias = flag(required(job.config, "bias", f"{job.where}config"), f"{job.where}config.bias")
    channels, outputs = job.integer("in_channels", 1), job.integer("out_channels", 1)
    if channels != outputs:
        raise UnsupportedInput(f"{job.where}config: Linear has {channels} inputs, {outputs} outputs, expected as many")
    how = job.config.get("implementation", "auto")
    one_of(how.lower() if isinstance(how, str) else how, IMPLEMENTATIONS, f"{job.where}config.implementation")
    response = job.weights.take(taps)
    if job.compat != FORMER_LINEAR:
        response = response[::-1]
    bias = np.repeat(job.weights.take(1), channels) if has_bias else None
    weight = np.broadcast_to(response, (channels, 1, taps))
    source = job.source(channels)
    job.weights.finish()
    at_most(weight.size, RECEPTIVE_FIELD, "taps of all channels")
    return job.part(job.graph.linear(source, weight, bias, groups=channels), 0)


def read_convnet(job: Job) -> Part:
    """Append blocks of a convolution of two taps, batch normalisation and an activation, then a dense layer."""
    channels = job.integer("channels")
    where = f"{job.where}config"
    dilations = listed(required(job.config, "dilations", where), f"{where}.dilations")
    if not dilations:
        raise ShapeMismatch(f"{where}.dilations is empty, expected at least one block")
    at_most(len(dilations), NODES, "number of blocks")
    batchnorm = flag(required(job.config, "batchnorm", where), f"{where}.batchnorm")
    activation = required(job.config, "activation", where)
    inputs = job.integer("in_channels", 1)
    outputs = job.integer("out_channels", 1)
    groups = job.integer("groups", 1)
    index, width, prewarm = job.source(inputs), inputs, 1
    for i, value in enumerate(dilations):
        dilation = at_most(integer(value, f"{where}.dilations[{i}]"), RECEPTIVE_FIELD, "dilation")
        divides(groups, f"{where}, block {i}", inputs=width, channels=channels)
        weight = job.weights.take(channels, width // groups, 2)
        bias = None if batchnorm else job.weights.take(channels)
        index = job.graph.linear(index, weight, bias, dilation, groups)
        if batchnorm:
            scale, shift = _batchnorm(job, channels, f"{where}, block {i}")
            index = job.graph.add(Affine((index,), scale=scale, shift=shift))
        index = append_activation(job.graph, index, activation, f"{where}.activation", Size(channels, channels))
        width, prewarm = channels, prewarm + dilation
    weight, bias = job.weights.take(outputs, channels), job.weights.take(outputs)
    return job.part(job.graph.add(Dense((index,), weight=weight, bias=bias)), prewarm)


def _batchnorm(job: Job, channels: int, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Take mean, variance, gamma, beta and epsilon; return scale and shift."""
    mean, variance, gamma, beta = (job.weights.take(channels) for _ in range(4))
    variance = variance + job.weights.take(1)
    if not (variance > 0).all():
        raise NonFiniteWeights(f"{where}: a variance of the batch normalisation is not positive: re-export the model")
    scale = gamma / np.sqrt(variance)
    return scale, beta - scale * mean


def read_lstm(job: Job) -> Part:
    """Append LSTM layers, each with the state it starts from, and a dense layer."""
    hidden = job.integer("hidden_size")
    layers = job.integer("num_layers", limit=NODES)
    inputs = job.integer("input_size")
    outputs = job.integer("out_channels", 1)
    channels = job.integer("in_channels", 1)
    if channels != inputs:
        raise ShapeMismatch(f"{job.where}config: input_size is {inputs}, in_channels {channels}, expected the same")
    index, width = job.source(channels), inputs
    for _ in range(layers):
        matrix = job.weights.take(4 * hidden, width + hidden)  # columns: the input, then the hidden state
        bias = job.weights.take(4 * hidden)
        h0, c0 = job.weights.take(hidden), job.weights.take(hidden)
        index = job.graph.add(Lstm((index,), matrix[:, :width], matrix[:, width:], bias, h0, c0))
        width = hidden
    weight, bias = job.weights.take(outputs, hidden), job.weights.take(outputs)
    prewarm = int(PREWARM_SECONDS * (job.rate or DEFAULT_RATE))
    return job.part(job.graph.add(Dense((index,), weight=weight, bias=bias)), prewarm)
