"""The script that makes a shipped convolution net: a short training."""

import pytest

from rtfx.model.nodes import Conv1d
from rtfx.train.fit import Plan

from ...test_making import music, plays_what_learnt, scripts  # noqa: F401 - the first and the last are fixtures

pytestmark = pytest.mark.slow


def test_a_reduced_run_learns_its_circuit(scripts, music, tmp_path):  # noqa: F811
    shelf, (heard, judged) = scripts[2], music
    data = shelf.lessons(shelf.RECIPES["stack"], heard, judged[:2], times=1)
    plan = Plan(rounds=3, batch=16, segment=2500, round_frames=480_000, rate=2e-2)
    esr = shelf.main("stack", data, plan, tmp_path)
    assert esr < 0.6
    spec = plays_what_learnt(tmp_path / "stack.json", data, esr, 0.6)
    assert not spec.knobs and sum(isinstance(node, Conv1d) for node in spec.nodes) >= 20
