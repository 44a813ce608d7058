"""Rewrites, each alone on the smallest graph that it is for: what comes out, and that it sounds the same."""

import numpy as np
import pytest

from rtfx.model.graph import Graph
from rtfx.model.nodes import Activation, Add, Affine, Concat, Conv1d, Dense, Input
from rtfx.model.reference import evaluate
from rtfx.model.rewrite import (
    RULES,
    compose_conv,
    compose_dense,
    distribute,
    flatten,
    fold_affine,
    merge_last_tap,
    rewrite,
    split_concat,
)
from rtfx.model.spec import ModelSpec

RNG = np.random.default_rng(5)
X = RNG.normal(0, 0.5, (2, 60))
ROUNDING = 1e-13  # of float64 sums of a few numbers near 1


def dense(source, outputs, inputs, bias=True):
    return Dense((source,), RNG.normal(0, 1, (outputs, inputs)), RNG.normal(0, 1, outputs) * bias)


def conv(source, outputs, inputs, taps=3, groups=1):
    return Conv1d((source,), RNG.normal(0, 1, (outputs, inputs // groups, taps)), RNG.normal(0, 1, outputs), 2, groups)


def affine(source, width):
    return Affine((source,), RNG.normal(0, 1, width), RNG.normal(0, 1, width))


def tanh(source):
    return Activation((source,))


STEREO = Input((), channels=2)
FITS = {  # function: graphs that it changes, with the kinds of node that are left
    fold_affine: [
        ([STEREO, dense(0, 3, 2), affine(1, 3)], [Input, Dense]),
        ([STEREO, conv(0, 4, 2, groups=2), affine(1, 4)], [Input, Conv1d]),
    ],
    compose_dense: [([STEREO, dense(0, 3, 2), dense(1, 2, 3)], [Input, Dense])],
    compose_conv: [([STEREO, dense(0, 5, 2, bias=False), conv(1, 3, 5)], [Input, Conv1d])],
    distribute: [
        (
            [STEREO, tanh(0), dense(1, 4, 2), tanh(2), dense(1, 4, 2), tanh(4), Add((3, 5)), dense(6, 1, 4)],
            [Input, Activation, Dense, Activation, Dense, Activation, Dense, Dense, Add],
        )
    ],
    split_concat: [
        (
            [STEREO, tanh(0), conv(0, 3, 2), tanh(2), Concat((1, 3)), dense(4, 2, 5)],
            [Input, Activation, Conv1d, Activation, Dense, Dense, Add],
        )
    ],
    flatten: [([STEREO, tanh(0), Add((0, 1)), tanh(1), Add((2, 3))], [Input, Activation, Activation, Add])],
    merge_last_tap: [
        ([STEREO, conv(0, 3, 2), dense(0, 3, 2), Add((1, 2))], [Input, Conv1d]),
        ([STEREO, conv(0, 3, 2), dense(0, 3, 2), Add((2, 1))], [Input, Conv1d]),
    ],
}
LEAVES = {  # function: graphs that look alike and are left, as they would cost more or give another sound
    fold_affine: [[STEREO, dense(0, 2, 2), affine(1, 2), Add((1, 2))]],
    compose_dense: [
        [STEREO, dense(0, 3, 2), tanh(1), dense(1, 3, 3), Add((2, 3))],  # the inner one is read by others
        [STEREO, dense(0, 1, 2), dense(1, 9, 1)],  # one layer of 18 weights costs more than 2 and 9
    ],
    compose_conv: [
        [STEREO, dense(0, 5, 2), conv(1, 3, 5)],  # a bias would reach the zeros before the first frame
        [STEREO, dense(0, 2, 2, bias=False), conv(1, 3, 2)],
        [STEREO, dense(0, 4, 2, bias=False), conv(1, 4, 4, groups=2)],
    ],
    distribute: [[STEREO, tanh(0), Add((0, 1)), dense(2, 2, 2)]],
    split_concat: [[STEREO, tanh(0), Concat((0, 1)), dense(2, 5, 4)]],
    flatten: [[STEREO, tanh(0), Add((0, 1)), tanh(2), Add((2, 3))]],
    merge_last_tap: [
        [STEREO, conv(0, 2, 2), dense(0, 2, 2), Add((1, 2)), tanh(2), Add((3, 4))],
        [STEREO, conv(0, 4, 2, groups=2), dense(0, 4, 2), Add((1, 2))],
        [STEREO, conv(0, 2, 2), tanh(0), dense(2, 2, 2), Add((1, 3))],
    ],
}


def output(nodes):
    return evaluate(ModelSpec("rtfx", tuple(nodes)), X, cold=True)


def applied(function, nodes):
    """The nodes after one rule alone, None where it fits nowhere."""
    (rule,) = (rule for rule in RULES if rule.function is function)
    graph = Graph(nodes)
    users = graph.users()
    changed = [index for index in list(graph.nodes) if rule.apply(graph, index, users)]
    return graph.listed() if changed else None


def cases(table):
    return [
        pytest.param(f, entry, id=f"{f.__name__}-{i}")
        for f, entries in table.items()
        for i, entry in enumerate(entries)
    ]


def test_every_rule_is_tested():
    assert {rule.function for rule in RULES} == set(FITS) == set(LEAVES)


@pytest.mark.parametrize(("function", "case"), cases(FITS))
def test_a_rule_gives_an_equal_graph(function, case):
    nodes, left = case
    found = applied(function, nodes)
    assert found is not None and [type(node) for node in found] == left
    assert np.abs(output(found) - output(nodes)).max() <= ROUNDING * max(1.0, np.abs(output(nodes)).max())


@pytest.mark.parametrize(("function", "nodes"), cases(LEAVES))
def test_a_rule_leaves_what_would_cost_more_or_sound_otherwise(function, nodes):
    assert applied(function, nodes) is None


@pytest.mark.parametrize(("function", "case"), cases(FITS))
def test_all_rules_together_end_and_give_an_equal_graph(function, case):
    nodes, _ = case
    found = rewrite(tuple(nodes))
    assert rewrite(found) is not found and [type(n) for n in rewrite(found)] == [type(n) for n in found]
    assert np.abs(output(found) - output(nodes)).max() <= ROUNDING * max(1.0, np.abs(output(nodes)).max())


def test_what_nothing_uses_is_dropped_but_inputs_stay():
    nodes = (STEREO, Input((), "knob", "bite"), dense(0, 2, 2), dense(0, 1, 2))
    assert [type(node) for node in rewrite(nodes)] == [Input, Input, Dense]
