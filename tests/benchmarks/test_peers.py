"""Other libraries are timed only if their output agrees with the reference."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rtfx
from benchmarks import models
from benchmarks.__main__ import command
from benchmarks.models import Other, bench_models
from rtfx.errors import UsageError
from rtfx.model.reference import evaluate
from rtfx.plan import tuned
from tests.engine.rigs import tcn

ROOT = Path(__file__).parents[2]


def reference_stream(factor: float):
    """A library for tests: the whole past evaluated again at every block."""

    def stream(name, spec, block, sample_rate):
        past = np.zeros((spec.inputs, 0), np.float32)

        def process(x):
            nonlocal past
            past = np.concatenate([past, x], axis=1)
            return factor * evaluate(spec, past, sample_rate=sample_rate, cold=True)[:, -block:]

        return process

    return stream


@pytest.mark.parametrize(("factor", "timed"), [(1.0, True), (0.999, False)])
def test_outputs_are_compared_before_times(monkeypatch, factor, timed):
    monkeypatch.setattr(models, "check_installed", lambda name: None)
    monkeypatch.setattr(models, "stream", reference_stream(factor))
    (row,) = bench_models([("tcn", rtfx.Model(tcn(3)))], [1024], seconds=0.01, against=["fake"])
    other = row.against["fake"]
    assert (other.ns_per_sample is not None) == timed == (other.error_db < -80.0) == (not other.why)


def test_a_model_stretched_to_another_rate_is_not_compared(monkeypatch):
    monkeypatch.setattr(models, "check_installed", lambda name: None)
    (row,) = bench_models([("tcn", rtfx.load("klon"))], [64], 96000.0, seconds=0.01, against=["fake"])
    assert "Hz only" in row.against["fake"].why


def test_another_program_has_its_turns(tmp_path):
    log = tmp_path / "log"
    program = tmp_path / "peer.py"
    program.write_text(f"import sys\nopen({str(log)!r}, 'a').write(' '.join(sys.argv[1:]) + ';')\nprint('250.5 x')\n")
    command = f"{sys.executable} {program} {{model}} {{block}}"
    (row,) = bench_models([("a.json", rtfx.Model(tcn(3)))], [64], 48000.0, 0.05, command)
    assert row.against == {"command": Other(250.5, 250.5 / row.ns_per_sample)}
    assert log.read_text() == "a.json 64;" * 5


@pytest.mark.parametrize("command", [f"{sys.executable} -c pass", "/no/such/program {model}"])
def test_a_program_that_prints_no_number_is_named(command):
    with pytest.raises(UsageError, match="--against-command"):
        bench_models([("a", rtfx.Model(tcn(3)))], [64], 48000.0, 0.01, command)


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"torch is not installed: pip install torch"):
        bench_models([("tcn", rtfx.Model(tcn(3)))], [64], against=["torch"])
    with pytest.raises(UsageError, match="expected torch or onnxruntime"):
        bench_models([], [64], against=["tensorflow"])


def test_regret_is_measured_on_demand(monkeypatch):
    """Rows have the gain of a search and the cost of the worst choice for all layers; nothing is saved."""
    monkeypatch.setattr(tuned, "remember", None)
    model = rtfx.Model(tcn(3))
    (row,) = bench_models([("tcn", model)], [64], seconds=0.01)
    assert row.regret is None is row.worst
    (row,) = bench_models([("tcn", model)], [64], seconds=0.01, regret=True)
    assert 0.0 <= row.regret <= 10.0 and row.worst >= 0.0


def test_command_line(capsys):
    """Another program beside a model, as a table and as JSON; an error is one line."""

    def run(*words):
        line = [sys.executable, "-m", "benchmarks", *words]
        return subprocess.run(line, capture_output=True, text=True, cwd=ROOT, check=False)

    words = ["klon", "--block", "64", "--seconds", "0.05", "--against-command", f"{sys.executable} -c 'print(250.5)'"]
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert "command / ours" in done.stdout.splitlines()[0] and " 250.5 " in done.stdout
    done = run("--layers", "klon")
    assert done.returncode == 1 and done.stderr == (
        "benchmarks: --layers was given with a model, expected one of them: layers are made here\n"
    )
    command.main([*words, "--json"], standalone_mode=False)
    row = json.loads(capsys.readouterr().out)
    assert row["against"]["command"]["ns_per_sample"] == 250.5
