"""The arena: nothing overlaps, everything is aligned, equal weights are stored once, equal graphs are recognised."""

import numpy as np
import pytest

from rtfx.kernels.conv import OVERHANG
from rtfx.kernels.kernel import REGISTRY
from rtfx.plan.arena import ALIGNMENT, BUFFER, CELL, DOMAIN, MAX_BLOCK, RIG, STEP
from tests.engine.rigs import RATE, cab, chains, effect, gain, gru, lstm, model, response, rig, tcn
from tests.engine.test_blocks import long_conv


def wide_chain():
    spec, _ = long_conv(8, 3, 6000)
    parts = [effect("gate"), model(tcn(24, 3, (1, 2, 4, 512)), "a"), model(lstm(40), "b"), model(spec, "c")]
    return [*parts, cab(np.stack([response(3000), response(2000, 5).repeat(2)[:3000]]))]


PLANS = {**chains(), "wide": wide_chain(), "nothing": []}


def tables(plan):
    record = plan.arena[: RIG.itemsize].view(RIG)[0]

    def table(name, count, kind):
        first = int(record[name])
        return plan.arena[first : first + int(record[count]) * kind.itemsize].view(kind)

    return record, table("steps", "step_count", STEP), table("buffers", "buffer_count", BUFFER), table


def extent(buffer) -> tuple[int, int]:
    """Return the first byte that a buffer's steps may touch, and the one behind the last."""
    rows = 4 * int(buffer["stride"]) * (int(buffer["rows"]) - 1)
    start, end = int(buffer["start"]), int(buffer["end"])
    if buffer["ring"]:
        return start - 4 * int(buffer["ring"]), end + rows + 4 * (MAX_BLOCK + OVERHANG)
    if not buffer["slides"]:
        end = start + 4 * MAX_BLOCK
    return start - 4 * int(buffer["history"]), end + rows + 4 * OVERHANG


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", PLANS)
def test_nothing_overlaps(name, channels):
    plan = rig(PLANS[name], channels).plan
    record, steps, buffers, table = tables(plan)
    ranges = [(0, RIG.itemsize, "rig")]
    for kind, count, dtype in (("steps", "step_count", STEP), ("cells", "cell_count", CELL)):
        ranges.append((int(record[kind]), int(record[kind]) + int(record[count]) * dtype.itemsize, kind))
    ranges.append((int(record["tables"]), int(record["tables"]) + 12 * int(record["cell_count"]), "tables"))
    for kind, count, dtype in (("buffers", "buffer_count", BUFFER), ("domains", "domain_count", DOMAIN)):
        ranges.append((int(record[kind]), int(record[kind]) + int(record[count]) * dtype.itemsize, kind))
    ranges += [(int(step["state"]), int(step["state"]) + 64, f"state {i}") for i, step in enumerate(steps)]
    ranges += [(*extent(buffer), f"buffer {i}") for i, buffer in enumerate(buffers)]
    ranges.sort()
    for (_, end, one), (start, _, other) in zip(ranges, ranges[1:], strict=False):
        assert end <= start, f"{one} runs into {other}"
    assert ranges[-1][1] <= plan.arena.size
    assert int(record["image_offset"]) + int(record["image_bytes"]) == plan.arena.size
    assert int(record["image_offset"]) <= int(steps["state"].min())
    for start, _, what in ranges:
        assert start % ALIGNMENT == 0 or what.startswith("buffer ") and start % 4 == 0


@pytest.mark.parametrize("name", PLANS)
def test_every_step_stays_in_its_buffers(name):
    _, steps, buffers, _ = tables(rig(PLANS[name]).plan)
    for step in steps:
        for place, row in (("source", "source_row"), ("target", "target_row")):
            assert 0 <= step[place] < len(buffers)
            assert 0 <= step[row] < buffers[step[place]]["rows"]
        assert int(step["kernel"]) in REGISTRY
        assert step["domain"] == buffers[step["target"]]["domain"]


def test_rows_do_not_share_a_set_of_the_cache():
    """Rows a multiple of 4 KiB apart would all fall into one set; an odd number of lines spreads them."""
    for name in PLANS:
        _, _, buffers, _ = tables(rig(PLANS[name]).plan)
        assert (buffers["stride"] // 16 % 2 == 1).all()
        assert (buffers["stride"] % 16 == 0).all()


def test_channels_of_one_model_share_its_weights():
    one, two = (rig([model(lstm(24))], channels).plan for channels in (1, 2))
    assert one.weights.size > 1000
    assert two.weights.size == one.weights.size
    assert two.outputs == 2


def test_equal_graphs_are_recognised():
    """Weights and parameters may differ: such rigs crossfade with equal gain."""

    def graph(*chain):
        return int(tables(rig(list(chain)).plan)[0]["graph"])

    assert graph(model(gru(8, seed=1))) == graph(model(gru(8, seed=2), input_db=6.0))
    assert graph(gain(0.0)) == graph(gain(-6.0))
    chains_of_their_own = [gain(0.0)], [gain(0.0), gain(0.0)], [model(gru(8))], [model(gru(9))], [model(tcn())]
    others = [graph(*chain) for chain in chains_of_their_own]
    assert len(set(others)) == len(others)


def test_tail_frames():
    assert rig([gain(0.0)]).plan.tail_frames == 0
    assert rig([cab(response(1234))]).plan.tail_frames == 1233
    assert rig([cab(response(1000)), cab(response(500))]).plan.tail_frames == 999 + 499
    assert rig([gain(0.0)]).plan.sample_rate == RATE
