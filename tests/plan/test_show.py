"""A plan is shown step by step: what runs, from where to where, with how much past."""

import json

from rtfx.plan.chain import plan_chain
from rtfx.plan.show import buffers_of, shown, steps_of
from tests.cli.command import rtfx
from tests.engine.rigs import gain, model, tcn

RATE = 48000.0


def test_every_step_names_its_block_and_its_kernel():
    plan = plan_chain([gain(-3.0), model(tcn(taps=3, dilations=(1, 8)))], RATE, 1)
    steps = steps_of(plan)
    assert {step["block"] for step in steps} >= {"gain", "model"}
    assert sum("conv" in step["kernel"] or "series" in step["kernel"] for step in steps) >= 1
    assert max(each["history"] for each in buffers_of(plan)) >= 2 * 8, "the past that the dilated convolution reads"
    lines = shown(plan).splitlines()
    assert lines[0].startswith(f"plan: {plan.arena.size} bytes") and len(lines) == 2 + len(steps) + len(
        buffers_of(plan)
    )


def test_info_shows_the_nodes_and_the_steps(capsys):
    code, said, _ = rtfx(capsys, "info", "klon.json", "--plan")
    assert code == 0 and "Gru" in said and "plan: " in said and "recurrent" in said
    code, said, _ = rtfx(capsys, "info", "crunch.yaml", "--plan", "--json")
    blocks = [json.loads(line)["block"] for line in said.splitlines()]
    assert code == 0 and {"klon", "amp", "cab"} <= set(blocks)


def test_a_spec_is_printed_a_line_a_node():
    spec = tcn()
    lines = str(spec).splitlines()
    assert len(lines) == 1 + len(spec.nodes) and "Conv1d" in str(spec) and len(repr(spec)) < 200
