"""Nets that are trained by PyTorch learn, resume, and export the model that was trained."""

import numpy as np
import pytest

from rtfx.model.nodes import Affine, Gru
from rtfx.model.reference import evaluate
from rtfx.model.spec import Knob
from rtfx.train.learner import Options, again, make
from rtfx.train.untrained import untrained

from ...model.random_graphs import random_graph

KNOBS = (Knob("bite"), Knob("mud"))


def played(rng, inputs, frames, batch=4):
    """A tone through a soft clipper, driven by the first knob."""
    x = rng.uniform(0, 1, (batch, inputs, 1)).repeat(frames, axis=2).astype(np.float32)
    x[:, 0] = np.cumsum(rng.normal(0, 0.03, (batch, frames)), axis=1) % 0.8 - 0.4
    drive = 1.0 + 2.0 * x[:, 1] if inputs > 1 else 3.0
    return x, np.tanh(drive * x[:, 0]).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "spectra"), [("wavenet:channels=4&layers=8", 0.1), ("nam-nano", 0.0), ("nam-a2-lite", 0.0)]
)
def test_it_learns_and_is_the_model_that_it_writes(name, spectra):
    learner = make(name, 3, Options(spectra=spectra), seed=1)
    rng = np.random.default_rng(2)
    learner.rate = 0.02
    losses = [learner.step(*played(rng, 3, learner.warm_up + 1500)) for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]
    x, _ = played(rng, 3, 400, batch=1)
    spec = learner.spec("mine", 44100.0, KNOBS, {"by": "me"})
    assert (spec.name, spec.sample_rate, spec.knobs, spec.metadata) == ("mine", 44100.0, KNOBS, {"by": "me"})
    values = {"bite": float(x[0, 1, 0]), "mud": float(x[0, 2, 0])}
    assert np.abs(learner.predict(x[0]) - evaluate(spec, x[0, :1], values)).max() < 1e-5


def test_it_goes_on_where_it_was():
    first, second = (make("nam-nano", 1, seed=seed) for seed in (1, 2))
    pair = played(np.random.default_rng(3), 1, first.warm_up + 500)
    first.step(*pair)
    second.restore(first.state())
    assert first.step(*pair) == second.step(*pair)
    assert first.step(*pair) == second.step(*pair)


def test_what_a_file_has_no_place_for_is_not_learnt():
    learner = make("nam-nano", 1, seed=1)
    learner.step(*played(np.random.default_rng(4), 1, learner.warm_up + 500))
    before, after = untrained("nam-nano", 1, seed=1), learner.spec("n", 48000.0, (), {})
    for old, new in zip(before.nodes, after.nodes, strict=True):
        for name, tensor in vars(old).items():
            if isinstance(tensor, np.ndarray):
                same = np.array_equal(tensor, getattr(new, name))
                assert same == (isinstance(old, Affine) or not tensor.any())


@pytest.mark.parametrize("seed", [3, 5, 8, 13])
def test_any_graph_learns_on(seed):
    """A short recording of the model with one layer disturbed: training brings it nearer to the original."""
    spec = random_graph(seed)
    learner = again(spec)
    rng = np.random.default_rng(seed)
    frames = learner.warm_up + 600
    x = rng.normal(0, 0.3, (4, learner.model.inputs + len(spec.knobs), frames)).astype(np.float32)
    x[:, learner.model.inputs :] = 0.5
    wanted = np.stack([learner.predict(part) for part in x])
    learner.optimiser.values += rng.normal(0, 0.01, learner.optimiser.values.size).astype(np.float32)
    learner.rate = 1e-3
    losses = [learner.step(x, wanted) for _ in range(8)]
    assert losses[-1] < 0.7 * losses[0]


def test_a_recurrent_net_is_cut_in_short_pieces():
    cell = Gru((0,), *(np.full(shape, 0.1) for shape in ((12, 1), (12, 4), (12,), (12,))))
    spec = untrained("wavenet", 1, seed=1)
    spec = type(spec)("rtfx", (spec.nodes[0], cell), "gru", 48000.0)
    learner = again(spec)
    pieces = list(learner._parts(*played(np.random.default_rng(1), 1, learner.warm_up + 5000, batch=6)))
    assert [heard.shape for heard, _ in pieces] == [(24, 1, 2000), (6, 1, 2000)]
    assert sum(wanted.size for _, wanted in pieces) == 6 * 5000
