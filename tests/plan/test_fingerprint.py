"""Which rigs fade with equal gain, and which pass their state to the next."""

import numpy as np
import pytest

from rtfx.plan.arena import RIG, Builder, digest, graph_number, layout_number
from rtfx.plan.chain import plan_chain
from tests.engine.rigs import RATE, gain, gru, lstm, model, tcn


def numbers(chain, channels=1) -> tuple[int, int]:
    """Return what the plan of a chain is known by: graph and layout."""
    record = plan_chain(chain, RATE, channels).arena[: RIG.itemsize].view(RIG)[0]
    return int(record["graph"]), int(record["layout"])


def test_other_weights_are_the_same_graph_and_the_same_layout():
    assert numbers([model(gru(8, seed=0))]) == numbers([model(gru(8, seed=1))])


@pytest.mark.parametrize(
    "one, other",
    [
        ([model(gru(8))], [model(gru(12))]),
        ([model(gru(8))], [model(lstm(8))]),
        ([model(gru(8))], [model(gru(8)), gain()]),
        ([model(tcn(6, 3, (1, 8)))], [model(tcn(6, 3, (1, 9)))]),
    ],
    ids=["wider", "another cell", "one block more", "another dilation"],
)
def test_another_state_is_another_layout(one, other):
    assert numbers(one)[1] != numbers(other)[1]


def test_another_number_of_channels_is_another_layout():
    assert numbers([model(gru(8))], 1)[1] != numbers([model(gru(8))], 2)[1]


def test_blocks_that_sound_alike_do_not_count_for_the_graph():
    def built(alike, first_kernel):
        builder = Builder()
        source = builder.buffer(1)
        builder.block = 0
        if alike:
            builder.alike.add(0)
        builder.step(first_kernel, source, builder.buffer(1))
        builder.block = 1
        builder.step(Named("end"), Builder.buffer(builder, 1), builder.buffer(1))
        return builder

    one, other = (built(True, Named(name)) for name in ("circuit", "net"))
    assert graph_number(one) == graph_number(other) and layout_number(one) != layout_number(other)
    one, other = (built(False, Named(name)) for name in ("circuit", "net"))
    assert graph_number(one) != graph_number(other)


class Named:
    """A kernel of which the name counts."""

    def __init__(self, name):
        self.name = name


def test_a_digest_is_of_the_kernels_whatever_their_order():
    one, two, three = map(Named, ("conv", "dense", "gru"))
    assert digest([one, two]) == digest([two, one])
    assert len({digest(kernels) for kernels in ([], [one], [one, two], [one, three], [one, one])}) == 5
    assert len(digest([one])) == 8 and int(digest([one]), 16) >= 0


def test_weights_do_not_reach_the_layout():
    def built(value):
        builder = Builder()
        source = builder.buffer(1)
        builder.step(Named("scale"), source, builder.buffer(1), table=np.full(3, value))
        return layout_number(builder)

    assert built(1.0) == built(2.0)
