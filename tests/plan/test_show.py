"""A plan is shown step by step: what runs, from where to where, with how much past."""

import json

import pytest

from rtfx.plan import show
from rtfx.plan.arena import STEP
from rtfx.plan.chain import plan_chain
from rtfx.plan.show import shown, steps_of
from tests.cli.command import rtfx
from tests.engine.rigs import gain, model, tcn

RATE = 48000.0


CHAIN = [gain(-3.0), model(tcn(taps=3, dilations=(1, 8)))]


def test_every_step_names_its_block_its_node_and_its_kernel():
    plan = plan_chain(CHAIN, RATE, 1)
    steps = steps_of(plan)
    assert {step["block"] for step in steps} >= {"gain", "model"}
    convs = [step for step in steps if step["node"] == "Conv1d"]
    assert convs and all(step["kernel"] in ("conv", "series", "layer") and step["shape"]["taps"] == 3 for step in convs)
    assert max(step["history"] for step in convs) >= 2 * 8, "the past that the dilated convolution reads"
    assert all(step["bytes"] >= 64 and step["inputs"] >= 1 and step["outputs"] >= 1 for step in steps)
    scaled, switch = [step for step in steps if step["block"] == "gain"]
    assert switch["kernel"] == "switch"
    assert (scaled["node"], scaled["kernel"], scaled["bytes"]) == ("", "gain", 64)
    lines = shown(plan).splitlines()
    assert lines[0].startswith(f"plan: {plan.arena.size} bytes") and len(lines) == 2 + len(steps)
    assert len(show.step_records(plan)) == len(steps) and show.step_records(plan).dtype == STEP


@pytest.mark.parametrize(("level", "kernels"), [("", False), ("0", False), ("1", False), ("2", True)])
def test_a_new_plan_is_told_on_demand(level, kernels, monkeypatch, capsys):
    monkeypatch.setenv(show.DEBUG, level)
    monkeypatch.setattr(show, "_told", set())
    plan = plan_chain(CHAIN, RATE, 1)
    said = capsys.readouterr().err
    assert said.startswith(shown(plan)) if level in ("1", "2") else not said
    told = [line for line in said.splitlines() if line.endswith(" ms")]
    assert len(told) == (len(plan.kernels) if kernels else 0)
    assert all(": loaded in " in line or ": compiled in " in line for line in told)
    plan_chain(CHAIN, RATE, 1)
    assert " ms" not in capsys.readouterr().err, "each kernel once"


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
