"""The table of single layers: equal work, compared outputs, and a limit on the ratio of times."""

import json

import numpy as np
import pytest

from benchmarks import layers
from benchmarks.__main__ import command
from benchmarks.layers import KINDS, SIZES, LayerPlayer, bench_layers, layer_spec
from rtfx.model.reference import evaluate

MACS = {"dense": 1, "conv1d": None, "gru": 6, "lstm": 8, "tanh": 0, "relu": 0, "sigmoid": 0}  # times size squared


@pytest.mark.parametrize("kind", KINDS)
def test_all_layers_do_the_work_that_they_are_compared_for(kind):
    for size in SIZES:
        spec = layer_spec(kind, size)
        assert spec.inputs == spec.outputs == size
        factor = size - 1 if kind == "conv1d" else MACS[kind]
        assert spec.macs_per_sample == factor * size * size


@pytest.mark.parametrize(("kind", "block"), [("conv1d", 1), ("lstm", 7), ("tanh", 64)])
def test_what_is_timed_is_what_is_compared(kind, block):
    """The timed loop writes the whole layer's output to memory, and carries its state from call to call."""
    spec = layer_spec(kind, 8)
    player = LayerPlayer(spec, block)
    player.run()
    x = player.x[:, player.history : player.history + player.frames]
    right = evaluate(spec, x, cold=True)
    assert np.abs(player.output() - right).max() < 1e-5 * np.abs(right).max()


def test_rows():
    rows = bench_layers([1, 64], ["dense", "relu"], [4, 32], seconds=0.01)
    assert [(row.layer, row.size, row.block) for row in rows[:4]] == [
        ("dense", 4, 1), ("dense", 4, 64), ("dense", 32, 1), ("dense", 32, 64),
    ]  # fmt: skip
    for row in rows:
        assert row.realtime_x == pytest.approx(1e9 / 48000.0 / row.ns_per_sample)
        assert row.error_db < -110.0 and 0.0 <= row.percent_of_peak < 100.0


def test_a_wrong_peer_is_not_timed(monkeypatch):
    """A library whose output differs has no times; one that agrees has."""
    monkeypatch.setattr(layers, "check_installed", lambda name: None)

    def stream(name, spec, block, sample_rate):
        weight, bias = spec.nodes[1].weight, spec.nodes[1].bias[:, None]
        return lambda x: weight @ x + (bias if name == "right" else 0.99 * bias)

    monkeypatch.setattr(layers, "stream", stream)
    (row,) = bench_layers([64], ["dense"], [8], seconds=0.01, against=["right", "wrong"])
    assert row.against["right"].ratio == pytest.approx(row.against["right"].ns_per_sample / row.ns_per_sample)
    assert row.against["right"].error_db < -100.0
    assert row.against["wrong"].ratio is None and row.against["wrong"].error_db > -80.0


def test_command_line(capsys, monkeypatch):
    monkeypatch.setattr(layers, "KINDS", ("relu",))
    monkeypatch.setattr(layers.bench_layers, "__defaults__", (("relu",), (4,), 0.01, ()))
    words = ["--layers", "--block", "16", "--seconds", "0.01"]
    command.main([*words, "--json"], standalone_mode=False)
    row = json.loads(capsys.readouterr().out)
    assert (row["layer"], row["size"], row["block"], row["against"]) == ("relu", 4, 16, {})
    command.main(words, standalone_mode=False)
    assert "relu" in capsys.readouterr().out


def test_a_conv_keeps_its_lead_over_a_plain_loop():
    """The ratio of times in one run: the tile against a compiled loop that does the same multiply-adds in order."""
    from rtfx.bench import in_turns
    from rtfx.kernels import plain

    spec = layer_spec("conv1d", 16)
    node = spec.nodes[1]
    fast, slow = LayerPlayer(spec, 64), LayerPlayer(spec, 64)
    numbers = {"taps": 15, "width_in": 16, "width_out": 16, "dilation": 1}
    weights = np.concatenate([np.zeros(4), node.bias, node.weight.ravel()]).astype(np.float32)
    slow.layer = layers.Layer(plain.PLAIN_CONV, plain.CONV_STATE, weights, numbers)
    slow.state = slow.layer.state(slow.x.shape[1], slow.y.shape[1])
    slow.first = slow.state.copy()
    assert np.abs(fast.output() - slow.output()).max() < 1e-4
    in_turns([fast, slow], 3)
    assert slow.best > 4.0 * fast.best
