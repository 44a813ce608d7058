"""Mutants of model files, in a process of little memory: each is a checked spec or an RtfxError."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from rtfx.model import load

from . import fuzz

KINDS = 6  # of outcomes, at least: else the mutants are all alike


@pytest.mark.parametrize("mutants", [300, pytest.param(1000, marks=pytest.mark.slow)])
def test_mutants(mutants):
    command = [sys.executable, "-m", "tests.fuzz", "--mutants", str(mutants), "--seed", "1"]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=600)
    assert done.stdout, done.stderr[-2000:]
    figures = json.loads(done.stdout)
    assert figures["failures"] == [] and done.returncode == 0
    assert figures["mutants"] == sum(figures["outcomes"].values()) == mutants
    assert len(figures["outcomes"]) >= KINDS and figures["outcomes"]["spec"] > mutants // 50
    assert figures["peak_mb"] - figures["base_mb"] < fuzz.MEMORY >> 20


@pytest.mark.parametrize("wrong", [ValueError("not ours"), MemoryError(), fuzz.TooSlow()], ids=repr)
def test_what_must_not_happen_is_seen(monkeypatch, wrong):
    def check(spec):
        raise wrong

    monkeypatch.setattr(load, "check_limits", check)
    monkeypatch.setattr(fuzz, "_limit_memory", lambda: 0.0)
    figures = fuzz.run(60, 3)
    assert figures["failures"] and type(wrong).__name__ in figures["failures"][0]["error"]
