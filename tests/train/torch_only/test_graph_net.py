"""The graph in PyTorch is the model: the same output as the reference, for every kind of node."""

import numpy as np
import pytest
import torch

from rtfx.model.nodes import ACTIVATIONS, Activation, Input
from rtfx.model.reference import evaluate
from rtfx.model.spec import ModelSpec
from rtfx.train.torch_learner import run

from ...model.random_graphs import random_graph


def in_torch(spec, x, knobs, frames):
    rows = np.concatenate([x, *(np.full((1, x.shape[1]), knobs[knob.name]) for knob in spec.knobs)])
    with torch.no_grad():
        return run(spec, {}, torch.tensor(rows[None], dtype=torch.float64), frames)[:, 0].numpy()


@pytest.mark.parametrize("seed", range(40))
def test_every_random_graph_is_the_reference(seed):
    spec = random_graph(seed)
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.5, (spec.inputs, 90))
    knobs = {knob.name: float(rng.random()) for knob in spec.knobs}
    expected = evaluate(spec, x, knobs, spec.sample_rate, cold=True)
    scale = 1e-10 * (1.0 + np.abs(expected).max())
    for frames in (90, 40, 1):
        assert np.abs(in_torch(spec, x, knobs, frames) - expected[:, 90 - frames :]).max() < scale


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_every_activation(kind):
    constants = {"slope": 0.3, "slope_high": 0.2, "low": -0.4, "high": 0.7}
    x = np.random.default_rng(1).normal(0, 8, (3, 200))
    for node in (Activation((0,), kind), Activation((0,), kind, **constants)):
        spec = ModelSpec("rtfx", (Input((), channels=3), node), "one", 48000.0)
        assert np.abs(in_torch(spec, x, {}, 200) - evaluate(spec, x, cold=True)).max() < 1e-12
