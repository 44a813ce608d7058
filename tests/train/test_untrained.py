"""The architectures that are learnt through PyTorch are the nets that their players know."""

import numpy as np
import pytest

from rtfx.model.load import load
from rtfx.model.nodes import Affine, Input
from rtfx.model.parity import parity
from rtfx.model.reference import evaluate
from rtfx.model.write.save import save
from rtfx.train.untrained import untrained


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


def test_wavenet_is_that_of_the_paper():
    spec = untrained("wavenet", 1, seed=1)
    heard = spec.tensor_elements - 17  # 18 dense layers stand for one mix: all but one of their biases are zeros
    unused = 8 * 8 + 8  # the last layer's 1x1, which reaches no output
    assert (heard + unused, spec.receptive_field) == (8657, 2045)


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
