"""The architectures that are trained by PyTorch are those that other players support."""

import numpy as np
import pytest

from rtfx.errors import UsageError
from rtfx.model.load import load
from rtfx.model.nodes import Affine, Input
from rtfx.model.parity import parity
from rtfx.model.reference import evaluate
from rtfx.model.write.save import save
from rtfx.train.learner import architecture
from rtfx.train.untrained import untrained, wavenet_sizes


@pytest.mark.parametrize(
    ("name", "parameters", "receptive_field"),
    [
        ("nam-standard", 13802, 4093),
        ("nam-lite", 6554, 4093),
        ("nam-feather", 3026, 4093),
        ("nam-nano", 842, 4093),
        ("nam-a2", 12146, 6347),
        ("nam-a2-lite", 1871, 6347),
    ],
)
def test_nam_reads_what_is_learnt(name, parameters, receptive_field, tmp_path):
    spec = untrained(name, 1, seed=1)
    assert spec.receptive_field == receptive_field
    save(spec, tmp_path / "net.nam")
    again = load(tmp_path / "net.nam")
    assert again.parameter_count == parameters
    assert parity(spec, again, frames=300).same
    assert [node.scale[0] for node in again.nodes if isinstance(node, Affine)] == [pytest.approx(0.02)]


@pytest.mark.parametrize(
    ("name", "channels", "layers", "parameters", "receptive_field"),
    [
        ("wavenet:channels=16&layers=10", 16, 10, 18593, 2047),
        ("wavenet", 8, 18, 8657, 2045),
        ("wavenet:Channels=16", 16, 18, 33441, 2045),
    ],
)
def test_wavenet_is_that_of_the_paper(name, channels, layers, parameters, receptive_field):
    """WaveNet1 to 3, by the number of weights that are in their authors' files."""
    spec = untrained(name, 1, seed=1)
    heard = spec.tensor_elements - (layers - 1)  # dense layers stand for one mix: all but one of their biases are zeros
    unused = channels * channels + channels  # the last layer's 1x1, which reaches no output
    assert (heard + unused, spec.receptive_field) == (parameters, receptive_field)


def test_a_wavenet_of_any_size():
    assert wavenet_sizes("wavenet:layers=7&stacks=3&kernel=5").dilations == [1, 2, 4] * 2 + [1]
    assert untrained("wavenet:layers=7&stacks=3&kernel=5", 1, seed=1).receptive_field == 1 + 4 * 15


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("wavenet:chanels=3", "no key 'chanels' .did you mean 'channels'"),
        ("wavenet:layers", "no key 'layers'.* expected key=value"),
        ("wavenet:layers=99", "layers is '99', expected an integer from 1 to 32"),
        ("wavenet:layers=2&layers=3", "layers twice"),
        ("wavenet:layers=32&stacks=1", "looks back 8589934591 frames, expected at most 65536: take more stacks"),
        ("wavnet", "did you mean 'wavenet'"),
    ],
)
def test_a_wavenet_that_cannot_be(name, told):
    with pytest.raises(UsageError, match=told):
        architecture(name)


@pytest.mark.parametrize("name", ["wavenet", "nam-nano", "nam-a2-lite"])
def test_knobs_are_inputs_and_a_seed_is_a_net(name):
    spec = untrained(name, 3, seed=2, skip=True)
    assert [knob.name for knob in spec.knobs] == ["knob1", "knob2"]
    assert spec.inputs == 1 and sum(isinstance(node, Input) for node in spec.nodes) == 3
    x = np.random.default_rng(1).normal(0, 0.3, (1, 50))
    y, moved, other = (
        evaluate(each, x, {"knob2": value})
        for each, value in ((spec, 0.0), (spec, 1.0), (untrained(name, 3, seed=3, skip=True), 0.0))
    )
    assert np.abs(y - moved).max() > 1e-6 and np.abs(y - other).max() > 1e-6
    assert np.array_equal(y, evaluate(untrained(name, 3, seed=2, skip=True), x, {"knob2": 0.0}))
