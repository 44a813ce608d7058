"""Preset changes faster than real time, two threads on two cores: no click, no leak, no freed rig."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rtfx.plan.chain import plan_chain

from .rigs import RATE, chains

ROOT = Path(__file__).parents[2]
FADE = 960


def hammer(swaps: int, fade: int) -> dict:
    for chain in chains().values():
        plan_chain(chain, RATE)  # compile here, once
    command = [sys.executable, "-m", "tests.engine.swap_hammer", str(swaps), str(fade)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-2000:]}"
    result = json.loads(done.stdout)
    print(result)
    return result


@pytest.fixture(scope="module", params=[1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def result(request):
    return {"wanted": request.param} | hammer(request.param, FADE)


def test_many_swaps_without_a_click(result):
    assert result["swaps"] >= result["wanted"]
    assert result["separate_cores"]
    assert result["largest_step"] <= result["bound"]


def test_nothing_leaks(result):
    assert result["alive_at_end"] == 1
    assert result["most_alive"] < 30  # four slots, the mailbox, and the rigs in the ring that wait to be freed
    assert result["memory_growth_bytes"] < 8e6


def test_retired_memory_is_never_used(result):
    """A poisoned rig holds step addresses of -1 and NaN samples: using one crashes or gives NaN."""
    assert result["finite"]
    assert result["non_finite_blocks"] == 0


def test_a_fade_of_one_frame_clicks():
    """The control: a hard switch exceeds the bound."""
    result = hammer(300, 1)
    assert result["largest_step"] > 3.0 * result["bound"]
