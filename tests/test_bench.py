"""rtfx bench: its figures, and a guard against slower kernels."""

import json

import numpy as np
import pytest

import rtfx
from rtfx.bench import EnginePlayer, bench, bench_effects, chosen
from rtfx.engine.offline import Offline
from rtfx.engine.timing import measured_peak
from rtfx.errors import UsageError
from rtfx.kernels.conv import ConvTile
from rtfx.kernels.processor import lanes
from rtfx.model.nodes import Activation, Conv1d, Dense, Gru, Input
from rtfx.model.parity import guitar_like
from rtfx.model.spec import ModelSpec
from rtfx.plan import tuned
from rtfx.plan.lowering import recurrent

KEYS = {"model", "block", "ns_per_sample", "realtime_x", "percent_of_peak", "p99_ns", "compile_s", "kernels"}


def gru(hidden: int) -> rtfx.Model:
    r = np.random.default_rng(hidden)
    cell = Gru(
        (0,),
        *(r.uniform(-1, 1, shape) / np.sqrt(hidden) for shape in ((3 * hidden, 1), (3 * hidden, hidden))),
        *(r.uniform(-1, 1, 3 * hidden) / np.sqrt(hidden) for _ in range(2)),
    )
    dense = Dense((1,), r.uniform(-1, 1, (1, hidden)), np.zeros(1))
    return rtfx.Model(
        ModelSpec(
            name=f"gru{hidden}",
            family="rtfx",
            nodes=(
                Input(
                    (),
                ),
                cell,
                dense,
            ),
            sample_rate=48000.0,
        )
    )


def test_rows_are_consistent():
    small, large = gru(8), gru(40)
    rows = bench([("small", small), ("large", large)], [16, 64], 48000.0, 0.2)
    assert [(row.model, row.block) for row in rows] == [("small", 16), ("small", 64), ("large", 16), ("large", 64)]
    for row in rows:
        assert row.realtime_x == pytest.approx(1e9 / 48000.0 / row.ns_per_sample)
        assert row.median_ns <= row.p99_ns <= row.p999_ns
        assert row.ns_per_sample * row.block <= 1.05 * row.median_ns, "the best chunk is not slower than a usual block"
        assert 0.0 < row.percent_of_peak < 100.0
    assert rows[3].percent_of_peak > rows[1].percent_of_peak, "a larger layer uses more of the processor"
    assert rows[0].plan == rows[1].plan != rows[3].plan


def test_a_model_of_several_channels_is_played_whole():
    """The clocked runs write every output of every block, and nothing behind the last."""
    weight = np.random.default_rng(3).uniform(-1, 1, (3, 2))
    spec = ModelSpec(name="wide", family="rtfx", nodes=(Input((), channels=2), Dense((0,), weight, np.zeros(3))))
    plan = rtfx.Rig([rtfx.Model(spec)]).plan(48000.0, 2, bare=True)
    player = EnginePlayer(Offline(plan, limiter=False, block=64), guitar_like(2, 256, 48000.0))
    room = np.full((len(player.y) + 64, 3), np.nan, np.float32)
    player.y = room[:-64]
    player.run()
    assert np.abs(player.y - player.x @ weight.T).max() < 1e-5 and np.isnan(room[-64:]).all()
    (row,) = bench([("wide", rtfx.Model(spec))], [16], 48000.0, 0.01)
    assert 0.0 < row.ns_per_sample < np.inf


def test_peak_is_that_of_vectors():
    """One scalar multiply-add a cycle at 10 GHz would be 1e10: no processor comes near, and vectors pass it."""
    assert measured_peak() > 1e10


def test_layers_in_words():
    """Every layer in the order in which it is called, with its tile and its class."""
    first = (Input(()), Dense((0,), np.ones((6, 1)), np.zeros(6)), Activation((1,)))
    second = (
        Conv1d((2,), np.ones((6, 6, 3)), np.zeros(6)),
        Activation((3,)),
        Dense((4,), np.ones((1, 6)), np.zeros(1)),
    )
    with tuned.trying({"conv 6 6 3 1": ConvTile(lanes(), 2, 4)}):
        plan = rtfx.Rig([rtfx.Model(ModelSpec("rtfx", (*first, *second)))]).plan(48000.0, bare=True)
    lines = chosen(plan)
    assert sum(int(line.split()[0]) for line in lines) == len(plan.calls)
    assert any(f"inputs 6, outputs 6, taps 3, tanh; tile {lanes()}x2x4" in line for line in lines)
    assert any(line.split(" x ")[1].startswith("elementwise") for line in lines)


def test_the_class_of_a_recurrent_layer_is_named():
    lines = chosen(rtfx.Rig([gru(8)]).plan(48000.0, bare=True))
    assert any("gru, inputs 1, hidden 8" in line and "gates: " in line for line in lines)


def test_command_line(capsys, monkeypatch):
    from rtfx.cli.main import run

    assert run(["bench", "klon", "--block", "64", "--seconds", "0.05", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert set(row) >= KEYS and row["block"] == 64 and any("recurrent" in name for name in row["kernels"])
    assert run(["bench", "klon", "--block", "64,x"]) == 2
    assert "expected whole numbers" in capsys.readouterr().err


def test_the_tile_beats_the_plain_loop(monkeypatch):
    """A ratio inside one run: the kernel that is chosen against the loop that it is checked with."""
    tiled = gru(33)
    (fast,) = bench([("tile", tiled)], [64], 48000.0, 0.3)
    monkeypatch.setattr(recurrent, "proved", lambda tiled, loop, *rest: loop)
    (slow,) = bench([("loop", gru(33))], [64], 48000.0, 0.3)
    assert any("plain" in name for name in slow.kernels) and not any("plain" in name for name in fast.kernels)
    assert slow.ns_per_sample > 4.0 * fast.ns_per_sample


def test_effects_are_timed_beyond_an_empty_chain():
    rows = bench_effects([64], seconds=0.01, channels=[1])
    found = {row.effect: row for row in rows}
    assert {"gain", "comp", "eq", "transpose", "klon"} <= found.keys() and not {"model", "cab"} & found.keys()
    assert found["transpose"].ns_per_frame > found["gain"].ns_per_frame >= 0.0
    assert found["transpose"].percent_of_core == pytest.approx(found["transpose"].ns_per_frame * 48e3 * 1e-7)
    assert found["transpose"].latency_frames > 0 and found["eq"].ns_per_frame > 0.0
    with pytest.raises(UsageError, match="expected 1 to"):
        bench_effects([0])
